"""The sample stage: ids and draws belong to the prompt, not to its place; the table is always the same."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from counting_engine import CountingEngine

from samplers.engine import Sampling
from samplers.sample import sample_prompts
from store.errors import InputError
from store.ids import content_id
from store.ledger import Ledger
from store.tables import COMPLETIONS, PROMPTS


def prompts(*texts: str, role: str = "user") -> pl.DataFrame:
    rows = [
        {"prompt_id": content_id(text), "split": "train", "messages": [{"role": role, "content": text}]}
        for text in texts
    ]
    return pl.DataFrame(rows, schema=PROMPTS)


def test_n_rows_per_prompt_with_consecutive_seeds(ledger: Ledger) -> None:
    table = sample_prompts(CountingEngine(), ledger, prompts("a", "b", "c"), n=4, seed=3)
    assert table.schema == COMPLETIONS
    assert table["prompt_id"].n_unique() == 3
    for _, rows in table.group_by("prompt_id"):
        assert rows["sample_index"].to_list() == [0, 1, 2, 3]
        assert (rows["seed"] - rows["sample_index"]).n_unique() == 1
    assert table["completion_id"].n_unique() == 12


def test_the_table_does_not_depend_on_the_order_of_prompts_or_answers(tmp_path: Path) -> None:
    texts = [f"question {i}" for i in range(9)]
    one = sample_prompts(CountingEngine(queue=2), Ledger(tmp_path / "1"), prompts(*texts), n=3)
    two = sample_prompts(CountingEngine(queue=7), Ledger(tmp_path / "2"), prompts(*reversed(texts)), n=3)
    assert one.equals(two)


def test_a_run_with_more_prompts_and_samples_contains_the_smaller_run(ledger: Ledger) -> None:
    small = sample_prompts(CountingEngine(), ledger, prompts("a", "b"), n=2)
    engine = CountingEngine()
    large = sample_prompts(engine, ledger, prompts("c", "b", "a"), n=3)
    assert small.join(large, on=small.columns, how="anti", nulls_equal=True).is_empty()
    assert len(engine.asked) == large.height - small.height == 5


def test_a_system_prompt_is_sent_first_and_recorded(ledger: Ledger) -> None:
    engine = CountingEngine()
    table = sample_prompts(engine, ledger, prompts("a"), n=1, system="Be brief.")
    assert [m["role"] for m in engine.asked[0].messages] == ["system", "user"]
    assert table["system_variant"].to_list() == ["Be brief."]
    plain = sample_prompts(engine, ledger, prompts("a"), n=1)
    assert plain["system_variant"].to_list() == [None]
    assert plain["completion_id"].item() != table["completion_id"].item()


def test_two_system_prompts_are_an_error(ledger: Ledger) -> None:
    with pytest.raises(InputError, match="has a system message of its own"):
        sample_prompts(CountingEngine(), ledger, prompts("a", role="system"), n=1, system="Be brief.")


def test_rejected_requests_have_no_rows(ledger: Ledger) -> None:
    table = sample_prompts(CountingEngine(), ledger, prompts("a", "too long"), n=2, sampling=Sampling())
    assert table.height == 2
