"""ProcessBench solutions go through the labelers, whose first errors are measured against people's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from chat_server import ChatServer, reply

from flows import (
    consensus,
    critique,
    decontaminate,
    human_quality,
    processbench,
    prompts,
    recorded,
    rollout,
    verify,
)
from flows.engines import close_engines
from flows.recipe import Recipe, load_recipe
from flows.stage import perform_here, run_facts, run_stages
from store.errors import InputError
from store.manifest import Manifest
from store.shards import read_table
from store.tables import COMPLETIONS, PROMPTS, STEPS

QUESTION = "A box has {n} pens, and {n} more are put in. How many are there?"


def row(n: int, label: int, generator: str = "small", steps: int = 4) -> dict[str, Any]:
    """A solution of `steps` paragraphs that goes wrong at `label`."""
    texts = [f"Step {t}: {n} pens\nand so on" for t in range(steps - 1)]
    answer = 2 * n if label == -1 else 2 * n + 1
    return {
        "id": f"{generator}-{n}-{label}",
        "generator": generator,
        "problem": QUESTION.format(n=n),
        "steps": [*texts, f"The answer is {answer}."],
        "label": label,
    }


ROWS = [row(2, 0), row(2, -1, "large"), row(3, 2), row(4, 1, "large"), row(5, -1), row(6, 3), row(7, 1)]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Overrides that name ProcessBench's file and the answers of its problems, the last one unknown."""
    (tmp_path / "bench.json").write_text(json.dumps(ROWS))
    golds = [
        {"question": QUESTION.format(n=n).replace(" ", "  "), "answer": f"Twice.\n#### {2 * n}"}
        for n in range(2, 7)
    ]
    (tmp_path / "golds.jsonl").write_text("".join(json.dumps(gold) + "\n" for gold in golds))
    return [f"prompts.path={tmp_path / 'bench.json'}", f"prompts.golds=[{tmp_path / 'golds.jsonl'}]"]


async def oracle(body: dict[str, Any], number: int) -> web.StreamResponse:
    """Completes right prefixes rightly and wrong ones wrongly; as a judge it errs on what `large` wrote."""
    messages = body["messages"]
    is_critique = messages[-1]["role"] == "user"
    asked = messages[-1]["content"] if is_critique else messages[0]["content"]
    of_problem = [r for r in ROWS if r["problem"] in asked]
    if is_critique:
        [shown] = [r for r in of_problem if all(step in asked for step in r["steps"])]
        said = f"Let me see.\n\\boxed{{{shown['label'] if shown['generator'] == 'small' else 2}}}"
    else:
        prefix = messages[-1]["content"].strip()
        [n] = {int(r["problem"].split()[3]) for r in of_problem}
        done = len([step for step in of_problem[0]["steps"] if step in prefix])
        right = any(r["label"] == -1 or done <= r["label"] for r in of_problem)
        said = f"\\boxed{{{2 * n if right else 1000}}}"
    answer = reply(body, body.get("n", 1))
    for choice in answer["choices"]:
        choice["message"]["content"] = said
    return web.json_response(answer)


def made(run_dir: Path, recipe: Recipe) -> dict[str, Any]:
    """The facts of the quality stage, after all before it."""
    manifest = Manifest.open(run_dir)
    manifest.describe(**run_facts(recipe))
    chain = (
        lambda: [prompts.stage(recipe)],
        lambda: [decontaminate.stage(recipe)],
        lambda: recorded.stages(run_dir, recipe),
        lambda: verify.stages(run_dir, recipe),
        lambda: rollout.stages(run_dir, recipe),
        lambda: critique.stages(run_dir, recipe),
        lambda: [consensus.stage(run_dir, recipe)],
        lambda: [human_quality.stage(run_dir, recipe)],
    )
    try:
        for stages in chain:
            run_stages(run_dir, recipe, stages(), manifest, perform_here)
    finally:
        close_engines()
    return json.loads((run_dir / "scores/label_quality.json").read_text())


def test_labels_are_measured_against_peoples_in_all_and_by_writer(tmp_path: Path, files: list[str]) -> None:
    with ChatServer(oracle, owner="vllm") as server:
        engine = f"{{kind: openai, model: m, base_urls: ['{server.url}']}}"
        changes = [f"engine={engine}", f"critique.engine={engine}", "critique.samples=1"]
        changes += ["rollout.strategy=exhaustive", "rollout.n=2", "rollout.audit=null"]
        recipe = load_recipe("processbench-labels", [*files, *changes])
        found = made(tmp_path / "run", recipe)
    assert read_table(tmp_path / "run/tables/prompts.parquet", PROMPTS).height == 5  # pens 2 to 6
    solutions = read_table(tmp_path / "run/tables/completions", COMPLETIONS)
    assert sorted(solutions["text"]) == sorted("\n\n".join(r["steps"]) for r in ROWS[:6])
    steps = read_table(tmp_path / "run/tables/steps", STEPS).sort("completion_id", "step_index")
    assert steps.height == 6 * 4
    # Solution 2 of `small` shares its first steps with a right one, so rollouts cannot see its error.
    assert found["rollouts"]["solutions"] == 6
    assert found["rollouts"]["by_generator"]["large"]["f1"] == 1.0
    assert found["rollouts"]["first_error"]["error_accuracy"] == 3 / 4
    assert found["critique"]["by_generator"]["small"]["f1"] == 1.0
    assert found["critique"]["by_generator"]["large"]["error_accuracy"] == 0.0
    assert found["agreed"]["solutions"] == 3  # neither the unseen error nor what the judge got wrong
    assert found["agreed"]["first_error"]["f1"] == 1.0


def loaded(tmp_path: Path, rows: list[dict[str, Any]], files: list[str]) -> list[Any]:
    (tmp_path / "bench.json").write_text(json.dumps(rows))
    return processbench.marked(load_recipe("processbench-labels", files).prompts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": 4}, "row 2: label must be the index of a step or -1, not 4"),
        ({"label": True}, "row 2: label must be the index of a step or -1, not True"),
        ({"steps": "one"}, "row 2: steps must be a list of texts"),
        ({"steps": []}, "row 2: steps must be a list of texts"),
        ({"problem": " "}, "row 2: problem and generator must be texts"),
    ],
)
def test_rows_of_another_form_are_named(
    change: dict[str, Any], message: str, tmp_path: Path, files: list[str]
) -> None:
    with pytest.raises(InputError, match=message):
        loaded(tmp_path, [ROWS[0], ROWS[1] | change], files)


def test_a_solution_that_cannot_be_cut_into_its_paragraphs_is_left_out(
    tmp_path: Path, files: list[str]
) -> None:
    torn = ROWS[4] | {"steps": ["First this.\n\nThen that.", "The answer is 10."]}
    rows = loaded(tmp_path, [ROWS[0], torn], files)
    kept, account = processbench.completion_rows(
        load_recipe("processbench-labels", files).prompts, {r.prompt_id for r in rows}
    )
    assert len(kept) == 1 and account.rejected == {"steps_not_separable": 1}


def test_another_segmentation_than_peoples_is_refused(files: list[str]) -> None:
    recipe = load_recipe("processbench-labels", [*files, "rollout.segment=newline"])
    with pytest.raises(InputError, match="set rollout.segment: blank-line"):
        processbench.prompt_rows(recipe.prompts, recipe)


def test_without_reference_answers_the_run_says_which_key_names_them(files: list[str]) -> None:
    recipe = load_recipe("processbench-labels", [files[0], "prompts.golds=[]"])
    with pytest.raises(InputError, match=r"--set prompts.golds=\[FILE\]"):
        processbench.prompt_rows(recipe.prompts, recipe)


def test_every_gsm8k_row_of_processbench_is_used(shared_data: Path) -> None:
    paths = [str(shared_data / "gsm8k" / f"{split}.jsonl") for split in ("test", "train")]
    changes = [f"prompts.path={shared_data / 'processbench/gsm8k.json'}", f"prompts.golds={paths}"]
    recipe = load_recipe("processbench-labels", changes)
    kept, account = processbench.prompt_rows(recipe.prompts, recipe)
    assert (len(kept), account.rejected) == (375, {"same_problem": 25})
    solutions, account = processbench.completion_rows(recipe.prompts, {p["prompt_id"] for p in kept})
    assert (len(solutions), account.rejected) == (400, {})
