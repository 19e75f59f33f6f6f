"""Leaks planted on purpose: known edits of eval texts, to see which of them the scan finds.

A recall that is measured on the very eval sets of a run says more than a rule's name: short questions and
templated sets are harder than others. The edits are the ones that decontamination rules get compared by:
what copying does to a text (case, embedding), what rewriting does (inserted and replaced words, half of it,
sentences in another order) and what making a new problem from an old one does (numbers, names). Whole
paraphrases are not among them; no rule on words finds those.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from heapq import nsmallest
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from curation.eval_sets.texts import EvalSet, EvalText
from store.ids import derived_seed

if TYPE_CHECKING:
    from curation.decontamination.scan import Scanner

Edit = Callable[[str, Random], str]

LONG = range(16, 1000)  # words; shorter texts get the edits for short ones
MIDDLE = range(8, 13)
SHORT = range(3, 8)  # of fewer than three words the exact rule says nothing

PLANTED = pl.Schema({"edit": pl.String, "planted": pl.Int64, "found": pl.Int64, "recall": pl.Float64})

_FILLERS = ("also", "then", "really", "perhaps", "here", "indeed", "again", "simply", "often", "maybe")
_NAMES = (
    "Ottilie",
    "Rasmus",
    "Yevgenia",
    "Tobias",
    "Ngozi",
    "Leopold",
    "Marisol",
    "Anselm",
    "Zahra",
    "Bruno",
)
_FRAMES = (
    "You are a patient tutor. Read the task below twice before you answer.\n\n{}\n\nThink aloud, then stop.",
    "Hello! My study group could not agree on this one:\n{}\nWhat would you say, and how sure are you?",
    "### Task 7\n{}\n### Notes\nKeep the reply under two hundred words and avoid tables.",
)
_LOOSE_MARK = re.compile(r"(?<!\w)[,.;:!?\"()-]|[,.;:!?\"()-](?!\w)")  # not the point of 3.5
_NUMBER = re.compile(r"\d+")
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]+")  # a capital inside a sentence
_SENTENCE_END = re.compile(r"(?<=[.?!])\s+")


class Plant(NamedTuple):
    edit: str
    eval_set: str
    eval_row: str
    text: str  # edited


def planted_recall(scanner: Scanner, eval_sets: Sequence[EvalSet], seed: int, n: int = 50) -> pl.DataFrame:
    """PLANTED: each of EDITS made to up to `n` eval texts, and how many the scan ties to their own eval row.

    An edit that none of the texts allows (there are no short ones, say) has no row.
    """
    plants = list(plant(eval_sets, seed, n))
    matches = scanner.scan([p.text for p in plants])
    pairs = set(matches.select("row", "eval_set", "eval_row").iter_rows())
    found = [(i, p.eval_set, p.eval_row) in pairs for i, p in enumerate(plants)]
    return (
        pl.DataFrame({"edit": [p.edit for p in plants], "hit": found}, {"edit": pl.String, "hit": pl.Boolean})
        .group_by("edit", maintain_order=True)
        .agg(planted=pl.len(), found=pl.col("hit").sum(), recall=pl.col("hit").mean())
        .cast(PLANTED)
    )


def plant(eval_sets: Sequence[EvalSet], seed: int, n: int) -> Iterator[Plant]:
    """Every edit of EDITS made to up to `n` texts, edit by edit, of 40 `n` texts drawn from all sets.

    They are drawn by a checksum of their own ids, so that the order of an eval set's rows changes nothing.
    """
    sources = ((s.name, text) for s in eval_sets for text in s.texts)
    drawn = [
        (name, text, len(text.text.split()))
        for name, text in nsmallest(40 * n, sources, key=lambda source: (_draw(seed, *source), source))
    ]
    for edit_name, (edit, lengths) in EDITS.items():
        left = n
        for name, source, length in drawn:
            if left and length in lengths:
                random = Random(derived_seed(seed, edit_name, name, source.row, source.field))
                edited = edit(source.text, random)
                if edited != source.text or edit is _verbatim:
                    yield Plant(edit_name, name, source.row, edited)
                    left -= 1


def _draw(seed: int, name: str, text: EvalText) -> int:
    return zlib.crc32(f"{seed} {name} {text.row} {text.field}".encode("utf-8", "surrogatepass"))


def _verbatim(text: str, random: Random) -> str:
    return text


def _case_and_punctuation(text: str, random: Random) -> str:
    marked = _LOOSE_MARK.sub(lambda _: random.choice(("", " ", " - ")), text)
    spaced = "".join(random.choice((" ", "  ", "\n")) if c.isspace() else c for c in marked)
    return random.choice((str.upper, str.lower, str.title))(spaced)


def _embedded(text: str, random: Random) -> str:
    return random.choice(_FRAMES).format(text)


def _numbers(text: str, random: Random) -> str:
    def other(match: re.Match[str]) -> str:
        low = 10 ** (len(match.group()) - 1)  # as many digits, so 10 to 99 for 42
        return str(random.randrange(low, 10 * low))

    return _NUMBER.sub(other, text)


def _numbers_and_names(text: str, random: Random) -> str:
    names = sorted(set(_NAME.findall(text)))
    if names:
        pool = _NAMES * (1 + len(names) // len(_NAMES))
        others = dict(zip(names, random.sample(pool, len(names)), strict=True))
        text = re.sub(rf"\b({'|'.join(names)})\b", lambda match: others[match.group()], text)
    return _numbers(text, random)


def _inserted_every(step: int) -> Edit:
    def edit(text: str, random: Random) -> str:
        words = text.split(" ")
        last = step - 1
        return " ".join(
            f"{w} {random.choice(_FILLERS)}" if i % step == last else w for i, w in enumerate(words)
        )

    return edit


def _inserted(share: float) -> Edit:
    def edit(text: str, random: Random) -> str:
        words = text.split(" ")
        return " ".join(f"{w} {random.choice(_FILLERS)}" if random.random() < share else w for w in words)

    return edit


def _replaced(share: float) -> Edit:
    def edit(text: str, random: Random) -> str:
        return " ".join(random.choice(_FILLERS) if random.random() < share else w for w in text.split(" "))

    return edit


def _first_half(text: str, random: Random) -> str:
    words = text.split(" ")
    return " ".join(words[: (len(words) + 1) // 2])


def _shuffled(text: str, random: Random) -> str:
    sentences = _SENTENCE_END.split(text)
    random.shuffle(sentences)
    return " ".join(sentences)


EDITS: dict[str, tuple[Edit, range]] = {
    "verbatim": (_verbatim, LONG),
    "case and punctuation": (_case_and_punctuation, LONG),
    "embedded in other text": (_embedded, LONG),
    "other numbers": (_numbers, LONG),
    "other numbers and names": (_numbers_and_names, LONG),
    "a word inserted after every 8": (_inserted_every(8), LONG),
    "a word inserted after every 5": (_inserted_every(5), LONG),
    "12% words inserted": (_inserted(0.12), LONG),
    "10% of words replaced": (_replaced(0.10), LONG),
    "25% of words replaced": (_replaced(0.25), LONG),
    "first half": (_first_half, LONG),
    "sentences shuffled": (_shuffled, LONG),
    "under 8 words, whole": (_verbatim, SHORT),
    "under 8 words, embedded": (_embedded, SHORT),
    "8 to 12 words, embedded": (_embedded, MIDDLE),
}
