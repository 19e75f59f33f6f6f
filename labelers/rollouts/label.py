"""Math-Shepherd step labels (arXiv 2312.08935, section 3.3): a step is good if the policy can still get home.

From each prefix s_1..s_t of a solution the policy draws N continuations; r_i says whether the i-th, read
together with its prefix, ends in the reference answer.

    hard (eq. 3)   label = 1[some r_i is right]            threshold k/N in general: 1[value > threshold]
    soft (eq. 4)   value = (right rollouts) / (finished rollouts)

**Two strategies, one stream.** Rollout i of a prefix is drawn with the seed `base(prompt, prefix) + i`.
`exhaustive` asks for all N at once. `first-success` asks for the next `wave` rollouts of a prefix when the
last ones have come back without a success. All prefixes of all solutions stand in one queue, whose end a
prefix rejoins, so the engine stays full until few are left. Both strategies read the same streams: their hard
labels are bit-identical, whatever the wave and whatever order the engine answers in.

**The last step needs no rollout.** A finished solution is its own continuation: one ROLLOUTS row with an
empty text, no tokens, and the solution's id for a call id. Its step has n_rollouts = 1, method "outcome".

Prefixes that several solutions of a prompt share are rolled out once; each solution gets its own rows.
`labelers.rollouts.labels` turns the rows into labels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple

import polars as pl

from labelers.segment import SplitPolicy, split_steps
from labelers.rollouts.labels import DEFAULT_ROLLOUTS, Strategy, check_rule, in_order, relabel
from samplers.cached import Budget, Progress, sample_through
from samplers.engine import Completion, Engine, Message, Request, Sampling
from store.errors import InputError
from store.ids import derived_seed
from store.ledger import Ledger
from store.tables import ROLLOUTS
from verifiers.math import verify
from verifiers.policy import DEFAULT, Policy


class StepLabels(NamedTuple):
    rollouts: pl.DataFrame  # ROLLOUTS
    steps: pl.DataFrame  # STEPS


@dataclass(slots=True, eq=False)
class _Prefix:
    """One distinct (prompt, text so far) and what was drawn from it; `drawn[i]` is sample i."""

    messages: tuple[Message, ...]
    text: str
    gold: str
    seed: int
    asked: int = 0
    solved: bool = False
    drawn: dict[int, tuple[Completion, str]] = field(default_factory=dict)
    verdicts: dict[tuple[str, bool], str] = field(default_factory=dict)

    def add(self, index: int, completion: Completion, reading: Policy) -> None:
        text, cut = said = completion.text, completion.finish_reason == "length"
        if said not in self.verdicts:
            self.verdicts[said] = verify(self.gold, self.text + text, reading, truncated=cut).status
        self.drawn[index] = (completion, self.verdicts[said])
        self.solved = self.solved or (self.verdicts[said] == "correct" and not cut)

    def wants(self, n: int) -> bool:
        """More samples are needed and none is out; never again once the engine has rejected one."""
        return not self.solved and self.asked == len(self.drawn) < n


class _Plan(NamedTuple):
    prefixes: list[_Prefix]
    places: dict[str, list[Any]]  # which prefix each step of each solution continues from
    outcomes: dict[str, list[Any]]  # the last steps: finished ROLLOUTS rows


def label_steps(
    engine: Engine,
    ledger: Ledger,
    solutions: pl.DataFrame,
    prompts: pl.DataFrame,
    n: int = DEFAULT_ROLLOUTS,
    strategy: Strategy = "exhaustive",
    sampling: Sampling = Sampling(),  # noqa: B008
    seed: int = 0,
    *,
    policy: SplitPolicy = "newline",
    reading: Policy = DEFAULT,
    wave: int = 1,
    threshold: float = 0.0,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> StepLabels:
    """ROLLOUTS and STEPS of `solutions` (COMPLETIONS); every prompt among them must have an answer.

    Rollouts see the system prompt their solution was sampled with (`system_variant`). A solution whose
    reference answer the verifier cannot read gets no rollouts and null labels.
    """
    check_rule(n, strategy, threshold, wave)
    plan = _plan(solutions, prompts, policy, reading, seed)
    size = n if strategy == "exhaustive" else wave
    # A second pass takes up the prefixes whose answers came after the engine had found the queue empty.
    while queue := deque(prefix for prefix in plan.prefixes if prefix.wants(n)):
        requests = _requests(queue, n, size, sampling)
        for request, completion in sample_through(ledger, engine, requests, budget, progress):
            prefix = request.tag
            prefix.add(request.sample_index, completion, reading)
            if prefix.wants(n):
                queue.append(prefix)
    rollouts = _rollouts(plan)
    return StepLabels(rollouts, relabel(rollouts, solutions, n, strategy, policy=policy, threshold=threshold))


def rollout_stats(rollouts: pl.DataFrame) -> dict[str, int]:
    """What ROLLOUTS cost: a call counts once, however many solutions share it; outcome rows are no calls."""
    drawn = rollouts.filter(pl.col("call_id") != pl.col("completion_id")).unique("call_id")
    return {
        "rollouts": drawn.height,
        "tokens": int(drawn["n_tokens"].sum()),
        "correct": int((drawn["verdict"] == "correct").sum()),
        "truncated": int((drawn["finish_reason"] == "length").sum()),
        "solutions": rollouts["completion_id"].n_unique(),
        "rows": rollouts.height,
    }


def _requests(queue: deque[_Prefix], n: int, size: int, sampling: Sampling) -> Iterator[Request]:
    """The next `size` samples of each prefix in the queue, which grows while the engine answers."""
    while queue:
        prefix = queue.popleft()
        indices = range(prefix.asked, min(prefix.asked + size, n))
        prefix.asked = indices.stop
        for i in indices:
            yield Request(prefix.messages, sampling, prefix.seed + i, i, prefix.text, prefix)


def _asked(prompts: pl.DataFrame) -> Callable[[str, str | None], tuple[tuple[Message, ...], str]]:
    """(prompt_id, system prompt) -> (messages, reference answer)."""
    rows = {row[0]: row[1:] for row in prompts.select("prompt_id", "messages", "answer").iter_rows()}

    @cache
    def find(prompt_id: str, system: str | None) -> tuple[tuple[Message, ...], str]:
        if prompt_id not in rows:
            raise InputError(f"rollouts: solutions of prompt {prompt_id}, which is not in the prompts table")
        messages, answer = rows[prompt_id]
        if answer is None:
            raise InputError(f"rollouts: prompt {prompt_id} has no answer; add it or leave its solutions out")
        head = [{"role": "system", "content": system}] if system else []
        return (*head, *messages), answer

    return find


def _plan(
    solutions: pl.DataFrame, prompts: pl.DataFrame, policy: SplitPolicy, reading: Policy, seed: int
) -> _Plan:
    """Every distinct prefix once, those of one solution next to each other (they share their prefill)."""
    asked = _asked(prompts)
    known: dict[tuple[str, str | None, str], int] = {}
    plan = _Plan([], {"completion_id": [], "step_index": [], "prefix": []}, {name: [] for name in ROLLOUTS})
    for completion_id, prompt_id, system, text, finish in in_order(solutions):
        messages, gold = asked(prompt_id, system)
        verdict = verify(gold, text, reading, truncated=finish == "length").status
        texts = list(accumulate(split_steps(text, policy)))
        if texts:
            _append(plan.outcomes, completion_id, len(texts) - 1, 0, completion_id, "", 0, finish, verdict)
        for t, prefix in enumerate(texts[:-1] if verdict != "gold_unparseable" else ()):
            at = known.setdefault((prompt_id, system, prefix), len(plan.prefixes))
            if at == len(plan.prefixes):
                base = derived_seed(seed, "rollout", messages, prefix)
                plan.prefixes.append(_Prefix(messages, prefix, gold, base))
            _append(plan.places, completion_id, t, at)
    return plan


def _append(columns: dict[str, list[Any]], *row: Any) -> None:
    for column, value in zip(columns.values(), row, strict=True):
        column.append(value)


def _rollouts(plan: _Plan) -> pl.DataFrame:
    """ROLLOUTS: the draws of each prefix, once for every step that shares it, and the outcome rows."""
    drawn = [(at, i, *pair) for at, prefix in enumerate(plan.prefixes) for i, pair in prefix.drawn.items()]
    draws = {
        "prefix": [at for at, _, _, _ in drawn],
        "sample_index": [i for _, i, _, _ in drawn],
        "call_id": [completion.key for _, _, completion, _ in drawn],
        "text": [completion.text for _, _, completion, _ in drawn],
        "n_tokens": [completion.n_tokens for _, _, completion, _ in drawn],
        "finish_reason": [completion.finish_reason for _, _, completion, _ in drawn],
        "verdict": [verdict for _, _, _, verdict in drawn],
    }
    types = {"prefix": pl.Int64} | dict(ROLLOUTS)
    places = pl.DataFrame(plan.places, schema={name: types[name] for name in plan.places})
    rows = places.join(pl.DataFrame(draws, schema={name: types[name] for name in draws}), on="prefix")
    rows = rows.select(ROLLOUTS.names())
    rows = pl.concat([rows, pl.DataFrame(plan.outcomes, schema=ROLLOUTS)])
    return rows.sort("completion_id", "step_index", "sample_index")
