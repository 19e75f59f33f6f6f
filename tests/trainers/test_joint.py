"""The joint loss of an outcome model that goes on modelling language, against rows of a causal model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import make_base, sum_rows, write_rows
from torch.nn import functional as F
from transformers import AutoModelForCausalLM

from store.errors import InputError
from trainers import TrainConfig, train
from trainers.distributed import Ranks
from trainers.loading import open_base
from trainers.losses import choose_loss
from trainers.network import Network, open_lm_head
from trainers.pack import make_trees, pack
from trainers.plan import make_plan
from trainers.step import backward

CPU = torch.device("cpu")


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("row_tokens", [60, 4000])
def test_the_joint_loss_is_that_of_plain_rows(
    settings: Callable[..., TrainConfig], tmp_path: Path, tied: bool, row_tokens: int
) -> None:
    base = make_base(tmp_path / "base", tie_word_embeddings=tied)
    config = settings("orm", model=str(base), lm_coef=0.3, row_tokens=row_tokens, max_tokens=60)
    model = open_base(config, CPU, 0)
    plan = make_plan(config, model)
    trees = [tree for group in plan.groups for tree in make_trees(group, row_tokens)]
    units = [unit for tree in trees for unit in tree.units]
    network = Network(model, open_lm_head(config, model))

    def run(lm_coef: float) -> tuple[float, dict[str, torch.Tensor]]:
        network.zero_grad()
        loss = backward(network, pack(trees, row_tokens), choose_loss(config), lm_coef, Ranks())
        grads = {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}
        return loss.item(), grads

    alone, joint = run(0.0), run(0.3)
    causal = AutoModelForCausalLM.from_pretrained(base).eval()
    losses = []
    for unit in units:
        if unit.items.target[0, 0] == 1:
            ids = torch.from_numpy(unit.paths[0].astype(np.int64))
            logits = causal(ids[None]).logits[0]
            losses.append(F.cross_entropy(logits[:-1], ids[1:], reduction="none")[unit.n_prompt - 1 :])
    expected = torch.cat(losses).mean()
    expected.backward()
    assert joint[0] - alone[0] == pytest.approx(0.3 * expected.item(), rel=1e-5)
    inner = "hf.model.layers.0.mlp.up_proj.weight"
    plain = causal.get_submodule("model.layers.0.mlp.up_proj").weight.grad
    torch.testing.assert_close(joint[1][inner] - alone[1][inner], 0.3 * plain, rtol=1e-3, atol=1e-6)
    outer = "hf.model.embed_tokens.weight" if tied else "lm_head.weight"
    before = alone[1].get(outer, torch.tensor(0.0))
    plain = causal.get_output_embeddings().weight.grad
    torch.testing.assert_close(joint[1][outer] - before, 0.3 * plain, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("any_right", [True, False])
def test_a_stopped_joint_run_ends_like_an_undisturbed_one(
    settings: Callable[..., TrainConfig], tmp_path: Path, any_right: bool
) -> None:
    """The language-model head is trained and kept in resume points, and is not part of the output; it may
    have had no gradient yet."""
    rows = [row | {"label": row["label"] and any_right} for row in sum_rows("orm")]
    data = [write_rows(tmp_path / "rows.parquet", rows)]
    changes: dict[str, Any] = {"data": data, "lm_coef": 0.1, "epochs": 2}
    whole = train(settings("orm", output=tmp_path / "whole", **changes))
    config = settings("orm", output=tmp_path / "stopped", checkpoint_every=1, **changes)

    def stop(event: dict[str, object]) -> None:
        if event["step"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, stop)
    resumed = train(config)
    assert resumed.losses == whole.losses
    weights = [(folder / "model.safetensors").read_bytes() for folder in (whole.output, resumed.output)]
    assert weights[0] == weights[1] and b"lm_head" not in weights[0]


def test_a_model_without_a_language_model_head_is_refused(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    first = train(settings("orm"))
    with pytest.raises(InputError, match="lm_coef needs a language-model head"):
        train(settings("orm", model=str(first.output), lm_coef=0.1, output=tmp_path / "second"))
