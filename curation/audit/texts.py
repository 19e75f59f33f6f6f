"""Damage in texts that shows in the text alone: wrong decoding, wrong unescaping, marks of another layer.

All patterns run in the linear-time engine of polars, over prompt and answers as one text.
"""

from __future__ import annotations

import polars as pl

from curation.audit.rows import RowCheck

_TEXT = pl.col("everything")
_SHOWN = 40  # characters around the first match in a finding

# UTF-8 read as Windows-1252 or Latin-1: a lead byte's character followed by a continuation byte's.
_MOJIBAKE = (
    r"Ã[\x{80}-\x{BF}]|Â[\x{A0}-\x{BF}]|ðŸ"
    r"|â(?:€|\x{80})[\x{80}-\x{BF}\x{2122}\x{153}\x{201C}\x{201D}\x{2DC}\x{2018}\x{2019}]"
)
# Without tab, newline and carriage return, and the separators that `columns.derived` puts in.
_CONTROL = r"[\x{00}-\x{08}\x{0B}\x{0C}\x{0E}-\x{1D}\x{1F}\x{7F}-\x{9F}]"
# Not before a small letter: LaTeX has \neq, \nabla and \nu.
_ESCAPED = r"\\n(?:\\n|[A-Z0-9 *#-]|$)"
_ENTITY = r"&(?:amp|lt|gt|quot|apos|nbsp|#39|#x27|#34);"
# Joiners belong to several scripts and to emoji; these do not.
_INVISIBLE = r"[\x{00AD}\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2060}\x{2066}-\x{2069}\x{FEFF}]"
_TEMPLATE = (
    r"<\|(?:im_start|im_end|eot_id|start_header_id|end_header_id|begin_of_text|endoftext|user|assistant"
    r"|system|end)\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<extra_id_[012]>|</s>"
    r"|(?:^|\n\n)(?:### ?)?(?:Human|Assistant): "
)


def _pattern(check: str, pattern: str, unless: str | None = None) -> RowCheck:
    bad = _TEXT.str.contains(pattern)
    if unless is not None:
        bad = bad & ~_TEXT.str.contains(unless, literal=True)
    around = rf"(.{{0,{_SHOWN // 2}}}(?:{pattern}).{{0,{_SHOWN // 2}}})"
    return RowCheck(check, bad, _TEXT.str.extract(around, 1).fill_null(""))


TEXT_CHECKS = (
    _pattern("replacement_character", "\ufffd"),
    _pattern("mojibake", _MOJIBAKE),
    _pattern("control_characters", _CONTROL),
    _pattern("escaped_newlines", _ESCAPED, unless="\n"),
    _pattern("html_entities", _ENTITY),
    _pattern("invisible_characters", _INVISIBLE),
    _pattern("template_marks", _TEMPLATE),
)
