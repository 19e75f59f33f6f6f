"""The verifier on real model output with published labels (sources: ../shared/data/SOURCES.md)."""

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from verifiers.math import Policy, equivalent, verify, verify_many

KNOWN_LABEL_ERRORS = {
    "gsm8k-70",
    "gsm8k-74",
}  # ProcessBench calls them wrong, yet they end in the gold answer


@pytest.fixture(scope="module")
def gsm8k_solutions(shared_data: Path) -> list[tuple[str, str, bool]]:
    """(ground truth, solution, is_correct) of four models on 1,319 problems."""
    with (shared_data / "gsm8k/example_model_solutions.jsonl").open() as lines:
        problems = [json.loads(line) for line in lines]
    return [
        (problem["ground_truth"], model["solution"], model["is_correct"])
        for problem in problems
        for model in problem.values()
        if isinstance(model, dict)
    ]


def test_every_published_gsm8k_flag_is_reproduced(gsm8k_solutions: list[tuple[str, str, bool]]) -> None:
    verdicts = verify_many((gold, solution) for gold, solution, _ in gsm8k_solutions)
    flags = [is_correct for _, _, is_correct in gsm8k_solutions]
    assert len(flags) == 5276
    assert [v.status == "correct" for v in verdicts] == flags
    undecided = Counter(v.status for v in verdicts) - Counter(correct=5276, incorrect=5276)
    assert undecided == Counter(no_answer=10, unparseable=1)  # runaway generations, and "10+John's age"


def test_gsm8k_solutions_are_checked_at_twenty_thousand_a_second(
    gsm8k_solutions: list[tuple[str, str, bool]],
) -> None:
    pairs = [(gold, solution) for gold, solution, _ in gsm8k_solutions]
    rates = []
    for _ in range(3):  # the best of three: other work shares the machine
        started = time.process_time()
        verify_many(pairs)
        rates.append(len(pairs) / (time.process_time() - started))
    assert max(rates) > 20_000, f"{max(rates):.0f} checks/s"


def test_math500_golds_match_their_own_solution_and_no_other(shared_data: Path) -> None:
    with (shared_data / "math500/test.jsonl").open() as lines:
        rows = [json.loads(line) for line in lines]
    assert all(verify(row["answer"], row["solution"]).status == "correct" for row in rows)
    answers = [row["answer"] for row in rows]
    for row, other in zip(rows, answers[1:] + answers[:1], strict=True):
        accepted = verify(other, row["solution"]).status == "correct"
        assert accepted == equivalent(other, row["answer"])


@pytest.mark.parametrize(("policy", "agreeing"), [(Policy(), 386), (Policy(last_number=True), 396)])
def test_processbench_final_answers(shared_data: Path, policy: Policy, agreeing: int) -> None:
    golds = {}
    for name in ("train", "test"):
        with (shared_data / f"gsm8k/{name}.jsonl").open() as lines:
            golds |= {row["question"].strip(): row["answer"] for row in map(json.loads, lines)}
    rows = json.loads((shared_data / "processbench/gsm8k.json").read_text())
    agreed, accepted_wrongly = 0, set()
    for row in rows:
        right = verify(golds[row["problem"].strip()], "\n\n".join(row["steps"]), policy).status == "correct"
        agreed += right == row["final_answer_correct"] or row["id"] in KNOWN_LABEL_ERRORS
        if right and not row["final_answer_correct"]:
            accepted_wrongly.add(row["id"])
    assert agreed >= agreeing
    assert accepted_wrongly == KNOWN_LABEL_ERRORS


@pytest.mark.parametrize("name", ["math_equiv", "math_equiv_issues"])
def test_no_conformance_row_is_accepted_falsely(shared_data: Path, name: str) -> None:
    with (shared_data / f"conformance/{name}.jsonl").open() as lines:
        rows = [json.loads(line) for line in lines]
    core = [row for row in rows if row.get("core", True) or row["kind"] == "security"]
    accepted = {
        row["id"] for row in core if verify(row["gold"] or "", row["prediction"] or "").status == "correct"
    }
    assert accepted <= {row["id"] for row in core if row["expected"]}
    if name == "math_equiv":
        right = sum((row["id"] in accepted) == row["expected"] for row in core if row["core"])
        assert right >= 142, f"{right} of 185 core rows; expressions need the algebraic stage"
