"""Does a training text say in other words what an eval text says? A judge's answer, or none.

Every pair is asked about twice, the texts the other way round and the letters of the verdict exchanged, so a
judge that leans to what comes first, or to a letter, contradicts itself:

    ours, eval    [[A]] same, [[B]] different
    eval, ours    [[B]] same, [[A]] different

Only what both say is a verdict. All else is `unknown`, which is never "different": a reply that could not be
read, a request that the engine refused, two that contradict each other. What "the same" is depends on the
kind of the eval set, as in LMSYS's decontaminator (arXiv 2311.04850), which counts a failed call as clean.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

from labelers.judges.asking import Answer, Question, ask
from labelers.judges.templates import Criterion, Template
from labelers.judges.verdict_parser import parse_choice
from samplers.cached import Budget, Progress
from samplers.engine import Completion, Engine, Sampling
from store.errors import InputError
from store.ids import content_id
from store.ledger import Ledger

PROMPTS = Path(__file__).parent.parent / "prompts"
KINDS = tuple(sorted(path.stem.removeprefix("same_") for path in PROMPTS.glob("same_*.txt")))
PAIR = ("text", "eval_text", "kind")

SAMENESS = pl.Schema(
    {
        "text": pl.String(),
        "eval_text": pl.String(),
        "kind": pl.String(),  # of the eval set: what counts as the same
        "judge": pl.String(),
        "template_hash": pl.String(),
        "verdict": pl.Enum(("same", "different", "unknown")),
        "reason": pl.String(),  # of unknown: refused, unparsed, order_flip
        "first": pl.String(),  # same or different, our text shown first; null: refused or unparsed
        "second": pl.String(),  # the eval text shown first
        "raw_first": pl.String(),  # last reply; null: the engine refused the request
        "raw_second": pl.String(),
    }
)
Order = Literal["first", "second"]
_LETTERS: dict[Order, dict[str, str]] = {
    "first": {"A": "same", "B": "different"},
    "second": {"B": "same", "A": "different"},
}


class _Shown(NamedTuple):
    pair: tuple[str, str, str]
    order: Order


def judge_same(
    engine: Engine,
    ledger: Ledger,
    pairs: pl.DataFrame,
    sampling: Sampling = Sampling(temperature=0.0, max_tokens=1024),  # noqa: B008
    seed: int = 0,
    *,
    structured: bool = False,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """SAMENESS of every distinct one of `pairs` (text, eval_text, kind), sorted.

    A `structured` judge can say nothing but a verdict, so it gives no reasons. InputError for a kind that has
    no instructions.
    """
    if strange := sorted(set(pairs["kind"]) - set(KINDS), key=str):
        raise InputError(f"contamination judge: kind {strange[0]!r} is none of {', '.join(KINDS)}")
    questions = _questions(pairs, structured)
    answers = ask(engine, ledger, questions, _read, sampling, seed, budget=budget, progress=progress)
    last: dict[tuple[str, str, str], dict[Order, Answer[str]]] = {}
    for answer in sorted(answers, key=lambda one: (one.tag, one.attempt)):
        last.setdefault(answer.tag.pair, {})[answer.tag.order] = answer
    rows = [
        (*pair, engine.model, template_hash(pair[2]), *_verdict(said["first"], said["second"]))
        for pair, said in last.items()
    ]
    return pl.DataFrame(rows, schema=SAMENESS, orient="row").sort(PAIR)


@cache
def template(kind: str, order: Order) -> Template:
    """The question about an eval set of `kind`, with the letters of `order`."""
    text = _file("same")
    for letter, meaning in _LETTERS[order].items():
        text = text.replace(f"{{{meaning}}}", letter)
    return Template("same", text, "pairwise", Criterion(kind, _file(f"same_{kind}")))


def template_hash(kind: str) -> str:
    """Names the words of both questions."""
    return content_id("contamination", *(template(kind, order).hash for order in _LETTERS))


def _file(name: str) -> str:
    return (PROMPTS / f"{name}.txt").read_text(encoding="utf-8").strip()


def _questions(pairs: pl.DataFrame, structured: bool) -> Iterator[Question]:
    for pair in pairs.select(PAIR).unique().sort(PAIR).iter_rows():
        ours, theirs, kind = pair
        for order in _LETTERS:
            form, (a, b) = template(kind, order), (ours, theirs) if order == "first" else (theirs, ours)
            yield Question(form.render(a=a, b=b), _Shown(pair, order), form.choices() if structured else ())


def _read(said: Completion, shown: _Shown) -> str | None:
    letter = parse_choice(said.text, "AB").letter
    return _LETTERS[shown.order][letter] if letter else None


def _verdict(first: Answer[str], second: Answer[str]) -> tuple[str | None, ...]:
    """verdict, reason, first, second, raw_first, raw_second."""
    said = (first.reading, second.reading, first.raw, second.raw)
    if None in said[2:]:
        return "unknown", "refused", *said
    if None in said[:2]:
        return "unknown", "unparsed", *said
    if first.reading != second.reading:
        return "unknown", "order_flip", *said
    return first.reading, None, *said
