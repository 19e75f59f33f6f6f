"""Every built set is audited before it is written."""

from __future__ import annotations

import pytest
from small_tables import completions, labels, prompts

from curation import sets
from curation.audit import Finding, Sources, audit
from flows.build import refuse_wrong_labels
from store.errors import InputError


def test_a_set_with_a_wrong_label_stops_the_run_and_the_finding_is_named():
    tables = prompts("p"), completions(p=["one", "two"]), labels(p="+-")
    built, _ = sets.preference(*tables, pairs_per_prompt=1)
    refuse_wrong_labels("preference", audit({"preference": built}, Sources(*tables)))
    flipped = Sources(*tables[:2], labels(p="-+"))
    with pytest.raises(
        InputError, match="preference set is not written.*preference_against_label at p0 > p1"
    ):
        refuse_wrong_labels("preference", audit({"preference": built}, flipped))


def test_a_finding_that_honest_labels_can_give_is_only_noted():
    always_first = Finding("preference", "chosen_by_position", "whole set", "the earlier sample is chosen")
    refuse_wrong_labels("preference", [always_first])
