"""What the other completions of a prompt tell a labeler that has not drawn anything yet.

They give the prompt's pass rate. And where another completion begins with the very text of a prefix, what
follows there is a draw from that prefix by the same policy (its siblings): the stream of the prefix begins
with it, at no cost. That holds only if the completions were sampled by the model that continues the prefixes,
with its sampling parameters, and all of them are given, the failed ones too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import polars as pl

from labelers.rollouts.strategy import Draw
from samplers.engine import Message
from store.errors import InputError
from verifiers.math import verify
from verifiers.policy import Policy

Asked = tuple[str, str | None]  # prompt_id and system prompt
UNDECIDED = ("unparseable", "gold_unparseable", "limit", "timeout")


class FreeDraw(NamedTuple):
    """A whole completion of a prompt, and how its answer was read."""

    completion_id: str
    text: str
    finish_reason: str
    verdict: str

    @property
    def draw(self) -> Draw:
        return decided(self.verdict, self.finish_reason)


def decided(verdict: str, finish_reason: str) -> Draw:
    """A completion cut by the token limit, or not readable, is no failure."""
    if finish_reason == "length" or verdict in UNDECIDED:
        return "undecided"
    return "right" if verdict == "correct" else "wrong"


def questions(prompts: pl.DataFrame) -> Callable[[Asked], tuple[tuple[Message, ...], str]]:
    """Finds the messages and the reference answer of (prompt_id, system prompt)."""
    rows = {row[0]: row[1:] for row in prompts.select("prompt_id", "messages", "answer").iter_rows()}

    @cache
    def find(asked: Asked) -> tuple[tuple[Message, ...], str]:
        prompt_id, system = asked
        if prompt_id not in rows:
            raise InputError(f"rollouts: solutions of prompt {prompt_id}, which is not in the prompts table")
        messages, answer = rows[prompt_id]
        if answer is None:
            raise InputError(f"rollouts: prompt {prompt_id} has no answer; add it or leave its solutions out")
        head = [{"role": "system", "content": system}] if system else []
        return (*head, *messages), answer

    return find


def read_samples(
    samples: pl.DataFrame, prompts: pl.DataFrame, reading: Policy
) -> dict[Asked, list[FreeDraw]]:
    """The samples (COMPLETIONS) of the prompts that have an answer, in the order of their sample index."""
    answers = prompts.select("prompt_id", "answer").drop_nulls().unique("prompt_id")
    columns = ["prompt_id", "system_variant", "completion_id", "text", "finish_reason", "answer"]
    rows = samples.unique("completion_id").join(answers, on="prompt_id")
    read: dict[Asked, list[FreeDraw]] = {}
    for prompt_id, system, completion_id, text, finish, gold in (
        rows.sort("sample_index", "completion_id").select(columns).iter_rows()
    ):
        verdict = verify(gold, text, reading, truncated=finish == "length").status
        read.setdefault((prompt_id, system), []).append(FreeDraw(completion_id, text, finish, verdict))
    return read


def pass_rate(samples: Sequence[FreeDraw], solution: FreeDraw) -> tuple[int, int]:
    """(right, decided) completions of a prompt, the solution being one of them."""
    others = [sample.draw for sample in samples if sample.completion_id != solution.completion_id]
    draws = [solution.draw, *others]
    return draws.count("right"), len(draws) - draws.count("undecided")


def siblings(
    samples: Sequence[FreeDraw], completion_id: str, prefixes: Sequence[str]
) -> list[list[FreeDraw]]:
    """For each prefix of a solution, each longer than the last, how the others that begin with it go on."""
    others = [sample for sample in samples if sample.completion_id != completion_id]
    found = []
    for prefix in prefixes:
        others = [sample for sample in others if sample.text.startswith(prefix)]
        found.append([sample._replace(text=sample.text[len(prefix) :]) for sample in others])
    return found
