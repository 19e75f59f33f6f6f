"""Preference pairs, from what a verifier or a vote decided or from what judges agreed on."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from math import fsum, gcd, log
from typing import NamedTuple

import polars as pl

from curation.candidates import (
    Row,
    answer,
    by_prompt,
    distinct_texts,
    messages_of,
    shuffled,
    table,
    usable_completions,
    with_labels,
)
from store.accounting import Account
from store.errors import InputError
from store.tables import PREFERENCE


def preference(
    prompts: pl.DataFrame,
    completions: pl.DataFrame,
    labels: pl.DataFrame,
    *,
    pairs_per_prompt: int = 4,
    contaminated: Collection[str] = (),
) -> tuple[pl.DataFrame, Account]:
    """Right over wrong completions of one prompt (LABELS), at most `pairs_per_prompt` pairs.

    Pairs walk through the right and the wrong completions side by side, so none is used again before all of
    its side were used once. Lengths play no part in the choice.
    """
    account = Account("preference", completions.height)
    usable = distinct_texts(
        with_labels(usable_completions(prompts, completions, contaminated, account), labels, account), account
    )
    messages, rows = messages_of(prompts), []
    for prompt_id, group in by_prompt(usable):
        right, wrong = ([row for row in shuffled(group) if row["label"] is side] for side in (True, False))
        if not right or not wrong:
            account.reject("prompt_all_wrong" if wrong else "prompt_all_right", len(group))
            continue
        pairs = list(_pairs(right, wrong, pairs_per_prompt))
        used = {side["completion_id"] for pair in pairs for side in pair}
        account.keep(len(used))
        account.reject("over_pairs_per_prompt", len(group) - len(used))
        rows += [_pair(messages[prompt_id], a, b, None, 1.0, a["evidence"]) for a, b in pairs]
    return table(rows, PREFERENCE, "prompt_id", "chosen_id", "rejected_id"), account.close()


def preference_judged(
    prompts: pl.DataFrame,
    completions: pl.DataFrame,
    agreed: pl.DataFrame,
    *,
    labels: pl.DataFrame | None = None,
    contaminated: Collection[str] = (),
) -> tuple[pl.DataFrame, Account]:
    """The preferences of judges, `agreed` (prompt_id, chosen_id, rejected_id, soft), a row per judge and
    pair.

    A pair on which judges differ is dropped, and one that `labels` decide the other way: verdicts come before
    opinions. `soft` is the judges' mean P(chosen preferred), `margin` its log-odds; both are null where no
    judge gave log-probabilities. A completion in no pair counts under the reason of its first refused pair.
    """
    account = Account("preference_judged", completions.height)
    usable = usable_completions(prompts, completions, contaminated, account)
    known = {row["completion_id"]: row for row in usable.iter_rows(named=True)}
    owner = dict(completions.select("completion_id", "prompt_id").iter_rows())
    truth = dict(labels.select("completion_id", "label").iter_rows()) if labels is not None else {}
    messages, rows = messages_of(prompts), []
    used: set[str] = set()
    refused: dict[str, str] = {}
    for opinion in _opinions(agreed, owner):
        if opinion.chosen_id not in known or opinion.rejected_id not in known:
            continue
        chosen, rejected = known[opinion.chosen_id], known[opinion.rejected_id]
        reason = opinion.disputed or _no_pair(chosen, rejected, opinion.soft, truth)
        if reason:
            refused = {opinion.chosen_id: reason, opinion.rejected_id: reason} | refused
            continue
        prompt = messages[chosen["prompt_id"]]
        rows.append(_pair(prompt, chosen, rejected, _log_odds(opinion.soft), opinion.soft, "judge"))
        used |= {opinion.chosen_id, opinion.rejected_id}
    account.keep(len(used))
    for completion_id in sorted(known.keys() - used):
        account.reject(refused.get(completion_id, "no_agreed_judgement"))
    return table(rows, PREFERENCE, "prompt_id", "chosen_id", "rejected_id"), account.close()


class _Opinion(NamedTuple):
    """What all judges of a pair say together."""

    chosen_id: str
    rejected_id: str
    soft: float | None
    disputed: str | None = None  # the reason why there is no preference


def _opinions(agreed: pl.DataFrame, owner: dict[str, str]) -> Iterator[_Opinion]:
    rows = agreed.select("prompt_id", "chosen_id", "rejected_id", "soft").sort(pl.all())
    pair = [
        pl.min_horizontal("chosen_id", "rejected_id").alias("a"),
        pl.max_horizontal("chosen_id", "rejected_id").alias("b"),
    ]
    for key, said in rows.group_by("prompt_id", *pair, maintain_order=True):
        prompt_id, a, b = map(str, key)
        for completion_id in (a, b):
            if owner.get(completion_id) != prompt_id:
                raise InputError(f"judged completion {completion_id} is not among the answers to {prompt_id}")
        if said["chosen_id"].n_unique() > 1:
            yield _Opinion(a, b, None, "judges_disagree")
        else:
            soft = said["soft"].drop_nulls().to_list()
            yield _Opinion(
                said["chosen_id"][0], said["rejected_id"][0], fsum(soft) / len(soft) if soft else None
            )


def _log_odds(soft: float | None) -> float | None:
    return log(soft / (1 - soft)) if soft is not None and soft < 1 else None


def _pairs(right: list[Row], wrong: list[Row], limit: int) -> Iterator[tuple[Row, Row]]:
    """Different pairs, every completion used once before any is used twice."""
    period = len(right) * len(wrong) // gcd(len(right), len(wrong))
    for i in range(min(limit, len(right) * len(wrong))):
        yield right[i % len(right)], wrong[(i + i // period) % len(wrong)]


def _no_pair(chosen: Row, rejected: Row, soft: float | None, truth: dict[str, bool | None]) -> str | None:
    if chosen["text"].strip() == rejected["text"].strip():
        return "same_text"
    if soft is not None and not 0.5 < soft <= 1:
        return "no_preference"
    if truth.get(chosen["completion_id"]) is False and truth.get(rejected["completion_id"]) is True:
        return "judge_contradicts_label"
    return None


def _pair(
    prompt: list[Row], chosen: Row, rejected: Row, margin: float | None, soft: float | None, why: str
) -> Row:
    return {
        "prompt": prompt,
        "chosen": answer(chosen["text"]),
        "rejected": answer(rejected["text"]),
        "margin": margin,
        "soft": soft,
        "evidence": why,
        "prompt_id": chosen["prompt_id"],
        "chosen_id": chosen["completion_id"],
        "rejected_id": rejected["completion_id"],
    }
