"""Plans of the attention backends: who sees whom, which blocks are empty, what filler and compilation do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import make_base
from torch._dynamo.testing import CompileCounter
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface

from store.errors import InputError
from trainers import TrainConfig
from trainers.attention import BACKENDS, Backend, ancestor_mask, choose_backend, fill, fixed_length
from trainers.attention.flex import BLOCK, make_block_mask
from trainers.attention.segments import make_segments
from trainers.attention.varlen import make_plan
from trainers.items import make_items
from trainers.loading import check_packs, open_base
from trainers.model import RewardModel
from trainers.pack import LabelledTree, Row, make_row
from trainers.trees import build_tree
from trainers.units import Unit

pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
CPU = torch.device("cpu")


def make_tree(paths: list[np.ndarray]) -> LabelledTree:
    tree = build_tree(paths)
    last = np.array([path[-1] for path in tree.paths], np.int64)
    unit = Unit("", "", tuple(paths), np.arange(len(paths)), last, make_items([], []))
    return LabelledTree(tree, [unit], last)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """Tries whose paths are long enough to span blocks, with shared beginnings of every length."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    trees = []
    for _ in range(draw(st.integers(1, 3))):
        stem = rng.integers(0, 200, draw(st.integers(1, 300)))
        paths = []
        for _ in range(draw(st.integers(1, 5))):
            shared = stem[: draw(st.integers(1, len(stem)))]
            paths.append(np.concatenate([shared, rng.integers(0, 3, draw(st.integers(1, 200)))]))
        trees.append(make_tree([path.astype(np.int32) for path in paths]))
    return make_row(trees)


def mask_of(row: Row) -> np.ndarray:
    """(T, T) bool from the paths alone: what stands earlier on a path that both are on."""
    mask = np.zeros((len(row), len(row)), bool)
    for at, _ in row.paths:
        mask[at[:, None], at] |= np.tri(len(at), dtype=bool)
    return mask


@settings(max_examples=15)
@given(row=rows())
def test_the_dense_mask_is_ancestry_along_the_paths(row: Row) -> None:
    assert (ancestor_mask(torch.from_numpy(row.end))[0, 0].numpy() == mask_of(row)).all()


@settings(max_examples=15)
@given(row=rows(), filled=st.booleans())
def test_blocks_of_the_flex_mask_are_those_that_torch_finds_in_the_whole_mask(row: Row, filled: bool) -> None:
    row = fill(row, fixed_length(len(row), 1024)) if filled else row
    made = make_block_mask(row.end, CPU)
    wanted = create_block_mask(made.mask_mod, None, None, len(row), len(row), device="cpu")
    at = torch.arange(len(row))
    assert (made.mask_mod(0, 0, at[:, None], at).numpy() == mask_of(row)).all()
    assert made.shape == wanted.shape
    for number, which in (
        ("kv_num_blocks", "kv_indices"),
        ("full_kv_num_blocks", "full_kv_indices"),
        ("q_num_blocks", "q_indices"),
        ("full_q_num_blocks", "full_q_indices"),
    ):
        n, found = (getattr(made, name)[0, 0] for name in (number, which))
        m, sought = (getattr(wanted, name)[0, 0] for name in (number, which))
        assert n.tolist() == m.tolist()
        # Behind the first n of a list stand blocks that no kernel visits.
        listed = [sorted(line[:k].tolist()) for line, k in zip(found, n, strict=True)]
        assert listed == [sorted(line[:k].tolist()) for line, k in zip(sought, m, strict=True)]


@settings(max_examples=15)
@given(row=rows(), filled=st.booleans())
def test_segments_give_every_query_its_ancestors(row: Row, filled: bool) -> None:
    row = fill(row, fixed_length(len(row), 1024)) if filled else row
    segments = make_segments(row, CPU)
    queries, seen = [], []
    for group in segments.groups:
        keys = group.key.view(-1, 1, group.n_keys).expand(-1, group.n_queries, -1).flatten(0, 1)
        for query, key, mask in zip(group.query, keys, group.mask.flatten(0, 2), strict=True):
            assert mask.any()  # no softmax over nothing, in padding either
            queries.append(int(query))
            seen.append(key[mask].tolist())
    wanted = mask_of(row)
    for token, slot in enumerate(segments.slot.tolist()):
        assert queries[slot] == token
        assert seen[slot] == np.flatnonzero(wanted[token]).tolist()


@settings(max_examples=15)
@given(row=rows())
def test_the_varlen_plan_gives_every_query_its_ancestors(row: Row) -> None:
    plan = make_plan(row, CPU)
    seen = np.zeros((len(row), len(row)), bool)
    queries, keys = plan.query_start.tolist(), plan.key_start.tolist()
    assert queries[0] == 0 and queries[-1] == len(row) and keys[-1] == len(plan.key)
    for i in range(len(queries) - 1):
        key = plan.key[keys[i] : keys[i + 1]].numpy()
        n = queries[i + 1] - queries[i]
        assert 0 < n <= plan.max_queries and n <= len(key) <= plan.max_keys
        # Causal, aligned to the bottom right: the last query sees all keys, the one before it all but one.
        for j in range(n):
            seen[queries[i] + j, key[: len(key) - n + j + 1]] = True
    assert (seen == mask_of(row)).all()


@settings(max_examples=15)
@given(row=rows(), more=st.integers(1, 500))
def test_filler_is_behind_the_row_and_sees_itself_alone(row: Row, more: int) -> None:
    filled = fill(row, len(row) + more)
    assert len(filled) == len(row) + more == len(filled.depth) == len(filled.end)
    for name in ("tokens", "depth", "end"):
        assert (getattr(filled, name)[: len(row)] == getattr(row, name)).all()
    assert filled.units is row.units and filled.items is row.items and filled.index is row.index
    mask = ancestor_mask(torch.from_numpy(filled.end))[0, 0].numpy()
    assert (mask[: len(row), : len(row)] == mask_of(row)).all()
    assert not mask[: len(row), len(row) :].any() and not mask[len(row) :, : len(row)].any()
    assert mask.diagonal().all()  # no softmax over nothing
    assert (mask.sum(1) == filled.depth + 1).all()  # positions as if each chain stood alone
    assert (mask == mask_of(filled)).all()
    assert filled.depth[len(row) :].max() < 128  # within any model's positions
    assert fill(filled, len(row)) is filled


@given(n=st.integers(1, 40000), budget=st.integers(16, 32768))
def test_filled_rows_have_at_most_eight_lengths_up_to_the_budget(n: int, budget: int) -> None:
    length = fixed_length(n, budget)
    assert n <= length and length % BLOCK == 0
    assert length - n < max(128, budget / 8 + 128)
    lengths = {fixed_length(i, budget) for i in [*range(1, budget, 16), budget]}
    assert len(lengths) <= 8


def test_auto_is_segments_on_a_cpu_and_flex_on_a_gpu() -> None:
    cuda = torch.device("cuda")
    assert choose_backend("auto", CPU).name == "segments" and choose_backend("auto", cuda).name == "flex"
    for name in BACKENDS:
        assert choose_backend(name, cuda).name == name
    assert choose_backend("varlen", CPU).name == "varlen"
    with pytest.raises(InputError, match="flex has no backward pass on a CPU; use segments"):
        choose_backend("flex", CPU)


@pytest.mark.slow  # a compilation by Inductor
def test_the_compiled_flex_kernel_follows_the_block_table() -> None:
    rng = np.random.default_rng(0)
    stem = rng.integers(0, 200, 300)
    leaves = [np.concatenate([stem, rng.integers(0, 200, 200)]).astype(np.int32) for _ in range(3)]
    row = make_row([make_tree(leaves), make_tree([rng.integers(0, 9, 124).astype(np.int32)])])
    assert len(row) == 1024
    blocks = make_block_mask(row.end, CPU)
    # Whole, mixed and empty blocks; a causal mask alone would leave 28 of 64 empty.
    assert blocks.full_kv_num_blocks.sum() > 0 and blocks.sparsity() > 100 * 28 / 64
    q, k, v = (torch.randn(1, heads, 1024, 16) for heads in (4, 2, 2))
    out = torch.compile(flex_attention, dynamic=False)(q, k, v, block_mask=blocks, enable_gqa=True)
    mask = ancestor_mask(torch.from_numpy(row.end))
    wanted = scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
    torch.testing.assert_close(out, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("attention", "graphs"), [("dense", 1), ("flex", 1), ("segments", 4), ("varlen", 4)])
def test_filled_rows_of_different_trees_are_compiled_once(base: Path, attention: str, graphs: int) -> None:
    # Both layers share their graphs. Where attention is left out there are four: up to the attention module,
    # in it up to the function, from there to its end, and the rest of the layer.
    config = TrainConfig(objective="bt", model=str(base), data=["-"], output="-")
    model = replace(open_base(config, CPU, 0), backend=BACKENDS[attention], row_tokens=2048)
    model.hf.set_attn_implementation(model.backend.implementation)
    rng = np.random.default_rng(0)
    made = []
    for n in (1, 2, 4, 7):
        stem = rng.integers(3, 200, 12)
        made.append(make_row([make_tree([np.r_[stem, rng.integers(3, 200, 9)].astype(np.int32)] * n)]))
        made.append(make_row([make_tree([np.r_[stem, i, 5 : 5 + n].astype(np.int32) for i in range(n)])]))
    made = [fill(row, 256) for row in made]
    with torch.no_grad():
        wanted = [model.hidden(row) for row in made]
        torch._dynamo.reset()
        counter = CompileCounter()
        for layer in model.hf.model.layers:
            layer.compile(backend=counter, dynamic=False)
        counts = []
        for row, plain in zip(made, wanted, strict=True):
            torch.testing.assert_close(model.hidden(row), plain)
            counts.append(counter.frame_count)
    torch._dynamo.reset()
    assert counts == [graphs] * len(made)


LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 1e4,
    "factor": 8.0,
    "short_factor": [1.0] * 4,
    "long_factor": [4.0] * 4,
    "original_max_position_embeddings": 64,
}


@pytest.mark.parametrize(
    ("architecture", "changes", "message"),
    [
        ("mistral", {"sliding_window": 64}, "mistral has a sliding window of 64"),
        ("gemma2", {}, "gemma2 has sliding_attention"),
        ("gemma2", {"layer_types": ["full_attention"] * 2}, "gemma2 has a sliding window of 4096"),
        (
            "gemma2",
            {"layer_types": ["full_attention"] * 2, "sliding_window": 0},
            "gemma2 has attention scores capped at 50",
        ),
        ("gemma3_text", {}, "gemma3_text has sliding_attention"),
        ("olmo3", {}, "olmo3 has sliding_attention"),
        ("gpt_oss", {"num_local_experts": 2}, "gpt_oss has sliding_attention"),
        ("qwen3_next", {"num_experts": 2}, "qwen3_next has linear_attention"),
        (
            "llama",
            {"rope_parameters": LONGROPE, "max_position_embeddings": 512},
            "llama has LongRoPE positions",
        ),
        ("bloom", {"n_head": 4, "n_layer": 2}, "BloomForSequenceClassification does not support"),
    ],
)
def test_architectures_without_full_attention_are_refused_by_name(
    tmp_path: Path, architecture: str, changes: dict[str, Any], message: str
) -> None:
    folder = make_base(tmp_path, architecture, **changes)
    with pytest.raises(InputError, match=message):
        open_base(TrainConfig(objective="bt", model=str(folder), data=["-"], output="-"), CPU, 0)


def test_a_backend_that_leaves_out_a_part_of_the_architecture_is_noticed(base: Path) -> None:
    # The same mistake in packed and in single rows: only the model's own attention tells.
    def unscaled(module: Any, query: Any, key: Any, value: Any, mask: Any, **_: Any) -> tuple[Any, None]:
        out = scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=1.0, enable_gqa=True)
        return out.transpose(1, 2), None

    AttentionInterface.register("unscaled", unscaled)
    AttentionMaskInterface.register("unscaled", lambda *args, attention_mask=None, **_: attention_mask)
    model: RewardModel = open_base(
        TrainConfig(objective="bt", model=str(base), data=["-"], output="-"), CPU, seed=0
    )
    model.backend = Backend("unscaled", "unscaled", BACKENDS["dense"].inputs)
    model.hf.set_attn_implementation("unscaled")
    with pytest.raises(InputError, match="qwen2: this architecture does not follow tree masks"):
        check_packs(model)
