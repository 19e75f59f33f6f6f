"""Verdict rows: who gets one, who is rejected, and what truncation does."""

import polars as pl

from labelers.verdicts import NO_PROMPT, NO_REFERENCE, label_verdicts
from store.accounting import Account
from store.tables import COMPLETION_VERDICTS, COMPLETIONS, PROMPTS


def prompts(answers: dict[str, str | None]) -> pl.DataFrame:
    rows = [{"prompt_id": p, "answer": a} for p, a in answers.items()]
    return pl.DataFrame(rows, schema=PROMPTS)


def completions(*rows: tuple[str, str, str, str]) -> pl.DataFrame:
    names = ("completion_id", "prompt_id", "text", "finish_reason")
    return pl.DataFrame([dict(zip(names, row, strict=True)) for row in rows], schema=COMPLETIONS)


TABLE = completions(
    ("c4", "p3", "The answer is 4.", "stop"),
    ("c1", "p1", "The answer is 1/2.", "stop"),
    ("c3", "p2", "The answer is 4.", "stop"),
    ("c2", "p1", "so we get\nThe answer is 0.5", "length"),
    ("c5", "p1", "so \\boxed{7} and", "length"),
)
PROMPT_TABLE = prompts({"p1": "0.5", "p2": None})


def test_verdicts_join_by_prompt_and_sort_by_completion() -> None:
    table = label_verdicts(TABLE, PROMPT_TABLE)
    assert table.schema == COMPLETION_VERDICTS
    assert table.select("completion_id", "verdict", "extracted", "method").rows() == [
        ("c1", "correct", "1/2", "rational"),
        ("c2", "no_answer", None, "none"),  # 0.5 may be the beginning of 0.57
        ("c5", "incorrect", "7", "rational"),
    ]


def test_completions_without_a_reference_are_rejected_by_name_and_nothing_is_lost() -> None:
    account = Account("verify", TABLE.height)
    account.keep(label_verdicts(TABLE, PROMPT_TABLE, account).height)
    assert account.close().rejected == {NO_REFERENCE: 1, NO_PROMPT: 1}


def test_row_order_changes_nothing() -> None:
    assert label_verdicts(TABLE.reverse(), PROMPT_TABLE.reverse()).equals(label_verdicts(TABLE, PROMPT_TABLE))


def test_empty_tables_give_an_empty_table() -> None:
    assert label_verdicts(TABLE.clear(), PROMPT_TABLE).schema == COMPLETION_VERDICTS
