"""Saved models give the same outputs through real vLLM as through our own scoring."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import vllm_pooling
from saved_models import CPU, save_random
from tiny_models import byte_tokenizer, make_base, user

from trainers.export import export_qwen_prm
from trainers.loading import open_trained
from trainers.score.forward import Item, read

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
]
ITEMS = [
    Item(user("What is 1+2?"), steps)
    for steps in (["Add.\n", "1+2=3\n", "So 3."], ["It is 4."], ["1+2\n", "=3, as anybody can see."])
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    tmp = tmp_path_factory.mktemp("pooling")
    # vLLM's CPU attention has no heads of 8; a head size of 32 is the least.
    sizes = {"hidden_size": 128, "head_dim": 32}
    bases = {a: make_base(tmp / a, a, byte_tokenizer(None), **sizes) for a in ("qwen2", "llama")}
    made = {
        "bt": save_random(tmp / "bt", bases["qwen2"], "bt"),
        "prm": save_random(tmp / "prm", bases["qwen2"], "prm"),
        "heads": save_random(tmp / "heads", bases["llama"], "prm", heads=2),
    }
    export_qwen_prm(made["prm"], tmp / "exported")
    return made | {"exported": tmp / "exported"}


@pytest.fixture(scope="module")
def pooled(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Raw and default outputs of every model, from one vLLM process."""
    from samplers.vllm_engine import worker_environment

    tmp = tmp_path_factory.mktemp("jobs")
    codec = open_trained(models["bt"], CPU).codec
    ids = [codec.encode(item.messages, item.segments).ids.tolist() for item in ITEMS]
    jobs = [
        (str(folder), "classify" if name == "bt" else "token_classify", ids, name == "exported")
        for name, folder in models.items()
    ]
    (tmp / "jobs.json").write_text(json.dumps(jobs))
    done = subprocess.run(
        [sys.executable, vllm_pooling.__file__, str(tmp / "jobs.json"), str(tmp / "results.json")],
        env=worker_environment(threads=1),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(zip(models, json.loads((tmp / "results.json").read_text()), strict=True))


def ours(folder: Path) -> list[torch.Tensor]:
    """(L, H, C) of each item."""
    return [torch.from_numpy(r.outputs) for r in read(open_trained(folder, CPU), ITEMS, 4096)]


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_classify_gives_the_raw_reward_with_and_without_activation(
    models: dict[str, Path], pooled: dict[str, Any]
) -> None:
    expected = torch.stack([outputs[-1, 0] for outputs in ours(models["bt"])])
    for found in pooled["bt"]:
        close(torch.tensor(found), expected)


def ends() -> list[torch.Tensor]:
    """Indices of the labelled tokens: step ends, and the last token."""
    codec = byte_codec()
    encoded = [codec.encode(item.messages, item.segments) for item in ITEMS]
    return [torch.tensor([*one.ends, len(one.ids) - 1]) for one in encoded]


def byte_codec() -> Any:
    from trainers.tokenize import Codec

    return Codec(byte_tokenizer(), "")


def test_token_classify_gives_the_log_odds_of_each_step(
    models: dict[str, Path], pooled: dict[str, Any]
) -> None:
    raw, default = pooled["prm"]
    for logits, shares, at, outputs in zip(raw, default, ends(), ours(models["prm"]), strict=True):
        pair = torch.tensor(logits)[at]
        close(pair[:, 1:] - pair[:, :1], outputs[:, 0])
        close(torch.tensor(shares)[at, 1], outputs[:, 0, 0].sigmoid())


def test_token_classify_gives_the_raw_logits_of_several_heads(
    models: dict[str, Path], pooled: dict[str, Any]
) -> None:
    # A softmax over the four outputs of two heads would mean nothing.
    for found in pooled["heads"]:
        for logits, at, outputs in zip(found, ends(), ours(models["heads"]), strict=True):
            split = torch.tensor(logits)[at].view(len(at), 2, 2)
            close(split[..., 1] - split[..., 0], outputs[..., 0])


def test_the_exported_process_reward_model_gives_the_same_as_the_original(pooled: dict[str, Any]) -> None:
    for original, exported in zip(pooled["prm"], pooled["exported"], strict=True):
        for one, other in zip(original, exported, strict=True):
            close(torch.tensor(one), torch.tensor(other))
