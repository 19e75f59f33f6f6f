"""Every kind of labeler that a recipe can ask for, from sampling to the card, over a real socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from chat_server import ChatServer

from flows import command
from flows.__main__ import EXIT_FAILED, main
from flows.engines import allow_calls, close_engines
from flows.judge import GateClosed, NothingJudged
from flows.preflight import check_models
from flows.recipe import Recipe, validate_recipe
from flows.run import chain
from flows.stage import perform_here, run_facts, run_stages
from labelers.judges.panel import PANEL
from labelers.judges.scores import JUDGE_SCORES
from labelers.rollouts.labels import first_errors
from samplers.policy import world
from store.errors import InputError
from store.manifest import Manifest
from store.shards import read_table
from store.tables import COMPLETIONS, CRITIQUES, JUDGEMENTS, PREFERENCE, PROMPTS, RANKING, STEPS, STEPWISE

Run = Callable[..., dict[str, Any]]
SAMPLE = {"n": 6, "n_test": 6, "max_tokens": 200}
ROLLOUT = {"solutions_per_prompt": 3, "max_tokens": 200}


@pytest.fixture
def run(tmp_path: Path, module_server) -> Run:
    """Run a recipe in this process, without Prefect; gives the notes of its stages. Again: continue."""

    def go(**sections: Any) -> dict[str, Any]:
        recipe = recipe_with(sections, module_server)
        manifest = Manifest.open(tmp_path)
        manifest.describe(**run_facts(recipe))
        allow_calls(None)
        try:
            for stages in chain(tmp_path, recipe):
                run_stages(tmp_path, recipe, stages, manifest, perform_here)
        finally:
            close_engines()
        return {name: record.notes for name, record in manifest.stages.items()}

    return go


def recipe_with(sections: dict[str, Any], server) -> Recipe:
    usual = {
        "name": "labelled",
        "engine": engine(server, "world"),
        "prompts": {"source": "world", "n_train": 12, "n_test": 3, "planted_leaks": 0},
        "sample": SAMPLE,
    }
    return validate_recipe(usual | sections, "test")


def engine(server, model: str) -> dict[str, Any]:
    return {"kind": "openai", "model": model, "base_urls": [server.url]}


def true_first_errors(folder: Path) -> dict[str, int]:
    prompts = read_table(folder / "tables/clean_prompts.parquet", PROMPTS)
    problems = {row["prompt_id"]: world.parse(row["messages"][0]["content"]) for row in prompts.to_dicts()}
    completions = read_table(folder / "tables/completions", COMPLETIONS)
    return {
        row["completion_id"]: world.first_error(problems[row["prompt_id"]], row["text"].split("\n"))
        for row in completions.to_dicts()
    }


def test_every_strategy_labels_every_chosen_solution_and_costs_at_most_what_all_rollouts_cost(run, tmp_path):
    hard: dict[str, pl.DataFrame] = {}
    made: dict[str, int] = {}
    for strategy in ("exhaustive", "first-success", "witness", "bisect", "changepoint"):
        notes = run(rollout=ROLLOUT | {"strategy": strategy}, build={"sets": ["stepwise"]})
        steps = read_table(tmp_path / "tables/steps", STEPS)
        hard[strategy], made[strategy] = steps.select("completion_id", "step_index", "label"), steps.height
        assert notes["rollout/0000"]["strategy"]["name"] == strategy
        assert notes["rollout/0000"]["rollouts"] <= 8 * steps.height
        assert read_table(tmp_path / "datasets/stepwise/train.parquet", STEPWISE).height > 0
    assert len(set(made.values())) == 1
    assert hard["exhaustive"].equals(hard["first-success"])


def test_solutions_are_kept_where_completers_and_critique_find_the_same_first_error(
    run, tmp_path, module_server
):
    completers = [engine(module_server, "world"), engine(module_server, "contrary")]
    notes = run(rollout=ROLLOUT | {"completers": completers}, critique={}, build={"sets": ["stepwise"]})
    critiques = read_table(tmp_path / "tables/critiques", CRITIQUES)
    truth = true_first_errors(tmp_path)
    assert critiques.height > 0
    assert all(truth[row["completion_id"]] == row["first_error"] for row in critiques.to_dicts())
    labelled = dict(first_errors(read_table(tmp_path / "tables/steps", STEPS)).iter_rows())
    agreed = dict(first_errors(read_table(tmp_path / "tables/agreed_steps.parquet", STEPS)).iter_rows())
    assert agreed == {name: truth[name] for name in agreed} == {name: labelled[name] for name in agreed}
    assert 0 < len(agreed) < len(labelled)
    sets = [
        read_table(tmp_path / f"datasets/stepwise/{split}.parquet", STEPWISE) for split in ("train", "test")
    ]
    assert set(pl.concat(sets)["completion_id"]) <= set(agreed)
    assert notes["quality"]["agreed"]["first_error"]["f1"] == 1.0
    assert notes["consensus"]["kept"] == len(agreed)
    foreign = {name: notes[f"{name}/0000"]["strategy"]["foreign"] for name in ("rollout", "rollout-2")}
    assert foreign == {"rollout": False, "rollout-2": True}
    card, report = ((tmp_path / name).read_text() for name in ("README.md", "report/index.html"))
    assert "| retention |" in card and "| critique |" in card and "| completer |" in card
    assert "first error by rollouts" in report and "retention" in report


def test_a_step_that_the_checker_calls_wrong_is_wrong_whatever_the_rollouts_say(run, tmp_path):
    (tmp_path / "own.py").write_text(
        "def never(steps, prompt):\n    return [False] + [None] * (len(steps) - 1)\n"
    )
    folder = str(tmp_path / "own.py:never")
    notes = run(rollout=ROLLOUT | {"checker": folder}, build={"sets": []})
    steps = read_table(tmp_path / "tables/steps", STEPS)
    assert set(steps.filter(pl.col("step_index") == 0)["method"]) == {"program"}
    assert not steps["label"].any()
    assert notes["rollout/0000"]["checker"]["wrong"] == steps["completion_id"].n_unique()


def test_siblings_save_rollouts(run):
    rollout = ROLLOUT | {"strategy": "exhaustive", "temperature": 0.8}
    without = run(rollout=rollout | {"siblings": False}, build={"sets": []})["rollout/0000"]
    saved = run(rollout=rollout, build={"sets": []})["rollout/0000"]
    assert without["siblings"] == 0 < saved["siblings"]
    assert saved["rollouts"] < without["rollouts"]


def test_sampling_stops_where_the_vote_is_clear_and_test_prompts_get_all(run, tmp_path):
    stop = SAMPLE | {"n": 12, "stop": {"confidence": 0.8, "first": 2}}
    notes = run(sample=stop, vote={}, build={"sets": ["outcome"]})
    counts = read_table(tmp_path / "tables/completions", COMPLETIONS)["prompt_id"].value_counts()
    prompts = read_table(tmp_path / "tables/clean_prompts.parquet", PROMPTS).select("prompt_id", "split")
    by_split = {key[0]: part["count"] for key, part in prompts.join(counts, "prompt_id").group_by("split")}
    assert set(by_split["test"]) == {6}
    assert min(by_split["train"]) < 12
    account = Manifest.open(tmp_path).stages["sample/0000"].accounts[0]
    assert account["rejected"] == {"majority_was_clear": 12 * 12 - by_split["train"].sum()}
    assert notes["vote"]["audit"]["with_gold"] == 15


def test_a_panel_is_gated_on_what_a_verifier_knows(run, tmp_path, module_server):
    panel = [engine(module_server, "world"), engine(module_server, "contrary")]
    judge = {"panel": panel, "combine": "agree", "gate": {"min_accuracy": 0.5, "min_pairs": 3}}
    notes = run(judge=judge, build={"sets": []})["judge"]
    assert notes["judges"]["world"]["gate"]["passed"] and not notes["judges"]["contrary"]["gate"]["passed"]
    agreed = read_table(tmp_path / "tables/consensus.parquet", PANEL)
    assert set(agreed["judge"]) == {"world"}
    card = (tmp_path / "README.md").read_text()
    assert "Judge bias, contrary" in card and "not below" in card
    with pytest.raises(GateClosed, match="lets no judge through\n  contrary: .*\n.*judge.gate.min_accuracy"):
        run(judge={"engine": panel[1], "gate": judge["gate"]}, build={"sets": []})


def test_a_closed_gate_is_not_told_to_try_the_same_command_again(monkeypatch, tmp_path, capsys):
    def closed(*_: Any) -> None:
        raise GateClosed("judge.gate lets no judge through")

    monkeypatch.setattr(command, "_run_flow", closed)
    assert main(["run", "quickstart", "--out", str(tmp_path / "run")]) == EXIT_FAILED
    told = capsys.readouterr().err
    assert "lets no judge through" in told and "continue with" not in told


def test_judges_that_label_nothing_are_told_of_and_end_a_run_that_has_nothing_else(run, tmp_path, capsys):
    asks_for_steps = tmp_path / "template.txt"  # the reply to it is no rating
    asks_for_steps.write_text(
        "Rate it from 1 to 10:\n<question>\n{prompt}\n</question>\n<step_1>\n{completion}\n</step_1>"
    )
    judge = {"mode": "rating", "template": str(asks_for_steps)}
    notes = run(judge=judge, build={"sets": ["preference"]})
    assert "warning: " in (said := capsys.readouterr().out) and "gave no label (judge" in said
    assert "gave no label" in notes["judge"]["warning"]
    assert "gave no label" in (tmp_path / "README.md").read_text()
    rows = [{"prompt": problem.text} for problem in world.problems(4, seed=3)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    open_ended = {"source": "file", "path": str(tmp_path / "rows.jsonl"), "test_fraction": 0.0}
    with pytest.raises(NothingJudged, match="gave no label .* nothing else makes the preference set"):
        run(prompts=open_ended, judge=judge, build={"sets": ["preference"]})


def test_a_judge_with_nothing_to_ask_is_told_of(run):
    notes = run(sample=SAMPLE | {"n": 1}, judge={}, build={"sets": ["outcome"]})
    assert notes["judge"]["warning"].startswith("there was nothing to ask the judges")


@pytest.mark.parametrize("role", ["policy", "completer"])
def test_a_server_that_cannot_continue_an_answer_is_refused_before_any_call(module_server, role):
    with ChatServer(owner="somebody") as server:
        config = engine(server, "m")
        policy = config if role == "policy" else engine(module_server, "world")
        rollout = {"completers": [config]} if role == "completer" else {}
        recipe = recipe_with({"engine": policy, "rollout": rollout}, module_server)
        with pytest.raises(InputError, match="a rollout continues a half-written answer"):
            check_models(recipe)
        assert server.bodies == []


def test_a_server_that_may_not_keep_to_verdicts_is_told_of_before_any_call(module_server, capsys):
    with ChatServer(owner="somebody") as server:
        judge = {"engine": engine(server, "m"), "structured": True}
        check_models(recipe_with({"judge": judge, "build": {"sets": []}}, module_server))
        assert "judge.structured: m is not known" in capsys.readouterr().out
        assert server.bodies == []


def test_judges_of_one_name_are_told_apart_by_their_revision(run, tmp_path, module_server):
    panel = [
        engine(module_server, "world") | {"revision": name} for name in ("release-1", "release-2", "other")
    ]
    notes = run(judge={"panel": panel}, build={"sets": []})["judge"]
    assert set(notes["judges"]) == {"world@release-1", "world@release-2", "world@other"}
    assert {facts["revision"] for facts in notes["judges"].values()} == {"release-1", "release-2", "other"}
    agreed = read_table(tmp_path / "tables/consensus.parquet", PANEL)
    assert set(agreed["n_judges"]) == {3} and agreed["preference"].null_count() == 0
    replies = read_table(tmp_path / "tables/judgements.parquet", JUDGEMENTS)
    assert set(replies["judge"]) == set(notes["judges"])


def test_judges_that_nothing_tells_apart_are_refused_before_any_call(module_server):
    """Else one judge would be made of two, the second attempts of one in place of the other's first."""
    twice = [engine(module_server, "world"), engine(module_server, "world") | {"timeout": 5.0}]
    panel = [*twice, engine(module_server, "contrary")]
    asked = len(module_server.requests())
    with pytest.raises(InputError, match="two judges are called world and no revision tells"):
        check_models(recipe_with({"judge": {"panel": panel}, "build": {"sets": []}}, module_server))
    assert len(module_server.requests()) == asked


def test_a_panel_that_disagrees_prefers_nothing(run, tmp_path, module_server):
    panel = [engine(module_server, "world"), engine(module_server, "contrary")]
    notes = run(judge={"panel": panel, "combine": "agree"}, build={"sets": []})["judge"]
    agreed = read_table(tmp_path / "tables/consensus.parquet", PANEL)
    assert agreed["preference"].null_count() == agreed.height > 0
    assert notes["panel"]["percent_agreement"] == 0
    assert "judges disagree" in (tmp_path / "report/index.html").read_text()


def test_a_panel_weighted_by_calibration_says_what_its_good_judge_says(run, tmp_path, module_server):
    panel = [engine(module_server, "world"), engine(module_server, "contrary")]
    notes = run(judge={"panel": panel, "combine": "weighted"}, build={"sets": []})["judge"]
    assert notes["panel"]["weight: contrary"] == 0 < notes["panel"]["weight: world"]
    assert notes["panel"]["calibration"]["accuracy"]["rate"] == 1.0


@pytest.mark.parametrize("mode", ["rating", "ranking"])
def test_scores_of_a_judge_make_pairs_and_rankings_where_no_answer_is_known(run, tmp_path, mode):
    problems = world.problems(10, seed=3)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"prompt": p.text}) + "\n" for p in problems))
    notes = run(
        prompts={"source": "file", "path": str(tmp_path / "rows.jsonl"), "test_fraction": 0.0},
        judge={"mode": mode, "candidates": 4, "samples": 1},
        build={"sets": ["preference", "ranking"], "heldout_fraction": 0.0, "pairs_per_prompt": 2},
    )
    scores = read_table(tmp_path / "tables/judge_scores.parquet", JUDGE_SCORES)
    pairs = read_table(tmp_path / "datasets/preference/train.parquet", PREFERENCE)
    rankings = read_table(tmp_path / "datasets/ranking/train.parquet", RANKING)
    assert scores["score"].null_count() == 0
    assert pairs.height > 0 and set(pairs["evidence"]) == {mode}
    right = {p.text: f"The answer is {p.answer}." for p in problems}
    for prompt, chosen in pairs.select("prompt", "chosen").iter_rows():
        assert chosen[-1]["content"].endswith(right[prompt[-1]["content"]])
    assert rankings.height > 0 and all(
        row == sorted(row, reverse=True) for row in rankings["scores"].to_list()
    )
    assert notes["judge"]["mode"] == mode
    assert ("wins by place: 1" in (tmp_path / "README.md").read_text()) == (mode == "ranking")
    for measured in (facts["bias"] for facts in notes["judge"]["judges"].values()):
        assert measured["unparsed"]["n"] > 0 and measured["ties"]["rate"] is not None
    assert notes["build/preference"]["pairs"]["out"] == pairs.height


def test_pair_options_reach_the_set(run, tmp_path):
    notes = run(build={"sets": ["preference"], "pairs_per_prompt": 1, "length_ratio": 1.01})
    short = pl.concat(
        [
            read_table(tmp_path / f"datasets/preference/{split}.parquet", PREFERENCE)
            for split in ("train", "test")
        ]
    )
    for chosen, rejected in short.select("chosen", "rejected").iter_rows():
        lengths = sorted(len(side[-1]["content"].strip()) for side in (chosen, rejected))
        assert lengths[1] <= 1.01 * lengths[0]
    assert short.height == notes["build/preference"]["pairs"]["out"]
    assert notes["build/preference"]["pairs"]["rejected"]["length_gap"] > 0
    assert "longer side chosen" in (tmp_path / "README.md").read_text()


def test_tree_search_adds_wrong_solutions_of_its_own_to_the_stepwise_set(run, tmp_path):
    tree = {"strategy": "bisect", "n": 4, "tree": {"searches": 4, "budget": 40}}
    notes = run(rollout=ROLLOUT | tree, build={"sets": ["stepwise"], "heldout_fraction": 0.0})
    searched = read_table(tmp_path / "tables/searched", COMPLETIONS)["completion_id"].to_list()
    sampled = read_table(tmp_path / "tables/completions", COMPLETIONS)["completion_id"].to_list()
    rows = read_table(tmp_path / "datasets/stepwise/train.parquet", STEPWISE)
    found = rows.filter(pl.col("completion_id").is_in(searched))
    assert found.height > 0 and not set(searched) & set(sampled)
    assert all(False in labels for labels in found["labels"].to_list())
    assert set(rows["completion_id"]) & set(sampled)
    assert notes["quality"]["tree search"]["solutions"] > 0
    assert "Tree search" in (tmp_path / "report/index.html").read_text()


def test_a_judge_that_shows_the_answer_is_refused_where_there_is_none(run, tmp_path, module_server):
    (tmp_path / "rows.jsonl").write_text(json.dumps({"prompt": "How are you?"}) + "\n")
    asked = len(module_server.requests())
    with pytest.raises(InputError, match="rating_reference shows the reference answer"):
        run(
            prompts={"source": "file", "path": str(tmp_path / "rows.jsonl"), "test_fraction": 0.0},
            judge={"mode": "rating", "template": "rating_reference"},
            build={"sets": ["preference"]},
        )
    assert len(module_server.requests()) == asked


def test_labels_do_not_depend_on_how_prompts_are_cut_into_shards(run, tmp_path):
    labels = []
    for size in (512, 5):
        run(rollout=ROLLOUT, build={"sets": []}, shard_prompts=size)
        labels.append(read_table(tmp_path / "tables/steps", STEPS).sort("completion_id", "step_index"))
    assert len(list((tmp_path / "tables/steps").iterdir())) == 3
    assert labels[0].equals(labels[1])
