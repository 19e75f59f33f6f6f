"""A pairwise judge whose every bias is known, and the tables for it to judge.

In the order in which it sees two texts, the judge's log-odds for the first are

    skill (worth_1 - worth_2) + position + length tanh((len_1 - len_2) / length_scale) + kin (own_1 - own_2)
    + noise

with the noise of a pair the same in both orders. A greedy judge says the likelier letter, another draws it.
The engine is deterministic: a reply depends on the question and the seed alone.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from simulated_policy import completion_table

from samplers.engine import Completion, Request, call_key
from store.ids import content_id
from store.tables import COMPLETION_VERDICTS, PROMPTS

FORM = "{prompt}\n###\n{a}\n###\n{b}\n###\n[[A]], [[B]] or [[C]]?"
TIE_SHARE = 0.02  # of the probability, whatever the pair


def write_form(folder: Path) -> Path:
    path = folder / "form.txt"
    path.write_text(FORM, encoding="utf-8")
    return path


def logit(p: float) -> float:
    return math.log(p / (1 - p))


@dataclass
class SimulatedJudge:
    """Implements samplers.engine.Engine; `worth` and `kin_of` are by text."""

    worth: dict[str, float]
    model: str = "judge"
    skill: float = 1.0
    position: float = 0.0
    length: float = 0.0
    length_scale: float = 100.0  # characters
    kin: float = 0.0
    own: frozenset[str] = frozenset()
    noise: float = 0.0
    unread: float = 0.0  # probability of a reply without a verdict
    logprobs: bool = True
    kind: str = "simulated"
    revision: str = "1"
    asked: list[Request] = field(default_factory=list)

    def render(self, request: Request) -> str:
        return request.messages[-1]["content"]

    def log_odds(self, first: str, second: str) -> float:
        """For what it sees first."""
        shared = random.Random(f"{self.model}|{min(first, second)}|{max(first, second)}").gauss(0, self.noise)
        return (
            self.skill * (self.worth[first] - self.worth[second])
            + self.position
            + self.length * math.tanh((len(first) - len(second)) / self.length_scale)
            + self.kin * ((first in self.own) - (second in self.own))
            + (shared if first < second else -shared)
        )

    def sample(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
        for request in list(requests)[::-1]:  # any order is allowed, so not the order of asking
            self.asked.append(request)
            _, first, second, _ = request.messages[-1]["content"].split("\n###\n")
            p = 1 / (1 + math.exp(-self.log_odds(first, second)))
            rng = random.Random(f"{self.model}|{request.seed}|{first}|{second}")
            letter = "A" if (rng.random() if request.sampling.temperature else 0.5) < p else "B"
            reply = "Hard to say." if rng.random() < self.unread else f"[[{letter}]]"
            rest = 1 - TIE_SHARE
            letters = {"A": math.log(rest * p), "B": math.log(rest * (1 - p)), "C": math.log(TIE_SHARE)}
            tokens = ({"[[": 0.0}, letters, {"]]": 0.0}) if self.logprobs and reply[0] == "[" else ()
            yield request, Completion(call_key(self, request), reply, "stop", 9, 3, tokens)

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class World:
    """Texts of known worth; of each prompt those above 0 are right."""

    prompts: pl.DataFrame
    completions: pl.DataFrame
    verdicts: pl.DataFrame
    worth: dict[str, float]

    def texts(self, model: str) -> frozenset[str]:
        return frozenset(self.completions.filter(pl.col("model") == model)["text"])


def world(n_prompts: int, per_prompt: int = 4, seed: int = 0, models: tuple[str, ...] = ("writer",)) -> World:
    """Worth is standard normal and independent of length, which is uniform in 20..320 characters."""
    rng = random.Random(seed)
    asks, rows, verdicts, worth = [], [], [], {}
    for p in range(n_prompts):
        prompt_id = content_id("prompt", seed, p)
        message = {"role": "user", "content": f"question {p}"}
        asks.append({"prompt_id": prompt_id, "split": "train", "messages": [message], "answer": "gold"})
        for i in range(per_prompt):
            text = f"text {p} {i} ".ljust(rng.randint(20, 320), "x")
            worth[text] = rng.gauss(0, 1)
            ids = {"completion_id": content_id("completion", seed, p, i), "prompt_id": prompt_id}
            rows.append(ids | {"text": text, "model": models[i % len(models)], "sample_index": i})
            verdict = "correct" if worth[text] > 0 else "incorrect"
            verdicts.append(ids | {"verifier": "simulated", "verdict": verdict})
    return World(
        pl.DataFrame(asks, schema=PROMPTS),
        completion_table(rows),
        pl.DataFrame(verdicts, schema=COMPLETION_VERDICTS),
        worth,
    )
