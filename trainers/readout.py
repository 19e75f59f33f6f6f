"""From the head's outputs to rewards: what one number of each head says about a labelled position.

bt                          raw logit; only differences between answers to one prompt mean anything
orm, prm on labels or soft  P(correct)
prm on ratings              P(good) + P(neutral) / 2: the expected rating of -1, 0, 1, moved into [0, 1]
regression                  the first attribute
"""

from __future__ import annotations

import numpy as np

from .config import Objective
from .heads import Head


def rewards(head: Head, objective: Objective, outputs: np.ndarray) -> np.ndarray:
    """(L, H, C) of `RewardModel.outputs` → (L, H) float64."""
    logits = outputs.astype(np.float64)
    if head.kind == "classes":
        odds = np.exp(logits - logits.max(-1, keepdims=True))
        bad, neutral, good = np.moveaxis(odds, -1, 0)
        return (good + neutral / 2) / (bad + neutral + good)
    return sigmoid(logits[..., 0]) if objective in ("orm", "prm") else logits[..., 0]


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1 + small)
