"""Inputs for the fuzz harness: real texts, mutations of them, and pairs of answers whose relation is known.

The pairs carry their own truth: values are computed here with exact fractions, or the identity is built in,
so a verdict can be called wrong without asking another checker.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

MAX_TEXT = 20_000  # longer ones are built on purpose, by `inflate`
TOKENS = (
    r"\boxed{ \boxed \fbox{ \frac{ \frac12 \dfrac{1}{2} \sqrt{ \sqrt[3]{ \left( \right) \left[ \right]"
    r" \text{ } \text{cm} \mathrm{e} \mbox{ \begin{pmatrix} \end{pmatrix} \begin{cases} & \\ \{ \} \cup"
    r" \cap \infty \pi \pm \mp \cdot \times \div \le \ge \neq \in \approx \equiv ^\circ ^{ ^ _ _{ ! % \%"
    r" \$ $ $$ \( \) \[ \] { } ( ) [ ] | || , ; : = < > + - * / ** // . .. ... \ldots \dots ' '' \, \;"
    r" \! \ \quad ~ & # @ \sin \cos \tan \log_{ \ln \exp \lim_{x\to0} \sum_{n=1}^{ \prod \int_0^1"
    r" \binom{ \overline{ \angle 0 1 2 9 10 12 100 1,000 1{,}000 1\,000 1e9 1e-9 0.5 .5 3. 1/2"
    r" 1\frac{1}{2} 0.\overline{3} 12:30 10_2 2:3 x y n i e pi oo inf nan None True and or the answer is"
    r" Answer: #### <answer> </answer> <think> </think> final A B (A) cm km/h \unit{m} dollars degrees"
    r" percent square feet \mathbb{R} \emptyset \varnothing \input{/etc/passwd} __import__ eval( lambda"
    r" 10^{10^{10}} 9!! factorial( sqrt( x^2 \left. \right| \middle|"
).split(" ")
ODD = list(
    " \n\t\u00a0\u2212\u00d7\u03c0\u221a\u00b0\u00bd\u221e\u0661\uff11\u2082\u00b2"
    "\u200b\u2028\ud800\x00\u0301\U0001d7d9\u202e\u0130\u00df\ufdfa\u2215\u2044\u066a\uff05\u20ac"
)


@dataclass
class Corpus:
    """Real material to start from; `checks` are (instruction ids, kwargs, prompt, response)."""

    answers: list[str] = field(default_factory=list)
    golds: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    checks: list[tuple[list[str], list[dict[str, Any]], str, str]] = field(default_factory=list)


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def read_corpus(data: Path) -> Corpus:
    corpus = Corpus()
    for row in _rows(data / "math500/test.jsonl"):
        corpus.answers.append(row["answer"])
        corpus.golds.append(row["answer"])
        corpus.texts.append(row["solution"])
    for name in ("math_equiv", "math_equiv_issues"):
        for row in _rows(data / f"conformance/{name}.jsonl"):
            corpus.answers += [str(row["gold"]), str(row["prediction"])]
    corpus.texts += [row["answer"] for row in _rows(data / "gsm8k/test.jsonl")[:300]]
    steps = json.loads((data / "processbench/gsm8k.json").read_text())
    corpus.texts += ["\n\n".join(row["steps"]) for row in steps]
    responses = {
        row["prompt"]: row["response"]
        for row in _rows(data / "ifeval/input_response_data_gpt4_20231107_145030.jsonl")
    }
    for row in _rows(data / "ifeval/input_data.jsonl") + _rows(data / "ifbench/IFBench_test.jsonl"):
        response = responses.get(row["prompt"], row["prompt"])
        corpus.checks.append((row["instruction_id_list"], row["kwargs"], row["prompt"], response))
    return corpus


def mutate(text: str, rng: Random, corpus: Corpus) -> str:
    """`text` after a few random edits."""
    for _ in range(rng.choice((1, 1, 2, 3, 5, 9))):
        text = rng.choice(MUTATIONS)(text, rng, corpus)[:MAX_TEXT]
    return inflate(text, rng, corpus) if rng.random() < 0.03 else text


def _span(text: str, rng: Random) -> tuple[int, int]:
    start = rng.randrange(len(text) + 1)
    return start, min(len(text), start + rng.choice((1, 1, 2, 4, 8, 30)))


def delete(text: str, rng: Random, corpus: Corpus) -> str:
    start, end = _span(text, rng)
    return text[:start] + text[end:]


def duplicate(text: str, rng: Random, corpus: Corpus) -> str:
    start, end = _span(text, rng)
    return text[:end] + text[start:end] * rng.choice((1, 1, 2, 5, 40)) + text[end:]


def insert_token(text: str, rng: Random, corpus: Corpus) -> str:
    start = rng.randrange(len(text) + 1)
    return text[:start] + rng.choice(TOKENS if rng.random() < 0.8 else ODD) + text[start:]


def replace_token(text: str, rng: Random, corpus: Corpus) -> str:
    start, end = _span(text, rng)
    return text[:start] + rng.choice(TOKENS) + text[end:]


def splice(text: str, rng: Random, corpus: Corpus) -> str:
    other = rng.choice(corpus.answers)
    start, end = _span(other, rng)
    middle = rng.randrange(len(text) + 1)
    return text[:middle] + other[start:end] + text[middle:]


def join(text: str, rng: Random, corpus: Corpus) -> str:
    return (
        text
        + rng.choice((" ", ",", ", ", "\n", " or ", " and ", "=", "+", "\\cup "))
        + rng.choice(corpus.answers)
    )


def wrap(text: str, rng: Random, corpus: Corpus) -> str:
    before, after = rng.choice(WRAPPERS)
    times = rng.choice((1, 1, 1, 2, 3, 20))
    return before * times + text + after * times


def swap_case(text: str, rng: Random, corpus: Corpus) -> str:
    start, end = _span(text, rng)
    return text[:start] + text[start:end].swapcase() + text[end:]


def digits(text: str, rng: Random, corpus: Corpus) -> str:
    start = rng.randrange(len(text) + 1)
    return text[:start] + str(rng.randrange(10 ** rng.choice((1, 2, 5, 30, 300)))) + text[start:]


def inflate(text: str, rng: Random, corpus: Corpus) -> str:
    """Far too long, far too deep, or one piece without end."""
    piece = rng.choice(TOKENS) if rng.random() < 0.7 else text[:20] or "1"
    times = rng.choice((100, 1_000, 10_000, 60_000))
    return rng.choice((piece * times, (piece + " ") * times, text + piece * times, piece * times + text))


def pumped(rng: Random) -> str:
    """One piece over and over, in a frame: what makes a careless pattern try every split of it."""
    piece = rng.choice(TOKENS + ODD + PIECES if rng.random() < 0.7 else PIECES)
    if rng.random() < 0.3:
        piece += rng.choice(PIECES)
    before, after = rng.choice(FRAMES)
    return before + piece * (rng.choice((5_000, 20_000, 100_000)) // len(piece)) + after


PIECES = [
    *" \t\n.,;:!?'\"()[]{}<>|*_-+=/\\$%#&~`@015aAx",
    *". |.\n|\n\n|so |is |the |if |not |= 5 |1 and |1, |* |- |1. |a.|A. |(A) |**a** |8 apples ".split("|"),
]
FRAMES = (
    ("", ""),
    ("a", "!z"),
    ("", "The answer is 5."),
    ("The answer is 5", "."),
    ("So the total is ", " 7"),
    (r"\boxed{", "}"),
    ("Answer:\n", "answer"),
    ("x\n", " answer" * 10),
    ("<answer>", "</answer>"),
)
WRAPPERS = (
    ("(", ")"), ("[", "]"), ("{", "}"), (r"\{", r"\}"), ("$", "$"), (r"\(", r"\)"), (r"\boxed{", "}"),
    (r"\sqrt{", "}"), (r"\frac{1}{", "}"), (r"\frac{", "}{2}"), (r"\text{", "}"), (r"\left(", r"\right)"),
    ("-", ""), ("+", ""), ("x=", ""), ("The answer is ", "."), ("2^{", "}"), ("", "!"), ("", "^2"), ("", "%"),
    (r"\sin(", ")"), ("|", "|"), (r"\begin{pmatrix}", r"\end{pmatrix}"), ("<answer>", "</answer>"),
    ("**", "**"), ("#### ", ""), (r"\mathrm{", "}"), ("f(", ")"), ("log(", ")"), (r"\overline{", "}"),
)  # fmt: skip
MUTATIONS = (
    delete,
    duplicate,
    insert_token,
    insert_token,
    replace_token,
    splice,
    join,
    wrap,
    swap_case,
    digits,
)


class Pair(NamedTuple):
    """Two bare answers and whether they are the same."""

    gold: str
    answer: str
    same: bool
    kind: str


def known_pair(rng: Random) -> Pair:
    return rng.choice(PAIRS)(rng)


def shown(value: Fraction, rng: Random) -> str:
    """One of the usual spellings of a rational."""
    sign, size = ("-" if value < 0 else ""), abs(value)
    if value.denominator == 1:
        forms = [f"{sign}{size}", f"{sign}{int(size):,}"]
    else:
        n, d = size.numerator, size.denominator
        forms = [f"{sign}{n}/{d}", rf"{sign}\frac{{{n}}}{{{d}}}", rf"{sign}\dfrac{{{n}}}{{{d}}}"]
        if n > d:
            forms.append(rf"{sign}{n // d}\frac{{{n % d}}}{{{d}}}")
        if 10**12 % d == 0:
            forms.append(sign + decimal(size))
    return rng.choice(forms)


def decimal(value: Fraction) -> str:
    places = next(k for k in range(13) if 10**k % value.denominator == 0)
    text = str(int(value * 10**places)).zfill(places + 1)
    return f"{text[:-places]}.{text[-places:]}" if places else text


class Expression(NamedTuple):
    """A text and its value; `loose` needs brackets inside a product or power."""

    text: str
    value: Fraction
    loose: bool


def expression(rng: Random, depth: int) -> Expression:
    if depth == 0 or rng.random() < 0.2:
        n = rng.randrange(-12, 13)
        return Expression(str(n), Fraction(n), n < 0)
    return rng.choice((total, difference, ratio, power, root, product))(rng, depth - 1)


def total(rng: Random, depth: int) -> Expression:
    a, b = expression(rng, depth), expression(rng, depth)
    return Expression(f"{a.text}+{bracket(b, b.text[0] == '-', rng)}", a.value + b.value, True)


def difference(rng: Random, depth: int) -> Expression:
    a, b = expression(rng, depth), expression(rng, depth)
    return Expression(f"{a.text}-{bracket(b, b.loose, rng)}", a.value - b.value, True)


def ratio(rng: Random, depth: int) -> Expression:
    a, b = expression(rng, depth), expression(rng, depth)
    if not b.value:
        return a
    if rng.random() < 0.6:
        return Expression(rf"\frac{{{a.text}}}{{{b.text}}}", a.value / b.value, True)
    return Expression(f"{bracket(a, True, rng)}/{bracket(b, True, rng)}", a.value / b.value, True)


def power(rng: Random, depth: int) -> Expression:
    a, exponent = expression(rng, depth), rng.randrange(-3, 5)
    if not a.value and exponent <= 0:
        return a
    return Expression(f"({a.text})^{{{exponent}}}", a.value**exponent, True)


def root(rng: Random, depth: int) -> Expression:
    a = expression(rng, depth)
    return Expression(rf"\sqrt{{({a.text})^{{2}}}}", abs(a.value), False)


def product(rng: Random, depth: int) -> Expression:
    a, b = expression(rng, depth), expression(rng, depth)
    sign = rng.choice((r" \cdot ", r" \times ", "*", ""))
    left, right = bracket(a, a.loose or not sign, rng), bracket(b, b.loose or not sign, rng)
    return Expression(left + sign + right, a.value * b.value, True)


def bracket(e: Expression, needed: bool, rng: Random) -> str:
    if not needed and rng.random() < 0.8:
        return e.text
    return rf"\left({e.text}\right)" if rng.random() < 0.3 else f"({e.text})"


def rational_pair(rng: Random) -> Pair:
    e = expression(rng, rng.randrange(1, 5))
    if rng.random() < 0.5:
        return Pair(shown(e.value, rng), e.text, True, "rational")
    small = Fraction(1, 10 ** rng.randrange(1, 12))
    change = rng.choice((Fraction(1), Fraction(-1), small, -2 * e.value or small))
    return Pair(shown(e.value + change, rng), e.text, False, "rational")


def polynomial(coefficients: list[int], rng: Random) -> str:
    """Highest power first, perhaps in another order; never empty."""
    terms = []
    for power, c in enumerate(coefficients):
        if c:
            letter = {0: "", 1: "x"}.get(power, f"x^{{{power}}}")
            size = "" if abs(c) == 1 and power else str(abs(c))
            terms.append(("-" if c < 0 else "+") + size + letter)
    if rng.random() < 0.3:
        rng.shuffle(terms)
    else:
        terms.reverse()
    return "".join(terms).removeprefix("+") or "0"


def times(p: list[int], q: list[int]) -> list[int]:
    result = [0] * (len(p) + len(q) - 1)
    for i, a in enumerate(p):
        for j, b in enumerate(q):
            result[i + j] += a * b
    return result


def polynomial_pair(rng: Random) -> Pair:
    p = [rng.randrange(-9, 10) for _ in range(rng.randrange(1, 4))] + [rng.randrange(1, 6)]
    q = [rng.randrange(-9, 10) for _ in range(rng.randrange(1, 3))] + [rng.randrange(1, 6)]
    expanded = times(p, q)
    same = rng.random() < 0.5
    if not same:
        expanded[rng.randrange(len(expanded))] += rng.choice((-1, 1, 7))
    form = rng.choice(("({})({})", r"\left({}\right)\left({}\right)", r"({}) \cdot ({})"))
    factored = form.format(polynomial(p, rng), polynomial(q, rng))
    return Pair(polynomial(expanded, rng), factored, same, "polynomial")


def quotient_pair(rng: Random) -> Pair:
    """(p q) / q against p, and against p with one coefficient changed."""
    p = [rng.randrange(-9, 10), rng.randrange(-9, 10), rng.randrange(1, 5)]
    q = [rng.randrange(-9, 10), rng.randrange(1, 5)]
    text = rf"\frac{{{polynomial(times(p, q), rng)}}}{{{polynomial(q, rng)}}}"
    same = rng.random() < 0.5
    if not same:
        p[rng.randrange(3)] += 10
    return Pair(polynomial(p, rng), text, same, "quotient")


def radical_pair(rng: Random) -> Pair:
    k, m, n = rng.randrange(2, 30), rng.choice((2, 3, 5, 6, 7, 10, 11, 13)), rng.randrange(1, 20)
    wrong = 0 if rng.random() < 0.5 else rng.choice((1, -1))
    a, b = rng.choice(
        (
            (rf"{k + wrong}\sqrt{{{m}}}", rf"\sqrt{{{k * k * m}}}"),
            (rf"\frac{{{k + wrong}\sqrt{{{m}}}}}{{{m}}}", rf"\frac{{{k}}}{{\sqrt{{{m}}}}}"),
            (rf"{n}+{k + wrong}\sqrt{{{m}}}", rf"\sqrt{{{k * k * m}}}+{n}"),
            (rf"{n * n - k * k * m + wrong}", rf"({n}+{k}\sqrt{{{m}}})({n}-{k}\sqrt{{{m}}})"),
            (rf"\sqrt[3]{{{k**3 * m + wrong}}}", rf"{k}\sqrt[3]{{{m}}}"),
            (rf"{n + wrong}^{{\frac{{1}}{{2}}}}", rf"\sqrt{{{n}}}"),
            (rf"{2 * n + wrong}", rf"({n}+{k}i)+({n}-{k}i)"),
            (rf"{n * n + k * k + wrong}", rf"({n}+{k}i)({n}-{k}i)"),
        )
    )
    return Pair(a, b, wrong == 0, "radical")


def near_pair(rng: Random) -> Pair:
    """Different numbers that are close in value, or both close to 0."""
    k, n = rng.randrange(20, 200), rng.randrange(10**6, 10**9)
    a, b = rng.choice(
        (
            (f"2^{{-{k}}}", f"2^{{-{k + 1}}}"),
            (f"e^{{-{k}}}", f"e^{{-{k + 1}}}"),
            (rf"\sqrt{{{n * n + 1}}}", f"{n}"),
            (rf"\frac{{1}}{{{n}}}", rf"\frac{{1}}{{{n + 1}}}"),
            (rf"\frac{{1}}{{{k}!}}", rf"\frac{{1}}{{{k + 1}!}}"),
            (rf"{n} \times 10^{{-{k}}}", rf"{n + 1} \times 10^{{-{k}}}"),
            (rf"\pi + 10^{{-{k}}}", r"\pi"),
            (rf"\sin(10^{{-{k}}})", rf"10^{{-{k}}}"),
            (rf"{n}\pi", rf"{n + 1}\pi"),
            (rf"\ln({n})", rf"\ln({n + 1})"),
            (rf"x^{{{k}}}", rf"x^{{{k + 1}}}"),
            (rf"x + 10^{{-{k}}}", "x"),
            (rf"10^{{-{k}}}x", rf"2 \cdot 10^{{-{k}}}x"),
            (rf"e^{{{k}}}", rf"e^{{{k}}}+1"),
            (rf"{k}!", rf"{k}!+1"),
        )
    )
    return Pair(a, b, False, "near")


def list_pair(rng: Random) -> Pair:
    items = [str(n) for n in rng.sample(range(-30, 30), rng.randrange(2, 6))]
    other = items[:]
    rng.shuffle(other)
    kind = rng.choice((r"\{}\}", "({})", "{}"))
    same = rng.random() < 0.5
    if not same:
        other[0] = str(int(other[0]) + 100)
    if kind == "({})" and other != items:
        same = False
    wrapped = (lambda inner: r"\{" + inner + r"\}") if kind[0] == "\\" else kind.format
    return Pair(wrapped(", ".join(items)), wrapped(",".join(other)), same, "list")


def identity_pair(rng: Random) -> Pair:
    k = rng.randrange(2, 12)
    right, wrong = rng.choice(
        (
            (
                (r"\frac{1}{2}", rf"\sin({360 * k + 30}^\circ)"),
                (r"\frac{1}{2}", rf"\sin({360 * k + 60}^\circ)"),
            ),
            (("0.5", rf"\cos\frac{{{6 * k + 1}\pi}}{{3}}"), ("0.25", rf"\cos\frac{{{6 * k + 1}\pi}}{{3}}")),
            ((r"1", rf"\sin^2({k}x)+\cos^2({k}x)"), ("1", rf"\sin^2({k}x)-\cos^2({k}x)")),
            ((rf"{k}\ln 2", rf"\ln({2**k})"), (rf"{k}\ln 2", rf"\ln({2**k + 1})")),
            ((rf"{k}", rf"\log_{{3}}({3**k})"), (rf"{k}", rf"\log_{{3}}({3**k - 1})")),
            ((rf"e^{{{k}}}e^{{2}}", f"e^{{{k + 2}}}"), (rf"e^{{{k}}}e^{{2}}", f"e^{{{2 * k + 1}}}")),
            ((rf"\binom{{{k + 5}}}{{2}}", f"{(k + 5) * (k + 4) // 2}"), (rf"\binom{{{k}}}{{2}}", f"{k * k}")),
            ((rf"\frac{{{k}!}}{{{k - 1}!}}", f"{k}"), (rf"\frac{{{k}!}}{{{k - 1}!}}", f"{k}!+1")),
            ((rf"x={k}", f"{k}"), (rf"x={k}", f"{k + 1}")),
            ((f"{k}x+y={k}", f"y={k}-{k}x"), (f"{k}x+y={k}", f"y={k}+{k}x")),
            ((rf"({k},\infty)", rf"x>{k}"), (rf"({k},\infty)", rf"x\ge{k}")),
            ((rf"[0,{k}]", rf"[0,1]\cup[1,{k}]"), (rf"[0,{k}]", rf"[0,1)\cup(1,{k}]")),
            ((rf"\pm {k}", rf"{k}, -{k}"), (rf"\pm {k}", rf"{k}, {k + 1}")),
        )
    )
    same = rng.random() < 0.5
    gold, answer = right if same else wrong
    return Pair(gold, answer, same, "identity")


def deep_pair(rng: Random) -> Pair:
    """A tower of functions, against itself with a term that adds nothing."""
    text = rng.choice(("x", "3", "x+2", r"\frac{1}{2}"))
    for _ in range(rng.choice((3, 8, 20, 40, 60))):
        before, after = rng.choice(TOWER if rng.random() < 0.3 else TOWER[:2])
        text = before + text + after
    return Pair(text, f"{text}+x-x", True, "deep")


TOWER = [
    (r"\sin(", ")"),
    (r"\cos(1+", ")"),
    (r"\sqrt{1+", "}"),
    (r"\frac{1}{2+", "}"),
    (r"\ln(2+", ")"),
    ("|1-", "|"),
    ("(", ")^{2}"),
    ("e^{", "}"),
    (r"\tan(", ")"),
    (r"\arctan(", ")"),
]


def cosmetic(answer: str, rng: Random) -> str:
    """Another way to typeset the same answer."""
    for old, new in rng.sample(SPELLINGS, 4):
        answer = answer.replace(old, new)
    before, after = rng.choice(
        (("", ""), ("$", "$"), (r"\(", r"\)"), (r"\displaystyle ", ""), (" ", " "), ("", r"\,"))
    )
    return before + answer + after


SPELLINGS = (
    (r"\frac", r"\dfrac"),
    (r"\frac{", r"\frac {"),
    (r"\dfrac", r"\tfrac"),
    (r"\left", ""),
    (r"\right", ""),
    ("+", " + "),
    ("-", " - "),
    ("=", " = "),
    (r"\cdot", r"\times"),
    (r"^\circ", r"^{\circ}"),
    (r"\pi", r"\pi "),
    ("^2", "^{2}"),
    (r"\sqrt{2}", r"\sqrt2"),
    (r"\le ", r"\leq "),
    (r"\infty", r" \infty"),
    (r"\cup", r" \bigcup "),
    ("pmatrix", "bmatrix"),
)


def perturbed(answer: str, rng: Random) -> str | None:
    """The answer with one of its whole numbers one larger; None where it has none."""
    places = list(re.finditer(r"(?<![\d.,])\d{1,9}(?![\d.,])", answer))
    if not places:
        return None
    place = rng.choice(places)
    return f"{answer[: place.start()]}{int(place[0]) + 1}{answer[place.end() :]}"


PAIRS: tuple[Callable[[Random], Pair], ...] = (
    rational_pair,
    rational_pair,
    polynomial_pair,
    quotient_pair,
    radical_pair,
    near_pair,
    list_pair,
    identity_pair,
    deep_pair,
)
