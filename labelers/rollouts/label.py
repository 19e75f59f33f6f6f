"""Step labels from Monte Carlo rollouts: a step is good if the policy can still get home from it.

Math-Shepherd (arXiv 2312.08935, section 3.3): from a prefix s_1..s_t of a solution the policy draws
continuations, and each, read together with its prefix, ends in the reference answer or not. How many are
drawn from which prefix, and what label follows, is the strategy's affair (`strategies`); `streams` makes the
draws, the same ones for every strategy; `labels` turns them into STEPS, then and at any later time.

A strategy with parameters of its own (`Piloted`) first labels `PILOT` solutions, chosen by content, and
estimates its parameters from what it saw there. `label_steps` does so with the solutions it is given, and
then goes on with all of them. What is labelled in several calls has to be calibrated over all of it first
(`calibrate`), or one solution would be labelled in two ways, depending on what stood beside it.

The last step needs no rollout. A finished solution is its own continuation: one ROLLOUTS row with an empty
text, no tokens, and the solution's id for a call id. Its step has n_rollouts = 1, method "outcome".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from itertools import accumulate
from typing import Any, NamedTuple

import polars as pl

from labelers.rollouts.cases import Case, rollouts_of
from labelers.rollouts.labels import in_order, relabel, rollout_stats
from labelers.rollouts.samples import Asked, FreeDraw, questions, read_samples, siblings
from labelers.rollouts.strategy import Piloted, Strategy
from labelers.rollouts.streams import Draws, Stream
from labelers.segment import NEWLINE, Split, split_steps
from samplers.cached import Budget, Progress, sample_through
from samplers.engine import Engine, Sampling
from store.ids import content_id
from store.ledger import Ledger
from verifiers.math import verify
from verifiers.policy import DEFAULT, Policy

PILOT = 200  # solutions


class StepLabels(NamedTuple):
    rollouts: pl.DataFrame  # ROLLOUTS
    steps: pl.DataFrame  # STEPS
    facts: dict[str, Any]  # `rollout_stats`, how many were "rejected", and the "strategy" as it ended


def label_steps(
    engine: Engine,
    ledger: Ledger,
    solutions: pl.DataFrame,
    prompts: pl.DataFrame,
    strategy: Strategy,
    sampling: Sampling = Sampling(),  # noqa: B008
    seed: int = 0,
    *,
    samples: pl.DataFrame | None = None,
    use_siblings: bool = False,
    split: Split = NEWLINE,
    reading: Policy = DEFAULT,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> StepLabels:
    """ROLLOUTS and STEPS of `solutions` (COMPLETIONS); every prompt among them must have an answer.

    `samples` are all completions of the prompts by the engine's model with these sampling parameters: they
    tell pass rates and, with `use_siblings`, are free draws (see `samples`). Without them a prompt's pass
    rate is what the solution's own answer tells.

    Rollouts see the system prompt their solution was sampled with (`system_variant`). A solution whose
    reference answer the verifier cannot read gets no rollouts and null labels.
    """
    known = {} if samples is None else read_samples(samples, prompts, reading)
    cases = _cases(solutions, prompts, strategy, known, use_siblings, split, reading, seed)
    source = partial(sample_through, ledger, engine, budget=budget, progress=progress)
    draws = Draws(source, sampling, reading)
    if isinstance(strategy, Piloted) and strategy.calibrate:
        chosen = set(pilot_of(solutions)["completion_id"])
        strategy = _calibrated(strategy, draws, [case for case in cases if case.completion_id in chosen])
        for case in cases:
            case.strategy = strategy
    draws.run(cases)
    rollouts = rollouts_of(cases)
    steps = relabel(rollouts, solutions, strategy, split=split)
    facts = rollout_stats(rollouts) | {"rejected": draws.rejected, "strategy": options_of(strategy)}
    return StepLabels(rollouts, steps, facts)


def calibrate(
    engine: Engine,
    ledger: Ledger,
    solutions: pl.DataFrame,
    prompts: pl.DataFrame,
    strategy: Strategy,
    sampling: Sampling = Sampling(),  # noqa: B008
    seed: int = 0,
    *,
    samples: pl.DataFrame | None = None,
    use_siblings: bool = False,
    split: Split = NEWLINE,
    reading: Policy = DEFAULT,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> Strategy:
    """The strategy with the parameters that `label_steps` would give it if it got all of `solutions` at once.

    Itself, at no cost, where there is nothing to estimate. Every argument but `solutions` has to be the same
    as in the calls that label; what was drawn here is in the ledger for them.
    """
    if not (isinstance(strategy, Piloted) and strategy.calibrate):
        return strategy
    pilot = pilot_of(solutions)
    known = {} if samples is None else read_samples(_of_same_prompts(samples, pilot), prompts, reading)
    cases = _cases(pilot, prompts, strategy, known, use_siblings, split, reading, seed)
    source = partial(sample_through, ledger, engine, budget=budget, progress=progress)
    return _calibrated(strategy, Draws(source, sampling, reading), cases)


def pilot_of(solutions: pl.DataFrame) -> pl.DataFrame:
    """The `PILOT` solutions that a strategy is calibrated on."""
    ids = solutions.filter(pl.col("text") != "")["completion_id"]
    chosen = sorted(ids, key=lambda completion_id: content_id("pilot", completion_id))[:PILOT]
    return solutions.filter(pl.col("completion_id").is_in(chosen))


def options_of(strategy: Strategy) -> dict[str, Any]:
    """What `strategy_for` makes the strategy of again, as JSON values."""
    return {"name": strategy.name} | asdict(strategy)  # type: ignore[call-overload]


def _calibrated(strategy: Piloted, draws: Draws, pilot: Sequence[Case]) -> Strategy:
    draws.run(pilot)
    return strategy.calibrated([case.evidence() for case in pilot if case.readable])


def _of_same_prompts(samples: pl.DataFrame, solutions: pl.DataFrame) -> pl.DataFrame:
    return samples.filter(pl.col("prompt_id").is_in(solutions["prompt_id"].unique().to_list()))


def _cases(
    solutions: pl.DataFrame,
    prompts: pl.DataFrame,
    strategy: Strategy,
    known: dict[Asked, list[FreeDraw]],
    use_siblings: bool,
    split: Split,
    reading: Policy,
    seed: int,
) -> list[Case]:
    """The solutions that have steps, those of a prompt next to each other (they share their prefill)."""
    question = questions(prompts)
    streams: dict[tuple[Asked, str], Stream] = {}
    cases = []
    for completion_id, prompt_id, system, text, finish in in_order(solutions):
        asked = prompt_id, system
        messages, gold = question(asked)
        *prefixes, whole = accumulate(split_steps(text, split)) if text else [""]
        for prefix in prefixes:
            if (asked, prefix) not in streams:
                streams[asked, prefix] = Stream.of(messages, prefix, gold, seed)
        if whole:
            verdict = verify(gold, text, reading, truncated=finish == "length").status
            outcome = FreeDraw(completion_id, "", finish, verdict)
            samples = known.get(asked, [])
            free = siblings(samples if use_siblings else [], completion_id, prefixes)
            own = [streams[asked, prefix] for prefix in prefixes]
            ends = [len(text) for text in (*prefixes, whole)]
            cases.append(Case.of(outcome, ends, own, free, samples, strategy))
    return cases
