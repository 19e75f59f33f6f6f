"""Tables of a few rows for tests of curation, evaluation and cards; ids are the names tests use."""

from __future__ import annotations

from typing import Any

import polars as pl

from curation.evidence import LABELS
from store.tables import COMPLETIONS, PROMPTS, STEPS


def prompts(*ids: str, split: str = "train", **texts: str) -> pl.DataFrame:
    """One prompt per id whose text is its id, and one per keyword argument."""
    rows = [{"prompt_id": i, "messages": [{"role": "user", "content": t}]} for i, t in _texts(ids, texts)]
    return pl.DataFrame([_full(PROMPTS, row | {"split": split}) for row in rows], schema=PROMPTS)


def completions(**answers: list[str]) -> pl.DataFrame:
    """`p=["a", "b"]`: completions p0 and p1 of prompt p."""
    rows = [
        {"completion_id": f"{prompt}{i}", "prompt_id": prompt, "text": text, "sample_index": i}
        for prompt, texts in answers.items()
        for i, text in enumerate(texts)
    ]
    return pl.DataFrame([_full(COMPLETIONS, row) for row in rows], schema=COMPLETIONS)


def labels(**marks: str) -> pl.DataFrame:
    """`p="+-?"`: p0 is right, p1 wrong, p2 has no readable answer."""
    rows = [
        (f"{prompt}{i}", {"+": True, "-": False}.get(m), "no_answer" if m == "?" else None, "verifier")
        for prompt, text in marks.items()
        for i, m in enumerate(text)
    ]
    return pl.DataFrame(rows, schema=LABELS, orient="row")


def steps(**marks: tuple[str, list[str]]) -> pl.DataFrame:
    """`p0=("+-?", ["a\\n", "b\\n", "c"])`: the labels and the texts of the steps of completion p0."""
    rows = [
        {
            "completion_id": completion,
            "prompt_id": completion.rstrip("0123456789"),
            "step_index": i,
            "text": text,
            "label": {"+": True, "-": False}.get(mark),
            "value": {"+": 0.5, "-": 0.0}.get(mark),
            "soft": {"+": 0.5, "-": 0.0}.get(mark),
            "method": "mc",
        }
        for completion, (marks_, texts) in marks.items()
        for i, (mark, text) in enumerate(zip(marks_, texts, strict=True))
    ]
    return pl.DataFrame([_full(STEPS, row) for row in rows], schema=STEPS)


def _texts(ids: tuple[str, ...], texts: dict[str, str]) -> list[tuple[str, str]]:
    return [(i, i) for i in ids] + list(texts.items())


def _full(schema: pl.Schema, row: dict[str, Any]) -> dict[str, Any]:
    return dict.fromkeys(schema) | row
