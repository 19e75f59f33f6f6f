"""IFBench's published labels and unit tests, in `upstream` mode."""

from __future__ import annotations

import json

from verifiers.instructions import build, check, check_all


def rows_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_published_label_of_the_sample_outputs_is_reproduced(shared_data):
    rows = rows_of(shared_data / "conformance" / "ifbench_sample_labelled.jsonl")
    wrong = []
    for row in rows:
        for strict, label in ((True, "expected_strict"), (False, "expected_loose")):
            ids = row["instruction_id_list"]
            got = check_all(ids, row["kwargs"], row["response"], mode="upstream", strict=strict)
            wrong += [(row["id"], ids, label)] if got != row[label] else []
    assert len(rows) >= 122
    assert not wrong


def test_the_official_unit_tests_pass(shared_data):
    rows = rows_of(shared_data / "conformance" / "ifeval_cases.jsonl")
    rows = [row for row in rows if row["source"] == "ifbench-unit"]
    wrong = [
        row["id"]
        for row in rows
        if check(row["instruction_id"], row["kwargs"], row["response"], mode="upstream") != row["expected"]
    ]
    assert len(rows) >= 62
    assert not wrong


def test_fixed_mode_differs_from_the_official_unit_tests_only_where_they_miss_a_capital(shared_data):
    rows = rows_of(shared_data / "conformance" / "ifeval_cases.jsonl")
    differing = {
        row["instruction_id"]
        for row in rows
        if row["source"] == "ifbench-unit"
        and check(row["instruction_id"], row["kwargs"], row["response"]) != row["expected"]
    }
    assert differing <= {"custom:european_capitals_sort"}


def test_every_published_prompt_can_be_built_and_described(shared_data):
    described = 0
    for row in rows_of(shared_data / "ifbench" / "IFBench_test.jsonl"):
        for name, kwargs in zip(row["instruction_id_list"], row["kwargs"], strict=True):
            described += bool(build(name, kwargs).describe())
    assert described > 300
