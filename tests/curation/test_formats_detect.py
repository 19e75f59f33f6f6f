"""The format of a file is told from its rows, whatever a few of them hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curation.formats import FORMATS, TABLES, write_format
from curation.formats.detect import detect_format
from curation.formats.rows import attributes_row, outcome_row, preference_row, ranking_row, stepwise_row

Row = dict[str, Any]
QUESTION = [{"role": "user", "content": "How many?"}]
HELPSTEER = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
ALIKE = {  # names whose rows look the same
    "trl-margin": "trl-preference",
    "rlhflow-pairs": "trl-preference",  # without scores
    "openrlhf-steps-soft": "openrlhf-steps",
    "prm800k-negative": "prm800k-positive",
    "prm800k-drop": "prm800k-positive",
    "prm800k-class": "prm800k-positive",
}


def answer(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


ROWS = {
    "preference": preference_row(QUESTION, answer("two"), answer("three"), 2.0),
    "ranking": ranking_row(QUESTION, [answer(t) for t in ("two", "three", "four")], [2.5, 1.0, 0.5]),
    "outcome": outcome_row(QUESTION, answer("two"), True),
    "stepwise": stepwise_row(QUESTION, ["a\n", "b"], [True, False], "x", [0.75, 0.0]),
    "attributes": attributes_row(QUESTION, answer("two"), dict.fromkeys(HELPSTEER, 3.0)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_format_writes_is_recognised(name: str) -> None:
    written, _ = write_format(name, pl.DataFrame([ROWS[FORMATS[name].table]] * 3))
    found = detect_format(written)
    assert found[0] == ALIKE.get(name, name) and name in found


def test_published_rows_are_recognised(shared_data: Path) -> None:
    samples = shared_data / "format_samples"
    for file, name in (
        ("samples_math-shepherd", "math-shepherd"),
        ("samples_math-aps", "math-aps"),
        ("samples_prm800k", "prm800k-positive"),
    ):
        with open(samples / f"{file}.jsonl", encoding="utf-8") as lines:
            assert detect_format(map(json.loads, lines))[0] == name
    rows = json.loads((shared_data / "processbench/gsm8k.json").read_text(encoding="utf-8"))
    assert detect_format(rows) == ["processbench"]


def test_rows_that_are_damaged_do_not_change_the_format() -> None:
    pair = {"prompt": "?", "chosen": "a", "rejected": "b", "subset": "s", "id": 1}
    assert detect_format([pair, pair | {"rejected": "a"}, pair | {"chosen": ""}])[0] == "rewardbench"
    scored = {"chosen": QUESTION + answer("a"), "rejected": QUESTION + answer("b")}
    scored |= {"chosen_score": 2, "rejected_score": 1}
    assert detect_format([scored])[0] == "rlhflow-pairs"
    group = {"prompt": "?", "completions": ["a", "b"], "rewards": [1, 0]}
    assert detect_format([group])[0] == "rollouts"
    assert detect_format([group | {"rewards": [0.5, 2]}])[0] == "scored-rollouts"
    assert detect_format([pair, pair, {"text": "no pair"}, pair, 7])[0] == "rewardbench"


def test_a_format_that_can_read_none_of_the_rows_comes_behind_those_that_can() -> None:
    whole = {"prompt": "How many?", "prompt_id": "x", "messages": [], "score_chosen": 8.0}
    whole |= {"chosen": QUESTION + answer("a"), "rejected": QUESTION + answer("b")}  # as in UltraFeedback
    assert detect_format([whole])[0] == "trl-preference"


def test_a_process_chat_is_no_outcome_chat() -> None:
    turns = [{"role": "user", "content": "Q? Step 1: a"}, {"role": "assistant", "content": "+"}]
    assert detect_format([{"conversations": turns}])[0] == "rlhflow-outcome"
    assert detect_format([{"conversations": turns}, {"conversations": turns * 2}])[0] == "rlhflow-steps"


def test_rows_of_no_format_are_not_forced_into_one() -> None:
    assert detect_format([]) == []
    assert detect_format([{"text": "a"}, {"question": "b", "answer": "c"}]) == []
    assert detect_format([{"prompt": "?", "chosen": "a", "rejected": "b"}, {"text": "a"}]) == []
    assert set(detect_format([{"prompt": "?", "completion": "a"}])) <= set(TABLES)  # no label: unlabelled
