"""A policy whose solvability is known exactly: chains of invertible operations modulo 97, one line each.

Every operation is a bijection, so a solution is either on the true path or off it. On it, the next line errs
with that operation's own rate; off it, the next line finds back with probability `repair`. With V the
probability that the final answer is right,

    V_T = (1, 0)      V_t(right) = (1 - e) V_{t+1}(right) + e V_{t+1}(wrong)
                      V_t(wrong) = r V_{t+1}(right) + (1 - r) V_{t+1}(wrong)

The engine is deterministic: a draw depends on the prompt, the prefix and the seed alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import polars as pl

from samplers.engine import Completion, Request, Sampling, call_key
from store.ids import content_id, derived_seed
from store.tables import COMPLETIONS, PROMPTS

MODULUS = 97
ERROR_RATES, RATE_WEIGHTS = (0.01, 0.04, 0.12, 0.35), (6, 3, 2, 1)  # easy steps are commoner than hard ones
OPENINGS = ("", "So ", "Then ", "Now ", "Next ", "We get ", "This is ", "Hence ")
APPLY = {"+": lambda x, k: x + k, "-": lambda x, k: x - k, "*": lambda x, k: x * k}


@dataclass(frozen=True)
class Chain:
    start: int
    ops: tuple[tuple[str, int], ...]
    rates: tuple[float, ...]

    @property
    def text(self) -> str:
        ops = ", ".join(f"{op}{k}" for op, k in self.ops)
        return f"Start with {self.start}, apply {ops}, all modulo {MODULUS}."

    @property
    def path(self) -> list[int]:
        values = [self.start]
        for op, k in self.ops:
            values.append(APPLY[op](values[-1], k) % MODULUS)
        return values

    def value(self, steps: list[str], repair: float) -> float:
        """The exact probability that this policy, going on after `steps`, answers right."""
        done = min(len(steps), len(self.ops))
        here = int(steps[-1].rstrip(".\n").split()[-1]) == self.path[done]
        right, wrong = 1.0, 0.0
        for rate in reversed(self.rates[done:]):
            right, wrong = (1 - rate) * right + rate * wrong, repair * right + (1 - repair) * wrong
        return right if here else wrong


def chains(n: int, seed: int, shortest: int = 4, longest: int = 10) -> list[Chain]:
    rng = random.Random(seed)
    found = []
    for _ in range(n):
        length = rng.randint(shortest, longest)
        ops = tuple((rng.choice("+-*"), rng.randint(2, MODULUS - 1)) for _ in range(length))
        rates = tuple(rng.choices(ERROR_RATES, RATE_WEIGHTS, k=length))
        found.append(Chain(rng.randint(1, MODULUS - 1), ops, rates))
    return found


class SimulatedPolicy:
    """Implements samplers.engine.Engine: `flight` requests at a time (None: all); number `answers` is next.

    It is interrupted after `fail_after` calls and cuts an answer with probability `truncate`. A `wordy`
    policy opens its lines in different words, so that hardly any two solutions share a prefix.
    """

    kind, revision = "simulated", "1"

    def __init__(
        self, problems: list[Chain], repair: float = 0.0, truncate: float = 0.0, wordy: bool = False
    ) -> None:
        self.problems = {problem.text: problem for problem in problems}
        self.repair, self.truncate = repair, truncate
        self.openings = OPENINGS if wordy else OPENINGS[:1]
        self.model = f"chain-{repair}-{truncate}-{wordy}"
        self.calls = 0
        self.fail_after: int | None = None
        self.flight: int | None = None
        self.answers = -1  # the newest: any order is allowed, so not the order of asking
        self.busy: list[int] = []  # requests in flight at each answer

    def render(self, request: Request) -> list[str]:
        return [request.messages[-1]["content"], request.prefill]

    def sample(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
        source = iter(requests)
        flight = list(islice(source, self.flight))
        while flight:
            if self.calls == self.fail_after:
                raise KeyboardInterrupt
            self.calls += 1
            self.busy.append(len(flight))
            request = flight.pop(self.answers)
            yield request, self._answer(request)
            flight += islice(source, self.flight and self.flight - len(flight))

    def close(self) -> None:
        pass

    def _answer(self, request: Request) -> Completion:
        problem = self.problems[request.messages[-1]["content"]]
        rng = random.Random(f"{request.seed}|{problem.text}|{request.prefill}")
        lines = self._continue(problem, request.prefill.splitlines(), rng)
        cut = rng.random() < self.truncate
        text = "\n".join(lines)[: 5 if cut else None]
        n_tokens = 4 * len(lines)
        return Completion(call_key(self, request), text, "length" if cut else "stop", 10, n_tokens)

    def _continue(self, problem: Chain, written: list[str], rng: random.Random) -> list[str]:
        path, lines = problem.path, []
        value = int(written[-1].split()[-1]) if written else problem.start
        for t in range(len(written), len(problem.ops)):
            (op, k), before = problem.ops[t], value
            if before == path[t]:
                slips = rng.random() < problem.rates[t]
                value = (path[t + 1] + (rng.randint(1, MODULUS - 1) if slips else 0)) % MODULUS
            else:
                value = path[t + 1] if rng.random() < self.repair else APPLY[op](before, k) % MODULUS
            lines.append(f"{rng.choice(self.openings)}{before} {op} {k} = {value}")
        return [*lines, f"The answer is {value}."]


def prompt_table(problems: list[Chain]) -> pl.DataFrame:
    rows = [
        {
            "prompt_id": content_id(problem.text),
            "split": "train",
            "messages": [{"role": "user", "content": problem.text}],
            "answer": str(problem.path[-1]),
            "source": "simulated",
        }
        for problem in problems
    ]
    return pl.DataFrame(rows, schema=PROMPTS)


def completion_table(rows: list[dict[str, object]]) -> pl.DataFrame:
    """COMPLETIONS from rows that name only what matters to a test."""
    usual = {"sampler": "recorded", "model": "writer", "sample_index": 0, "seed": 0, "finish_reason": "stop"}
    return pl.DataFrame([usual | row for row in rows], schema=COMPLETIONS)


def sampled_solutions(engine: SimulatedPolicy, n: int, seed: int = 0) -> pl.DataFrame:
    """`n` solutions of every problem, drawn from the engine without a ledger and not counted as calls."""
    rows = []
    for problem in engine.problems.values():
        prompt_id = content_id(problem.text)
        for i in range(n):
            message = {"role": "user", "content": problem.text}
            request = Request((message,), Sampling(), derived_seed(seed, prompt_id) + i, i)
            done = engine._answer(request)
            rows.append(
                {
                    "completion_id": done.key,
                    "prompt_id": prompt_id,
                    "text": done.text,
                    "finish_reason": done.finish_reason,
                    "sample_index": i,
                }
            )
    return completion_table(rows)
