"""What the sets depend on, and that every one is audited before it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_tables import completions, labels, prompts

from curation.audit import Finding, Sources, audit
from curation.pairs import preference
from flows.build import VERDICTS_DIR, _ranking, refuse_wrong_labels, stages, work
from flows.judge_modes import SCORES_FILE
from flows.pairs import Made
from flows.prompt_tables import CLEAN
from flows.recipe import Recipe, validate_recipe
from flows.sample import COMPLETIONS_DIR
from flows.stage import Outcome
from labelers.judges.scores import JUDGE_SCORES
from store.errors import InputError
from store.shards import write_table
from store.tables import COMPLETION_VERDICTS, COMPLETIONS, PROMPTS


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


def outcome_of(folder: Path, verdicts: tuple[str, str], alike: bool, **build: Any) -> Outcome:
    """The outcome set of 40 prompts with two completions each, that have these verdicts."""
    long = " ".join(f"word{i}" for i in range(40))
    names = [f"p{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(40)]
    write_table(
        prompts(**{name: f"{long} {name}" if alike else name for name in names}), folder / CLEAN, PROMPTS
    )
    said = completions(**{name: ["one", "two"] for name in names})
    write_table(said, folder / COMPLETIONS_DIR / "0000.parquet", COMPLETIONS)
    rows = [(f"{name}{i}", name, "math", verdicts[i], None, "none") for name in names for i in range(2)]
    table = pl.DataFrame(rows, COMPLETION_VERDICTS, orient="row")
    write_table(table, folder / VERDICTS_DIR / "0000.parquet", COMPLETION_VERDICTS)
    recipe = voting(build={"sets": ["outcome"]} | build)
    return work(folder, recipe, stages(folder, recipe)[0])


def test_a_side_of_the_split_without_rows_is_said_and_why(tmp_path: Path, capsys: Any):
    fair = outcome_of(tmp_path, ("correct", "incorrect"), alike=False)
    assert "warning" not in fair.facts and min(fair.rows.values()) > 0
    for fraction, side in ((0.1, "test"), (0.97, "train")):
        facts = outcome_of(tmp_path, ("correct", "incorrect"), True, heldout_fraction=fraction).facts
        assert facts["warning"].startswith(f"no {side} rows: 40 prompts are 1 group(s)")
        assert f"build/outcome warning: {facts['warning']}" in capsys.readouterr().out
    assert "warning" not in outcome_of(tmp_path, ("correct", "incorrect"), True, heldout_fraction=0).facts


def test_labels_of_one_kind_cannot_be_balanced_to_nothing(tmp_path: Path):
    with pytest.raises(InputError, match="the outcome set is not written: all its labels are of one kind"):
        outcome_of(tmp_path, ("correct", "correct"), False, max_imbalance=2)
