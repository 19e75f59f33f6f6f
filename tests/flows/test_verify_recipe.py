"""The verify section of a recipe: routing, permission, counts, and what makes verdicts stale."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows import build, card, decontaminate, prompts, recorded, verify
from flows.checks import check_prompts
from flows.recipe import AnswerPolicy, Recipe, load_recipe
from flows.stage import perform_here, run_facts, run_stages
from store.errors import InputError
from store.manifest import Manifest
from store.shards import read_table
from store.tables import COMPLETION_VERDICTS, OUTCOME, PREFERENCE, PROMPTS
from verifiers.policy import Policy
from verifiers.registry import VerifierFailed

COMMAS = [{"instruction_id": "punctuation:no_comma", "kwargs": {}}]
ROWS = [
    {"q": "How much is 1+1?", "answer": "2", "a": "The answer is 2.", "b": "The answer is 3."},
    {"q": "Say hello.", "constraints": COMMAS, "a": "hello there", "b": "hello, you"},
    {
        "q": "How much is 2+2? No commas.",
        "answer": "4",
        "constraints": COMMAS,
        "a": "The answer is 4.",
        "b": "Well, the answer is 4.",
    },
    {
        "q": "Capital?",
        "answer": "Rome",
        "choices": ["Oslo", "Rome"],
        "a": "The answer is B.",
        "b": "\\boxed{A}",
    },
    {"q": "A list.", "schema": {"type": "array"}, "a": "[1]", "b": "{}"},
    {"q": "Anything.", "a": "this", "b": "that"},
]
TESTS = {"q": "Write f.", "tests": ["assert f(1) == 2"], "a": "def f(x): return 2", "b": "def f(x): return 3"}
FIELDS = ("answer", "constraints", "tests", "schema", "choices")


def the_recipe(folder: Path, rows: list[dict], **sections) -> Recipe:
    path = folder / "rows.jsonl"
    empty = dict.fromkeys(FIELDS)
    path.write_text("".join(json.dumps(empty | row) + "\n" for row in rows))
    fields = {"prompt": "q", **{name: name for name in FIELDS if name != "schema"}, "json_schema": "schema"}
    return Recipe.model_validate(
        {
            "name": "tiny",
            "prompts": {"source": "file", "path": str(path), "fields": fields, "test_fraction": 0},
            "recorded": {"completions": {"m": "a", "n": "b"}},
            "build": {"sets": ["preference", "outcome"], "heldout_fraction": 0},
            **sections,
        }
    )


def run(run_dir: Path, recipe: Recipe, *, to_card: bool = False) -> Manifest:
    manifest = Manifest.open(run_dir)
    manifest.describe(**run_facts(recipe))
    for stages in (
        lambda: [prompts.stage(recipe)],
        lambda: [decontaminate.stage(recipe)],
        lambda: recorded.stages(run_dir, recipe),
        lambda: verify.stages(run_dir, recipe),
        lambda: build.stages(run_dir, recipe),
        lambda: [card.stage(run_dir, recipe)] if to_card else [],
    ):
        if found := stages():
            run_stages(run_dir, recipe, found, manifest, perform_here)
    return Manifest.open(run_dir)


def by_question(run_dir: Path) -> dict[str, tuple[str, list[str]]]:
    """question -> (verifier, verdicts of completions a and b)"""
    table = read_table(run_dir / "tables/verdicts", COMPLETION_VERDICTS)
    asked = read_table(run_dir / "tables/clean_prompts.parquet", PROMPTS)
    texts = {row["prompt_id"]: row["messages"][-1]["content"] for row in asked.to_dicts()}
    found: dict[str, tuple[str, list[str]]] = {}
    for row in table.sort("verdict").to_dicts():
        found.setdefault(texts[row["prompt_id"]], (row["verifier"], []))[1].append(row["verdict"])
    return found


def notes(manifest: Manifest) -> dict:
    return manifest.stages["verify/recorded"].notes


def test_each_prompt_is_judged_by_the_verifiers_that_its_fields_call_for(tmp_path):
    manifest = run(tmp_path / "run", the_recipe(tmp_path, ROWS), to_card=True)
    both = ["correct", "incorrect"]
    assert by_question(tmp_path / "run") == {
        ROWS[0]["q"]: ("math", both),
        ROWS[1]["q"]: ("instructions", both),
        ROWS[2]["q"]: ("math+instructions", both),  # both answers are 4, one has a comma
        ROWS[3]["q"]: ("choice", both),
        ROWS[4]["q"]: ("json-schema", both),
    }
    assert notes(manifest)["verdicts"] == {"correct": 5, "incorrect": 5}
    assert notes(manifest)["by_verifier"] == {
        "choice": {"correct": 1, "incorrect": 1},
        "instructions": {"correct": 2, "incorrect": 2},
        "json-schema": {"correct": 1, "incorrect": 1},
        "math": {"correct": 3, "incorrect": 1},
    }
    assert manifest.stages["verify/recorded"].accounts[0]["rejected"] == {
        "no verifier applies to the prompt": 2
    }
    pairs = read_table(tmp_path / "run/datasets/preference/train.parquet", PREFERENCE)
    assert pairs.height == 5 and set(pairs["evidence"]) == {"verifier"}
    assert read_table(tmp_path / "run/datasets/outcome/train.parquet", OUTCOME).height == 10
    said = (tmp_path / "run/README.md").read_text()
    assert "| json-schema | correct 1, incorrect 1 |" in said
    assert "Verifier json-schema" in (tmp_path / "run/report/index.html").read_text()


def test_programs_run_only_when_the_recipe_says_so_and_it_is_said_before_anything_is_judged(tmp_path):
    with pytest.raises(InputError, match=r"rows.jsonl row 1: .*allow_code_execution: true"):
        run(tmp_path / "run", the_recipe(tmp_path, [TESTS]))
    with pytest.raises(ValueError, match="allow_code_execution: true"):
        the_recipe(tmp_path, [TESTS], verify={"verifiers": ["code"]})
    run(tmp_path / "run", the_recipe(tmp_path, [TESTS], allow_code_execution=True))
    assert by_question(tmp_path / "run") == {TESTS["q"]: ("code", ["correct", "incorrect"])}


def test_humaneval_rows_need_only_their_fields_named(tmp_path, shared_data):
    import gzip

    with gzip.open(shared_data / "humaneval/HumanEval.jsonl.gz", "rt") as file:
        problems = [
            json.loads(line) | {"wrong": "    return None\n"} for line, _ in zip(file, range(3), strict=False)
        ]
    path = tmp_path / "humaneval.jsonl"
    path.write_text("".join(json.dumps(problem) + "\n" for problem in problems))
    recipe = the_recipe(tmp_path, ROWS, allow_code_execution=True).model_dump()
    recipe["prompts"] |= {
        "path": str(path),
        "fields": {"prompt": "prompt", "tests": {"test": "test", "entry_point": "entry_point"}},
    }
    recipe["recorded"] = {"completions": {"right": "canonical_solution", "wrong": "wrong"}}
    manifest = run(tmp_path / "run", Recipe.model_validate(recipe))
    assert notes(manifest)["by_verifier"] == {"code": {"correct": 3, "incorrect": 3}}


def test_a_schema_that_cannot_be_read_stops_the_run_at_its_row(tmp_path):
    bad = ROWS[4] | {"schema": {"type": "arry"}}
    with pytest.raises(InputError, match=r"rows.jsonl row 2: schema: at \$.type"):
        run(tmp_path / "run", the_recipe(tmp_path, [ROWS[0], bad]))


def test_the_same_question_with_two_references_is_dropped(tmp_path):
    other = ROWS[4] | {"schema": {"type": "object"}}
    manifest = run(tmp_path / "run", the_recipe(tmp_path, [ROWS[0], ROWS[4], other]))
    assert manifest.stages["prompts"].accounts[0]["rejected"] == {"conflicting_answers": 1, "duplicate": 1}


OWN = "def longer(reference, text, options):\n    return len(text) > options['than']\n"


def test_a_users_verifier_has_its_hash_in_the_manifest_and_its_change_stales_what_follows(tmp_path, capsys):
    own = tmp_path / "own.py"
    own.write_text(OWN)
    sections = {"verify": {"verifiers": [{"use": f"{own}:longer", "options": {"than": 4}}]}}
    recipe = the_recipe(tmp_path, [ROWS[4], ROWS[1]], **sections)
    manifest = run(tmp_path / "run", recipe)
    assert notes(manifest)["by_verifier"] == {"own.py:longer": {"correct": 2, "incorrect": 2}}
    (listed,) = manifest.stages["verify/recorded"].settings["verifiers"]
    assert listed["use"] == "own.py:longer" and len(listed["source"]) == 32
    assert str(tmp_path) not in json.dumps(manifest.stages["verify/recorded"].settings)

    capsys.readouterr()
    run(tmp_path / "run", recipe)
    assert "stale" not in capsys.readouterr().out

    own.write_text(OWN.replace(">", "<"))
    manifest = run(tmp_path / "run", recipe)
    said = capsys.readouterr().out
    assert "verify/recorded stale" in said and "build/outcome stale" in said
    assert "recorded up to date 1/1" in said and "prompts up to date 1/1" in said


def test_other_options_or_another_policy_make_new_verdicts_and_nothing_before_them(tmp_path, capsys):
    rows = [{"q": "Share?", "answer": "0.5", "a": "The answer is 50%.", "b": "The answer is 50."}]
    run(tmp_path / "run", the_recipe(tmp_path, rows))
    before = by_question(tmp_path / "run")
    capsys.readouterr()
    run(tmp_path / "run", the_recipe(tmp_path, rows, verify={"policy": {"last_number": True}}))
    said = capsys.readouterr().out
    assert "verify/recorded stale" in said and "policy.last_number False -> True" in said
    assert "recorded up to date 1/1" in said
    assert by_question(tmp_path / "run") == before


def test_more_workers_are_no_other_verdicts(tmp_path, capsys):
    run(tmp_path / "run", the_recipe(tmp_path, ROWS[:1]))
    capsys.readouterr()
    run(tmp_path / "run", the_recipe(tmp_path, ROWS[:1], verify={"workers": 2}))
    assert "stale" not in capsys.readouterr().out


def test_the_recipes_policy_has_the_fields_and_defaults_of_the_verifiers_one():
    assert AnswerPolicy().policy() == Policy()
    assert set(AnswerPolicy.model_fields) == set(Policy._fields)


@pytest.mark.parametrize(
    ("verify_section", "message"),
    [
        ("{verifiers: [maths]}", "verify.verifiers.0: no verifier 'maths'; did you mean 'math'"),
        (
            "{verifiers: [{use: math, optons: {}}]}",
            "unknown key 'verify.verifiers.0.optons'; did you mean 'options'",
        ),
        ("{verifiers: [{use: length, options: {mx: 3}}]}", "unknown option 'mx'; it takes unit, min, max"),
        ("{verifiers: [{use: math, when: [answr]}]}", "verify.verifiers.0.when.0"),
        ("{verifiers: []}", "verify.verifiers"),
        ("{policy: {percent: none}}", "verify.policy.percent"),
        ("{deadline: 0}", "verify.deadline"),
    ],
)
def test_a_mistake_in_the_section_is_named_with_its_place(tmp_path, verify_section, message):
    path = tmp_path / "r.yaml"
    path.write_text(
        "name: r\nprompts: {source: file, path: x.jsonl}\nrecorded: {completions: {m: a}}\n"
        f"build: {{sets: [outcome]}}\nverify: {verify_section}\n"
    )
    with pytest.raises(InputError, match=message.replace("'", ".")):
        load_recipe(str(path))


def test_a_users_file_that_is_not_there_is_named_before_the_run(tmp_path):
    from flows.preflight import check_inputs

    recipe = the_recipe(tmp_path, ROWS, verify={"verifiers": ["none.py:grade"]})
    with pytest.raises(InputError, match="there is no file none.py"):
        check_inputs(recipe, tmp_path / "run")


def checked(tmp_path: Path, rows: list[dict], **sections) -> None:
    """The check that stands before sampling, on a prompt table made without any."""
    run(tmp_path / "run", the_recipe(tmp_path, rows, allow_code_execution=True))
    table = read_table(tmp_path / "run/tables/clean_prompts.parquet", PROMPTS)
    check_prompts(the_recipe(tmp_path, rows, **sections), table)


def test_a_named_verifier_that_applies_to_no_prompt_is_refused_with_the_field_it_lacks(tmp_path):
    with pytest.raises(
        InputError, match=r"instructions applies to no prompt: none has constraints.*prompts.fi"
    ):
        checked(tmp_path, ROWS[:1], verify={"verifiers": ["math", "instructions"]})
    with pytest.raises(InputError, match="none has the domain 'chemistry'"):
        checked(tmp_path, ROWS[:1], verify={"verifiers": [{"use": "math", "domain": "chemistry"}]})
    with pytest.raises(InputError, match="math applies to no prompt: none has answer and no choices"):
        checked(tmp_path, ROWS[3:4], verify={"verifiers": ["math"]})
    checked(tmp_path, ROWS[:2], verify={"verifiers": ["math", "instructions"]})


def test_sets_that_nothing_could_go_into_are_refused(tmp_path):
    engine = {"kind": "openai", "model": "m", "base_urls": ["http://127.0.0.1:9/v1"]}
    with pytest.raises(InputError, match="no verifier applies to any prompt, and there is no judge"):
        checked(tmp_path, ROWS[5:])
    checked(tmp_path, ROWS[5:], judge={"engine": engine})


def test_permission_and_references_are_checked_again_when_the_prompts_stage_is_current(tmp_path):
    with pytest.raises(InputError, match="allow_code_execution: true"):
        checked(tmp_path, [TESTS])


def test_rollouts_are_refused_where_math_alone_does_not_decide(tmp_path):
    engine = {"kind": "openai", "model": "m", "base_urls": ["http://127.0.0.1:9/v1"]}
    rollout = {"completers": [engine]}
    with pytest.raises(InputError, match="rollout: .*by choice"):
        checked(tmp_path, [ROWS[0], ROWS[3]], rollout=rollout)
    with pytest.raises(InputError, match="rollout: .*by math and instructions"):
        checked(tmp_path, [ROWS[2]], rollout=rollout)
    checked(tmp_path, [ROWS[0], ROWS[1]], rollout=rollout)


def test_the_card_tells_verifiers_of_one_name_apart_by_their_options(tmp_path):
    uses = [{"use": "regex", "options": {"pattern": pattern}} for pattern in ("hello", "you")]
    run(tmp_path / "run", the_recipe(tmp_path, ROWS[1:2], verify={"verifiers": uses}), to_card=True)
    said = (tmp_path / "run/README.md").read_text()
    assert '| regex 1 (pattern "hello"' in said and "| correct 2 |" in said
    assert '| regex 2 (pattern "you"' in said and "| correct 1, incorrect 1 |" in said
    assert "compare final answers" not in said


def test_what_a_users_function_raises_fails_the_stage_and_is_no_bad_input(tmp_path):
    own = tmp_path / "own.py"
    own.write_text("def grade(reference, text, options): return 1 / 0")
    with pytest.raises(VerifierFailed, match="own.py:grade raised ZeroDivisionError"):
        run(tmp_path / "run", the_recipe(tmp_path, ROWS[:1], verify={"verifiers": [f"{own}:grade"]}))
