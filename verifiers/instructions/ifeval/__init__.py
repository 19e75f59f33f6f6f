"""The 25 instruction types of IFEval (arXiv 2311.07911), by family, and four drafts in its code."""

from verifiers.instructions.ifeval import (
    case,
    combination,
    content,
    drafts,
    format,
    keywords,
    languages,
    length,
    punctuation,
    startend,
)

__all__ = [
    "case",
    "combination",
    "content",
    "drafts",
    "format",
    "keywords",
    "languages",
    "length",
    "punctuation",
    "startend",
]
