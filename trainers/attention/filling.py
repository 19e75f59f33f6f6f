"""Rows filled up to a few lengths, so that compiled code meets few shapes and is not compiled anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..pack import Row

# Filler stands in short causal chains of its own: few for a plan of sequences, and cheap for any kernel.
_CHAIN = 128
_LENGTHS = 8  # up to the budget; with more, rows would hold less filler and more kernels be compiled


def fixed_length(n_tokens: int, budget: int) -> int:
    """`n_tokens` rounded up to eighths of the budget, themselves rounded up to whole blocks of 128."""
    step = -(-budget // (_LENGTHS * _CHAIN)) * _CHAIN
    return -(-n_tokens // step) * step


def fill(row: Row, length: int) -> Row:
    """The row with filler behind it until it has `length` tokens; one that has them already is returned.

    Filler sees and is seen by filler alone and has no labels: scores and gradients are those of the row."""
    n = length - len(row)
    if n <= 0:
        return row
    chains = [np.arange(start, min(start + _CHAIN, length)) for start in range(len(row), length, _CHAIN)]
    return replace(
        row,
        tokens=np.concatenate([row.tokens, np.zeros(n, np.int64)]),
        depth=np.concatenate([row.depth, *(chain - chain[0] for chain in chains)]),
        end=np.concatenate([row.end, *(np.full(len(chain), chain[-1] + 1) for chain in chains)]),
        paths=[*row.paths, *((chain, 0) for chain in chains)],
    )
