"""Numpy arrays to the device of a model, without waiting for it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def upload(array: np.ndarray, device: torch.device) -> Tensor:
    """From pageable memory a copy would wait for all that the GPU has been given before, once an array."""
    tensor = torch.from_numpy(np.require(array, requirements=["C", "W"]))  # repeated scalars are neither
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
