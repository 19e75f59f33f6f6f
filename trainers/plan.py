"""What a run trains on, in which order, at which rate: a pure function of settings and data.

Each epoch visits the prompt groups in a permutation drawn from (seed, epoch); `batch_prompts` groups make one
step. Groups are ordered by content first, so the order of the input rows changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from store.errors import InputError
from store.ids import content_id, derived_seed

from .config import TrainConfig
from .data import Example, read_examples
from .evaluate import pack_all
from .model import RewardModel
from .pack import LabelledTree, Row, group_by_prompt, make_trees
from .units import fingerprint, make_units

Group = list[LabelledTree]
_CALIBRATION_UNITS = 512  # training units that give reward mean and deviation where nothing is held out


@dataclass(frozen=True)
class Plan:
    """`key` names settings, data, tokenizer and first weights. `calibration` rows give the reward's mean and
    deviation: the held-out rows, or some training rows where nothing is held out."""

    config: TrainConfig
    key: str
    groups: list[Group]
    eval_rows: list[Row]
    calibration: list[Row]
    counts: dict[str, int]
    eval_counts: dict[str, int]

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self.groups) / self.config.batch_prompts)

    @property
    def steps(self) -> int:
        return self.steps_per_epoch * self.config.epochs

    @property
    def n_tokens(self) -> int:
        """Tokens that training forwards."""
        return self.config.epochs * sum(len(tree) for group in self.groups for tree in group)

    @property
    def n_path_tokens(self) -> int:
        """Tokens the same examples would take as separate rows without padding."""
        paths = (p for group in self.groups for tree in group for u in tree.units for p in u.paths)
        return self.config.epochs * sum(map(len, paths))


def make_plan(config: TrainConfig, model: RewardModel) -> Plan:
    """Read, tokenise, group and pack; stops at the first bad row."""
    examples = read_examples(config.data, config)
    if config.eval_data:
        held_out = read_examples(config.eval_data, config)
    else:
        examples, held_out = split_by_prompt(examples, config.eval_fraction)
    limit = min(config.max_tokens or model.max_positions, model.max_positions, config.row_tokens)
    units, counts = make_units(examples, model.codec, config, limit)
    if not units:
        raise InputError(f"{config.data[0]}: no usable row, {counts}; raise max_tokens or row_tokens")
    # Held-out ORM numbers are about whole solutions, so they are read off the last token in either mode.
    at_last = config.model_copy(update={"orm_target": "last"})
    eval_units, eval_counts = make_units(held_out, model.codec, at_last, limit)
    eval_rows = pack_all(eval_units, config.row_tokens)
    data = [fingerprint(units), fingerprint(eval_units), model.codec.fingerprint, model.weights_fingerprint()]
    return Plan(
        config,
        content_id("train", config.key_settings(), data),
        [make_trees(group, config.row_tokens) for group in group_by_prompt(units)],
        eval_rows,
        eval_rows or pack_all(units[:_CALIBRATION_UNITS], config.row_tokens),
        counts,
        eval_counts,
    )


def split_by_prompt(examples: Sequence[Example], fraction: float) -> tuple[list[Example], list[Example]]:
    """Training and held-out examples: the share of prompts whose hashed ids come first, at least one."""
    prompts = sorted({e.prompt_id for e in examples}, key=lambda p: (derived_seed("held out", p), p))
    held = set(prompts[: max(1, round(fraction * len(prompts)))] if fraction else [])
    return [e for e in examples if e.prompt_id not in held], [e for e in examples if e.prompt_id in held]


def batches(
    groups: Sequence[Group], batch_prompts: int, seed: int, epoch: int
) -> Iterator[list[LabelledTree]]:
    """The trees of each step of an epoch."""
    order = np.random.default_rng([seed, epoch]).permutation(len(groups))
    for start in range(0, len(order), batch_prompts):
        yield [tree for i in order[start : start + batch_prompts] for tree in groups[i]]


def rate(step: int, steps: int, config: TrainConfig) -> float:
    """Learning rate of 0-based `step`: linear rise over the warm-up, then cosine or linear fall to the
    floor."""
    rise = math.ceil(config.warmup * steps)
    if step < rise:
        return config.lr * (step + 1) / rise
    done = (step - rise) / max(1, steps - rise)
    left = 0.5 * (1 + math.cos(math.pi * done)) if config.schedule == "cosine" else 1 - done
    return config.lr * (config.lr_floor + (1 - config.lr_floor) * left)
