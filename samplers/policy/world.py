"""The embedded policy's world: comparison word problems in which every written step is exactly checkable.

A problem introduces people one at a time; each new person's amount is given by one relation to someone
already known. Half of the difficulty is language: in the *inconsistent* form of Lewis & Mayer (1987,
"Students' miscomprehension of relational statements in arithmetic word problems") the known person is the
subject, so "Ann has 3 more apples than Ben." asks for a subtraction. Readers add. That misconception is
shared, so majority votes over samples inherit it, while anyone who compares the written step with the
problem can see it.

Every person has exactly one defining sentence and therefore exactly one canonical solution line. A step
line is true iff it *is* that line; `first_wrong_token` says where a false line leaves it. All values stay
below 100, so each number is one token. Parsing is plain regular expressions: model output is hostile.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Literal

Op = Literal["more", "less", "twice", "half"]

NAMES = ("Ann", "Ben", "Cal", "Dan", "Eve", "Fay", "Gus", "Hal", "Ivy", "Jon", "Kim", "Lou")
OBJECTS = ("apples", "books", "coins", "eggs", "pens", "shells")
MAX_TRUE, MAX_WRITTEN = 30, 99  # true amounts stay in a small table; a mistaken line may leave it
MAX_CONSTANT = 9

_OPS: dict[str, Op] = {"more": "more", "fewer": "less", "twice": "twice", "half": "half"}
_FLIP: dict[Op, Op] = {"more": "less", "less": "more", "twice": "half", "half": "twice"}
_WORD = {"more": "more", "less": "fewer"}
_SIGN = {"more": "+", "less": "-", "twice": "*", "half": "/"}
_TOKEN = re.compile(r"\n| ?\w+| ?[^\w\s]+|\s+")
_START = re.compile(r"(\w+) has (\d{1,2}) (\w+)\.")
_SENTENCE = re.compile(r"(\w+) has (?:(\d) (more|fewer) (\w+) than|(twice|half) as many (\w+) as) (\w+)\.")
_QUESTION = re.compile(r"How many (\w+) does (\w+) have\?")
_LINE = re.compile(
    r"(\w+) has (?:(\d{1,2})\.|(?:\d (?:more|less) than|(?:twice|half) as many as) \w+: "
    r"\d{1,2} [-+*/] \d = (\d{1,2})\.)"
)
_ANSWER = re.compile(r"The answer is (\d{1,2})\.")


@dataclass(frozen=True)
class Relation:
    """`person` has `k` more/less than, or twice/half as many as, `ref`; `inverse`: said backwards."""

    person: str
    op: Op
    k: int
    ref: str
    inverse: bool

    def apply(self, value: int) -> int | None:
        """The person's amount when `ref` has `value`; None where it is not a whole number from 1 to 99."""
        if self.op == "half":
            return value // 2 if value % 2 == 0 and value > 1 else None
        result = {"more": value + self.k, "less": value - self.k, "twice": 2 * value}[self.op]
        return result if 1 <= result <= MAX_WRITTEN else None

    def line(self, value: int, result: int) -> str:
        how = f"{self.k} {self.op} than" if self.op in _WORD else f"{self.op} as many as"
        return f"{self.person} has {how} {self.ref}: {value} {_SIGN[self.op]} {self.k} = {result}."

    def sentence(self, thing: str) -> str:
        subject, op, other = self.person, self.op, self.ref
        if self.inverse:
            subject, op, other = self.ref, _FLIP[self.op], self.person
        if op in _WORD:
            return f"{subject} has {self.k} {_WORD[op]} {thing} than {other}."
        return f"{subject} has {op} as many {thing} as {other}."


@dataclass(frozen=True)
class Problem:
    """One word problem; `relations` introduce one new person each, `target` is the person asked about."""

    thing: str
    first: str
    start: int
    relations: tuple[Relation, ...]
    target: str

    @property
    def text(self) -> str:
        parts = [
            f"{self.first} has {self.start} {self.thing}.",
            *(r.sentence(self.thing) for r in self.relations),
        ]
        return " ".join([*parts, f"How many {self.thing} does {self.target} have?"])

    @cached_property
    def values(self) -> dict[str, int]:
        """Everyone's true amount."""
        return self.propagate({})

    @property
    def answer(self) -> int:
        return self.values[self.target]

    @cached_property
    def lines(self) -> dict[str, str]:
        """Everyone's one true solution line."""
        truth = {self.first: f"{self.first} has {self.start}."}
        return truth | {r.person: r.line(self.values[r.ref], self.values[r.person]) for r in self.relations}

    def propagate(self, given: dict[str, int]) -> dict[str, int]:
        """Amounts that follow when the `given` ones are taken as written; no entry where none follows."""
        values = {self.first: self.start} | given
        for relation in self.relations:
            if relation.person not in given and relation.ref in values:
                result = relation.apply(values[relation.ref])
                if result is not None:
                    values[relation.person] = result
        return values


@dataclass(frozen=True)
class Errors:
    """How often the demonstrator errs, per step (`early` and `answer` per solution)."""

    inverse: float = 0.60  # reads an inconsistent sentence of the more/fewer kind as a consistent one
    inverse_ratio: float = 0.45  # the same for twice/half
    flip: float = 0.02  # turns a consistent sentence round
    person: float = 0.03  # refers to somebody else, and uses that person's amount
    value: float = 0.02  # names the right person, uses somebody else's amount
    constant: float = 0.03  # copies another constant
    sign: float = 0.01  # states one operation, does the other
    slip: float = 0.04  # misses the result by one, two or ten
    copy: float = 0.01  # miscopies the first amount
    early: float = 0.05  # answers with an amount on the way
    answer: float = 0.01  # miscopies the answer

    def scaled(self, by: float) -> Errors:
        return replace(self, **{f.name: min(0.9, getattr(self, f.name) * by) for f in fields(self)})


EXACT = Errors(**{f.name: 0.0 for f in fields(Errors)})


def _relation(
    rng: random.Random, person: str, values: dict[str, int], known: list[str], inverse: bool
) -> Relation:
    """A relation whose true result, and whose misread result where inverse, are both in range."""
    while True:
        ref = known[-1] if rng.random() < 0.8 else rng.choice(known)
        op: Op = rng.choices(("more", "less", "twice", "half"), (4, 4, 1.5, 1.5))[0]
        relation = Relation(person, op, rng.randint(1, MAX_CONSTANT) if op in _WORD else 2, ref, inverse)
        result = relation.apply(values[ref])
        misread = replace(relation, op=_FLIP[op]).apply(values[ref])
        if result is not None and result <= MAX_TRUE and (not inverse or misread is not None):
            return relation


def generate(
    rng: random.Random, depths: tuple[int, ...] = (2, 3, 3, 4), inconsistent: float = 0.38
) -> Problem:
    """One problem: `depths` are numbers of relations to the answer, `inconsistent` how often one is such."""
    depth = rng.choice(depths)
    people = rng.sample(NAMES, 1 + depth + rng.choice((0, 0, 1)))
    inverse_at = rng.randint(1, depth) if rng.random() < inconsistent else 0
    thing, start, values = rng.choice(OBJECTS), rng.randint(2, 20), {}
    values[people[0]] = start
    relations = []
    for i, person in enumerate(people[1:], 1):
        relation = _relation(rng, person, values, people[:i], i == inverse_at)
        values[person] = relation.apply(values[relation.ref]) or 0
        relations.append(relation)
    return Problem(thing, people[0], start, tuple(relations), people[depth])


def problems(n: int, seed: int) -> list[Problem]:
    """`n` problems with distinct texts, the same for the same seed."""
    rng = random.Random(seed)
    found: dict[str, Problem] = {}
    while len(found) < n:
        problem = generate(rng)
        found.setdefault(problem.text, problem)
    return list(found.values())


def parse(text: str) -> Problem:
    """The problem whose `text` this is; ValueError for anything else."""
    sentences = re.split(r"(?<=[.?]) ", text)
    start, question = _START.fullmatch(sentences[0]), _QUESTION.fullmatch(sentences[-1])
    if not start or not question:
        raise ValueError(f"world.parse: not a problem of this world: {text[:80]!r}")
    known, relations = {start[1]}, []
    for sentence in sentences[1:-1]:
        found = _SENTENCE.fullmatch(sentence)
        if not found or (found[1] in known) == (found[7] in known):
            raise ValueError(
                f"world.parse: sentence must relate one new person to a known one: {sentence[:80]!r}"
            )
        inverse = found[1] in known
        op = _OPS[found[3] or found[5]]
        person, ref = (found[7], found[1]) if inverse else (found[1], found[7])
        relations.append(Relation(person, _FLIP[op] if inverse else op, int(found[2] or 2), ref, inverse))
        known.add(person)
    problem = Problem(start[3], start[1], int(start[2]), tuple(relations), question[2])
    if problem.text != text or len(problem.values) != len(known) or question[2] not in known:
        raise ValueError(f"world.parse: not a problem of this world: {text[:80]!r}")
    return problem


def solve(problem: Problem) -> list[str]:
    """The reference: lines in the order of the text up to the person asked about, then the answer."""
    people = [problem.first, *(r.person for r in problem.relations)]
    needed = people[: people.index(problem.target) + 1]
    return [*(problem.lines[p] for p in needed), f"The answer is {problem.answer}."]


def tokens(line: str) -> list[str]:
    """A text cut where the tokenizer cuts it: words and numbers with their leading space, signs, newlines."""
    return _TOKEN.findall(line)


def true_line(problem: Problem, line: str) -> str:
    """The true line that begins as `line` does: the answer line, or its person's; "" for a stranger's."""
    person = (tokens(line) or [""])[0]
    return f"The answer is {problem.answer}." if person == "The" else problem.lines.get(person, "")


def first_wrong_token(problem: Problem, line: str) -> int:
    """Index in `tokens(line)` of the first token that leaves the true line; -1 for a true line."""
    truth = true_line(problem, line)
    if line == truth:
        return -1
    words, wanted = tokens(line), tokens(truth)
    wrong = (i for i, word in enumerate(words) if i >= len(wanted) or word != wanted[i])
    return next(wrong, max(0, len(words) - 1))


def check_steps(problem: Problem, steps: list[str]) -> list[bool]:
    """The truth of each line: relation, amounts, arithmetic and result as the problem has them."""
    truths = {*problem.lines.values(), f"The answer is {problem.answer}."}
    return [step in truths for step in steps]


def first_error(problem: Problem, steps: list[str]) -> int:
    """Index of the first false line, -1 where there is none."""
    return next((i for i, true in enumerate(check_steps(problem, steps)) if not true), -1)


def solvable(problem: Problem, steps: list[str]) -> bool:
    """Would a perfect reader who takes the written amounts as given, and goes on from here, answer right?

    A later line about the same person replaces an earlier one; lines that cannot be read are passed over.
    """
    written: dict[str, int] = {}
    for step in steps:
        if answer := _ANSWER.fullmatch(step):
            return int(answer[1]) == problem.answer
        if (line := _LINE.fullmatch(step)) and line[1] in problem.values:
            written[line[1]] = int(line[2] or line[3])
    return problem.propagate(written).get(problem.target) == problem.answer


def _misread(
    relation: Relation, values: dict[str, int], rng: random.Random, errors: Errors
) -> tuple[Relation, int]:
    """The relation as the demonstrator understands it, and the amount it starts from."""
    ratio = relation.op not in _WORD
    turned = (errors.inverse_ratio if ratio else errors.inverse) if relation.inverse else errors.flip
    others = [p for p in values if p != relation.ref]
    if rng.random() < turned:
        relation = replace(relation, op=_FLIP[relation.op])
    if others and rng.random() < errors.person:
        relation = replace(relation, ref=rng.choice(others))
    if not ratio and rng.random() < errors.constant:
        relation = replace(relation, k=rng.choice([k for k in range(1, MAX_CONSTANT + 1) if k != relation.k]))
    value = values[relation.ref]
    others = [p for p in values if p != relation.ref]
    if others and rng.random() < errors.value:
        value = values[rng.choice(others)]
    return relation, value


def _step(
    relation: Relation, values: dict[str, int], rng: random.Random, errors: Errors
) -> tuple[str, int] | None:
    """One written line and its result; None where the misreading gives no amount from 1 to 99."""
    read, value = _misread(relation, values, rng, errors)
    done = replace(read, op=_FLIP[read.op]) if rng.random() < errors.sign else read
    result = done.apply(value)
    if result is not None and rng.random() < errors.slip:
        result += rng.choice((-1, 1, -1, 1, -2, 2, -10, 10))
    if result is None or not 1 <= result <= MAX_WRITTEN:
        return None
    line = read.line(value, result)
    return line.replace(f" {_SIGN[read.op]} ", f" {_SIGN[done.op]} "), result


def demonstrate(problem: Problem, rng: random.Random, errors: Errors = Errors()) -> list[str]:  # noqa: B008
    """A solution by a fallible writer who goes on from what was written, right or wrong."""
    start = problem.start + (rng.choice((-1, 1)) if rng.random() < errors.copy else 0)
    values, lines = {problem.first: start}, [f"{problem.first} has {start}."]
    people = [r.person for r in problem.relations]
    wanted = people.index(problem.target) + 1
    if rng.random() < errors.early and wanted > 1:
        wanted = rng.randint(1, wanted - 1)
    for relation in problem.relations[:wanted]:
        written = next(filter(None, (_step(relation, values, rng, errors) for _ in range(20))), None)
        if written is None:  # an earlier mistake left no whole positive amount to go on from: give up here
            break
        lines.append(written[0])
        values[relation.person] = written[1]
    answer = list(values.values())[-1]
    if rng.random() < errors.answer:
        answer = max(1, answer + rng.choice((-1, 1)))
    return [*lines, f"The answer is {answer}."]
