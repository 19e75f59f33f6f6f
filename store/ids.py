"""Content ids: what a thing is, never where it stands.

An id is the BLAKE2b-128 digest of the canonical JSON of its parts, so reordering,
resharding or renaming never changes it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

ID_BYTES = 16  # 2^64 rows before a collision is likely


def content_id(*parts: Any) -> str:
    """32 hex characters naming `parts` (JSON values); independent of dict order."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=ID_BYTES).hexdigest()


def derived_seed(*parts: Any) -> int:
    """A seed in [0, 2^30) that is a function of `parts` alone.

    Below 2^30 because OpenAI-compatible servers and vLLM add a sample index to it
    and must stay inside a signed 32-bit integer.
    """
    return int(content_id(*parts)[:8], 16) & 0x3FFF_FFFF
