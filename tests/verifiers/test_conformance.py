"""Published (gold, prediction, expected) rows of nine projects and of an issue tracker (see SOURCES.md)."""

import builtins
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from verifiers import math as verifiers_math
from verifiers.extraction import extract
from verifiers.math import equivalent, verify, verify_many
from verifiers.policy import DEFAULT, Policy

INJECTIONS = [
    "open('marker', 'w').write('x') or 0",
    r"\boxed{open('marker', 'w').write('x') or 0}",
    "The answer is __import__('pathlib').Path('marker').touch() or 0",
    r"\boxed{__import__('os').system('touch marker') or 0}",
    r"\boxed{exec('open(\"marker\",\"w\")') or 0}",
    "$eval(\"open('marker','w')\") or 0$",
    r"\boxed{(lambda: open('marker', 'w') and 0)()}",
    r"\boxed{[open('marker', 'w') for _ in [0]][0]}",
    r"\boxed{\text{open('marker','w')}0}",
    r"\boxed{sympify('open(\"marker\", \"w\")')}",
    r"\boxed{x.__class__.__mro__[1].__subclasses__() - x}",
]


def rows(data: Path, name: str) -> list[dict[str, Any]]:
    with (data / f"conformance/{name}.jsonl").open() as lines:
        return [json.loads(line) for line in lines]


def policy_of(row: dict[str, Any]) -> Policy:
    if "boxes_union" in row.get("policy", ""):
        return Policy(boxes="union")
    return Policy(choices="ABCD") if row["kind"] == "mcq_extract" else DEFAULT


def is_accepted(row: dict[str, Any], policy: Policy = DEFAULT) -> bool:
    return verify(row["gold"] or "", row["prediction"] or "", policy).status == "correct"


def test_core_rows_are_judged_as_their_sources_agree(shared_data: Path) -> None:
    core = [row for row in rows(shared_data, "math_equiv") if row["core"]]
    wrong = {row["id"]: row["expected"] for row in core if is_accepted(row) != row["expected"]}
    assert not [name for name, expected in wrong.items() if not expected], "false accepts"
    assert len(wrong) <= len(core) // 100, wrong


def test_rows_that_need_a_policy_are_right_under_it(shared_data: Path) -> None:
    union = [row for row in rows(shared_data, "math_equiv") if "boxes_union" in row.get("policy", "")]
    assert len(union) > 5
    assert [row["id"] for row in union if not is_accepted(row, policy_of(row))] == []
    for row in rows(shared_data, "math_equiv"):
        if row["kind"] == "mcq_extract":
            assert extract(row["prediction"], policy_of(row)).text == row["gold"]


def test_every_row_that_users_of_a_peer_reported_is_right(shared_data: Path) -> None:
    assert [r["id"] for r in rows(shared_data, "math_equiv_issues") if is_accepted(r) != r["expected"]] == []


def test_gold_and_bare_prediction_can_change_places(shared_data: Path) -> None:
    """Where neither text is a completion: extraction then has nothing to decide."""
    bare = [
        (row["gold"], row["prediction"])
        for row in rows(shared_data, "math_equiv")
        if row["core"] and row["prediction"] and max(len(row["gold"]), len(row["prediction"])) < 60
    ]
    asymmetric = [pair for pair in bare if equivalent(*pair) != equivalent(*reversed(pair))]
    assert len(bare) > 100 and asymmetric == []


def test_injected_programs_are_never_correct(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    published = [r["prediction"] for r in rows(shared_data, "math_equiv") if r["kind"] == "security"]
    for text in INJECTIONS + published:
        for gold in ("0", "x", "True", "None"):
            assert verify(gold, text, deadline=None).status != "correct", text
            assert verify(text, gold, deadline=None).status != "correct", text
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def no_evaluation(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Everything that turns a string into running code, or into sympy, raises."""
    verify(r"\sin^2 x + x", r"\boxed{1 + x - \cos^2 x}", deadline=None)  # imports come before the patches
    verify(r"\int_0^1 x\,dx + \lim_{x\to 0} x", r"\boxed{\sum_{k=1}^3 \frac{k}{12}}", deadline=None)
    import sympy
    from sympy.parsing import sympy_parser

    def refuse(*args: object, **kwargs: object) -> object:
        raise AssertionError(f"evaluates {args!r}")

    original = sympy.sympify

    def strict(a: object, *args: Any, **kwargs: Any) -> object:
        return refuse(a) if isinstance(a, (str, bytes)) else original(a, *args, **kwargs)

    for name in ("eval", "exec", "compile"):
        monkeypatch.setattr(builtins, name, refuse)
    for name in ("parse_expr", "eval_expr", "stringify_expr"):
        monkeypatch.setattr(sympy_parser, name, refuse)
    for module in [m for n, m in sys.modules.items() if n.split(".")[0] == "sympy"]:
        if getattr(module, "sympify", None) is original:
            monkeypatch.setattr(module, "sympify", strict)
    monkeypatch.setattr(type(sympy.S), "__call__", staticmethod(strict))
    for function in vars(verifiers_math).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()
    yield


def test_the_fixture_stops_every_way_to_evaluate_a_string(no_evaluation: None) -> None:
    import sympy

    attempts = (
        eval,
        exec,
        sympy.sympify,
        sympy.S,
        sympy.simplify,
        sympy.N,
        sympy.parsing.sympy_parser.parse_expr,
    )
    for attempt in attempts:
        with pytest.raises(AssertionError, match="evaluates"):
            attempt("1 + 1")  # type: ignore[operator]


def test_no_text_is_ever_evaluated(shared_data: Path, no_evaluation: None) -> None:
    every = rows(shared_data, "math_equiv") + rows(shared_data, "math_equiv_issues")
    pairs = [(row["gold"] or "", row["prediction"] or "") for row in every]
    pairs += [("0", text) for text in INJECTIONS]
    with (shared_data / "math500/test.jsonl").open() as lines:
        math500 = [json.loads(line) for line in lines]
    for row, other in zip(math500, math500[1:], strict=False):
        pairs += [(gold["answer"], row["solution"]) for gold in (row, other)]
    pairs += [
        (r"\cos 2x", r"1 - 2\sin^2 x"),
        (r"\sum_{k=1}^n k", r"\frac{n(n+1)}{2}"),
        (r"\int_0^1 x dx", "1/2"),
    ]
    verdicts = verify_many(pairs, workers=0)
    assert sum(v.status == "correct" for v in verdicts) > 600
    assert sum(v.method == "algebraic" for v in verdicts) > 20
