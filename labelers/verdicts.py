"""Verdicts on completions whose prompt has a reference answer.

Completions without one cannot be judged: they get no row and are rejected by name in the stage's account. A
truncated completion is read only as far as its answer is certainly complete.
"""

from __future__ import annotations

import polars as pl

from store.accounting import Account
from store.tables import COMPLETION_VERDICTS
from verifiers.math import DEFAULT, Policy, verify

VERIFIER = "math"
NO_ANSWER = "prompt has no reference answer"
NO_PROMPT = "prompt is not in the prompt table"


def label_verdicts(
    completions: pl.DataFrame, prompts: pl.DataFrame, account: Account | None = None, policy: Policy = DEFAULT
) -> pl.DataFrame:
    """COMPLETION_VERDICTS sorted by completion_id; the rows it leaves out are rejected in `account`."""
    account = account or Account("verify", completions.height)
    golds = dict(prompts.select("prompt_id", "answer").iter_rows())
    columns = completions.sort("completion_id").select("completion_id", "prompt_id", "text", "finish_reason")
    rows = []
    for completion_id, prompt_id, text, finish_reason in columns.iter_rows():
        gold = golds.get(prompt_id)
        if gold is None:
            account.reject(NO_ANSWER if prompt_id in golds else NO_PROMPT)
            continue
        verdict = verify(gold, text, policy, truncated=finish_reason == "length")
        rows.append((completion_id, prompt_id, VERIFIER, verdict.status, verdict.extracted, verdict.method))
    return pl.DataFrame(rows, schema=COMPLETION_VERDICTS, orient="row")
