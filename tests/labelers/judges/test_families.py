"""Families of models, and a judge among its own."""

import polars as pl
import pytest
from simulated_judge import SimulatedJudge, world, write_form

from labelers.judges.choosing import choose_pairs
from labelers.judges.families import families, same_family, self_family
from labelers.judges.pairwise import CONSENSUS, consensus, judge_pairs
from store.ledger import Ledger


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", {"qwen"}),
        ("Qwen/QwQ-32B", {"qwen"}),
        ("meta-llama/Llama-3.3-70B-Instruct", {"llama"}),
        ("TinyLlama-1.1B", {"llama"}),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", {"deepseek", "qwen"}),
        ("nvidia/Llama-3.1-Nemotron-70B-Instruct", {"llama", "nemotron"}),
        ("google/gemma-3-4b-it", {"gemma"}),
        ("gemini-2.5-flash", {"gemini"}),
        ("mistralai/Mixtral-8x7B-v0.1", {"mistral"}),
        ("mistralai/Ministral-8B", {"mistral"}),
        ("gpt-4.1-mini", {"gpt"}),
        ("openai/gpt-oss-20b", {"gpt"}),
        ("o3-mini", {"gpt"}),
        ("gpt2-xl", {"gpt"}),
        ("Skywork-o1-Open-Llama-3.1-8B", {"llama"}),
        ("Marco-o1", set()),
        ("claude-opus-4", {"claude"}),
        ("amazon.nova-pro-v1:0", {"nova"}),
        ("stabilityai/stablelm-zephyr-3b", {"stablelm"}),
        ("HuggingFaceH4/zephyr-7b-beta", {"mistral"}),
        ("NousResearch/Hermes-3-Llama-3.1-8B", {"llama"}),
        ("checkpoint-500@0f31c2aa", set()),
        ("microsoft/phi-4", {"phi"}),
        ("THUDM/chatglm3-6b", {"glm"}),
        ("01-ai/Yi-34B", {"yi"}),
        ("embedded", {"embedded"}),
        # no family is read out of the middle of a word, nor out of a folder's parents
        ("EleutherAI/pythia-70m", set()),
        ("sophia-7b", set()),
        ("my-model", set()),
        ("/models/qwen/finetuned/run-3", set()),
    ],
)
def test_a_name_tells_its_families(model, expected):
    assert families(model) == expected


def test_relatives_share_a_family_and_a_stranger_is_kin_to_itself_alone():
    assert same_family("Qwen/Qwen3-8B", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B")
    assert same_family("Qwen/Qwen3-8B", "meta-llama/Llama-3-8B") is False
    assert same_family("house-model", "house-model")


def test_a_name_that_tells_no_family_leaves_it_open():
    assert same_family("house-model", "other-model") is None
    assert same_family("Qwen/Qwen3-8B", "final") is None and same_family("final", "Qwen/Qwen3-8B") is None


def met(tmp_path, kin, models=("Qwen/Qwen3-8B", "meta-llama/Llama-3-8B"), n_prompts=150):
    seen = world(n_prompts, 4, models=models)
    own = seen.texts(models[0])
    judge = SimulatedJudge(seen.worth, model="Qwen/Qwen2.5-72B", skill=1.5, kin=kin, own=own, noise=1.0)
    pairs = choose_pairs(seen.completions, per_prompt=6)
    with Ledger(tmp_path / f"ledger{kin}") as ledger:
        rows = judge_pairs(judge, ledger, pairs, seen.completions, seen.prompts, write_form(tmp_path))
    return self_family(consensus(rows), seen.completions, seen.verdicts)


def test_a_judge_that_favours_its_family_shows_a_gap_and_one_that_does_not_shows_none(tmp_path):
    fair, partial = met(tmp_path, 0.0), met(tmp_path, 1.0)
    assert fair["own_family"] and fair["own_family_judged"]["rate"] == pytest.approx(5 / 6)
    assert fair["self_family_gap"]["low"] < 0 < fair["self_family_gap"]["high"]
    assert partial["self_family_gap"]["low"] > 0.1
    assert partial["own_family_wins"]["low"] > 0.5


def test_the_gap_does_not_count_that_the_own_family_is_better():
    # The judge is right about every pair; its family is right in three pairs of four.
    n = 40
    agreed = pl.DataFrame(
        {
            "prompt_id": [f"p{i}" for i in range(n)],
            "a_id": [f"own{i}" for i in range(n)],
            "b_id": [f"other{i}" for i in range(n)],
            "judge": ["gpt-4o"] * n,
            "preference": ["A" if i % 4 else "B" for i in range(n)],
        }
    )
    rows = [(f"own{i}", "gpt-4o-mini", "correct" if i % 4 else "incorrect") for i in range(n)]
    rows += [(f"other{i}", "claude-3", "incorrect" if i % 4 else "correct") for i in range(n)]
    known = pl.DataFrame(rows, schema=["completion_id", "model", "verdict"], orient="row")
    facts = self_family(agreed, known, known)
    assert facts["own_family_wins"]["rate"] == 0.75
    assert facts["self_family_gap"]["estimate"] == 0.0


def test_without_mixed_pairs_or_without_truth_there_is_no_gap(tmp_path):
    alone = met(tmp_path, 0.5, models=("Qwen/Qwen3-8B",), n_prompts=5)
    assert alone["own_family_judged"]["rate"] == 1.0
    assert alone["self_family_gap"]["estimate"] is None and alone["own_family_wins"]["n"] == 0
    strangers = met(tmp_path, 0.25, models=("claude-3",), n_prompts=5)
    assert strangers["own_family"] is False and strangers["own_family_judged"]["rate"] == 0.0
    assert strangers["own_family_unknown"] == 0


def test_a_judge_that_met_nobody_is_not_said_to_have_met_strangers():
    seen = world(2, 2)
    nothing = self_family(pl.DataFrame(schema=CONSENSUS), seen.completions, seen.verdicts)
    assert nothing["own_family"] is None and nothing["own_family_judged"]["n"] == 0


def test_writers_without_a_known_family_are_not_called_strangers(tmp_path):
    unknown = met(tmp_path, 0.25, models=("sft-policy",), n_prompts=5)
    assert unknown["own_family"] is None and unknown["own_family_judged"]["n"] == 0
    assert unknown["own_family_unknown"] == 5 * 6 and unknown["own_family_wins"]["n"] == 0
    some = met(tmp_path, 0.125, models=("Qwen/Qwen3-8B", "sft-policy"), n_prompts=5)
    assert some["own_family"] is True
    # of six pairs one is between unknown writers; the five others have one of the judge's family
    assert some["own_family_unknown"] == 5 and some["own_family_judged"]["rate"] == 1.0
