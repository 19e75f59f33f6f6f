"""Answers made to hang, flood, crash or take over the checker: each is bounded, and none is ever correct.

Every hostile text stands once as the prediction and once as the gold. The statuses may be `limit`,
`timeout`, `unparseable` and so on; what is asserted is that no wrong text is called right, that the deadline
holds, and that nothing in the text runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from fuzz_inputs import pumped

from verifiers.math import verify, verify_many
from verifiers.policy import DEFAULT, Policy

DEADLINE = 0.1
SLACK = 1.0  # start of the first worker, and a loaded machine
ROOT = Path(__file__).resolve().parents[2]

TOWERS = [
    "9**9**9**9",
    "9^{9^{9^9}}",
    "9^9^9^9",
    r"5^{(5^{(5^{(5^{5})})})}",
    "5^(5^(5^(5^5)))",
    "100000000!",
    "((10!)!)!",
    "10!!!!!!",
    "3^{1e9}",
    "3^{1000000000}",
    "2^{-1000000000}",
    "(1+10^{-9})^{10^9}",
    "1.0000001^{10^8}",
    r"7^{7^{7}} \bmod 1000000007^{100000}",
    r"\sum_{n=1}^{100000000} \frac{1}{n^2}",
    r"\sum_{n=1}^{10^8} n!",
    r"\prod_{n=1}^{10^8} n",
    r"\binom{100000000}{50000000}",
    r"\binom{10^8}{5 \cdot 10^7}",
    r"\int_0^{10^6} \sin(x^{x^x})\,dx",
    r"\int_0^\infty \frac{\sin(x^7)\ln(1+x^{11})}{\sqrt[5]{x^{13}+\cosh x}}\,dx",
    r"\int \int \int e^{x^2 y^3 z^5 \tan(xyz)}\,dx\,dy\,dz",
    r"\lim_{x\to 0} \frac{(1+x)^{1/x^{99}}-e^{x^{-98}}}{\sin^{77} x}",
    r"(x+y+z+w+v+u)^{200}",
    r"(x+1)^{100000}",
    r"\sqrt{2}" + "".join(rf"+\sqrt{{{p}}}" for p in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)),
    r"\frac{1}{" + "+".join(rf"\sqrt[{n}]{{{n + 1}}}" for n in range(2, 12)) + "}",
    r"\sin(10^{10^{10}})",
    r"\log_{2}(3^{10^{12}})",
    r"e^{e^{e^{e^{e}}}}",
    r"\gcd(10^{10^6}, 3^{10^6})",
    r"10^{10^6} \bmod 7^{10^5}",
    r"\det\begin{pmatrix}" + r"\\".join("&".join(f"x_{{{i * 9 + j}}}" for j in range(9)) for i in range(9))
    + r"\end{pmatrix}",
    "1e1000000000",
    "1e-1000000000",
    r"1 \times 10^{99999999999}",
    "0." + "0" * 3_000 + "1",
    r"0.\overline{" + "123456789" * 100 + "}",
]  # fmt: skip

FLOODS = [
    "9" * 1_000_000,
    "0." + "3" * 1_000_000,
    "(" * 1_000 + "1" + ")" * 1_000,
    "(" * 2_000,
    "{" * 2_000 + "1" + "}" * 2_000,
    r"\sqrt{" * 500 + "2" + "}" * 500,
    r"\frac{1}{" * 300 + "2" + "}" * 300,
    r"\left(" * 1_000,
    "-" * 10_000 + "1",
    "1+" * 5_000 + "1",
    "x^" * 2_000 + "x",
    "1," * 100_000 + "1",
    "1 " * 500_000,
    r"\frac" * 100_000,
    "a" * 1_000_000,
    "!" * 4_000,
    "'" * 4_000,
    r"\begin{pmatrix}" + "1 & " * 1_300 + r"1\end{pmatrix}",
    r"\text{" * 600 + "5",
    "1/" * 2_000 + "1",
    "1:" * 2_000 + "1",
    "1,234" * 800,
    r"\pm" * 60 + "1",
    r"1 \pm 1" + r" \pm 1" * 40,
    "|" * 4_000,
    "|x" * 2_000,
    "x=" * 2_000 + "5",
    "5 or " * 800 + "5",
    r"\cup[0,1]" * 400,
    " " * 900_000 + "7x",
    "\n" * 900_000 + "7x",
    "1\u0301" * 2_000,
]

TEXTS = [
    r"\boxed{" * 100_000,
    r"\boxed{" * 100_000 + "8" + "}" * 100_000,
    r"\boxed{8}" * 100_000,
    "answer " * 143_000,
    "the answer is " * 70_000,
    "The final answer is: " * 47_000 + "8",
    "#### " * 200_000,
    "#### 8\n" * 140_000,
    "<answer>" * 120_000,
    "<think>" * 140_000,
    "</think>" * 120_000,
    "$" * 1_000_000,
    "$1$ " * 250_000,
    r"\[ 1 \] " * 120_000,
    "1 " * 500_000,
    "= " * 500_000,
    "so 8 = 8, " * 100_000,
    r"\boxed{" + "1+" * 5_000 + "1}",
    r"\boxed{" + "9" * 999_000 + "}",
    "**Answer" * 120_000,
    "Answer:\n" * 120_000,
    "A: " * 330_000,
    "*" * 990_000 + "The answer is 5. answer answer",
    "x\n" + "=" * 900_000 + " answer" * 10,
    "{" * 999_999,
    "}" * 999_999,
    "\\" * 999_999,
    "8" + " " * 999_000,
    "therefore " * 99_000 + "8 apples",
]

PAYLOADS = [
    "__import__('pathlib').Path('MARK').touch()",
    "__import__('os').system('touch MARK') or 0",
    "open('MARK','w').write('x') or 0",
    "[open('MARK','w') for _ in [0]] or 0",
    "exec(\"open('MARK','w')\") or 0",
    "eval(\"open('MARK','w')\")",
    "(lambda: open('MARK','w'))() or 0",
    "().__class__.__base__.__subclasses__()",
    "(1).__class__.__mro__[1].__subclasses__() or 0",
    "globals()['__builtins__']['open']('MARK','w') or 0",
    "''.__class__.__mro__[1].__subclasses__()[104].load_module('os').system('touch MARK')",
    "sympify(\"open('MARK','w')\")",
    "lambdify((), \"__import__('os').system('touch MARK')\", modules='sympy')()",
    "Symbol(\"__import__('os').system('touch MARK')\")",
    "Integer(__import__('os').system('touch MARK'))",
    "S(\"__import__('pathlib').Path('MARK').touch()\")",
    "Function('f')(open('MARK','w'))",
    "x.__init__.__globals__['os'].system('touch MARK')",
    "f\"{open('MARK','w')}\"",
    "`touch MARK`",
    "$(touch MARK)",
    "x; import os; os.system('touch MARK')",
    "import os\nos.system('touch MARK')",
    "pickle.loads(b\"cposix\\nsystem\\n(S'touch MARK'\\ntR.\")",
    "yaml.load('!!python/object/apply:os.system [\"touch MARK\"]')",
    r"\input{MARK}",
    r"\include{MARK}",
    r"\write18{touch MARK}",
    r"\immediate\write18{touch MARK}",
    r"\openout\myfile=MARK \write\myfile{x}",
    r"\directlua{io.open('MARK','w')}",
    r"\csname @@input\endcsname MARK",
    r"\def\x{\x\x}\x",
    r"\newcommand{\x}{\x\x}\x",
    r"\text{__import__('os').system('touch MARK')}",
    r"\operatorname{exec}(\text{open('MARK','w')})",
    r"\sqrt{__import__('os').system('touch MARK')}",
    r"\frac{open('MARK','w')}{1}",
    "x_{__import__('os').system('touch MARK')}",
    "{{7*7}} ${7*7} <%= system('touch MARK') %>",
    "'; DROP TABLE verdicts; --",
]


def bounded(gold: str, prediction: str, policy: Policy = DEFAULT) -> str:
    """The status, which must come in time."""
    begin = time.monotonic()
    status = verify(gold, prediction, policy, deadline=DEADLINE).status
    seconds = time.monotonic() - begin
    assert seconds < DEADLINE + SLACK, f"{status} after {seconds:.2f} s"
    return status


def name(text: str) -> str:
    return f"{text[:24]}...{len(text)}" if len(text) > 40 else text


@pytest.fixture(scope="module", autouse=True)
def started_workers() -> None:
    """The start of the workers is not part of any deadline."""
    verify("x^2-1", r"\boxed{(x-1)(x+1)}", deadline=60.0)


@pytest.mark.parametrize("text", TOWERS + FLOODS, ids=name)
def test_a_hostile_answer_is_bounded_and_never_correct(text: str) -> None:
    assert bounded("17", text) != "correct"
    assert bounded("17", rf"\boxed{{{text}}}") != "correct"
    assert bounded(r"\sqrt{17}", f"The answer is ${text}$.") != "correct"


@pytest.mark.parametrize("text", TOWERS + FLOODS, ids=name)
def test_a_hostile_gold_is_bounded_and_never_matched(text: str) -> None:
    assert bounded(text, r"\boxed{17}") not in ("correct", "timeout") or len(text) < 4_096
    assert bounded(rf"\boxed{{{text}}}", r"\boxed{x^2+17}") != "correct"


@pytest.mark.parametrize("text", TOWERS, ids=name)
def test_a_hostile_answer_is_not_its_neighbour(text: str) -> None:
    assert bounded(text, rf"\boxed{{{text}+1}}") != "correct"


@pytest.mark.parametrize("text", TEXTS, ids=name)
def test_a_hostile_text_is_searched_in_time(text: str) -> None:
    assert bounded("17", text) != "correct"
    assert (
        bounded("17", text[:500_000] + " and then 5 " + text[:499_000], Policy(last_number=True)) != "correct"
    )
    assert bounded(text, r"\boxed{17}") != "correct"


def test_no_piece_repeated_makes_a_pattern_try_every_split() -> None:
    for number in range(300):
        text = pumped(Random(number))
        begin = time.process_time()
        verify("17", text, deadline=DEADLINE)
        assert time.process_time() - begin < 1.0, f"pumped({number}), {len(text)} characters"


@pytest.mark.parametrize("payload", PAYLOADS, ids=name)
@pytest.mark.parametrize("deadline", [None, DEADLINE], ids=["inline", "worker"])
def test_no_payload_runs_or_is_correct(payload: str, deadline: float | None, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    text = payload.replace("MARK", str(marker))
    for gold, prediction in (
        ("0", text),
        ("0", rf"\boxed{{{text}}}"),
        ("0", f"The answer is {text}"),
        (text, "0"),
    ):
        assert verify(gold, prediction, deadline=deadline).status != "correct"
    assert not marker.exists()


def test_one_hostile_answer_costs_no_neighbour_its_verdict() -> None:
    good = [(f"x^2-{n * n}", rf"\boxed{{(x-{n})(x+{n})}}") for n in range(2, 12)]
    pairs = [pair for pair, text in zip(good, TOWERS, strict=False) for pair in (pair, ("x^2+17", text))]
    verdicts = verify_many(pairs, workers=1, deadline=DEADLINE)
    assert [verdict.status for verdict in verdicts[::2]] == ["correct"] * 10
    assert "correct" not in {verdict.status for verdict in verdicts[1::2]}


@pytest.mark.parametrize("ground_types", ["python", "gmpy"])
def test_verdicts_do_not_depend_on_the_integers_sympy_uses(ground_types: str) -> None:
    """The same hostile list in a process with the other integers, whose C code no signal can interrupt."""
    if ground_types == "gmpy":
        pytest.importorskip("gmpy2")
    script = """
import json, sys
from verifiers.math import verify
print(json.dumps([verify(g, p, deadline=0.1).status for g, p in json.load(sys.stdin)]))
"""
    pairs = [("x^2+17", text) for text in TOWERS]
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(pairs),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "SYMPY_GROUND_TYPES": ground_types},
        timeout=120,
    )
    statuses = json.loads(done.stdout)
    decided = [status for status in statuses if status in ("correct", "incorrect")]
    assert "correct" not in decided
    here = [verify(gold, prediction, deadline=DEADLINE).status for gold, prediction in pairs]
    both = [(a, b) for a, b in zip(statuses, here, strict=True) if "timeout" not in (a, b)]
    assert all(a == b for a, b in both)
