"""Losses on the head's outputs at labelled positions, by name.

    pairwise     bt on pairs and on all pairs of a ranking
    listwise     bt on whole rankings (Plackett-Luce)
    pointwise    orm, prm, regression: single labels
    language     orm: the next tokens of right completions, from hidden states

A loss takes `outputs` (L, H, C), float32, of L labels under H heads, and the Items over these labels; it
returns the weighted SUM over items, averaged over heads. The caller divides by the total weight of the
optimiser step over all rows and ranks: a mean of row means would weigh items by the company they keep. A row
without items costs 0 and takes part in the backward pass like any other, as ranks that work in step must."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor

from ..config import TrainConfig
from ..items import Items
from .listwise import order_loss
from .pairwise import pairwise_loss
from .pointwise import attribute_loss, binary_loss, class_loss

Loss = Callable[[Tensor, Items], Tensor]


def choose_loss(config: TrainConfig) -> Loss:
    """The loss of the settings."""
    if config.objective == "regression":
        return attribute_loss
    if config.objective == "prm" and config.prm_target == "ratings":
        return class_loss
    if config.objective != "bt":
        return binary_loss
    if config.loss == "plackett-luce":
        return partial(order_loss, centering=config.centering)
    return partial(pairwise_loss, label_smoothing=config.label_smoothing, centering=config.centering)
