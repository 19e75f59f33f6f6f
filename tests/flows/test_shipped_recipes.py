"""Recipes for a GPU and for the Hub, run to the card with a small local model and local rows put in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from samplers.policy import MODEL_DIR, world
from store.shards import read_table
from store.tables import OUTCOME, PREFERENCE, STEPWISE

SMALL = (
    *("engine.kind=transformers", "engine.model=embedded"),
    *("prompts.source=file", "prompts.path=rows.jsonl", "prompts.test_fraction=0.3"),
    "decontaminate.twins=warn",  # the problems are made from templates
    *("train.base=MODEL", "train.dtype=float32", "train.row_tokens=1024", "train.max_tokens=512"),
)


@pytest.fixture
def rows(tmp_path: Path) -> list[world.Problem]:
    """Problems that the small model can read, in rows like those of both Hub datasets; one leaks."""
    problems = world.problems(24, seed=5)
    lines = [
        {"question": p.text, "instruction": p.text, "answer": f"Step by step.\n#### {p.answer}"}
        for p in problems
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "eval.jsonl").write_text(json.dumps({"question": problems[0].text}) + "\n")
    return problems


def run(flows, recipe: str, *changes: str) -> Path:
    sets = [
        part for change in (*SMALL, *changes) for part in ("--set", change.replace("MODEL", str(MODEL_DIR)))
    ]
    done = flows("run", recipe, "--out", "run", *sets)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "touches_eval_set 1" in done.stdout
    assert (flows.folder / "run/README.md").is_file() and (flows.folder / "run/report/index.html").is_file()
    return flows.folder / "run"


def test_gsm8k_vllm_goes_from_sampling_to_best_of_n(flows, rows):
    made = run(
        flows,
        "gsm8k-vllm",
        "decontaminate.against=[{name: local, path: eval.jsonl, columns: question}]",
        *("sample.n=4", "sample.n_test=4", "sample.max_tokens=100", "sample.system=null"),
        *("rollout.budget=6", "rollout.solutions_per_prompt=2", "rollout.max_tokens=100"),
        "evaluate.best_of=[1, 4]",
    )
    for name, schema in (("preference", PREFERENCE), ("outcome", OUTCOME), ("stepwise", STEPWISE)):
        assert read_table(made / f"datasets/{name}/train.parquet", schema).height > 0, name
    for model in ("bt", "orm", "prm"):
        assert (made / f"models/{model}/model.safetensors").is_file()
        assert (made / f"scores/{model}.parquet").is_file()
    assert "best-of" in (made / "README.md").read_text().lower()


def test_ultrafeedback_judge_makes_pairs_where_no_answer_is_known(flows, rows, world_server):
    made = run(
        flows,
        "ultrafeedback-judge",
        "decontaminate.against=[{name: local, path: eval.jsonl, columns: question}]",
        *("sample.max_tokens=100", "judge.engine.model=world"),
        f"judge.engine.base_urls=[{world_server.url}]",
    )
    pairs = read_table(made / "datasets/preference/train.parquet", PREFERENCE)
    assert pairs.height > 0 and set(pairs["evidence"]) == {"judge"}
    answers = {p.text: f"The answer is {p.answer}." for p in rows}
    for prompt, chosen, rejected in pairs.select("prompt", "chosen", "rejected").iter_rows():
        right = answers[prompt[-1]["content"]]
        assert chosen[-1]["content"].endswith(right) and not rejected[-1]["content"].endswith(right)
    assert (made / "models/bt/model.safetensors").is_file()
