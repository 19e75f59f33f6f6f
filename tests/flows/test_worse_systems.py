"""Answers sampled under better and worse system prompts, from the recipe to the pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from aiohttp import web
from chat_server import ChatServer, reply

from flows.engines import close_engines
from flows.recipe import validate_recipe
from flows.run import chain
from flows.stage import perform_here, run_stages
from store.errors import InputError
from store.manifest import Manifest
from store.shards import read_table
from store.tables import COMPLETIONS, PREFERENCE, PROMPTS, VOTES

CAREFUL, CARELESS = "Be careful.", "Be careless."


async def says_its_system_prompt(body: dict[str, Any], number: int) -> web.StreamResponse:
    """Careless answers are always 7; the third careful sample is cut by the token limit."""
    said = reply(body, body.get("n", 1))
    careful = body["messages"][0]["content"] == CAREFUL
    for choice in said["choices"]:
        sample = (body["seed"] + choice["index"]) % 4
        choice["message"]["content"] = (
            f"careful {sample}, \\boxed{{{sample}}}" if careful else f"\\boxed{{7}} {sample}"
        )
        if careful and sample == 2:
            choice["finish_reason"] = "length"
    return web.json_response(said)


def made(folder: Path, **sample: Any) -> Path:
    rows = [{"prompt": f"Tell me about number {i}."} for i in range(5)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with ChatServer(says_its_system_prompt) as server:
        recipe = validate_recipe(
            {
                "name": "contrast",
                "engine": {"kind": "openai", "model": "m", "base_urls": [server.url]},
                "prompts": {"source": "file", "path": str(folder / "rows.jsonl"), "test_fraction": 0.3},
                "decontaminate": {"twins": "warn"},  # one question but for its number
                "sample": {"n": 4, "n_test": 2} | sample,
                "vote": {},
                "build": {"sets": ["preference"], "heldout_fraction": 0},
            },
            "test",
        )
        run_dir = folder / "run"
        manifest = Manifest.open(run_dir)
        try:
            for stages in chain(run_dir, recipe):
                run_stages(run_dir, recipe, stages, manifest, perform_here)
        finally:
            close_engines()
    return run_dir


def test_answers_under_the_better_system_prompt_are_chosen(tmp_path: Path):
    run_dir = made(tmp_path, system=CAREFUL, worse_systems=[CARELESS])
    trained = read_table(run_dir / "tables/clean_prompts.parquet", PROMPTS).filter(split="train")
    said = read_table(run_dir / "tables/completions", COMPLETIONS)
    of_training = said.filter(pl.col("prompt_id").is_in(trained["prompt_id"].to_list()))
    assert (
        of_training.group_by("prompt_id", "system_variant").len()["len"].to_list() == [4, 4] * trained.height
    )
    others = said.join(of_training, "completion_id", "anti")
    assert others.height and set(others["system_variant"]) == {CAREFUL}

    pairs = read_table(run_dir / "datasets/preference/train.parquet", PREFERENCE)
    variant = dict(said.select("completion_id", "system_variant").iter_rows())
    assert set(pairs["prompt_id"]) == set(trained["prompt_id"])
    assert {variant[i] for i in pairs["chosen_id"]} == {CAREFUL}
    assert {variant[i] for i in pairs["rejected_id"]} == {CARELESS}
    assert not pairs["chosen_id"].is_in(said.filter(finish_reason="length")["completion_id"].to_list()).any()
    assert pairs["margin"].null_count() == pairs.height and set(pairs["evidence"]) == {"system_variant"}
    assert {message["role"] for prompt in pairs["prompt"] for message in prompt} == {"user"}


def test_answers_that_were_meant_to_be_worse_have_no_vote(tmp_path: Path):
    run_dir = made(tmp_path, system=CAREFUL, worse_systems=[CARELESS])
    said = read_table(run_dir / "tables/completions", COMPLETIONS)
    votes = read_table(run_dir / "tables/votes.parquet", VOTES)
    assert set(votes["completion_id"]) == set(said.filter(system_variant=CAREFUL)["completion_id"])
    assert Manifest.open(run_dir).stages["vote"].accounts[0]["rejected"] == {
        "worse_system": said.filter(system_variant=CARELESS).height
    }


@pytest.mark.parametrize(("system", "worse"), [(CAREFUL, [CAREFUL]), (None, [""]), (CAREFUL, [CARELESS] * 2)])
def test_a_system_prompt_is_not_worse_than_itself(system: str | None, worse: list[str]):
    data = {
        "name": "contrast",
        "engine": {"kind": "openai", "model": "m", "base_urls": ["http://127.0.0.1:9/v1"]},
        "prompts": {"source": "file", "path": "rows.jsonl"},
        "sample": {"system": system, "worse_systems": worse},
        "build": {"sets": ["preference"]},
    }
    with pytest.raises(InputError, match="worse_systems: two are the same"):
        validate_recipe(data, "test")
