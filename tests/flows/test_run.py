"""The `flows` command end to end: a real run over a real socket, its bad input, its stops and its resumes."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import polars as pl
import pytest

from store.ids import content_id
from store.shards import read_table
from store.tables import COMPLETION_VERDICTS, COMPLETIONS, OUTCOME, PREFERENCE, PROMPTS, STEPS, STEPWISE

RECIPE = """
name: tiny
licence: apache-2.0
shard_prompts: 8
engine: {kind: openai, model: world, base_urls: ["URL"], max_concurrency: 4}
prompts: {source: world, n_train: 20, n_test: 6, planted_leaks: 3}
sample: {n: 4, n_test: 4, max_tokens: 200}
vote: {}
rollout: {n: 4, solutions_per_prompt: 2, max_tokens: 200}
build: {pairs_per_prompt: 2}
"""


@pytest.fixture
def recipe(tmp_path, world_server):
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE.replace("URL", world_server.url))
    return path


def test_a_run_makes_every_set_and_a_second_run_asks_nobody(flows, recipe, world_server, tmp_path):
    first = flows("run", "tiny.yaml", "--out", "run")
    assert first.returncode == 0, first.stdout + first.stderr
    run = tmp_path / "run"
    completions = read_table(run / "tables/completions", COMPLETIONS)
    prompts = read_table(run / "tables/clean_prompts.parquet", PROMPTS)
    assert completions.height == 4 * prompts.height == 4 * 26  # 20 + 6, the 3 planted leaks dropped
    assert "touches_eval_set 3" in first.stdout
    for name, schema in (("preference", PREFERENCE), ("outcome", OUTCOME), ("stepwise", STEPWISE)):
        rows = pl.concat(
            [read_table(run / f"datasets/{name}/{s}.parquet", schema) for s in ("train", "test")]
        )
        assert rows.height > 0, name
        assert not set(rows["prompt_id"]) & set(prompts.filter(pl.col("split") == "test")["prompt_id"])
    assert (run / "README.md").exists() and (run / "report/index.html").exists()

    asked = len(world_server.requests())
    again = flows("run", "tiny.yaml", "--out", "run")
    assert again.returncode == 0, again.stdout + again.stderr
    assert len(world_server.requests()) == asked
    assert "sample up to date 4/4" in again.stdout

    status = flows("status", "run").stdout
    assert "rollout" in status and "touches_eval_set 3" in status
    shown = flows("show", "run", "-n", "2").stdout
    assert "evidence: verifier" in shown and "own answer" in shown


def test_one_more_prompt_costs_only_its_own_calls(flows, recipe, world_server, tmp_path):
    assert flows("run", "tiny.yaml", "--out", "run").returncode == 0
    before = set(world_server.requests())
    more = flows("run", "tiny.yaml", "--out", "run", "--set", "prompts.n_train=21")
    assert more.returncode == 0, more.stdout + more.stderr
    new = [json.loads(line) for line in world_server.requests()[len(before) :]]
    assert len({content_id(body["messages"][0]) for body in new}) == 1
    assert "prompts.n_train" in more.stdout.replace("n_train 20 -> 21", "prompts.n_train")


def test_a_changed_setting_is_named_and_invalidates_only_what_depends_on_it(flows, recipe, world_server):
    assert flows("run", "tiny.yaml", "--out", "run").returncode == 0
    asked = len(world_server.requests())
    changed = flows("run", "tiny.yaml", "--out", "run", "--set", "build.pairs_per_prompt=1")
    assert "build/preference stale" in changed.stdout and "pairs_per_prompt 2 -> 1" in changed.stdout
    assert "build/outcome stale" not in changed.stdout
    assert len(world_server.requests()) == asked


def test_a_call_budget_stops_cleanly_and_the_next_run_goes_on(flows, recipe, world_server, tmp_path):
    stopped = flows("run", "tiny.yaml", "--out", "run", "--max-calls", "30")
    assert stopped.returncode == 3, stopped.stdout + stopped.stderr
    assert "continue with: flows run tiny.yaml" in stopped.stdout
    paid = sum(json.loads(line)["n"] for line in world_server.requests())
    assert paid == 30
    assert flows("run", "tiny.yaml", "--out", "run").returncode == 0
    bodies = world_server.requests()
    seeds = [
        (content_id(b["messages"]), b["seed"] + i) for b in map(json.loads, bodies) for i in range(b["n"])
    ]
    assert len(seeds) == len(set(seeds))


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(flows, recipe, world_server, tmp_path):
    process = flows.start("run", "tiny.yaml", "--out", "run", "--set", "sample.n=40")
    deadline = time.monotonic() + 60
    while len(world_server.requests()) < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    log = (tmp_path / "flows.log").read_text()
    assert "interrupted; everything finished is kept; continue with: flows run tiny.yaml" in log
    assert "Traceback" not in log


def test_a_plan_spends_only_its_probe_and_the_run_does_not_pay_for_that_again(flows, recipe, world_server):
    plan = flows("run", "tiny.yaml", "--out", "run", "--plan")
    assert plan.returncode == 0, plan.stdout + plan.stderr
    probe = sum(json.loads(line)["n"] for line in world_server.requests())
    assert probe == 16 * 4
    assert "rollout" in plan.stdout and "new tokens" in plan.stdout
    assert flows("run", "tiny.yaml", "--out", "run").returncode == 0
    bodies = [json.loads(line) for line in world_server.requests()]
    sampled = sum(b["n"] for b in bodies if b["messages"][-1]["role"] == "user")
    assert sampled == 4 * 26


def test_gsm8k_recorded_agrees_with_every_published_flag(flows, shared_data, tmp_path):
    source = shared_data / "gsm8k/example_model_solutions.jsonl"
    done = flows(
        *("run", "gsm8k-recorded", "--out", "run", "--set", f"prompts.path={source}"),
        *("--set", f"decontaminate.against.0.path={shared_data / 'math500/test.jsonl'}"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = read_table(tmp_path / "run/tables/verdicts", COMPLETION_VERDICTS)
    completions = read_table(tmp_path / "run/tables/completions", COMPLETIONS)
    ours = {
        (p, m): v == "correct"
        for p, m, v in completions.join(verdicts, "completion_id")
        .select("prompt_id", "model", "verdict")
        .iter_rows()
    }
    rows = [json.loads(line) for line in source.read_text().splitlines()]
    published = {
        (content_id("prompt", [{"role": "user", "content": row["question"]}]), model): row[model][
            "is_correct"
        ]
        for row in rows
        for model in ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    }
    assert len(published) == 5276 and ours == published


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("prompts: {source: world, n_train: 20, n_test: 6, planted_leaks: 3}", "prompts: {source: file, path: no.jsonl}"), "there is no file no.jsonl"),
        (("build:", "decontaminate: {against: [{name: gsm8k, path: gone.jsonl}]}\nbuild:"), "eval set 'gsm8k': there is no file gone.jsonl"),
        (('kind: openai, model: world, base_urls: ["URL"], max_concurrency: 4', "kind: transformers, model: ./nowhere"), "there is no folder ./nowhere"),
        (("n_train: 20", "n_trian: 20"), "did you mean 'n_train'"),
        (("build:", "train: {base: /no/such/model}\nbuild:"), "there is no folder /no/such/model"),
        (("build:", "judge: {template: parwise}\nbuild:"), "parwise"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_message_before_anything_is_spent(
    flows, tmp_path, world_server, change, message
):
    (tmp_path / "bad.yaml").write_text(RECIPE.replace(*change).replace("URL", world_server.url))
    done = flows("run", "bad.yaml", "--out", "run")
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr and "Traceback" not in done.stderr
    assert world_server.requests() == []


def test_a_bad_row_is_named_with_file_and_line(flows, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"prompt": "1 + 1?", "answer": "2"}\n{"prompt": \n')
    source = f"{{source: file, path: {tmp_path}/rows.jsonl}}"
    recipe = f"name: bad\nengine: {{model: embedded}}\nprompts: {source}\nsample: {{}}\nbuild: {{sets: [outcome]}}\n"
    (tmp_path / "bad.yaml").write_text(recipe)
    done = flows("run", "bad.yaml", "--out", "run")
    assert done.returncode == 2
    assert "rows.jsonl" in done.stderr and "2" in done.stderr and "Traceback" not in done.stderr


def test_two_commands_cannot_work_in_one_folder(flows, recipe, world_server, tmp_path):
    process = flows.start("run", "tiny.yaml", "--out", "run", "--set", "sample.n=40")
    deadline = time.monotonic() + 60
    while not (tmp_path / "run/.lock").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    second = flows("run", "tiny.yaml", "--out", "run")
    process.kill()
    process.wait()
    assert second.returncode == 2 and "another `flows run` is working" in second.stderr


def test_fresh_keeps_the_old_run_aside(flows, recipe, tmp_path):
    assert flows("run", "tiny.yaml", "--out", "run", "--max-calls", "4").returncode == 3
    again = flows("run", "tiny.yaml", "--out", "run", "--fresh", "--max-calls", "4")
    assert again.returncode == 3 and "run.old-1" in again.stdout
    assert (tmp_path / "run.old-1/manifest.json").exists()
    assert not list(Path(tmp_path / "run.old-1/ledger").glob("nothing"))


def test_steps_spell_their_completions(flows, recipe, tmp_path):
    assert flows("run", "tiny.yaml", "--out", "run").returncode == 0
    steps = read_table(tmp_path / "run/tables/steps", STEPS).sort("completion_id", "step_index")
    spelled = dict(
        steps.group_by("completion_id", maintain_order=True).agg(pl.col("text").str.join("")).iter_rows()
    )
    texts = dict(
        read_table(tmp_path / "run/tables/completions", COMPLETIONS)
        .select("completion_id", "text")
        .iter_rows()
    )
    assert spelled and all(texts[completion_id] == text for completion_id, text in spelled.items())
