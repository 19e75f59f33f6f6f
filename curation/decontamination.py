"""Which prompts repeat an evaluation set, and where: exact hashes first, then n-gram coverage.

Three rules, the strongest that applies to a (prompt, eval row) is reported:

- `exact`: the whole prompt, or one of its messages, has the same words as the eval text. Works for any
  length.
- `ngram`: enough of the eval text's 5-grams occur in the prompt. "Enough" is a ladder: all of them up to 8
  words, 60 % from 30 words, linear between, because short questions are made of common phrases.
- `twin`: the same after every number is masked: the same template with other numbers. A `warn` unless asked
  for, since templated data is full of twins that leak nothing.

Coverage counts the distinct n-grams of the eval text. N-grams that occur in more than `max_df` different eval
texts are boilerplate and leave numerator and denominator alike; an eval text of which too little remains is
compared by the exact rule only and counted as not indexable. Thresholds follow the ladder measured against
Tulu 3 (8-grams, > 50 %), GPT-3 (any 13-gram) and s1 (any 8-gram) in this project's survey.

A hit drops the prompt, and with it every row derived from it. Completions are scanned for warnings only: an
answer that quotes a benchmark says something about the sampler, not about the prompt.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from typing import Any, Literal, NamedTuple

import polars as pl

from curation.evalsets import EvalRow
from curation.ngrams import Gram, grams, has_letter, masked, spans, words
from store.errors import InputError

RULES = ("exact", "ngram", "twin")  # strongest first

_REPORT_COLUMNS: dict[str, Any] = {
    "prompt_id": pl.String,
    "completion_id": pl.String,  # null: the prompt itself matched
    "eval_set": pl.String,
    "eval_row": pl.String,
    "eval_field": pl.String,
    "rule": pl.Enum(RULES),
    "coverage": pl.Float64,  # share of the eval text's n-grams found
    "char_start": pl.Int64,
    "char_end": pl.Int64,
    "span": pl.String,  # the matched stretch of our text, first to last matched word
    "action": pl.Enum(("drop", "warn")),
}
REPORT = pl.Schema(_REPORT_COLUMNS)

TOTALS = pl.Schema(
    {
        "eval_set": pl.String,
        "rows": pl.Int64,
        "indexable": pl.Int64,  # rows the n-gram rule can see; the rest are compared whole only
        "hit": pl.Int64,  # eval rows that some prompt repeats (exact or ngram)
        "twins": pl.Int64,  # eval rows that some prompt repeats but for its numbers
        "prompts_dropped": pl.Int64,
        "completions_warned": pl.Int64,
        "fingerprint": pl.String,  # hash of the set's words: what exactly was compared against
    }
)


class Settings(NamedTuple):
    n: int = 5
    short: int = 8  # up to this many words every n-gram must be found
    long: int = 30  # from this many words `threshold` is enough
    threshold: float = 0.6
    max_df: int = 50
    twins: Literal["warn", "drop", "off"] = "warn"

    def needed(self, n_words: int) -> float:
        share = min(1.0, max(0.0, (n_words - self.short) / (self.long - self.short)))
        return 1.0 - share * (1.0 - self.threshold)


class Decontamination(NamedTuple):
    report: pl.DataFrame  # REPORT
    totals: pl.DataFrame  # TOTALS
    dropped: list[str]  # prompt ids, sorted


@dataclass
class _Text:
    """One distinct eval text and all the eval rows that have it."""

    tokens: list[str]
    rows: list[EvalRow] = field(default_factory=list)


@dataclass
class _Index:
    """N-grams of the distinct eval texts, boilerplate left out."""

    postings: dict[Gram, list[int]]
    sizes: dict[int, int]  # text -> its n-grams that count; absent: not indexable
    needed: dict[int, int]  # text -> n-grams that make a hit

    def hits(self, found: Iterable[Gram]) -> dict[int, list[Gram]]:
        """Eval texts covered well enough by the n-grams `found`, with the n-grams that cover them."""
        known = sorted({g for g in found if g in self.postings})
        counts = Counter(text for g in known for text in self.postings[g])
        enough = {text for text, count in counts.items() if count >= self.needed[text]}
        return {text: [g for g in known if text in self.postings[g]] for text in sorted(enough)}


class _Match(NamedTuple):
    text: int
    rule: str
    coverage: float
    start: int
    end: int


def decontaminate(
    prompts: pl.DataFrame,
    eval_sets: Mapping[str, list[EvalRow]],
    completions: pl.DataFrame | None = None,
    settings: Settings = Settings(),  # noqa: B008
) -> Decontamination:
    """Compare the training prompts (PROMPTS rows with split "train") with every eval set."""
    _check(eval_sets, settings)
    texts, exact = _distinct(eval_sets)
    indexes = {"ngram": _index([t.tokens for t in texts], settings)}
    if settings.twins != "off":
        indexes["twin"] = _index([masked(t.tokens) for t in texts], settings)
    scan = partial(_scan, exact=exact, indexes=indexes, texts=texts, n=settings.n)

    rows = []
    train = prompts.filter(pl.col("split") == "train").sort("prompt_id")
    for prompt_id, messages in train.select("prompt_id", "messages").iter_rows():
        contents = [m["content"] for m in messages if m["role"] == "user"]
        text = "\n".join(contents)
        for match in scan(text, wholes=[text, *contents]):
            rows += _report(match, texts, prompt_id, None, text, settings.twins)
    if completions is not None:
        ours = completions.filter(pl.col("prompt_id").is_in(train["prompt_id"].implode()))
        columns = ours.select("prompt_id", "completion_id", "text").sort("completion_id")
        for prompt_id, completion_id, text in columns.iter_rows():
            for match in scan(text, wholes=[text]):
                rows += _report(match, texts, prompt_id, completion_id, text, settings.twins)
    report = pl.DataFrame(rows, schema=REPORT, orient="row")
    report = report.sort("prompt_id", "completion_id", "eval_set", "eval_row", "eval_field")
    dropped = report.filter(pl.col("action") == "drop")["prompt_id"].unique().sort().to_list()
    return Decontamination(report, _totals(eval_sets, report, texts, indexes["ngram"]), dropped)


def _check(eval_sets: Mapping[str, list[EvalRow]], settings: Settings) -> None:
    if not 3 <= settings.n <= 13:
        raise InputError(f"decontamination: n={settings.n} must be from 3 to 13 words (5 to 8 suit prompts)")
    if not 0 < settings.threshold <= 1 or settings.long <= settings.short:
        raise InputError("decontamination: need 0 < threshold <= 1 and short < long")
    for name, rows in eval_sets.items():
        if not any(words(row.text) for row in rows):
            raise InputError(f"eval set {name!r} has no text to compare with; check its file and its fields")


def _distinct(eval_sets: Mapping[str, list[EvalRow]]) -> tuple[list[_Text], dict[Gram, int]]:
    """The distinct eval texts (benchmarks repeat questions), and where each whole one is."""
    texts: list[_Text] = []
    exact: dict[Gram, int] = {}
    for name in sorted(eval_sets):
        for row in eval_sets[name]:
            tokens = words(row.text)
            if not tokens:
                continue
            at = exact.setdefault(tuple(tokens), len(texts))
            if at == len(texts):
                texts.append(_Text(tokens))
            texts[at].rows.append(row)
    return texts, exact


def _index(token_lists: list[list[str]], settings: Settings) -> _Index:
    own = [sorted({g for g in grams(tokens, settings.n) if has_letter(g)}) for tokens in token_lists]
    frequency = Counter(g for text_grams in own for g in text_grams)
    postings: dict[Gram, list[int]] = {}
    sizes, needed = {}, {}
    for text, text_grams in enumerate(own):
        kept = [g for g in text_grams if frequency[g] <= settings.max_df]
        if not kept or len(kept) < min(10, ceil(len(text_grams) / 2)):
            continue  # what is left is too little to tell one text from another
        sizes[text] = len(kept)
        needed[text] = max(1, ceil(settings.needed(len(token_lists[text])) * len(kept) - 1e-9))
        for gram in kept:
            postings.setdefault(gram, []).append(text)
    return _Index(postings, sizes, needed)


def _scan(
    text: str,
    wholes: list[str],
    exact: dict[Gram, int],
    indexes: dict[str, _Index],
    texts: list[_Text],
    n: int,
) -> list[_Match]:
    """The eval texts that `text` repeats, each by its strongest rule; `wholes` are compared whole."""
    found: dict[int, _Match] = {}
    for whole in wholes:
        at = exact.get(tuple(words(whole)))
        if at is not None and at not in found:
            start = text.find(whole)
            found[at] = _Match(at, "exact", 1.0, start, start + len(whole))
    tokens = words(text)
    for rule, index in indexes.items():
        own = tokens if rule == "ngram" else masked(tokens)
        for at, matched in index.hits(grams(own, n)).items():
            if at not in found:
                start, end = _span(text, own, set(matched), n)
                found[at] = _Match(at, rule, len(matched) / index.sizes[at], start, end)
    return [found[at] for at in sorted(found)]


def _span(text: str, tokens: list[str], matched: set[Gram], n: int) -> tuple[int, int]:
    """Characters from the first to the last matched word."""
    at = [i for i, gram in enumerate(grams(tokens, n)) if gram in matched]
    where = spans(text)
    return where[at[0]][0], where[at[-1] + n - 1][1]


def _report(
    match: _Match, texts: list[_Text], prompt_id: str, completion_id: str | None, text: str, twins: str
) -> list[tuple[str | float | int | None, ...]]:
    drops = completion_id is None and (match.rule != "twin" or twins == "drop")
    return [
        (
            *(prompt_id, completion_id, row.eval_set, row.row_id, row.field, match.rule, match.coverage),
            *(match.start, match.end, text[match.start : match.end], "drop" if drops else "warn"),
        )
        for row in texts[match.text].rows
    ]


def _totals(
    eval_sets: Mapping[str, list[EvalRow]], report: pl.DataFrame, texts: list[_Text], index: _Index
) -> pl.DataFrame:
    indexable = {
        (r.eval_set, r.row_id) for at, text in enumerate(texts) if at in index.sizes for r in text.rows
    }
    rows = []
    for name in sorted(eval_sets):
        mine = report.filter(pl.col("eval_set") == name)
        of_prompts = mine.filter(pl.col("completion_id").is_null())
        leaks = of_prompts.filter(pl.col("rule") != "twin")
        rows.append(
            (
                name,
                len({r.row_id for r in eval_sets[name]}),
                sum(eval_set == name for eval_set, _ in indexable),
                leaks["eval_row"].n_unique(),
                of_prompts.filter(pl.col("rule") == "twin")["eval_row"].n_unique(),
                of_prompts.filter(pl.col("action") == "drop")["prompt_id"].n_unique(),
                mine["completion_id"].drop_nulls().n_unique(),
                _fingerprint(eval_sets[name]),
            )
        )
    return pl.DataFrame(rows, schema=TOTALS, orient="row")


def _fingerprint(rows: list[EvalRow]) -> str:
    """Names what was compared against, whatever the order of the file."""
    joined = "\n".join(sorted(" ".join(words(row.text)) for row in rows))
    return hashlib.blake2b(joined.encode(), digest_size=16).hexdigest()
