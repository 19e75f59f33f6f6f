"""Recipes: shipped ones are valid, and every mistake is named with its fix."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.recipe import load_recipe, recipe_names
from flows.recipe.labels import OPTIONS
from labelers.rollouts.strategies import STRATEGIES, strategy_for
from store.errors import InputError

MINIMAL = """
name: tiny
engine: {model: embedded}
prompts: {source: world, n_train: 4, n_test: 2}
sample: {n: 2}
build: {sets: [outcome]}
"""

VALUES = {"n": 4, "threshold": 0.25, "stop": 0.8, "budget": 10, "repair": 0.05, "audit": True}


def recipe_file(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", recipe_names())
def test_a_shipped_recipe_is_valid_and_named_like_its_file(name):
    assert load_recipe(name).name == name


def test_an_unknown_key_is_refused_with_the_nearest_valid_name(tmp_path):
    path = recipe_file(tmp_path, MINIMAL.replace("n: 2}", "n: 2, temprature: 0.7}"))
    with pytest.raises(InputError, match=r"unknown key 'sample.temprature'; did you mean 'temperature'\?"):
        load_recipe(path)


def test_an_unknown_section_is_refused_with_the_nearest_valid_name(tmp_path):
    with pytest.raises(InputError, match=r"unknown key 'rolout'; did you mean 'rollout'\?"):
        load_recipe(recipe_file(tmp_path, MINIMAL + "rolout: {n: 4}\n"))


def test_an_unknown_key_inside_a_prompts_variant_is_refused_with_a_key_of_that_variant(tmp_path):
    path = recipe_file(tmp_path, MINIMAL.replace("n_test: 2", "n_tests: 2"))
    with pytest.raises(InputError, match=r"unknown key 'prompts.n_tests'; did you mean 'n_test'\?"):
        load_recipe(path)


def test_an_unknown_recipe_name_suggests_the_nearest_one():
    with pytest.raises(InputError, match="did you mean quickstart"):
        load_recipe("quickstrat")


def test_a_value_out_of_bounds_names_key_and_value(tmp_path):
    with pytest.raises(InputError, match=r"sample.n: .*greater than or equal to 1.*given: 0"):
        load_recipe(recipe_file(tmp_path, MINIMAL), ["sample.n=0"])


def test_set_reaches_nested_keys_and_list_items(tmp_path):
    extra = "decontaminate: {against: [{name: a, path: old.jsonl}]}\n"
    path = recipe_file(tmp_path, MINIMAL + extra)
    recipe = load_recipe(
        path, ["decontaminate.against.0.path=new.jsonl", "sample.n=5", "vote.min_margin=0.5"]
    )
    assert (recipe.decontaminate.against[0].path, recipe.sample.n, recipe.vote.min_margin) == (
        "new.jsonl",
        5,
        0.5,
    )


def test_another_source_of_prompts_leaves_behind_what_only_the_old_one_had(tmp_path):
    local = ["prompts.source=file", "prompts.path=mine.jsonl"]
    for name in ("gsm8k-vllm", "quickstart"):
        assert load_recipe(name, local).prompts.path == "mine.jsonl"
        assert load_recipe(name, local[::-1]).prompts.path == "mine.jsonl"
    assert load_recipe("gsm8k-vllm", local).prompts.fields.prompt == "question"  # what both have is kept
    with pytest.raises(InputError, match="unknown key 'prompts.pth'; did you mean 'path'"):
        load_recipe("gsm8k-vllm", [*local, "prompts.pth=x"])
    with pytest.raises(InputError, match="prompts"):
        load_recipe("gsm8k-vllm", ["prompts.source=fil"])


@pytest.mark.parametrize("override", ["sample.n", "=3", "decontaminate.against.7.path=x", "name.first=x"])
def test_a_set_that_cannot_be_applied_says_so(tmp_path, override):
    with pytest.raises(InputError, match="--set"):
        load_recipe(recipe_file(tmp_path, MINIMAL + "decontaminate: {against: []}\n"), [override])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("sample: {n: 2}", "sample: {n: 2}\nrecorded: {completions: {m: f}}"), "exactly one of `sample`"),
        (("engine: {model: embedded}\n", ""), "`sample` needs an `engine`"),
        (("sets: [outcome]", "sets: [stepwise]"), "needs `rollout`"),
        (("build:", "train: {models: [bt]}\nbuild:"), "train.models has bt"),
        (("build:", "evaluate: {}\nbuild:"), "add `train`"),
    ],
)
def test_sections_that_contradict_each_other_are_refused_before_anything_runs(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        load_recipe(recipe_file(tmp_path, MINIMAL.replace(*change)))


LABELLED = MINIMAL + "rollout: {max_prompts: 2}\njudge: {}\ncritique: {}\n"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["rollout.n=4"], "`n` is an option of exhaustive and first-success .* strategy is changepoint"),
        (["rollout.strategy=bisect", "rollout.stop=0.8"], "`stop` is an option of changepoint"),
        (["rollout.strategy=witness", "rollout.threshold=0.5"], "`threshold` is an option of exhaustive"),
        (["rollout.segment=separator"], "`separator` and `segment: separator` belong together"),
        (["rollout.separator=<s>"], "`separator` and `segment: separator` belong together"),
        (["rollout.completers=[{model: a}, {model: a}]"], "two completers are the same"),
        (["rollout.completers=[{model: a}]", "rollout.siblings=true"], "siblings are the policy's own"),
        (["rollout.siblings=true", "rollout.temperature=0.5"], "must have the rollouts' temperature"),
        (["rollout.tree={}"], "`tree` searches by bisection"),
        (["rollout.strategy=bisect", "rollout.tree={}"], "no critique reads"),
        (["rollout.strategy=bisect", "rollout.n=9", "rollout.tree={budget: 8}"], "tree.budget is less"),
        (["rollout=null"], "`critique` is compared with"),
        (["critique.samples=4"], "samples above 1 need a temperature"),
        (["judge.samples=4"], "samples above 1 need a temperature"),
        (["judge.panel=[{model: a}]"], "at least two judges"),
        (["judge.panel=[{model: a}, {model: a}, {model: b}]"], "two judges of the panel are the same"),
        (["judge.panel=[{model: a}, {model: b}]"], "a majority needs an odd panel"),
        (["judge.panel=[{model: a}, {model: b}]", "judge.combine=dawid-skene"], "at least three judges"),
        (["judge.panel=[{model: a}, {model: b}]", "judge.engine={model: c}"], "not both"),
        (["judge.criteria=[honesty, safety]"], "several are for mode: rating"),
        (["judge.candidates=5"], "`candidates` is an option of ranking and rating, and the mode is pairwise"),
        (["judge.mode=rating", "judge.pairs_per_prompt=9"], "`pairs_per_prompt` is an option of pairwise"),
        (["judge.mode=rating", "judge.combine=dawid-skene"], "`combine` is an option of pairwise"),
        (["judge.combine=agree"], "`combine` says how a panel agrees, and there is none"),
        (["judge.mode=ranking", "sample.n=1"], "ranking needs several completions a prompt: raise sample.n"),
        (["sample.stop.first=3"], "stop.first is 3 and n, the most, only 2"),
        (["prompts={source: processbench, path: x.json}"], "`recorded: {}` instead of `sample`"),
    ],
)
def test_labelers_that_could_not_do_what_is_asked_are_refused(tmp_path, changes, message):
    path = recipe_file(tmp_path, LABELLED)
    assert load_recipe(path).rollout.strategy == "changepoint"
    with pytest.raises(InputError, match=message):
        load_recipe(path, changes)


def test_options_of_a_strategy_are_those_that_were_given(tmp_path):
    path = recipe_file(tmp_path, LABELLED)
    changes = ["rollout.strategy=exhaustive", "rollout.n=4", "rollout.threshold=0.25"]
    assert load_recipe(path).rollout.options == {}
    assert load_recipe(path, changes).rollout.options == {"n": 4, "threshold": 0.25}


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_option_of_the_recipe_is_one_of_the_strategies_it_is_for(name):
    given = {option: value for option, value in VALUES.items() if name in OPTIONS[option]}
    strategy_for(name, **given)
    for option in VALUES.keys() - given.keys():
        with pytest.raises(ValueError, match="has no option"):
            strategy_for(name, **{option: VALUES[option]})


@given(st.text(max_size=200))
def test_any_text_as_a_recipe_is_an_input_error_or_a_recipe(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("r") / "recipe.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass") if text.isascii() else path.write_text(
        "- x"
    )
    with pytest.raises(InputError):
        load_recipe(str(path))
