"""What the sets depend on, and that every one is audited before it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_tables import completions, labels, prompts

from curation.audit import Finding, Sources, audit
from curation.pairs import preference
from flows.build import _ranking, refuse_wrong_labels, stages
from flows.judge_modes import SCORES_FILE
from flows.pairs import Made
from flows.recipe import Recipe, validate_recipe
from labelers.judges.scores import JUDGE_SCORES
from store.errors import InputError
from store.shards import write_table


def voting(**sections: Any) -> Recipe:
    """A recipe whose prompts a vote and a judge may decide."""
    data = {
        "name": "voting",
        "engine": {"kind": "openai", "model": "m", "base_urls": ["http://127.0.0.1:9/v1"]},
        "prompts": {"source": "file", "path": "rows.jsonl"},
        "sample": {},
        "build": {"sets": ["preference", "ranking"]},
    }
    return validate_recipe(data | sections, "test")


def test_the_margin_of_the_vote_and_that_of_pairs_are_two_settings(tmp_path: Path):
    found = []
    for vote, pair in ((0.1, 1.0), (0.2, 1.0), (0.1, 2.0)):
        build = {"sets": ["preference"], "min_margin": pair}
        found.append(stages(tmp_path, voting(vote={"min_margin": vote}, build=build))[0].settings)
    assert found[0] != found[1] != found[2] != found[0]


def test_a_ranking_never_mixes_votes_with_the_scores_of_a_judge(tmp_path: Path):
    """The judge rated two of the four answers to p; q has votes alone."""
    rows = [("p", "p0", "j", 7.0), ("p", "p1", "j", 4.0)]
    write_table(pl.DataFrame(rows, JUDGE_SCORES, orient="row"), tmp_path / SCORES_FILE, JUDGE_SCORES)
    said = completions(p=["a", "b", "c", "d"], q=["a", "b"])
    made = Made(prompts("p", "q"), said, labels(p="+-+-", q="+-"), [])
    frame = _ranking(tmp_path, voting(vote={}, judge={"mode": "rating"}), made)[0]
    assert frame.select("prompt_id", "scores").rows() == [("p", [7, 4]), ("q", [1, 0])]


def test_a_set_with_a_wrong_label_stops_the_run_and_the_finding_is_named():
    tables = prompts("p"), completions(p=["one", "two"]), labels(p="+-")
    built = preference(*tables).table
    refuse_wrong_labels("preference", audit({"preference": built}, Sources(*tables)))
    flipped = Sources(*tables[:2], labels(p="-+"))
    with pytest.raises(
        InputError, match="preference set is not written.*preference_against_label at p0 > p1"
    ):
        refuse_wrong_labels("preference", audit({"preference": built}, flipped))


def test_a_finding_that_honest_labels_can_give_is_only_noted():
    always_first = Finding("preference", "chosen_by_position", "whole set", "the earlier sample is chosen")
    refuse_wrong_labels("preference", [always_first])
