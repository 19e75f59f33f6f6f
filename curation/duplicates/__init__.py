"""Exact and near duplicates: what to drop, and what must stay on one side of a split."""

from curation.duplicates.copies import Copies, find_copies
from curation.duplicates.frames import copies_of, near_copies, prompt_texts
from curation.duplicates.rule import Rule
from curation.duplicates.sketches import Sketches

__all__ = ["Copies", "Rule", "Sketches", "copies_of", "find_copies", "near_copies", "prompt_texts"]
