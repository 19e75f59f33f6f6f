"""Pairwise judging: every pair is shown in both orders, and only what both agree on is a preference.

Verdicts are stored un-swapped (A is always `a_id`) together with the order the judge saw, so position bias
stays measurable. A reply that cannot be read is `unparsed`: neither a tie nor a coin flip.

With p1 = P(a wins | a first) and p2 = P(a wins | b first), a position bias that adds to the logit cancels in

    soft = sigmoid((logit p1 + logit p2) / 2)          bias = (logit p1 - logit p2) / 2

The log-odds of both orders are of one kind, `soft_from`: of the log-probabilities of the two verdict letters
where every readable verdict of the pair has them, else of its verdicts, (wins + 1/2) / (n + 1) of each order
with a tie counting half, if there are several or they have a strength. "Much better" counts for three, the
weight that Arena-Hard gives it (arXiv 2406.11939). One kind in one order and another in the other would make
a position bias out of the difference between the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import polars as pl

from labelers.judges.asking import MIN_READ, Answer, Question, ask, last_attempts
from labelers.judges.choosing import PAIR
from labelers.judges.logprobs import letter_logprobs
from labelers.judges.material import Material
from labelers.judges.templates import Template, load_template
from labelers.judges.verdict_parser import JudgeVerdict, parse_level, parse_verdict
from samplers.cached import Budget, Progress
from samplers.engine import Completion, Engine, Sampling
from store.ledger import Ledger
from store.tables import JUDGEMENTS

Order = Literal["ab", "ba"]

CONSENSUS = pl.Schema(
    {
        "prompt_id": pl.String,
        "a_id": pl.String,
        "b_id": pl.String,
        "judge": pl.String,
        "template_hash": pl.String,
        "preference": pl.String,  # "A" (a_id wins), "B", or null
        "rejected": pl.String,  # why there is no preference: order_flip, tie, unparsed, one_order
        "mean_verdict": pl.Float64,  # over both orders, A = 1, tie = 1/2, B = 0; null where one is unread
        "soft": pl.Float64,  # P(a_id preferred), null where there are no log-odds in both orders
        "soft_from": pl.String,  # of what `soft` and `position_bias` are made: logprobs or verdicts
        "position_bias": pl.Float64,  # in logits, positive: the judge leans to what it sees first
        "n_judgements": pl.Int32,
    }
)
_QUESTION = (*PAIR, "order", "judge", "template_hash")
_ORDERS: tuple[Order, ...] = get_args(Order)
_KINDS = ("logprobs", "verdicts")  # of log-odds, the better one first
_LOGITS = tuple(product(_KINDS, _ORDERS))
_SHARE = pl.col("verdict").cast(pl.String).replace_strict({"A": 1.0, "tie": 0.5}, default=0.0)
_STRONG = 3  # wins that "much better" counts for
_SWAPPED: dict[JudgeVerdict, JudgeVerdict] = {"A": "B", "B": "A", "tie": "tie", "unparsed": "unparsed"}


class _Shown(NamedTuple):
    pair: tuple[str, str, str]
    order: Order


class _Said(NamedTuple):
    verdict: JudgeVerdict  # in the judge's own letters
    logprob_a: float | None = None
    logprob_b: float | None = None
    strength: int | None = None


def judge_pairs(
    engine: Engine,
    ledger: Ledger,
    pairs: pl.DataFrame,
    completions: pl.DataFrame,
    prompts: pl.DataFrame,
    template: str | Path = "pairwise",
    sampling: Sampling = Sampling(temperature=0.0, max_tokens=1024),  # noqa: B008
    seed: int = 0,
    *,
    samples: int = 1,
    criterion: str | Path | None = None,
    structured: bool = False,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """JUDGEMENTS of `pairs` (prompt_id, a_id, b_id), both orders of each, `samples` verdicts an order.

    A `structured` judge can say nothing but a verdict of the template, so it gives no reasons. Equal
    questions are asked once.
    """
    form = load_template(template, "pairwise", criterion)
    questions = _questions(form, pairs, Material(form, prompts, completions), structured)
    read = _read_level if form.five_level else _read_letter
    answers = ask(
        engine, ledger, questions, read, sampling, seed, samples=samples, budget=budget, progress=progress
    )
    rows = [_judgement(answer, engine.model, form.hash) for answer in answers]
    table = pl.DataFrame(rows, schema=JUDGEMENTS, orient="row")
    return table.sort(*PAIR, "order", "sample_index", "attempt")


def _questions(
    form: Template, pairs: pl.DataFrame, material: Material, structured: bool
) -> Iterator[Question]:
    choice = form.choices() if structured else ()
    for pair in pairs.select(PAIR).unique().sort(PAIR).iter_rows():
        prompt_id, *ids = pair
        shared, texts = material.prompt(prompt_id), [material.text(i) for i in ids]
        for order in _ORDERS:
            first, second = texts if order == "ab" else reversed(texts)
            yield Question(form.render(**shared, a=first, b=second), _Shown(pair, order), choice)


def _read_letter(said: Completion, _: _Shown) -> _Said | None:
    seen = parse_verdict(said.text)
    if seen.verdict == "unparsed":
        return None
    return _Said(seen.verdict, *(letter_logprobs(said.text, said.logprobs, seen.at, "AB") or ()))


def _read_level(said: Completion, _: _Shown) -> _Said | None:
    seen = parse_level(said.text)
    return None if seen.verdict == "unparsed" else _Said(seen.verdict, strength=_STRONG if seen.strong else 1)


def _judgement(answer: Answer[_Said], judge: str, template_hash: str) -> tuple[Any, ...]:
    """One JUDGEMENTS row, un-swapped."""
    shown: _Shown = answer.tag
    verdict, logprob_a, logprob_b, strength = answer.reading or _Said("unparsed")
    if shown.order == "ba":
        verdict, logprob_a, logprob_b = _SWAPPED[verdict], logprob_b, logprob_a
    head = (answer.call_id, *shown.pair, shown.order, judge, template_hash)
    count = (answer.sample_index, answer.attempt)
    return (*head, *count, answer.raw, verdict, strength, logprob_a, logprob_b, answer.seed)


def consensus(judgements: pl.DataFrame) -> pl.DataFrame:
    """One CONSENSUS row per pair, judge and template: a preference where the majorities of both orders agree.

    The majority of an order is the verdict given most often; where two are, there is none, which is a tie. An
    order of which less than MIN_READ of the replies could be read is unread.
    """
    by_order = _by_order(last_attempts(judgements, *_QUESTION, "sample_index"))
    rows = by_order.group_by(*PAIR, "judge", "template_hash").agg(
        orders=pl.len(),
        unread=(pl.col("n") < MIN_READ * pl.col("asked")).any(),
        majorities=pl.col("majority").unique(),
        mean_verdict=pl.col("mean").mean(),
        n_judgements=pl.col("asked").sum(),
        **{f"{kind}_{order}": pl.col(kind).filter(order=order).first() for kind, order in _LOGITS},
    )
    agreed = pl.col("majorities").list.first()
    rejected = (
        pl.when("unread")
        .then(pl.lit("unparsed"))
        .when(pl.col("orders") < 2)
        .then(pl.lit("one_order"))
        .when(pl.col("majorities").list.len() > 1)
        .then(pl.lit("order_flip"))
        .when(agreed == "tie")
        .then(pl.lit("tie"))
    )
    both_read = ~pl.col("unread") & (pl.col("orders") == 2)
    rows = (
        rows.with_columns(rejected=rejected, mean_verdict=pl.when(both_read).then("mean_verdict"))
        .with_columns(_soft_from(both_read), preference=pl.when(pl.col("rejected").is_null()).then(agreed))
        .with_columns(_debiased())
    )
    return rows.select(CONSENSUS.names()).cast(CONSENSUS).sort(*PAIR, "judge", "template_hash")


def _soft_from(both_read: pl.Expr) -> pl.Expr:
    """The first kind of log-odds that both orders have."""
    chosen = pl.lit(None, dtype=pl.String)
    for kind in reversed(_KINDS):
        known = both_read & pl.all_horizontal(pl.col(f"{kind}_{order}").is_not_null() for order in _ORDERS)
        chosen = pl.when(known).then(pl.lit(kind)).otherwise(chosen)
    return chosen.alias("soft_from")


def _debiased() -> list[pl.Expr]:
    """`soft` and `position_bias` of the log-odds that `soft_from` names."""
    first, second = (
        pl.coalesce(pl.when(pl.col("soft_from") == kind).then(f"{kind}_{order}") for kind in _KINDS)
        for order in _ORDERS
    )
    soft = 1 / (1 + (-(first + second) / 2).exp())
    return [soft.alias("soft"), ((first - second) / 2).alias("position_bias")]


def _by_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Of every question: `n` readable verdicts of those `asked`, their `majority` and `mean`, and the
    log-odds of A by kind."""
    verdict = pl.col("verdict").cast(pl.String)
    a, b, tie = ((verdict == name).sum() for name in ("A", "B", "tie"))
    weight = pl.col("strength").fill_null(1)
    read = verdict != "unparsed"
    counted = (
        rows.sort(*_QUESTION, "sample_index")
        .group_by(_QUESTION)
        .agg(
            a=a,
            b=b,
            tie=tie,
            asked=pl.len(),
            n=read.sum(),
            graded=pl.col("strength").is_not_null().any(),
            wins=(weight * _SHARE).sum(),
            weight=weight.filter(read).sum(),
            letters=(pl.col("logprob_a") - pl.col("logprob_b")).filter(read),
        )
    )
    n, wins, weight = pl.col("n"), pl.col("wins"), pl.col("weight")
    majority = (
        pl.when(pl.col("a") > pl.max_horizontal("b", "tie"))
        .then(pl.lit("A"))
        .when(pl.col("b") > pl.max_horizontal("a", "tie"))
        .then(pl.lit("B"))
        .otherwise(pl.lit("tie"))
    )
    all_letters = (n > 0) & (pl.col("letters").list.drop_nulls().list.len() == n)
    return counted.with_columns(
        majority=majority,
        mean=(pl.col("a") + pl.col("tie") / 2) / n,
        logprobs=pl.when(all_letters).then(pl.col("letters").list.mean()),
        verdicts=pl.when((n > 1) | pl.col("graded")).then(((wins + 0.5) / (weight - wins + 0.5)).log()),
    )
