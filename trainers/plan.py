"""What a run trains on, in which order, at which rate: a pure function of settings and data.

Each epoch visits the prompt groups in a permutation drawn from (seed, epoch); a step takes the next
`batch_prompts` of them, or as many as fit in `batch_tokens`. Groups are ordered by content first, so the
order of the input rows changes nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from store.errors import InputError
from store.ids import content_id, derived_seed

from .config import TrainConfig
from .data import Example, read_examples
from .ensemble import resampled
from .evaluate import pack_all
from .model import RewardModel
from .pack import LabelledTree, Row, group_by_prompt, make_trees
from .units import Unit, fingerprint, make_units

_CALIBRATION_UNITS = 512  # training units that give reward mean and deviation where nothing is held out


@dataclass(frozen=True)
class Plan:
    """`key` names settings, data, tokenizer and first weights. `schedule` lists the groups of each step, and
    `epoch_ends` the number of steps when each epoch is over. `calibration` rows give the reward's mean and
    deviation: the held-out rows, or some training rows where nothing is held out."""

    config: TrainConfig
    key: str
    groups: list[list[Unit]]
    schedule: list[np.ndarray]
    epoch_ends: list[int]
    eval_rows: list[Row]
    calibration: list[Row]
    counts: dict[str, int]
    eval_counts: dict[str, int]

    @property
    def steps(self) -> int:
        return len(self.schedule)

    def trees(self, step: int) -> list[LabelledTree]:
        """What 0-based `step` trains on; built when it is asked for, since all trees together are large."""
        budget = self.config.row_tokens
        return [tree for i in self.schedule[step] for tree in make_trees(self.groups[i], budget)]

    def epoch(self, step: int) -> float:
        """Epochs that are over after `step` steps."""
        return float(np.interp(step, [0, *self.epoch_ends], range(len(self.epoch_ends) + 1)))

    def evaluates(self, step: int) -> bool:
        """Are the held-out rows due after `step` steps?"""
        every = self.config.eval_every
        return step == self.steps or (step % every == 0 if every else step in self.epoch_ends)


def make_plan(config: TrainConfig, model: RewardModel) -> Plan:
    """Read, tokenise, group and pack; stops at the first bad row."""
    examples = read_examples(config.data, config)
    n_rows = len(examples)
    if config.eval_data:
        held_out = read_examples(config.eval_data, config)
        prompts = {e.prompt_id for e in held_out}
        examples = [
            e for e in examples if e.prompt_id not in prompts
        ]  # held-out numbers are of unseen prompts
        leaked = n_rows - len(examples)
    else:
        examples, held_out = split_by_prompt(examples, config.eval_fraction)
        leaked = 0
    limit = min(config.max_tokens or model.max_positions, model.max_positions, config.row_tokens)
    units, counts = make_units(examples, model.codec, config, limit)
    if leaked:
        counts |= {"rows": n_rows, "held_out_prompt": leaked}
    if not units:
        raise InputError(f"{config.data[0]}: no usable row, {counts}; raise max_tokens or row_tokens")
    units = resampled(units, config.heads, config.seed)
    # Held-out ORM numbers are about whole solutions, so they are read off the last token in either mode.
    at_last = config.model_copy(update={"orm_target": "last"})
    eval_units, eval_counts = make_units(held_out, model.codec, at_last, limit)
    eval_rows = pack_all(eval_units, config.row_tokens)
    calibrating = eval_units or _some(examples, units, model, at_last, limit)
    groups = group_by_prompt(units)
    sizes = _sizes(groups, config)
    epochs = [batches(sizes, config, epoch) for epoch in range(config.epochs)]
    data = [fingerprint(units), fingerprint(eval_units), model.codec.fingerprint, model.weights_fingerprint()]
    return Plan(
        config,
        content_id("train", config.key_settings(), data),
        groups,
        [step for epoch in epochs for step in epoch],
        np.cumsum([len(epoch) for epoch in epochs]).tolist(),
        eval_rows,
        eval_rows or pack_all(calibrating, config.row_tokens),
        counts,
        eval_counts,
    )


def _some(
    examples: Sequence[Example], units: Sequence[Unit], model: RewardModel, config: TrainConfig, limit: int
) -> list[Unit]:
    """A part of the training units, labelled as held-out ones are."""
    prompts = {unit.prompt_id for unit in units[:_CALIBRATION_UNITS]}
    made, _ = make_units([e for e in examples if e.prompt_id in prompts], model.codec, config, limit)
    return made[:_CALIBRATION_UNITS]


def split_by_prompt(examples: Sequence[Example], fraction: float) -> tuple[list[Example], list[Example]]:
    """Training and held-out examples: the share of prompts whose hashed ids come first, at least one."""
    prompts = sorted({e.prompt_id for e in examples}, key=lambda p: (derived_seed("held out", p), p))
    held = set(prompts[: max(1, round(fraction * len(prompts)))] if fraction else [])
    return [e for e in examples if e.prompt_id not in held], [e for e in examples if e.prompt_id in held]


def _sizes(groups: Sequence[Sequence[Unit]], config: TrainConfig) -> np.ndarray:
    """Packed tokens of each group, where steps are measured in tokens."""
    if config.batch_tokens is None:
        return np.zeros(len(groups), np.int64)
    return np.array([sum(map(len, make_trees(group, config.row_tokens))) for group in groups])


def batches(sizes: np.ndarray, config: TrainConfig, epoch: int) -> list[np.ndarray]:
    """The groups of each step of an epoch, given how many packed tokens each group has. A group above
    `batch_tokens` makes a step of its own."""
    order = np.random.default_rng([config.seed, epoch]).permutation(len(sizes))
    if config.batch_tokens is None:
        return np.split(order, range(config.batch_prompts, len(order), config.batch_prompts))
    cuts, held = [], 0
    for i, size in enumerate(sizes[order].tolist()):
        if held and held + size > config.batch_tokens:
            cuts.append(i)
            held = 0
        held += size
    return np.split(order, cuts)


def rate(step: int, steps: int, config: TrainConfig) -> float:
    """Learning rate of 0-based `step`: linear rise over the warm-up, then cosine or linear fall to the
    floor."""
    rise = math.ceil(config.warmup * steps)
    if step < rise:
        return config.lr * (step + 1) / rise
    done = (step - rise) / max(1, steps - rise)
    left = 0.5 * (1 + math.cos(math.pi * done)) if config.schedule == "cosine" else 1 - done
    return config.lr * (config.lr_floor + (1 - config.lr_floor) * left)
