"""What an attention backend is: a name for transformers, and the arguments that a row turns into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ..pack import Row


@dataclass(frozen=True)
class Backend:
    """`implementation` is the name transformers knows; `inputs` builds the backbone's extra arguments for a
    row. Where `fixed`, code is compiled for each length of a row, so rows are filled up to a few lengths."""

    name: str
    implementation: str
    inputs: Callable[[Row, torch.device], dict[str, Any]]
    fixed: bool = False
