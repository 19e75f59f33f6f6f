"""Planted label defects, one kind a test; the builders' own output is clean."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from small_tables import completions, labels, prompts, steps

from curation.audit import Auditor, Sources, audit, audit_split
from curation.pairs import preference
from curation.sets import outcome, ranking, stepwise

ASKED = prompts("p", "q")
SAID = completions(p=["one\ntwo", "wrong", "right"], q=["yes", "no"])
MARKS = labels(p="+-+", q="+-")
SOURCES = Sources(ASKED, SAID, MARKS)


def built() -> dict[str, pl.DataFrame]:
    scores = MARKS.select("completion_id", score=pl.col("label").cast(pl.Float64))
    return {
        "preference": preference(ASKED, SAID, MARKS)[0],
        "outcome": outcome(ASKED, SAID, MARKS)[0],
        "ranking": ranking(ASKED, SAID, scores)[0],
        "stepwise": stepwise(ASKED, SAID, steps(p0=("+-", ["one\n", "two"])))[0],
    }


def checks(name: str, rows: list[dict[str, Any]]) -> set[str]:
    auditor = Auditor(name, name, SOURCES)
    auditor.add(pl.DataFrame(rows, schema=built()[name].schema))
    return {found.check for found in auditor.close().found}


MESSAGE = pl.Struct({"role": pl.String, "content": pl.String})


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def swapped_ids(row: dict[str, Any]) -> dict[str, Any]:
    return {"chosen_id": row["rejected_id"], "rejected_id": row["chosen_id"]}


def swapped_texts(row: dict[str, Any]) -> dict[str, Any]:
    return {"chosen": row["rejected"], "rejected": row["chosen"]}


def test_what_the_builders_make_is_clean() -> None:
    assert audit(built(), SOURCES) == []


@pytest.mark.parametrize(
    ("name", "check", "change"),
    [
        ("preference", "same_text", lambda r: {"rejected": r["chosen"]}),  # tied ratings, distilabel dpo.py
        ("preference", "labelled_both_ways", swapped_texts),
        ("preference", "preference_against_label", swapped_ids),
        ("preference", "answer_to_another_prompt", lambda r: {"chosen_id": "q0"}),  # joined by position
        ("preference", "prompt_text_differs", lambda r: {"prompt_id": "q"}),
        ("preference", "unknown_completion", lambda r: {"chosen_id": "p99"}),
        ("preference", "unknown_prompt", lambda r: {"prompt_id": "zz"}),
        ("preference", "completion_text_differs", lambda r: {"chosen": said("x")}),
        ("preference", "empty_text", lambda r: {"chosen": said(" ")}),
        ("preference", "no_preference", lambda r: {"soft": 0.5}),  # a coin flip in place of a verdict
        ("preference", "margin_against_choice", lambda r: {"margin": -1.0}),
        ("preference", "tie_as_preference", lambda r: {"margin": 0.0}),  # equal ratings, one of them chosen
        ("outcome", "labelled_both_ways", lambda r: {"label": not r["label"]}),
        ("outcome", "label_differs", lambda r: {"label": not r["label"]}),
        ("outcome", "label_missing", lambda r: {"label": None}),
        ("outcome", "empty_text", lambda r: {"completion": said("\n")}),
        ("outcome", "id_reused", lambda r: {"completion": said("x")}),
        ("ranking", "lengths_differ", lambda r: {"scores": r["scores"][:-1]}),
        ("ranking", "all_equal", lambda r: {"scores": [1.0] * len(r["scores"])}),
        ("ranking", "score_missing", lambda r: {"scores": [float("nan"), *r["scores"][1:]]}),
        ("ranking", "same_text", lambda r: {"completions": r["completions"][:1] * len(r["completions"])}),
        ("stepwise", "lengths_differ", lambda r: {"labels": r["labels"][:-1]}),
        ("stepwise", "label_missing", lambda r: {"labels": [None, False]}),  # every step unlabelled
        ("stepwise", "completion_text_differs", lambda r: {"completions": ["one", "tw"]}),  # chopped text
        ("stepwise", "empty_text", lambda r: {"completions": ["one\ntwo", ""]}),
        ("stepwise", "value_out_of_range", lambda r: {"values": [1.5, 0.0]}),
        ("stepwise", "label_against_value", lambda r: {"labels": [True, True]}),
        ("stepwise", "labelled_both_ways", lambda r: {"labels": [False, False]}),
        ("stepwise", "prefix_labelled_both_ways", lambda r: {"labels": [False, False]}),
        ("stepwise", "right_after_wrong", lambda r: {"labels": [False, True]}),
        ("stepwise", "step_without_content", lambda r: {"completions": ["Step 1:", "two"]}),
        ("stepwise", "step_marks_in_text", lambda r: {"completions": ["one ки\n", "two"]}),
        ("stepwise", "weak_step_called_right", lambda r: {"values": [0.25, 0.0]}),
    ],
)  # fmt: skip
def test_a_planted_defect_is_found(name: str, check: str, change: Any) -> None:
    good = built()[name].to_dicts()
    assert check in checks(name, [*good, good[0] | change(good[0])])


def test_rows_shifted_by_one_are_found() -> None:
    """One dropped row before a join by position gives every later prompt its neighbour's answers."""
    frame = built()["preference"]
    columns = ["chosen", "rejected", "chosen_id", "rejected_id"]
    shifted = frame.with_columns(pl.col(columns).shift(1)).slice(1)
    found = {finding.check for finding in audit({"preference": shifted}, SOURCES)}
    assert "answer_to_another_prompt" in found


def test_repeated_rows_are_found() -> None:
    for name in ("preference", "outcome"):
        rows = built()[name].to_dicts()
        assert "duplicate_row" in checks(name, [*rows, rows[0]])


def test_a_choice_that_only_follows_position_is_found() -> None:
    names = [f"m{i}x" for i in range(25)]
    asked, said = prompts(*names), completions(**dict.fromkeys(names, ["first", "second"]))
    sources = Sources(asked, said)
    always_first = preference(asked, said, labels(**dict.fromkeys(names, "+-"))).table
    assert {f.check for f in audit({"preference": always_first}, sources)} == {"chosen_by_position"}
    mixed = preference(asked, said, labels(**{n: "+-" if i % 2 else "-+" for i, n in enumerate(names)})).table
    assert audit({"preference": mixed}, sources) == []


def test_a_label_where_the_evidence_is_undecided_is_found() -> None:
    """A reply that nobody could read is no label, and least of all `wrong` (NeMo-Skills)."""
    frame = built()["outcome"]
    undecided = Sources(ASKED, SAID, labels(p="+?+", q="+-"))
    assert [f.check for f in audit({"outcome": frame}, undecided)] == ["label_without_evidence"]


def test_the_set_goes_through_in_batches_of_any_size() -> None:
    """Findings across rows must not depend on which rows came together."""
    for name, frame in built().items():
        rows = frame.to_dicts()
        whole = pl.DataFrame([*rows, *rows, *rows], schema=frame.schema)
        reports = []
        for size in (1, 2, whole.height):
            auditor = Auditor(name, name, SOURCES)
            for batch in whole.iter_slices(size):
                auditor.add(batch)
            reports.append(auditor.close().to_dict())
        assert reports[0] == reports[1] == reports[2]
        assert [f["check"] for f in reports[0]["findings"]][:1] == ["duplicate_row"]


def test_a_share_is_of_the_rows_that_could_have_it() -> None:
    rows = built()["preference"].to_dicts()
    auditor = Auditor("preference", "ours")
    auditor.add(pl.DataFrame([*rows, rows[0] | {"soft": 0.5}], schema=built()["preference"].schema))
    (found,) = (one for one in auditor.close().found if one.check == "no_preference")
    assert (found.count, found.out_of, found.share) == (1, len(rows) + 1, 1 / (len(rows) + 1))


def test_a_prompt_on_both_sides_of_a_split_is_found() -> None:
    frame = built()["outcome"]
    train, test = frame.filter(prompt_id="p"), frame.filter(prompt_id="q")
    assert audit_split(train, test) == []
    assert [f.check for f in audit_split(frame, test)] == ["prompt_in_both_splits"]
    renamed = train.with_columns(prompt_id=pl.lit("other"))
    assert [f.detail for f in audit_split(train, renamed)] == ["same text"]
    shouted = renamed.with_columns(prompt=pl.lit([{"role": "user", "content": "P!"}], pl.List(MESSAGE)))
    assert [f.detail for f in audit_split(train, shouted)] == ["same words"]
