"""Damage in texts that shows in the text alone: wrong decoding, wrong unescaping, marks of another layer.

All patterns run in the linear-time engine of polars, over prompt and answers as one text; written-out
newlines are looked for in each text that has no real ones.
"""

from __future__ import annotations

import polars as pl

from curation.audit.rows import RowCheck

_TEXT = pl.col("everything")
_SHOWN = 40  # characters around the first match in a finding

# UTF-8 read as Windows-1252 or Latin-1: a lead byte's character followed by a continuation byte's. Of the
# scripts that are not Latin, two such characters in a row: é…» ends a French sentence.
_BEHIND = r"[\x{80}-\x{BF}€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
_MOJIBAKE = (
    r"Ã[\x{80}-\x{BF}]|Â[\x{A0}-\x{BF}]|ðŸ"
    r"|â(?:€|\x{80})[\x{80}-\x{BF}\x{2122}\x{153}\x{201C}\x{201D}\x{2DC}\x{2018}\x{2019}]"
    rf"|(?:[ÎÏÐÑØÙ]{_BEHIND}){{2}}|(?:[à-í]{_BEHIND}{{2}}){{2}}"
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


def _pattern(check: str, pattern: str) -> RowCheck:
    return RowCheck(check, _TEXT.str.contains(pattern), _around(_TEXT, pattern))


def _around(text: pl.Expr, pattern: str) -> pl.Expr:
    around = rf"(.{{0,{_SHOWN // 2}}}(?:{pattern}).{{0,{_SHOWN // 2}}})"
    return text.str.extract(around, 1).fill_null("")


# The newline at its end belongs to a step, whatever is in it.
_ONE_LINE = ~pl.element().str.strip_suffix("\n").str.contains("\n", literal=True)
_WITH_ESCAPED = pl.col("texts").list.eval(
    pl.element().filter((pl.element().str.contains(_ESCAPED) & _ONE_LINE).fill_null(False))
)


TEXT_CHECKS = (
    _pattern("replacement_character", "\ufffd"),
    _pattern("mojibake", _MOJIBAKE),
    _pattern("control_characters", _CONTROL),
    RowCheck("escaped_newlines", _WITH_ESCAPED.list.len() > 0, _around(_WITH_ESCAPED.list.first(), _ESCAPED)),
    _pattern("html_entities", _ENTITY),
    _pattern("invisible_characters", _INVISIBLE),
    _pattern("template_marks", _TEMPLATE),
)
