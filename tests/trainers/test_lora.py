"""Adapters: the merged checkpoint, the adapter's own folder, and resuming."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import make_base
from torch.distributed.checkpoint import FileSystemReader
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

from store.errors import InputError
from trainers import TrainConfig, train
from trainers.config import Lora
from trainers.loading import open_base
from trainers.lora import ADAPTER, add_lora

peft = pytest.importorskip("peft", reason="needs peft")
CPU = torch.device("cpu")
LORA = {"rank": 4, "alpha": 8.0}


@pytest.mark.parametrize("objective", ["bt", "prm"])
def test_the_output_is_a_plain_model_and_the_adapter_gives_the_same_scores(
    settings: Callable[..., TrainConfig], objective: str
) -> None:
    config = settings(objective, lora=LORA, epochs=2, eval_fraction=0.2)
    result = train(config)
    kind = AutoModelForSequenceClassification if objective == "bt" else AutoModelForTokenClassification
    merged = kind.from_pretrained(result.output)
    assert not any("lora" in name for name in merged.state_dict())
    base = kind.from_pretrained(config.model, config=merged.config)
    before = base.model.state_dict()["layers.0.mlp.up_proj.weight"].clone()
    adapted = peft.PeftModel.from_pretrained(base, result.output / ADAPTER)
    ids = torch.randint(3, 200, (2, 17), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(adapted(ids).logits, merged(ids).logits, rtol=1e-4, atol=1e-5)
    # The adapters learnt, embeddings and norms did not.
    after = merged.model.state_dict()
    assert not torch.equal(after["layers.0.mlp.up_proj.weight"], before)
    assert torch.equal(after["embed_tokens.weight"], base.get_input_embeddings().weight)


def test_adapters_start_as_nothing_and_only_they_and_the_head_are_trained(
    settings: Callable[..., TrainConfig],
) -> None:
    config = settings("bt", attention="dense")
    plain, model = (open_base(config, CPU, 0) for _ in range(2))
    adapted = add_lora(model, Lora(rank=4), seed=1)
    ids = torch.arange(3, 20)[None]
    with torch.no_grad():
        assert torch.equal(plain.hf(ids).logits, model.hf(ids).logits)
    trained = [name for name, p in adapted.named_parameters() if p.requires_grad]
    assert all("lora_" in name or "modules_to_save" in name for name in trained)
    linear = 7 * 2  # q, k, v, o, gate, up, down in two layers
    assert len(trained) == 2 * linear + 1
    again = add_lora(open_base(config, CPU, 0), Lora(rank=4), seed=1)
    for one, other in zip(adapted.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_stopped_run_with_dropout_ends_bit_for_bit_like_an_undisturbed_one(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"lora": LORA | {"dropout": 0.2}, "checkpoint_every": 2, "row_tokens": 48}
    changes["epochs"] = 2
    whole = train(settings("bt", output=tmp_path / "whole", **changes))
    config = settings("bt", output=tmp_path / "stopped", **changes)

    def stop(event: dict[str, Any]) -> None:
        if event["step"] == whole.steps - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, stop)
    point = next((tmp_path / "stopped.partial").glob("point-*"))
    kept = FileSystemReader(point).read_metadata().state_dict_metadata
    assert kept and not any("base_layer" in name or "embed" in name for name in kept)  # no frozen weights
    resumed = train(config)
    assert resumed.losses == whole.losses
    name = "model.safetensors"
    assert (resumed.output / name).read_bytes() == (whole.output / name).read_bytes()
    assert whole.losses != train(settings("bt", output=tmp_path / "no", **changes | {"lora": LORA})).losses


def test_experts_outside_linear_layers_are_refused(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    base = make_base(tmp_path / "experts", "mixtral", num_local_experts=2, num_experts_per_tok=1)
    with pytest.raises(InputError, match="lora: mixtral has weights outside linear layers"):
        add_lora(open_base(settings("bt", model=str(base)), CPU, 0), Lora(), seed=0)


def test_peft_is_asked_for_by_name(
    settings: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(InputError, match="pip install peft"):
        train(settings("bt", lora=LORA))
