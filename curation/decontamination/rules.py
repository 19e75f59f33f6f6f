"""When a text counts as a copy of an evaluation text: ours, and the rules that published data sets used.

Every rule asks which n-grams (runs of n words) of an eval text stand in our text. Ours, `default`:

- 5-grams over folded words, twice: as they stand, and with every number masked.
- Coverage: the share of the eval text's words that stand in n-grams found in ours. Enough is a ladder over
  its length, because short questions are made of common phrases: all up to 8 words, 60 % from 24 words.
- Boilerplate: an n-gram of more than 50 different eval texts is no evidence, nor is one of more than 2 % of
  a set's texts (a template), nor a run of bare numbers; all leave numerator and denominator alike.
- Train side: 80 % of our own words in n-grams of one eval text, at least 12 words: half a question leaks too.
- A whole text with the same words is a copy at any length.

Words are letters and numbers: operators and punctuation separate them and do not count. "2 + 3 * 4" and
"2 * 3 - 4" are the same words, so a problem that differs from an eval text in its operators alone is a copy
of it, with the same numbers, and not a twin. Of the two mistakes, to drop such a problem is the lesser.

The others, for numbers that compare with published ones: `tulu3` (arXiv 2411.15124, section 3.2: 8-grams,
more than half of the eval text's tokens covered; boilerplate is left out here as well, where their index
returns at most 100 documents instead), `gpt3` (arXiv 2005.14165, appendix C: any shared 13-gram), `s1`
(arXiv 2501.19393 and open-r1: any shared 8-gram of lower-cased words), `decon` (the tool of OLMo 3: 5-grams
weighted by inverse document frequency, a ladder from 20 to 50 tokens; words here, BPE tokens there).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import nextafter
from typing import Any, Literal

from store.errors import InputError
from store.ids import content_id
from store.inputs import did_you_mean

Coverage = Literal["words", "idf", "any"]
AlphabetName = Literal["folded", "spaced", "unpunctuated"]

VERSION = 1  # of what the words and the hashes of rules mean; part of every rule's hash


@dataclass(frozen=True)
class Rule:
    """One rule. `coverage`: what must be found of an eval text: its words, its n-grams weighted by inverse
    document frequency, or any one n-gram. The share needed falls from `at_short` at `short` words to
    `at_long` at `long`.
    """

    name: str
    n: int
    alphabet: AlphabetName = "folded"
    masked: bool = False
    coverage: Coverage = "words"
    short: int = 8
    long: int = 30
    at_short: float = 1.0
    at_long: float = 0.6
    max_df: int = 50  # eval texts that may share an n-gram; with `any` the first so many are named
    template_share: float | None = None  # of a set of 100 texts or more; at least 5 may share one
    min_words: int = 0  # shorter eval texts are compared whole or not at all
    train_side: float | None = None
    train_words: int = 12
    exact: bool = True

    def __post_init__(self) -> None:
        where = f"decontamination rule {self.name!r}"
        if not 2 <= self.n <= 50:
            raise InputError(f"{where}: n={self.n} must be from 2 to 50 words (5 to 13 are in use)")
        if not (0 < self.at_long <= self.at_short <= 1 and self.short < self.long):
            raise InputError(f"{where}: need 0 < at_long <= at_short <= 1 and short < long")
        if self.max_df < 1:
            raise InputError(f"{where}: max_df={self.max_df} must be at least 1")
        if self.template_share is not None and not 0 < self.template_share <= 1:
            raise InputError(f"{where}: template_share={self.template_share} must be a share from 0 to 1")
        if self.train_side is not None and (self.coverage != "words" or not 0 < self.train_side <= 1):
            raise InputError(f"{where}: train_side needs coverage 'words' and a share from 0 to 1")
        if self.masked and self.alphabet != "folded":
            raise InputError(f"{where}: only the alphabet 'folded' tells numbers from letters")

    def needed(self, n_words: float) -> float:
        """The share of an eval text of `n_words` words that must be covered."""
        along = min(1.0, max(0.0, (n_words - self.short) / (self.long - self.short)))
        return self.at_short - along * (self.at_short - self.at_long)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def rule_hash(self) -> str:
        """12 hex characters: equal where every threshold is."""
        return content_id(VERSION, self.to_dict())[:12]


PRESETS = {
    rule.name: rule
    for rule in (
        Rule("default", n=5, long=24, masked=True, template_share=0.02, train_side=0.8),
        Rule(
            "tulu3",
            n=8,
            at_short=nextafter(0.5, 1),  # more than half
            at_long=nextafter(0.5, 1),
            exact=False,
        ),
        Rule("gpt3", n=13, alphabet="unpunctuated", coverage="any", exact=False),
        Rule("s1", n=8, alphabet="spaced", coverage="any", exact=False),
        Rule(
            "decon",
            n=5,
            coverage="idf",
            short=20,
            long=50,
            at_long=0.8,
            max_df=2000,
            min_words=20,
            exact=False,
        ),
    )
}


def preset(name: str) -> Rule:
    if name not in PRESETS:
        known = ", ".join(PRESETS)
        raise InputError(f"no decontamination rule {name!r} (there is {known}){did_you_mean(name, PRESETS)}")
    return PRESETS[name]
