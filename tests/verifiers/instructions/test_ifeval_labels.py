"""The official labels, in `upstream` mode, and the official unit tests, in both."""

from __future__ import annotations

import json

import pytest

from verifiers.instructions import check, check_all


def rows_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("strictness", ["strict", "loose"])
def test_every_stable_published_label_is_reproduced(shared_data, strictness):
    rows = rows_of(shared_data / "conformance" / "ifeval_gpt4_labelled.jsonl")
    wrong, compared = [], 0
    for row in rows:
        ids = row["instruction_id_list"]
        got = check_all(
            ids,
            row["kwargs"],
            row["response"],
            prompt=row["prompt"],
            mode="upstream",
            strict=strictness == "strict",
        )
        for index, (name, ours, label) in enumerate(
            zip(ids, got, row[f"expected_{strictness}"], strict=True)
        ):
            if index not in (row["unstable_index"] or []):
                compared += 1
                wrong += [(row["id"], name)] if ours != label else []
    assert compared > 300
    assert not wrong


@pytest.mark.parametrize("mode", ["upstream", "fixed"])
def test_the_official_unit_tests_pass_in_both_modes(shared_data, mode):
    rows = rows_of(shared_data / "conformance" / "ifeval_cases.jsonl")
    rows = [row for row in rows if row["source"] == "ifeval-unit"]
    wrong = [
        row["id"]
        for row in rows
        if check(row["instruction_id"], row["kwargs"], row["response"], mode=mode) != row["expected"]
    ]
    assert len(rows) >= 36
    assert not wrong


def test_every_published_prompt_can_be_built_and_described(shared_data):
    from verifiers.instructions import build

    for row in rows_of(shared_data / "ifeval" / "input_data.jsonl"):
        for name, kwargs in zip(row["instruction_id_list"], row["kwargs"], strict=True):
            assert build(name, {**kwargs, "unused_padding": None}).describe()
