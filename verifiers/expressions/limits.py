"""How large an answer may be: checked while it is read, before any arithmetic."""

from __future__ import annotations

MAX_CHARS = 4_096
MAX_TOKENS = 2_000  # every node stems from a token, so this bounds the tree as well
MAX_DEPTH = 64  # about six Python frames a level: far below the recursion limit
MAX_DIGITS = 1_000  # of one number
MAX_EXPONENT = 1_000  # of ten, in scientific notation
MAX_CELLS = 256  # of one matrix
