"""Losses on the head's outputs at labelled positions, by name.

A loss takes `outputs` (L, H, C), float32, of L labels under H heads, and the Items over these labels; it
returns the weighted SUM over items, averaged over heads. The caller divides by the total weight of the
optimiser step over all rows and ranks: a mean of row means would weigh items by the company they keep."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ..config import TrainConfig
from ..items import Items
from .pairwise import pairwise_loss
from .pointwise import binary_loss

Loss = Callable[[Tensor, Items], Tensor]


def choose_loss(config: TrainConfig) -> Loss:
    """The loss of the settings."""
    return pairwise_loss if config.objective == "bt" else binary_loss
