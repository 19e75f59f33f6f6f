"""Saved models are plain Hugging Face checkpoints that give the scores they were trained to give."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from saved_models import save_random
from tiny_models import CHATML, assistant, byte_tokenizer, make_base, sum_rows, user, write_rows

from store.errors import InputError
from trainers import Item, TrainConfig, score, train
from trainers.attention import Backend
from trainers.card import model_card
from trainers.loading import check_packs, open_base, open_trained
from trainers.saving import MANIFEST

CPU = torch.device("cpu")
STEPS = ["Add.\n", "1+2=3\n", "So 3."]
TEXTS = ["1+2=3 (a).", "1+2=4 (a).", "1+2=4 (b), a longer one."]


def plain_logits(folder: Path, auto: Any, texts: list[str], side: str = "right") -> torch.Tensor:
    """What anybody gets who loads the folder and scores chat-template text in one padded batch."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side=side)
    chats = [
        tokenizer.apply_chat_template([*user("What is 1+2?"), *assistant(t)], tokenize=False) for t in texts
    ]
    batch = tokenizer(chats, padding=True, return_tensors="pt", add_special_tokens=False)
    with torch.no_grad():
        return auto.from_pretrained(folder).eval()(**batch).logits


@pytest.mark.parametrize("pad", ["<pad>", None, "<|im_end|>"])
@pytest.mark.parametrize("objective", ["bt", "orm"])
def test_a_sequence_classifier_gives_our_scores_on_plain_text(
    tmp_path: Path, settings: Callable[..., TrainConfig], objective: str, pad: str | None
) -> None:
    from transformers import AutoModelForSequenceClassification

    base = make_base(tmp_path / "base", "qwen2", byte_tokenizer(pad), vocab_size=259)
    last = {"orm_target": "last"} if objective == "orm" else {}
    result = train(settings(objective, model=str(base), **last))
    ours = torch.tensor(
        [s.reward for s in score(result.output, [Item(user("What is 1+2?"), t) for t in TEXTS])]
    )
    for side in ("right", "left"):
        theirs = plain_logits(result.output, AutoModelForSequenceClassification, TEXTS, side)
        assert theirs.shape == (3, 1)
        expected = theirs[:, 0] if objective == "bt" else theirs[:, 0].sigmoid()
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)
    config = json.loads((result.output / "config.json").read_text())
    assert config["architectures"] == ["Qwen2ForSequenceClassification"]
    assert config["problem_type"] == "regression"
    assert config["pad_token_id"] != config["eos_token_id"]


@pytest.mark.parametrize("architecture", ["llama", "qwen3"])
@pytest.mark.parametrize("objective", ["orm", "prm"])
def test_a_token_classifier_gives_our_step_scores_on_plain_text(
    bases: dict[str, Path], settings: Callable[..., TrainConfig], objective: str, architecture: str
) -> None:
    from transformers import AutoModelForTokenClassification

    result = train(settings(objective, model=str(bases[architecture])))
    (ours,) = score(result.output, [Item(user("What is 1+2?"), STEPS)])
    theirs = plain_logits(result.output, AutoModelForTokenClassification, ["".join(STEPS)])[0].softmax(-1)[
        :, 1
    ]
    encoded = open_trained(result.output, CPU).codec.encode(user("What is 1+2?"), STEPS)
    torch.testing.assert_close(torch.tensor(ours.step_rewards), theirs[encoded.ends], rtol=1e-4, atol=1e-5)
    last = min(ours.step_rewards) if objective == "prm" else float(theirs[-1])
    assert abs(ours.reward - last) < 1e-5
    config = json.loads((result.output / "config.json").read_text())
    assert config["id2label"] == {"0": "incorrect", "1": "correct"}


def test_the_checkpoint_tells_how_to_read_it(settings: Callable[..., TrainConfig]) -> None:
    result = train(settings("bt", eval_fraction=0.4, heads=2))
    extras = json.loads((result.output / "config.json").read_text())["rewardsmith"]
    assert extras["objective"] == "bt"
    assert extras["reward_mean"] == result.held_out["reward_mean"]
    assert extras["reward_std"] > 0
    assert len(extras["head_mean"]) == len(extras["head_std"]) == 2 and min(extras["head_std"]) > 0
    assert len(extras["tokenisation"]) == len(extras["training"]) == 32
    assert extras["head"] == {"kind": "reward", "labels": ["reward"], "n": 2, "per_token": False}


def test_the_manifest_tells_what_the_model_was_made_of(settings: Callable[..., TrainConfig]) -> None:
    config = settings("orm", eval_fraction=0.4)
    result = train(config)
    text = (result.output / MANIFEST).read_text()
    manifest = json.loads(text)
    assert manifest["data"] == ["orm.parquet"] and manifest["model"] == Path(config.model).name
    assert (
        manifest["settings"]["lr"] == 1e-3 and manifest["record"]["counts"]["used"] == result.counts["used"]
    )
    assert manifest["versions"]["torch"] == torch.__version__
    assert str(config.output.parent) not in text  # no folder of this machine


def code_in(folder: Path) -> list[str]:
    """The Python blocks of the model card, about this folder."""
    card = (folder / "README.md").read_text().replace("PATH", str(folder))
    return [block.partition("```")[0] for block in card.split("```python\n")[1:]]


KINDS = [
    ("bt", {}),
    ("bt", {"heads": 2, "aggregate": "mean-std"}),
    ("orm", {}),
    ("orm", {"orm_target": "last", "heads": 2, "aggregate": "min"}),
    ("prm", {"heads": 3}),
    ("prm", {"prm_target": "ratings"}),
    ("prm", {"prm_target": "ratings", "heads": 2}),
    ("regression", {}),
    ("regression", {"heads": 2, "aggregate": "min"}),
]


@pytest.mark.parametrize(("objective", "changes"), KINDS)
def test_the_code_in_the_card_gives_our_scores(
    tmp_path: Path, base: Path, objective: str, changes: dict[str, Any]
) -> None:
    folder = save_random(tmp_path / "model", base, objective, **changes)
    plain, vllm, ours = code_in(folder)
    names: dict[str, Any] = {}
    exec(plain, names)
    by_hand, values = names["reward"], names.get("values")
    exec(ours, names)
    assert float(by_hand) == pytest.approx(names["reward"], abs=1e-5)
    (found,) = score(folder, [Item(names["prompt"], names["steps"])])
    if objective == "prm":
        assert names["step_rewards"].tolist() == pytest.approx(found.step_rewards, abs=1e-5)
    if objective == "regression":
        assert values.tolist() == pytest.approx(found.attributes, abs=1e-5)
    per_token = "TokenClassification" in plain
    assert f'pooling_task="{"token_" * per_token}classify"' in vllm


def test_the_card_says_what_was_measured_and_from_what(tmp_path: Path, base: Path) -> None:
    folder = save_random(tmp_path / "model", base, "prm", epochs=2)
    card = (folder / "README.md").read_text()
    header = yaml.safe_load(card.split("---")[1])
    assert header["pipeline_tag"] == "token-classification"
    assert "base_model" not in header  # a folder of this machine is no name on the Hub
    for text in (
        "20 of 24 rows",
        "| accuracy | 0.75 |",
        "| items | 18 |",
        "| auroc | not defined |",
        "4 dropped (too long)",
        "| epochs | 2 |",
        "Held out: 6 of 7 rows of 5 % of the training data's prompts.",
    ):
        assert text in card
    assert "adapter/" not in card
    held_out = save_random(tmp_path / "lora", base, "bt", eval_data=["other.parquet"], lora={"rank": 2})
    card = (held_out / "README.md").read_text()
    assert "6 of 7 rows of other.parquet" in card and "`adapter/` holds" in card


def test_the_cards_code_scores_with_a_head_that_says_one_thing(tmp_path: Path, base: Path) -> None:
    folder = save_random(tmp_path / "model", base, "bt", heads=2)
    config = json.loads((folder / "config.json").read_text())
    config["rewardsmith"]["head_std"] = [0.0, 2.0]
    (folder / "config.json").write_text(json.dumps(config))
    card = model_card(config, json.loads((folder / MANIFEST).read_text()))
    (folder / "README.md").write_text(card)
    names: dict[str, Any] = {}
    exec(code_in(folder)[0], names)
    (found,) = score(folder, [Item(names["prompt"], names["steps"])])
    assert float(names["reward"]) == pytest.approx(found.reward, abs=1e-5)


def test_olmo_has_a_token_classifier_that_its_card_registers(tmp_path: Path) -> None:
    from transformers import AutoModelForTokenClassification, Olmo2Config

    base = make_base(tmp_path / "base", "olmo2")
    folder = save_random(tmp_path / "model", base, "prm")
    (found,) = score(folder, [Item(user("What is 2 + 3?"), ["2 + 3 = 5\n", "The answer is 5."])])
    # As a new process finds it: transformers has no such class.
    del AutoModelForTokenClassification._model_mapping._extra_content[Olmo2Config]
    with pytest.raises(ValueError, match="Unrecognized configuration class"):
        AutoModelForTokenClassification.from_pretrained(folder)
    names: dict[str, Any] = {}
    exec(code_in(folder)[0], names)
    assert float(names["reward"]) == pytest.approx(found.reward, abs=1e-5)


def test_another_tokenizer_in_the_folder_is_noticed(settings: Callable[..., TrainConfig]) -> None:
    result = train(settings("bt"))
    changed = byte_tokenizer()
    changed.chat_template = changed.chat_template.replace("<|im_end|>\\n", "<|im_end|>")
    changed.save_pretrained(result.output)
    with pytest.raises(InputError, match="differ from those the model was trained with"):
        score(result.output, [Item(user("?"), "a")])


def test_thoughts_that_the_template_rewrites_are_told_once_and_recorded(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = CHATML.replace("m['content']", "m['content'].split('</think>')[-1]")
    config = settings("bt", model=str(make_base(tmp_path / "base", tokenizer=tokenizer)))
    with pytest.warns(UserWarning, match="rewrites <think>"):
        model = open_base(config, CPU, 0)
    assert model.extras["template_rewrites"] == ["thoughts"]


def test_a_template_that_trims_gives_plain_transformers_the_same_reward(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification

    tokenizer = byte_tokenizer()
    tokenizer.chat_template = CHATML.replace("m['content']", "(m['content'] | trim)")
    base = make_base(tmp_path / "base", tokenizer=tokenizer)
    folder = save_random(tmp_path / "model", base, "bt")
    words = ["abc", "abc\n", " abc", "\n\na b \n"]
    ours = [one.reward for one in score(folder, [Item(user("What is 1+2?"), text) for text in words])]
    plain = plain_logits(folder, AutoModelForSequenceClassification, words)
    assert ours == pytest.approx(plain[:, 0].tolist(), abs=1e-5)


def test_a_fresh_head_is_small_seeded_and_finite(base: Path) -> None:
    def head(seed: int) -> torch.Tensor:
        return open_base(
            TrainConfig(objective="bt", model=str(base), data=["-"], output="-"), CPU, seed
        ).hf.score.weight

    assert torch.equal(head(1), head(1)) and not torch.equal(head(1), head(2))
    assert 0.5 < float(head(1).detach().std()) * 33 < 1.6  # N(0, 1/(32 + 1)²)


def test_the_head_of_an_existing_reward_model_is_kept(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    first = train(settings("bt")).output
    config = settings("bt", model=str(first), output=tmp_path / "again")
    trained = open_trained(first, CPU).hf.score.weight
    assert torch.equal(open_base(config, CPU, seed=5).hf.score.weight, trained)
    # A token classifier has another head, so it starts afresh.
    other = open_base(settings("prm", model=str(first), output=tmp_path / "prm"), CPU, seed=5)
    assert other.hf.score.weight.shape == (2, 32)
    # An ensemble would have to throw the head away, or to give its outputs other meanings.
    with pytest.raises(InputError, match=r"with the outputs \['reward'\], while these settings make \['rew"):
        open_base(settings("bt", model=str(first), heads=2, output=tmp_path / "more"), CPU, seed=5)


def test_attributes_keep_their_meaning_when_training_goes_on(tmp_path: Path, base: Path) -> None:
    first = save_random(tmp_path / "first", base, "regression")
    turned = {"attributes": ["verbosity", "helpfulness"]}
    with pytest.raises(InputError, match="a reward model with the outputs"):
        save_random(tmp_path / "turned", first, "regression", **turned)


def test_a_head_with_a_bias_is_not_cut_down(tmp_path: Path, base: Path) -> None:
    from transformers import AutoModelForTokenClassification

    foreign = shutil.copytree(base, tmp_path / "foreign")
    AutoModelForTokenClassification.from_pretrained(base, num_labels=2).save_pretrained(foreign)
    with pytest.raises(InputError, match="foreign: its head has a bias"):
        save_random(tmp_path / "again", foreign, "prm")


def test_a_base_model_is_opened_to_the_same_bits_again(tmp_path: Path) -> None:
    # The embedding grows by a pad token; what it holds must not depend on what was drawn before.
    base = make_base(tmp_path, "qwen2", byte_tokenizer(None), vocab_size=259)
    config = TrainConfig(objective="bt", model=str(base), data=["-"], output="-")
    assert len({open_base(config, CPU, 0).weights_fingerprint() for _ in range(2)}) == 1


def test_the_weights_have_another_name_when_any_of_them_changes(base: Path) -> None:
    model = open_base(TrainConfig(objective="bt", model=str(base), data=["-"], output="-"), CPU, 0)
    before = model.weights_fingerprint()
    model.hf.model.layers[1].mlp.up_proj.weight.data[-1] += 1e-3  # far from the tensor's beginning
    assert model.weights_fingerprint() != before


@pytest.mark.parametrize(
    ("architecture", "changes", "message"),
    [
        ("mistral", {"sliding_window": 64}, "mistral has .*sliding"),
        (
            "qwen2",
            {"use_sliding_window": True, "sliding_window": 64, "max_window_layers": 1},
            "qwen2 has .*sliding",
        ),
    ],
)
def test_sliding_window_models_are_refused_by_name(
    tmp_path: Path, architecture: str, changes: dict[str, Any], message: str
) -> None:
    folder = make_base(tmp_path, architecture, **changes)
    with pytest.raises(InputError, match=message):
        open_base(TrainConfig(objective="bt", model=str(folder), data=["-"], output="-"), CPU, 0)


def test_an_architecture_that_ignores_the_tree_is_refused(tmp_path: Path) -> None:
    # Distance in the row (ALiBi) is not depth in the tree.
    folder = make_base(tmp_path, "falcon", alibi=True, head_dim=None)
    with pytest.raises(InputError, match="falcon: this architecture does not follow tree masks"):
        open_base(
            TrainConfig(objective="bt", model=str(folder), data=["-"], output="-", attention="dense"), CPU, 0
        )


def test_a_tree_without_its_mask_is_noticed(base: Path) -> None:
    # Without a mask transformers takes each jump of the position ids for a new document: wrong, and no error.
    model = open_base(TrainConfig(objective="bt", model=str(base), data=["-"], output="-"), CPU, 0)
    model.hf.set_attn_implementation("sdpa")
    model.backend = Backend("none", "sdpa", lambda row, device: {})
    with pytest.raises(InputError, match="qwen2: this architecture does not follow tree masks"):
        check_packs(model)


def test_models_that_cannot_be_loaded_are_named(tmp_path: Path, base: Path) -> None:
    def opened(folder: Path) -> Any:
        return open_base(TrainConfig(objective="bt", model=str(folder), data=["-"], output="-"), CPU, 0)

    with pytest.raises(InputError, match="cannot be loaded"):
        opened(tmp_path / "nowhere")
    broken = shutil.copytree(base, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="broken: the weights cannot be loaded"):
        opened(broken)
    with pytest.raises(InputError, match="no 'rewardsmith' entry"):
        open_trained(base, CPU)
    with pytest.raises(InputError, match="nowhere: no such folder"):
        open_trained(tmp_path / "nowhere", CPU)


def test_missing_weights_stop_instead_of_training_noise(tmp_path: Path, base: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(base, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="weights are missing in the files, e.g. model.layers.1.mlp.up_proj"):
        open_base(TrainConfig(objective="bt", model=str(broken), data=["-"], output="-"), CPU, 0)


def test_held_out_rows_may_be_given_as_a_file(settings: Callable[..., TrainConfig], tmp_path: Path) -> None:
    held_out = write_rows(tmp_path / "held.parquet", sum_rows("orm", 8))
    result = train(settings("orm", eval_data=[held_out]))
    assert result.counts == {"rows": 24, "used": 16, "held_out_prompt": 8}
    assert result.eval_counts == {"rows": 8, "used": 8}
    assert result.held_out["items"] == 8
