"""Verdicts on completions, by every verifier that applies to their prompt.

A prompt's fields (answer, constraints, tests, schema, choices) say which verifiers apply. Where several do,
all must hold: one `incorrect` makes the completion incorrect, and an undecided verdict leaves it undecided.
Completions to which none applies cannot be judged: they get no row and are rejected by name in the stage's
account. A truncated completion is read only as far as its answer is certainly complete; a user's own verifier
is told of it and decides for itself.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl

from store.accounting import Account
from store.tables import COMPLETION_VERDICTS
from verifiers.registry import Bound, defaults
from verifiers.verdict import Reference, Row, Settings, Verdict

NO_REFERENCE = "no verifier applies to the prompt"
NO_PROMPT = "prompt is not in the prompt table"
DEFAULT_SETTINGS = Settings()
REFERENCE_COLUMNS = ("answer", "constraints", "tests", "schema", "choices")

Named = tuple[str, Verdict]  # verifier and what it says


def label_verdicts(
    completions: pl.DataFrame,
    prompts: pl.DataFrame,
    account: Account | None = None,
    verifiers: Sequence[Bound] | None = None,
    settings: Settings = DEFAULT_SETTINGS,
    tally: Counter[tuple[str, str]] | None = None,
) -> pl.DataFrame:
    """COMPLETION_VERDICTS sorted by completion_id; the rows it leaves out are rejected in `account`.

    `verifiers` have distinct names (`verifiers.registry.distinct`). `tally` counts (verifier, status), of
    each by itself. Raises what they raise: BadReference for a reference that cannot be read, VerifierFailed.
    """
    account = account or Account("verify", completions.height)
    known = references(prompts)
    columns = completions.sort("completion_id").select("completion_id", "prompt_id", "text", "finish_reason")
    rows = {row[0]: row for row in columns.iter_rows()}
    found: dict[str, list[Named]] = {completion_id: [] for completion_id in rows}
    for verifier in defaults() if verifiers is None else verifiers:
        mine = [row for row in rows.values() if row[1] in known and verifier.applies(*known[row[1]])]
        asked = [Row(known[prompt_id][0], text, reason == "length") for _, prompt_id, text, reason in mine]
        for row, verdict in zip(mine, verifier.verify(asked, settings) if asked else [], strict=True):
            found[row[0]].append((verifier.name, verdict))
    verdicts = []
    for completion_id, named in found.items():
        prompt_id = rows[completion_id][1]
        if not named:
            account.reject(NO_REFERENCE if prompt_id in known else NO_PROMPT)
            continue
        if tally is not None:
            tally.update((name, verdict.status) for name, verdict in named)
        verdicts.append((completion_id, prompt_id, *all_hold(named)))
    return pl.DataFrame(verdicts, schema=COMPLETION_VERDICTS, orient="row")


def references(prompts: pl.DataFrame) -> dict[str, tuple[Reference, str | None]]:
    """prompt_id -> what verifiers may know of the prompt, and its domain."""
    columns = prompts.select("prompt_id", "messages", "domain", *REFERENCE_COLUMNS)
    return {
        prompt_id: (Reference(last_user_text(messages), *fields), domain)
        for prompt_id, messages, domain, *fields in columns.iter_rows()
    }


def last_user_text(messages: list[dict[str, Any]] | None) -> str:
    texts = [message["content"] for message in messages or () if message["role"] == "user"]
    return texts[-1] if texts else ""


def all_hold(named: Sequence[Named]) -> tuple[str, str, str | None, str]:
    """(verifier, verdict, extracted, method) of verifiers that must all say correct."""
    if len(named) == 1:
        name, verdict = named[0]
        return name, verdict.status, verdict.extracted, verdict.method
    statuses = [verdict.status for _, verdict in named]
    undecided = next((status for status in statuses if status not in ("correct", "incorrect")), "correct")
    return (
        "+".join(name for name, _ in named),
        "incorrect" if "incorrect" in statuses else undecided,
        json.dumps({name: verdict.extracted for name, verdict in named}, ensure_ascii=False),
        "+".join(verdict.method for _, verdict in named),
    )
