"""Simulated policies whose every step is checkable and whose chance of a right answer is known exactly.

A problem is a chain of T invertible operations modulo 97, one line each; the last line also states the
answer. A writer on the true path errs at a step with that step's own rate, off it finds back with probability
`repair`. Operations are bijections, so a solution is on the path or off it, and the value of a prefix is

    V_T = (1, 0)      V_t(on) = (1 - e) V_{t+1}(on) + e V_{t+1}(off)
                      V_t(off) = r V_{t+1}(on) + (1 - r) V_{t+1}(off)

A noisy verifier is one that a share of the answers fools: the stated answer is not the one that was reached,
and the verdict flips. Lines open in one of 64 ways, so that, as in long solutions of a language model,
samples of a prompt seldom share a prefix. The engine is a function of prompt, prefix and seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

import polars as pl

from samplers.engine import Completion, Request
from store.ids import content_id
from store.tables import PROMPTS

MODULUS = 97
ERROR_RATES = (0.01, 0.04, 0.12, 0.35)
USUAL, HARD, LONG = (6, 3, 2, 1), (3, 3, 3, 2), (8, 3, 2, 1)
TOKENS_PER_LINE = 12
OPENINGS = tuple(
    " ".join(words)
    for words in product(
        ("So", "Then", "Now", "Next", "Here", "Thus", "Hence", "Again"),
        ("we", "one", "you", "they", "I", "both", "all", "he"),
    )
)


@dataclass(frozen=True)
class World:
    name: str
    repair: float = 0.02
    steps: tuple[int, int] = (4, 10)
    completer: float = 1.0  # its error rates over the writer's
    rates: tuple[float, ...] = ERROR_RATES
    weights: tuple[int, ...] = USUAL  # how common each rate is
    noise: float = 0.0  # share of flipped verdicts
    share: float = 1.0  # of the problems that a world gets: the costly ones get fewer


WORLDS = (
    World("no repair", repair=0.0),
    World("repair 2 %"),
    World("repair 8 %", repair=0.08),
    World("completer errs twice as often", completer=2.0),
    World("completer errs half as often", completer=0.5),
    World("long, 8-16 steps", steps=(8, 16), share=0.5),
    World("hard, 6-12 steps", steps=(6, 12), weights=HARD, share=0.5),
    World("verifier noise 1 %", noise=0.01),
    World("verifier noise 5 %", noise=0.05),
    World("extra: other error rates", rates=(0.02, 0.08, 0.2, 0.5)),
    World("extra: long and hard, 20-30 steps", steps=(20, 30), weights=LONG, share=0.2),
)


@dataclass(frozen=True)
class Chain:
    start: int
    ops: tuple[tuple[str, int], ...]
    rates: tuple[float, ...]  # of the writer

    @property
    def text(self) -> str:
        ops = ", ".join(f"{op}{k}" for op, k in self.ops)
        return f"Start with {self.start} and apply {ops}, all modulo {MODULUS}."

    @property
    def path(self) -> list[int]:
        values = [self.start]
        for op, k in self.ops:
            values.append(_apply(op, values[-1], k))
        return values

    def reached(self, lines: list[str]) -> list[int]:
        """What each written line arrives at."""
        return [int(line.split(" = ")[1].split(".")[0]) for line in lines]

    def first_error(self, lines: list[str]) -> int:
        """Index of the first line that leaves the path, -1 where none does."""
        pairs = zip(self.reached(lines), self.path[1:], strict=True)
        return next((t for t, (written, true) in enumerate(pairs) if written != true), -1)

    def values(self, lines: list[str], world: World) -> list[float]:
        """The exact probability that the completer, going on after each line, ends right."""
        values, on, off = [], 1.0, 0.0
        for t in range(len(self.ops), 0, -1):
            here = self.reached(lines[t - 1 : t])[0] == self.path[t]
            values.append(on if here else off)
            rate, r = _rate(self.rates[t - 1], world.completer), world.repair
            on, off = (1 - rate) * on + rate * off, r * on + (1 - r) * off
        return values[::-1]


class ChainPolicy:
    """Implements samplers.engine.Engine: the writer, or the completer of a world."""

    kind, revision = "simulated", "1"

    def __init__(self, world: World, problems: list[Chain], completer: float = 1.0) -> None:
        self.world, self.completer = world, completer
        self.problems = {problem.text: problem for problem in problems}
        self.model = f"chains {world.name} {completer}"

    def render(self, request: Request) -> list[str]:
        return [request.messages[-1]["content"], request.prefill]

    def sample(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
        for request in requests:
            yield request, self._answer(request)

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass

    def _answer(self, request: Request) -> Completion:
        problem = self.problems[request.messages[-1]["content"]]
        rng = random.Random(f"{self.completer}|{request.seed}|{problem.text}|{request.prefill}")
        lines = self._continue(problem, request.prefill.splitlines(), rng)
        written = TOKENS_PER_LINE * (request.prefill.count("\n") + 3)
        return Completion("", "\n".join(lines), "stop", written, TOKENS_PER_LINE * len(lines))

    def _continue(self, problem: Chain, written: list[str], rng: random.Random) -> list[str]:
        path, lines = problem.path, []
        value = problem.reached(written[-1:])[0] if written else problem.start
        for t in range(len(written), len(problem.ops)):
            (op, k), before, last = problem.ops[t], value, t == len(problem.ops) - 1
            if before == path[t]:
                slips = rng.random() < _rate(problem.rates[t], self.completer)
                value = _off(path[t + 1], rng) if slips else path[t + 1]
            else:
                value = path[t + 1] if rng.random() < self.world.repair else _apply(op, before, k)
            line = f"{rng.choice(OPENINGS)} find {before} {op} {k} = {value}."
            lines.append(line + (f" The answer is {self._stated(value, path[-1], rng)}." if last else ""))
        return lines

    def _stated(self, value: int, true: int, rng: random.Random) -> int:
        if rng.random() >= self.world.noise:
            return value
        return _off(true, rng) if value == true else true


def chains(world: World, n: int, seed: int) -> list[Chain]:
    rng = random.Random(f"{world.name}|{seed}")
    found = []
    for _ in range(n):
        length = rng.randint(*world.steps)
        ops = tuple((rng.choice("+-*"), rng.randint(2, MODULUS - 1)) for _ in range(length))
        rates = tuple(rng.choices(world.rates, world.weights, k=length))
        found.append(Chain(rng.randint(1, MODULUS - 1), ops, rates))
    return found


def prompt_table(texts: dict[str, int]) -> pl.DataFrame:
    """PROMPTS from {problem text: answer}."""
    rows = [
        {
            "prompt_id": content_id(text),
            "split": "train",
            "messages": [{"role": "user", "content": text}],
            "answer": str(answer),
            "source": "simulated",
        }
        for text, answer in texts.items()
    ]
    return pl.DataFrame(rows, schema=PROMPTS)


def _apply(op: str, value: int, k: int) -> int:
    return {"+": value + k, "-": value - k, "*": value * k}[op] % MODULUS


def _off(true: int, rng: random.Random) -> int:
    return (true + rng.randint(1, MODULUS - 1)) % MODULUS


def _rate(rate: float, completer: float) -> float:
    return min(0.95, rate * completer)
