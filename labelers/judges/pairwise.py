"""Pairwise judging: every pair is shown in both orders, and only what both agree on is a preference.

Verdicts are stored un-swapped (A is always `a_id`) together with the order the judge saw, so position bias
stays measurable. A reply that cannot be read, or that the token limit cut, is `unparsed`: neither a tie nor a
coin flip.

Soft preferences come from the log-probabilities of the two verdict letters, where an engine gives them. With
p1 = P(a wins | a first) and p2 = P(a wins | b first), a position bias that adds to the logit cancels in

    soft = sigmoid((logit p1 + logit p2) / 2)          bias = (logit p1 - logit p2) / 2
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import polars as pl

from labelers.judges.templates import Template, load_template
from labelers.judges.verdict_parser import JudgeVerdict, parse_verdict, verdict_logprobs
from samplers.cached import Budget, Progress, sample_through
from samplers.engine import Completion, Engine, Request, Sampling
from store.errors import InputError
from store.ids import content_id, derived_seed
from store.ledger import Ledger
from store.tables import JUDGEMENTS

Order = Literal["ab", "ba"]
PairMode = Literal["right-wrong", "random"]

PAIRS = pl.Schema({"prompt_id": pl.String, "a_id": pl.String, "b_id": pl.String})
PAIR = list(PAIRS)
CONSENSUS = pl.Schema(
    {
        "prompt_id": pl.String,
        "a_id": pl.String,
        "b_id": pl.String,
        "judge": pl.String,
        "template_hash": pl.String,
        "preference": pl.String,  # "A" (a_id wins), "B", or null
        "rejected": pl.String,  # why there is no preference: order_flip, tie, unparsed, one_order
        "soft": pl.Float64,  # P(a_id preferred), null without log-probabilities in both orders
        "position_bias": pl.Float64,  # in logits, positive: the judge leans to what it sees first
        "n_judgements": pl.Int32,
    }
)

_SWAPPED: dict[JudgeVerdict, JudgeVerdict] = {"A": "B", "B": "A", "tie": "tie", "unparsed": "unparsed"}


class _Ask(NamedTuple):
    pair: tuple[str, str, str]
    order: Order


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
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """JUDGEMENTS of `pairs` (prompt_id, a_id, b_id), both orders of each; equal questions are asked once."""
    form = load_template(template)
    texts = dict(completions.select("completion_id", "text").iter_rows())
    questions = {row[0]: row[1:] for row in prompts.select("prompt_id", "messages", "answer").iter_rows()}
    asks: dict[str, list[_Ask]] = {}
    for pair in pairs.select(PAIR).unique().sort(PAIR).iter_rows():
        for order in get_args(Order):
            asks.setdefault(_render(form, pair, order, questions, texts), []).append(_Ask(pair, order))
    greedy = not sampling.temperature  # the same answer whatever the seed: another run must not pay again
    requests = (
        Request(
            ({"role": "user", "content": text},),
            sampling,
            0 if greedy else derived_seed(seed, "judge", text),
            tag=text,
        )
        for text in asks
    )
    rows = [
        _judgement(ask, completion, request.seed, engine.model, form.hash)
        for request, completion in sample_through(ledger, engine, requests, budget, progress)
        for ask in asks[request.tag]
    ]
    return pl.DataFrame(rows, schema=JUDGEMENTS, orient="row").sort(*PAIR, "order")


def _render(
    form: Template,
    pair: tuple[str, str, str],
    order: Order,
    questions: dict[str, tuple[Any, ...]],
    texts: dict[str, str],
) -> str:
    prompt_id, *ids = pair
    unknown = [i for i in ids if i not in texts] or [p for p in [prompt_id] if p not in questions]
    if unknown:
        raise InputError(f"judge: {unknown[0]} is in the pairs but not in the completions or prompts")
    messages, answer = questions[prompt_id]
    if form.needs_reference and answer is None:
        raise InputError(
            f"judge: template {form.name} wants a reference and prompt {prompt_id} has no answer; "
            "use a template without {reference} or leave the prompt out"
        )
    first, second = ids if order == "ab" else reversed(ids)
    return form.render(_as_text(messages), texts[first], texts[second], answer or "")


def _as_text(messages: list[dict[str, str]]) -> str:
    """A prompt as the judge reads it: one user message as it is, a conversation with its roles."""
    if len(messages) == 1:
        return messages[0]["content"]
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in messages)


def _judgement(
    ask: _Ask, completion: Completion, seed: int, judge: str, template_hash: str
) -> tuple[Any, ...]:
    """One JUDGEMENTS row, un-swapped; the rest of a cut reply could still have changed its verdict."""
    seen = parse_verdict(completion.text)
    cut = completion.finish_reason == "length"
    letters = None if cut else verdict_logprobs(completion.text, completion.logprobs, seen.at)
    verdict: JudgeVerdict = "unparsed" if cut else seen.verdict
    logprob_a, logprob_b = letters or (None, None)
    if ask.order == "ba":
        verdict, logprob_a, logprob_b = _SWAPPED[verdict], logprob_b, logprob_a
    head = (completion.key, *ask.pair, ask.order, judge, template_hash)
    return (*head, completion.text, verdict, logprob_a, logprob_b, seed)


def consensus(judgements: pl.DataFrame) -> pl.DataFrame:
    """One CONSENSUS row per pair, judge and template: a preference where all judgements agree."""
    verdict, order = pl.col("verdict").cast(pl.String), pl.col("order")
    logit = pl.col("logprob_a") - pl.col("logprob_b")
    grouped = judgements.group_by(*PAIR, "judge", "template_hash").agg(
        verdicts=verdict.unique().sort(),
        orders=order.n_unique(),
        first=logit.filter(order == "ab").mean(),
        second=logit.filter(order == "ba").mean(),
        n_judgements=pl.len(),
    )
    agreed = pl.col("verdicts").list.first()
    rejected = (
        pl.when(pl.col("verdicts").list.contains("unparsed"))
        .then(pl.lit("unparsed"))
        .when(pl.col("orders") < 2)
        .then(pl.lit("one_order"))
        .when(pl.col("verdicts").list.len() > 1)
        .then(pl.lit("order_flip"))
        .when(agreed == "tie")
        .then(pl.lit("tie"))
    )
    rows = grouped.with_columns(
        rejected=rejected,
        soft=1 / (1 + (-(pl.col("first") + pl.col("second")) / 2).exp()),
        position_bias=(pl.col("first") - pl.col("second")) / 2,
    ).with_columns(preference=pl.when(pl.col("rejected").is_null()).then(agreed))
    return rows.select(CONSENSUS.names()).cast(CONSENSUS).sort(*PAIR, "judge", "template_hash")


def choose_pairs(
    completions: pl.DataFrame,
    verdicts: pl.DataFrame | None = None,
    per_prompt: int = 4,
    seed: int = 0,
    mode: PairMode = "random",
) -> pl.DataFrame:
    """At most `per_prompt` pairs of different texts of each prompt, chosen by content alone.

    `right-wrong` pairs a correct with an incorrect completion (`verdicts` says which), `random` any two.
    Which of the two is a_id follows from the ids, so it tells nothing about their quality.
    """
    if mode not in get_args(PairMode) or (mode == "right-wrong" and verdicts is None):
        modes = ", ".join(get_args(PairMode))
        raise ValueError(f"choose_pairs: mode {mode!r}; one of {modes}; right-wrong needs verdicts")
    rows = completions.sort("completion_id").unique(["prompt_id", "text"], keep="first", maintain_order=True)
    if verdicts is not None:
        rows = rows.join(verdicts.select("completion_id", "verdict"), on="completion_id", how="left")
    else:
        rows = rows.with_columns(verdict=pl.lit(None, dtype=pl.String))
    groups: dict[str, list[tuple[str, str | None]]] = {}
    for prompt_id, completion_id, verdict in rows.select("prompt_id", "completion_id", "verdict").iter_rows():
        groups.setdefault(prompt_id, []).append((completion_id, verdict))
    chosen = [
        (prompt_id, *sorted(pair))
        for prompt_id, group in groups.items()
        for pair in _pair_up(sorted(group, key=lambda row: content_id(seed, row[0])), per_prompt, mode)
    ]
    return pl.DataFrame(chosen, schema=PAIRS, orient="row").sort(PAIR)


def _pair_up(group: list[tuple[str, str | None]], limit: int, mode: PairMode) -> list[tuple[str, str]]:
    """Pairs along the diagonals of left x right: every completion is used before one is used again."""
    ids = [completion_id for completion_id, _ in group]
    left = [i for i, verdict in group if verdict == "correct"] if mode == "right-wrong" else ids
    right = [i for i, verdict in group if verdict == "incorrect"] if mode == "right-wrong" else ids
    found: dict[frozenset[str], tuple[str, str]] = {}
    for step, at in product(range(len(right)), range(len(left))):
        if len(found) >= limit:
            break
        pair = (left[at], right[(at + step) % len(right)])
        if pair[0] != pair[1]:
            found.setdefault(frozenset(pair), pair)
    return list(found.values())
