"""Secrets out of anything that is written down.

Keys are only ever given by the name of an environment variable; this is the second
line of defence, for a token that was pasted into a recipe, a header or a URL. A value
is hidden when its key sounds like a secret, or when it looks like one itself.
"""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "[redacted]"
SECRET_WORDS = {"token", "secret", "password", "passwd", "passphrase", "authorization", "apikey"}
SECRET_WORDS |= {"credential", "credentials", "bearer", "cookie"}
KEY_KINDS = {"api", "access", "private", "secret", "auth", "signing"}
# `pad_token: "<pad>"` and the like are vocabulary, and a run cannot be repeated without them.
VOCABULARY = {"bos", "eos", "pad", "sep", "step", "unk", "mask", "cls", "stop", "special", "separator"}
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
LOOKS_SECRET = re.compile(
    r"\bhf_[A-Za-z0-9]{20,}|\bsk-[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}"
    r"|\bAKIA[A-Z0-9]{16}\b|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bAIza[A-Za-z0-9_-]{35}"
    r"|(?<=Bearer )[A-Za-z0-9._~+/=-]{8,}"
)
URL_SECRET = re.compile(
    r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)|(?<=[?&])((?:api_?key|access_token|token|key)=)[^&\s]+", re.I
)


def redact(value: Any, key: str = "") -> Any:
    """A copy of a JSON value with every secret replaced by `[redacted]`."""
    if isinstance(value, dict):
        return {name: redact(item, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item, key) for item in value]
    if isinstance(value, str):
        return HIDDEN if value and _sounds_secret(key) else _hide_inside(value)
    return value


def _hide_inside(text: str) -> str:
    text = LOOKS_SECRET.sub(HIDDEN, text)
    return URL_SECRET.sub(lambda match: (match[1] or "") + HIDDEN, text)


def _sounds_secret(key: str) -> bool:
    words = [word.lower() for word in WORD.findall(key)]
    if not words or words[-1] == "env":
        return False
    if words[-1] == "token" and len(words) > 1 and words[-2] in VOCABULARY:
        return False
    named_key = any(kind in KEY_KINDS and word == "key" for kind, word in zip(words, words[1:], strict=False))
    return named_key or bool(SECRET_WORDS.intersection(words))
