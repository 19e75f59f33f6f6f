"""What is measured on held-out rows, by what the head says.

bt           accuracy and tie rate over comparisons (of a ranking: all its pairs, together as much as its
             weight), quantiles of their margins, each counted once, top1 over prompts; comparisons of even
             odds have no side that it would be right to prefer and are left out
orm, prm     accuracy at one half, AUROC over all and within prompts, ECE, Brier; orm: top1 over prompts;
             prm: first-error F1 with the threshold that is best on these rows
prm ratings  accuracy over the three classes and of each, AUROC and ECE of "not bad", Brier over the classes
regression   mean squared error and Pearson correlation, of each attribute and their mean, in which an
             attribute without a correlation, as of a constant prediction, counts 0"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from . import metrics
from .config import Objective
from .ensemble import How, aggregate
from .heads import RATINGS, Head
from .items import Items
from .units import Unit

Metrics = dict[str, float | None]


@dataclass(frozen=True)
class Judged:
    """Units, their items, and for each label the outputs (L, H, C) and the reward of all heads together (L,).
    Label `starts[u]` is the first of unit u; `how` is how heads become one."""

    units: list[Unit]
    items: Items
    starts: list[int]
    outputs: np.ndarray
    reward: np.ndarray
    how: How = "mean"

    def prompts(self) -> list[str]:
        """Of each label."""
        return [unit.prompt_id for unit in self.units for _ in unit.at]


def measures_of(head: Head, objective: Objective) -> Callable[[Judged], Metrics]:
    """The measures that fit what the head says."""
    if head.kind == "attributes":
        return partial(_attributes, names=head.labels)
    if head.kind == "classes":
        return _rated
    return {"bt": _compared, "orm": _outcomes, "prm": _steps}[objective]


def _compared(judged: Judged) -> Metrics:
    better, worse, weight = _decided(judged.items)
    margins = judged.reward[better] - judged.reward[worse]
    if not len(margins):
        return {"items": 0.0, "accuracy": None, "tie_rate": None, "top1": None}
    low, middle, high = np.quantile(margins, (0.1, 0.5, 0.9))
    return {
        "items": float(len(margins)),
        "accuracy": metrics.pair_accuracy(margins, weight),
        "tie_rate": float(np.average(margins == 0, weights=weight)),
        "top1": _unbeaten_first(judged, better, worse),
        "margin_p10": float(low),
        "margin_p50": float(middle),
        "margin_p90": float(high),
    }


def _decided(items: Items) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels of the better and the worse side of each comparison that has one, and its weight. A pair whose
    soft target is below one half is turned round; an order is all the pairs of its members."""
    if items.target.shape[1] == 1:
        target, (first, second) = items.target[:, 0], items.member.T
        turned = target < 0.5
        better, worse = np.where(turned, second, first), np.where(turned, first, second)
        decided = target != 0.5
        return better[decided], worse[decided], items.weight[decided]
    above, below = np.triu_indices(items.member.shape[1], k=1)
    size = (items.member >= 0).sum(axis=1)
    weight = items.weight / (size * (size - 1) / 2)
    there = items.target[:, above] < items.target[:, below]  # not where one is missing: NaN
    order = np.nonzero(there)[0]
    return items.member[:, above][there], items.member[:, below][there], weight[order]


def _unbeaten_first(judged: Judged, better: np.ndarray, worse: np.ndarray) -> float | None:
    """Top1 where an answer is good that lost no comparison of its prompt. Answers that several pairs share
    are one."""
    answers = [(u.prompt_id, _digest(u.paths[p])) for u in judged.units for p in u.path]
    number = {answer: i for i, answer in enumerate(dict.fromkeys(answers))}
    of_label = np.array([number[answer] for answer in answers])
    reward, prompts = np.empty(len(number)), np.array([prompt for prompt, _ in number])
    reward[of_label] = judged.reward
    beaten, compared = (np.zeros(len(number), bool) for _ in range(2))
    beaten[of_label[worse]] = True
    compared[of_label[np.concatenate([better, worse])]] = True
    return metrics.top1(reward[compared], ~beaten[compared], prompts[compared])


def _digest(path: np.ndarray) -> bytes:
    return hashlib.blake2b(path.tobytes(), digest_size=16).digest()


def _labels(judged: Judged) -> Metrics:
    at, target = judged.items.member[:, 0], judged.items.target[:, 0]
    share, right = judged.reward[at], target >= 0.5
    prompts = np.array(judged.prompts())[at]
    return {
        "items": float(len(right)),
        "positive_rate": float(right.mean()),
        "accuracy": float(((share >= 0.5) == right).mean()),
        "auroc": metrics.auroc(share, right),
        "auroc_within_prompt": metrics.auroc_within(share, right, prompts),
        "ece": metrics.ece(share, target),
        "brier": metrics.brier(share, target),
    }


def _outcomes(judged: Judged) -> Metrics:
    at, right = judged.items.member[:, 0], judged.items.target[:, 0] >= 0.5
    prompts = np.array(judged.prompts())[at]
    return _labels(judged) | {"top1": metrics.top1(judged.reward[at], right, prompts)}


def _steps(judged: Judged) -> Metrics:
    return _labels(judged) | _first_error(judged, judged.items.target[:, 0] >= 0.5)


def _first_error(judged: Judged, right: np.ndarray) -> Metrics:
    """Over the steps that have a label; a step's label is its item."""
    found = metrics.first_error(*(np.split(values, judged.starts[1:]) for values in (judged.reward, right)))
    f1, threshold = found or (None, None)
    return {"first_error_f1": f1, "first_error_threshold": threshold}


def _rated(judged: Judged) -> Metrics:
    logits = judged.outputs[judged.items.member[:, 0]].astype(np.float64)
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares = (odds / odds.sum(axis=-1, keepdims=True)).mean(axis=1)  # of the heads
    target = judged.items.target
    said, true = shares.argmax(axis=1), target.argmax(axis=1)
    passable = true > 0  # PRM800K's reading: a neutral step is no error
    prompts = judged.prompts()
    of_class = {
        f"accuracy_{name}": float((said == i)[true == i].mean()) if (true == i).any() else None
        for i, name in enumerate(RATINGS)
    }
    return {
        "items": float(len(true)),
        "accuracy": float((said == true).mean()),
        **of_class,
        "auroc": metrics.auroc(judged.reward, passable),
        "auroc_within_prompt": metrics.auroc_within(judged.reward, passable, prompts),
        "ece": metrics.ece(1 - shares[:, 0], 1 - target[:, 0]),
        "brier": metrics.brier(shares, target),
        **_first_error(judged, passable),
    }


def _attributes(judged: Judged, names: Sequence[str]) -> Metrics:
    outputs = judged.outputs[judged.items.member[:, 0]].astype(np.float64)
    values = aggregate(np.moveaxis(outputs, 1, 0), judged.how)
    target = judged.items.target.astype(np.float64)
    squares, correlations = [], []
    for x, y in zip(values.T, target.T, strict=True):
        there = ~np.isnan(y)
        squares.append(float(((x - y)[there] ** 2).mean()) if there.any() else None)
        correlations.append(metrics.pearson(x[there], y[there]))
    return {
        "items": float(len(values)),
        "mse": _mean(squares),
        "pearson": _mean([c or 0.0 for c in correlations])
        if any(c is not None for c in correlations)
        else None,
        **{f"mse_{name}": value for name, value in zip(names, squares, strict=True)},
        **{f"pearson_{name}": value for name, value in zip(names, correlations, strict=True)},
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
