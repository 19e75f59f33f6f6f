"""Preference pairs from labels, from scores, and from what judges say of pairs.

`preference` puts right over wrong, `preference_scored` the better over the worse (ratings, rankings,
constraints kept, system variants: `curation.scores`), `preference_judged` what the judges of a pair prefer.
All three hand their comparisons to `curation.pairing`, which refuses and chooses by one rule, and give the
set with two accounts: of the completions, and of the comparisons between them.

Rows of a prompt stand together under its prompt_id, at most `pairs_per_prompt` of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations, product
from math import fsum, inf, isfinite, log
from typing import NamedTuple

import polars as pl

from curation.candidates import (
    SAME_TEXT,
    Row,
    answer,
    by_prompt,
    distinct_texts,
    first_of_texts,
    messages_of,
    once,
    table,
    usable_completions,
    with_values,
    without,
)
from curation.opinions import Opinion, combined
from curation.pairing import Comparison, PairRule, Trainer, choose
from curation.scores import ORDER_ONLY
from store.accounting import Account
from store.errors import InputError
from store.ids import content_id
from store.tables import PREFERENCE

DEFAULT_RULE = PairRule()
ORDER = ("prompt_id", "chosen_id", "rejected_id")


class Paired(NamedTuple):
    """PREFERENCE; what became of each completion; what became of each comparison."""

    table: pl.DataFrame
    account: Account
    pairs: Account


class _Group(NamedTuple):
    """One prompt: its candidates, what is known of pairs of them, and why a candidate may have none."""

    prompt_id: str
    rows: list[Row]
    comparisons: list[Comparison]
    alone: str


def preference(
    prompts: pl.DataFrame,
    completions: pl.DataFrame,
    labels: pl.DataFrame,
    rule: PairRule = DEFAULT_RULE,
    *,
    trainer: Trainer | None = None,
    excluded: pl.DataFrame | None = None,
) -> Paired:
    """Right over wrong completions of one prompt (LABELS). Two right ones are not compared: a verdict says
    nothing about which is better."""
    account = Account("preference", completions.height)
    usable = usable_completions(prompts, completions, excluded, account)
    usable = distinct_texts(with_values(usable, labels, account), account)
    groups = (_right_over_wrong(*group) for group in by_prompt(usable))
    return _paired(account, messages_of(prompts), groups, rule, trainer)


def preference_scored(
    prompts: pl.DataFrame,
    completions: pl.DataFrame,
    scores: pl.DataFrame,
    rule: PairRule = DEFAULT_RULE,
    *,
    labels: pl.DataFrame | None = None,
    trainer: Trainer | None = None,
    excluded: pl.DataFrame | None = None,
) -> Paired:
    """Higher over lower SCORES of one prompt, except where `labels` say otherwise."""
    account = Account("preference_scored", completions.height)
    usable = _with_truth(usable_completions(prompts, completions, excluded, account), labels, account)
    usable = distinct_texts(with_values(usable, scores, account, "score"), account, "score")
    groups = (_higher_over_lower(*group) for group in by_prompt(usable))
    return _paired(account, messages_of(prompts), groups, rule, trainer)


def preference_judged(
    prompts: pl.DataFrame,
    completions: pl.DataFrame,
    opinions: pl.DataFrame,
    rule: PairRule = DEFAULT_RULE,
    *,
    labels: pl.DataFrame | None = None,
    trainer: Trainer | None = None,
    excluded: pl.DataFrame | None = None,
) -> Paired:
    """What judges prefer, except where `labels` say otherwise: verdicts come before opinions.

    `opinions` has a row per judge and pair: prompt_id, a_id, b_id, preference ("A", "B" or null), rejected
    (why there is no preference; `tie` is a verdict), soft (P(a preferred) or null). A pair on which judges
    differ is refused. `soft` is their mean P(chosen preferred), `margin` its log-odds, both null where no
    judge gave a probability. Completions of the same text are one completion, whichever was judged.
    """
    account = Account("preference_judged", completions.height)
    owner = dict(completions.select("completion_id", "prompt_id").iter_rows())
    usable = _with_truth(usable_completions(prompts, completions, excluded, account), labels, account)
    stands_for = usable.select("completion_id", first=pl.col("completion_id").min().over(SAME_TEXT))
    said = combined(opinions, owner, dict(stands_for.iter_rows()))
    groups = (_preferred(*group, said) for group in by_prompt(first_of_texts(usable, account)))
    return _paired(account, messages_of(prompts), groups, rule, trainer)


def join(parts: Sequence[Paired]) -> Paired:
    """One set of several, each with prompts of its own; InputError where two have pairs of one prompt."""
    owners = pl.concat([part.table.select("prompt_id").unique() for part in parts])["prompt_id"]
    if owners.is_duplicated().any():
        twice = owners.filter(owners.is_duplicated())[0]
        raise InputError(
            f"prompt {twice} has pairs from two kinds of evidence; give each prompt to one of them"
        )
    return Paired(
        pl.concat([part.table for part in parts]).sort(ORDER),
        _sum("preference", [part.account for part in parts]),
        _sum("pairs", [part.pairs for part in parts]),
    )


def length_gap(pairs: pl.DataFrame) -> dict[str, float | None]:
    """What length tells about the choice, in characters; null for a set without decided pairs.

    `longer_chosen` is the share of pairs whose chosen side is longer, equal lengths counting half: .5 is
    nothing. The log ratios are of chosen over rejected.
    """
    decided = pairs.filter(pl.col("soft").ne_missing(0.5)).select("chosen", "rejected")
    sizes = [[len(side[-1]["content"].strip()) for side in sides] for sides in decided.iter_rows()]
    ratios = [log(chosen / rejected) for chosen, rejected in sizes]
    n = len(ratios)
    return {
        "longer_chosen": fsum((x > 0) + (x == 0) / 2 for x in ratios) / n if n else None,
        "mean_log_ratio": fsum(ratios) / n if n else None,
        "mean_abs_log_ratio": fsum(map(abs, ratios)) / n if n else None,
    }


def _right_over_wrong(prompt_id: str, rows: list[Row]) -> _Group:
    right, wrong = ([row for row in rows if row["label"] is side] for side in (True, False))
    pairs = [Comparison(a, b, inf, 1.0, a["evidence"]) for a, b in product(right, wrong)]
    return _Group(prompt_id, rows, pairs, "prompt_all_wrong" if wrong else "prompt_all_right")


def _higher_over_lower(prompt_id: str, rows: list[Row]) -> _Group:
    pairs = [_scored(a, b) for a, b in combinations(sorted(rows, key=_best_first), 2)]
    return _Group(prompt_id, rows, pairs, "no_partner")


def _best_first(row: Row) -> tuple[float, str]:
    return -row["score"], content_id("choice", row["completion_id"])


def _scored(a: Row, b: Row) -> Comparison:
    parts = a["parts"] or (), b["parts"] or ()
    if len(parts[0]) != len(parts[1]):
        counts = [f"{row['completion_id']} {len(part)}" for row, part in zip((a, b), parts, strict=True)]
        raise InputError(
            f"scores: completions of prompt {a['prompt_id']} have different numbers of parts "
            f"({', '.join(counts)}); score all completions of a prompt by the same checks"
        )
    gap = a["score"] - b["score"]
    margin = inf if gap and a["evidence"] in ORDER_ONLY else gap
    worse_in_part = any(x < y for x, y in zip(*parts, strict=True))
    return Comparison(a, b, margin, None, a["evidence"], "better_in_part" if worse_in_part else None)


def _preferred(prompt_id: str, rows: list[Row], said: dict[str, list[Opinion]]) -> _Group:
    known = {row["completion_id"]: row for row in rows}
    pairs = [_judged(known[one.a_id], known[one.b_id], one) for one in said.get(prompt_id, ())]
    return _Group(prompt_id, rows, pairs, "not_judged")


def _judged(a: Row, b: Row, said: Opinion) -> Comparison:
    if said.preference in (None, "tie"):
        return Comparison(a, b, 0.0, 0.5, "judge", said.refused)
    chosen, rejected, soft = (
        (a, b, said.soft) if said.preference == "A" else (b, a, None if said.soft is None else 1 - said.soft)
    )
    if soft is None:
        return Comparison(chosen, rejected, None, None, "judge")
    if not 0.5 < soft <= 1:
        return Comparison(chosen, rejected, 0.0, soft, "judge", "no_preference")
    return Comparison(chosen, rejected, log(soft / (1 - soft)) if soft < 1 else inf, soft, "judge")


def _with_truth(usable: pl.DataFrame, labels: pl.DataFrame | None, account: Account) -> pl.DataFrame:
    """`usable` with the label of each text, null where there is none; a text with two labels is left out."""
    if labels is None:
        return usable.with_columns(label=pl.lit(None, pl.Boolean))
    known = usable.join(once(labels).select("completion_id", "label"), "completion_id", "left")
    both = pl.col("label").drop_nulls().n_unique().over(SAME_TEXT) > 1
    known = without(known, both, "conflicting_label", account)
    return known.with_columns(label=pl.col("label").max().over(SAME_TEXT))


def _paired(
    account: Account,
    messages: dict[str, list[Row]],
    groups: Iterable[_Group],
    rule: PairRule,
    trainer: Trainer | None,
) -> Paired:
    pairs, rows = Account("pairs", 0), []
    for group in groups:
        prompt = messages[group.prompt_id]
        chosen = choose(prompt, group.comparisons, rule, trainer)
        pairs.rows_in += len(group.comparisons)
        pairs.keep(len(chosen.taken))
        why: dict[str, str] = {}
        for one, reason in chosen.refused:
            pairs.reject(reason)
            why = dict.fromkeys(one.ids, reason) | why
        used = {completion_id for one in chosen.taken for completion_id in one.ids}
        account.keep(len(used))
        for row in group.rows:
            if row["completion_id"] not in used:
                account.reject(why.get(row["completion_id"], group.alone))
        rows += [_row(prompt, one) for one in chosen.taken]
    return Paired(table(rows, PREFERENCE, *ORDER), account.close(), pairs.close())


def _row(prompt: list[Row], one: Comparison) -> Row:
    return {
        "prompt": prompt,
        "chosen": answer(one.chosen["text"]),
        "rejected": answer(one.rejected["text"]),
        "margin": one.margin if one.margin is not None and isfinite(one.margin) else None,
        "soft": one.soft,
        "evidence": one.evidence,
        "prompt_id": one.chosen["prompt_id"],
        "chosen_id": one.chosen["completion_id"],
        "rejected_id": one.rejected["completion_id"],
    }


def _sum(stage: str, accounts: Sequence[Account]) -> Account:
    total = Account(stage, 0)
    for account in accounts:
        total.rows_in += account.rows_in
        total.keep(account.kept)
        for reason, n in account.rejected.items():
            total.reject(reason, n)
    return total.close()
