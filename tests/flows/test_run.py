"""The `flows` command end to end: a real run over a real socket, its bad input, its stops and its resumes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save

from flows.__main__ import main
from samplers.policy import MODEL_DIR
from store.ids import content_id
from store.shards import read_table
from store.tables import (
    COMPLETION_VERDICTS,
    COMPLETIONS,
    JUDGEMENTS,
    OUTCOME,
    PREFERENCE,
    PROMPTS,
    STEPS,
    STEPWISE,
)

WORLD = "prompts: {source: world, n_train: 20, n_test: 6, planted_leaks: 3}"
RECIPE = f"""
name: tiny
licence: apache-2.0
shard_prompts: 8
engine: {{kind: openai, model: world, base_urls: ["URL"], max_concurrency: 4}}
{WORLD}
sample: {{n: 4, n_test: 4, max_tokens: 200}}
vote: {{}}
judge: {{template: policy, pairs_per_prompt: 1, max_tokens: 8, logprobs: 5}}
rollout: {{solutions_per_prompt: 2, max_tokens: 200}}
build: {{pairs_per_prompt: 2}}
"""
JUDGED, STEP = "Which solution is right?", "assistant"


@dataclass
class Finished:
    folder: Path
    said: str

    @property
    def run(self) -> Path:
        return self.folder / "run"


@pytest.fixture(scope="module")
def finished(flows_in, module_server, tmp_path_factory) -> Finished:
    """A run that the tests below read and copy, and none of them changes."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny.yaml").write_text(RECIPE.replace("URL", module_server.url))
    done = flows_in(folder)("run", "tiny.yaml", "--out", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    return Finished(folder, done.stdout)


@pytest.fixture
def go_on(finished, flows, module_server) -> Callable[..., tuple[str, list[dict]]]:
    """`flows run` on a copy of the finished run: what it said, and the requests that it made."""
    shutil.copytree(finished.folder, flows.folder, dirs_exist_ok=True)

    def run(*args: str) -> tuple[str, list[dict]]:
        before = len(module_server.requests())
        done = flows("run", "tiny.yaml", "--out", "run", *args)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout, [json.loads(line) for line in module_server.requests()[before:]]

    return run


@pytest.fixture
def recipe(tmp_path, world_server) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE.replace("URL", world_server.url))
    return path


def is_sample(body: dict) -> bool:
    """Not a rollout, not a judgement."""
    last = body["messages"][-1]
    return last["role"] != STEP and JUDGED not in last["content"]


def draws(bodies: list[dict]) -> list[tuple[str, int]]:
    """(messages, seed) of every completion that was asked for."""
    return [(content_id(b["messages"]), b["seed"] + i) for b in bodies for i in range(b["n"])]


def test_a_run_makes_every_set_of_training_prompts_alone(finished):
    completions = read_table(finished.run / "tables/completions", COMPLETIONS)
    prompts = read_table(finished.run / "tables/clean_prompts.parquet", PROMPTS)
    assert completions.height == 4 * prompts.height == 4 * 26  # 20 + 6, the 3 planted leaks dropped
    assert "touches_eval_set 3" in finished.said
    for name, schema in (("preference", PREFERENCE), ("outcome", OUTCOME), ("stepwise", STEPWISE)):
        rows = pl.concat(
            [read_table(finished.run / f"datasets/{name}/{s}.parquet", schema) for s in ("train", "test")]
        )
        assert rows.height > 0, name
        assert not set(rows["prompt_id"]) & set(prompts.filter(pl.col("split") == "test")["prompt_id"])
    assert (finished.run / "README.md").exists() and (finished.run / "report/index.html").exists()


def test_steps_spell_their_completions(finished):
    steps = read_table(finished.run / "tables/steps", STEPS).sort("completion_id", "step_index")
    spelled = dict(
        steps.group_by("completion_id", maintain_order=True).agg(pl.col("text").str.join("")).iter_rows()
    )
    completions = read_table(finished.run / "tables/completions", COMPLETIONS)
    texts = dict(completions.select("completion_id", "text").iter_rows())
    assert spelled and all(texts[completion_id] == text for completion_id, text in spelled.items())


def test_a_judge_reads_both_orders_and_agrees_with_the_verifier_it_is_calibrated_on(finished):
    judgements = read_table(finished.run / "tables/judgements.parquet", JUDGEMENTS)
    assert judgements.height > 0 and set(judgements["order"]) == {"ab", "ba"}
    assert judgements["logprob_a"].null_count() == 0
    verdicts = read_table(finished.run / "tables/verdicts", COMPLETION_VERDICTS)
    right = dict(verdicts.select("completion_id", pl.col("verdict") == "correct").iter_rows())
    for a, b, verdict in judgements.select("a_id", "b_id", "verdict").iter_rows():
        assert right[a] != right[b] and verdict == ("A" if right[a] else "B")


def test_status_and_show_tell_what_is_there(finished, capsys, monkeypatch):
    monkeypatch.chdir(finished.folder)
    assert main(["status", "run"]) == 0
    status = capsys.readouterr().out
    assert "rollout" in status and "touches_eval_set 3" in status
    assert main(["show", "run", "-n", "2"]) == 0
    shown = capsys.readouterr().out
    assert "evidence: verifier" in shown and "own answer" in shown and "first error by rollouts" in shown


def test_a_second_run_asks_nobody(go_on):
    said, asked = go_on()
    assert asked == []
    assert "sample up to date 4/4" in said and "rollout up to date 4/4" in said


def test_one_more_prompt_costs_its_own_calls_and_the_few_rollouts_that_its_part_in_the_pilot_changes(go_on):
    said, asked = go_on("--set", "prompts.n_train=21")
    assert "n_train 20 -> 21" in said
    questions = [body["messages"][0]["content"].partition("\n\nSolution A:")[0] for body in asked]
    [new] = {q for q, body in zip(questions, asked, strict=True) if body["messages"][-1]["role"] != STEP}
    assert len(asked) - questions.count(new) <= len(asked) / 4


def test_a_changed_setting_is_named_and_invalidates_only_what_depends_on_it(go_on):
    said, asked = go_on("--set", "build.pairs_per_prompt=1")
    assert "build/preference stale" in said and "pairs_per_prompt 2 -> 1" in said
    assert "build/outcome stale" not in said
    assert asked == []


def test_a_plan_spends_its_probe_and_a_budget_its_calls_and_neither_is_paid_twice(
    flows, recipe, world_server
):
    def asked() -> list[dict]:
        return [json.loads(line) for line in world_server.requests()]

    plan = flows("run", "tiny.yaml", "--out", "run", "--plan")
    assert plan.returncode == 0, plan.stdout + plan.stderr
    assert sum(body["n"] for body in asked()) == 16 * 4
    assert "rollout" in plan.stdout and "new tokens" in plan.stdout

    stopped = flows("run", "tiny.yaml", "--out", "run", "--max-calls", "30")
    assert stopped.returncode == 3, stopped.stdout + stopped.stderr
    assert "continue with: flows run tiny.yaml" in stopped.stdout
    assert sum(body["n"] for body in asked()) == 16 * 4 + 30

    done = flows("run", "tiny.yaml", "--out", "run", "--resume")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(draws(asked())) == len(set(draws(asked())))
    assert sum(body["n"] for body in asked() if is_sample(body)) == 4 * 26


@pytest.fixture(scope="module")
def interrupted(flows_in, module_server, tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The folder of a run that Ctrl-C ended, and a second command that wanted the folder before that."""
    folder = tmp_path_factory.mktemp("interrupted")
    (folder / "tiny.yaml").write_text(RECIPE.replace("URL", module_server.url))
    flows, before = flows_in(folder), len(module_server.requests())
    process = flows.start("run", "tiny.yaml", "--out", "run", "--set", "sample.n=200")
    deadline = time.monotonic() + 60
    while len(module_server.requests()) < before + 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    second = flows("run", "tiny.yaml", "--out", "run")
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130, (folder / "flows.log").read_text()
    return folder, second


def test_two_commands_cannot_work_in_one_folder(interrupted):
    _, second = interrupted
    assert second.returncode == 2 and "another `flows run` is working" in second.stderr


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(interrupted):
    log = (interrupted[0] / "flows.log").read_text()
    assert "interrupted; everything finished is kept; continue with: flows run tiny.yaml" in log
    assert "Traceback" not in log


def test_fresh_keeps_the_old_run_aside(interrupted, flows_in):
    folder, _ = interrupted
    kept = len(list((folder / "run/ledger").iterdir()))
    again = flows_in(folder)("run", "tiny.yaml", "--out", "run", "--fresh", "--max-calls", "4")
    assert again.returncode == 3 and "run.old-1" in again.stdout
    assert (folder / "run.old-1/manifest.json").exists()
    assert len(list((folder / "run.old-1/ledger").iterdir())) == kept > 0


def test_gsm8k_recorded_agrees_with_every_published_flag(flows, shared_data, tmp_path):
    source = shared_data / "gsm8k/example_model_solutions.jsonl"
    done = flows(
        *("run", "gsm8k-recorded", "--out", "run", "--set", f"prompts.path={source}"),
        *("--set", f"decontaminate.against.0.path={shared_data / 'math500/test.jsonl'}"),
        *("--set", "decontaminate.twins=warn"),  # of two lockers, one in either split
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


ENGINE = 'kind: openai, model: world, base_urls: ["URL"], max_concurrency: 4'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (WORLD, "prompts: {source: file, path: no.jsonl}", "there is no file no.jsonl"),
        (
            "build:",
            "decontaminate: {against: [{name: gsm8k, path: gone.jsonl}]}\nbuild:",
            "eval set 'gsm8k': there is no file gone.jsonl",
        ),
        (ENGINE, "kind: transformers, model: ./nowhere", "there is no folder ./nowhere"),
        (ENGINE, 'kind: openai, model: world, base_urls: ["http://127.0.0.1:9/v1"]', "127.0.0.1:9"),
        ("n_train: 20", "n_trian: 20", "did you mean 'n_train'"),
        ("build:", "train: {base: /no/such/model}\nbuild:", "there is no folder /no/such/model"),
        ("template: policy", "template: parwise", "parwise"),
        ("template: policy", "template: rating", "rating"),
        ("template: policy", "mode: rating, criteria: [kindness]", "kindness"),
        (
            "template: policy",
            f"combine: agree, panel: [{{{ENGINE}}}, {{{ENGINE}1}}]",
            "two judges are called",
        ),
        ("build:", "critique: {template: crtique}\nbuild:", "crtique"),
        ("{solutions", "{checker: arithmetik, solutions", "rollout.checker: no checker 'arithmetik'"),
    ],
)
def test_bad_input_is_one_clear_message_before_anything_is_spent(
    tmp_path, module_server, capsys, monkeypatch, old, new, message
):
    asked = len(module_server.requests())
    monkeypatch.chdir(tmp_path)
    Path("bad.yaml").write_text(RECIPE.replace(old, new).replace("URL", module_server.url))
    assert main(["run", "bad.yaml", "--out", "run"]) == 2
    assert message in capsys.readouterr().err
    assert not Path("run/manifest.json").exists() and len(module_server.requests()) == asked


def test_a_folder_that_is_no_run_is_left_alone(tmp_path, module_server, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(RECIPE.replace("URL", module_server.url))
    assert main(["run", "tiny.yaml", "--out", "."]) == 2
    assert "is not empty and is no run" in capsys.readouterr().err
    assert main(["run", "tiny.yaml", "--out", "tiny.yaml"]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_disk_without_room_is_refused_before_anything_is_spent(
    tiny_disk, tmp_path, module_server, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(RECIPE.replace("URL", module_server.url))
    assert main(["run", "tiny.yaml", "--out", str(tiny_disk / "run")]) == 2
    assert "MiB free, a run needs at least" in capsys.readouterr().err
    assert list(tiny_disk.iterdir()) == []


def test_a_bad_row_is_named_with_file_and_line(flows, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"prompt": "1 + 1?", "answer": "2"}\n{"prompt": \n')
    source = f"{{source: file, path: {tmp_path}/rows.jsonl}}"
    engine = "engine: {kind: transformers, model: embedded}"
    (tmp_path / "bad.yaml").write_text(
        f"name: bad\n{engine}\nprompts: {source}\nsample: {{}}\nbuild: {{sets: [outcome]}}\n"
    )
    done = flows("run", "bad.yaml", "--out", "run")
    assert done.returncode == 2
    assert "rows.jsonl:2" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (b"these are no weights", "broken/model.safetensors: not a safetensors file"),
        (save({"model.embed_tokens.weight": np.zeros((4, 4))}), "cannot load"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_one_line_and_costs_nothing(flows, tmp_path, weights, message):
    broken = shutil.copytree(MODEL_DIR, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(weights)
    (tmp_path / "tiny.yaml").write_text(RECIPE.replace(ENGINE, f"kind: transformers, model: {broken}"))
    done = flows("run", "tiny.yaml", "--out", "run")
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "calls=" not in done.stdout
