"""The language-modelling loss of a packed tree against that of plain rows with full logits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import make_base
from torch import Tensor
from torch.nn import functional as F

from trainers.attention import ancestor_mask
from trainers.items import make_items
from trainers.losses.language import CHUNK, Edges, language_edges, language_loss, language_weight
from trainers.pack import Row, group_by_prompt, make_row, make_trees
from trainers.units import Unit

CPU = torch.device("cpu")


def solution(prompt: list[int], completion: list[int], right: bool) -> Unit:
    """A unit of an outcome set that has its label on the last token."""
    path = np.array([*prompt, *completion], np.int32)
    at = np.array([len(path) - 1])
    items = make_items([0], [float(right)])
    return Unit("row", str(prompt), (path,), np.zeros(1, np.int64), at, items, n_prompt=len(prompt))


def row_of(units: list[Unit]) -> Row:
    units = sorted(units, key=lambda u: (u.prompt_id, u.sort_key()))
    return make_row([tree for group in group_by_prompt(units) for tree in make_trees(group, 10**6)])


TOKENS = st.lists(
    st.integers(0, 2), min_size=1, max_size=6
)  # few kinds, so that completions share beginnings
SOLUTIONS = st.lists(
    st.tuples(st.sampled_from([[7, 8], [7], [9, 7, 7]]), TOKENS, st.booleans()), min_size=1, max_size=8
)


@given(SOLUTIONS)
@settings(max_examples=40)
def test_every_token_of_a_right_completion_is_predicted_once_for_each_completion(
    solutions: list[tuple[list[int], list[int], bool]],
) -> None:
    units = [solution(*s) for s in solutions]
    row = row_of(units)
    edges = language_edges(row)
    wanted = Counter[tuple[tuple[int, ...], int]]()  # everything read before, and the token that follows
    for prompt, completion, right in solutions:
        for i, token in enumerate(completion if right else []):
            wanted[(*prompt, *completion[:i]), token] += 1
    ancestors = ancestor_mask(torch.from_numpy(row.end))[0, 0].numpy()
    found = Counter[tuple[tuple[int, ...], int]]()
    for source, token, weight in zip(edges.source, edges.token, edges.weight, strict=True):
        found[tuple(row.tokens[ancestors[source]].tolist()), int(token)] += int(weight)
    assert found == wanted
    assert language_weight(units) == wanted.total()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base"), "llama")


def test_value_and_gradient_are_those_of_plain_rows(base: Path) -> None:
    from transformers import AutoModelForCausalLM

    hf = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    rng = np.random.default_rng(0)
    stem, twig = rng.integers(0, 300, 12).tolist(), rng.integers(0, 300, 5).tolist()
    units = [solution(stem, [*twig, *rng.integers(0, 300, 4 + i).tolist()], right=i != 1) for i in range(4)]

    row = row_of([*units, solution(stem[:6], [5, 6, 7], True)])
    hidden = hf.model(
        input_ids=torch.from_numpy(row.tokens)[None],
        position_ids=torch.from_numpy(row.depth)[None],
        attention_mask=ancestor_mask(torch.from_numpy(row.end)),
        use_cache=False,
    ).last_hidden_state[0]
    found = language_loss(hidden, language_edges(row).to(CPU), hf.lm_head)
    found.backward()
    found_gradient = {name: p.grad.clone() for name, p in hf.named_parameters()}

    hf.zero_grad()
    wanted = torch.zeros(())
    for unit in row.units:
        if unit.items.target[0, 0] == 1:
            ids = torch.from_numpy(unit.paths[0]).long()
            logits = hf(input_ids=ids[None]).logits[0]
            cut = unit.n_prompt
            wanted = wanted + F.cross_entropy(logits[cut - 1 : -1], ids[cut:], reduction="sum")
    wanted.backward()
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-4)
    for name, p in hf.named_parameters():
        torch.testing.assert_close(found_gradient[name], p.grad, rtol=1e-4, atol=1e-4)


def plain_loss(hidden: Tensor, edges: Edges, lm_head: torch.nn.Linear) -> Tensor:
    costs = F.cross_entropy(lm_head(hidden[edges.source]), edges.token, reduction="none")
    return (costs * edges.weight).sum()


def many_edges(n: int, vocab: int) -> tuple[Tensor, Edges, torch.nn.Linear]:
    torch.manual_seed(0)
    edges = Edges(torch.randint(0, 50, (n,)), torch.randint(0, vocab, (n,)), torch.rand(n) + 1)
    hidden = torch.randn(50, 8, requires_grad=True)
    return hidden, edges, torch.nn.Linear(8, vocab, bias=False)


def test_chunks_change_neither_value_nor_gradient() -> None:
    hidden, edges, lm_head = many_edges(2 * CHUNK + 100, vocab=40)
    found = language_loss(hidden, edges, lm_head)
    wanted = plain_loss(hidden, edges, lm_head)
    torch.testing.assert_close(found, wanted)
    for x in (hidden, lm_head.weight):
        gradients = (torch.autograd.grad(loss, x, retain_graph=True)[0] for loss in (found, wanted))
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


def test_no_logits_are_kept_and_no_more_than_a_chunk_of_them_is_made() -> None:
    vocab, kept = 1000, []
    hidden, edges, lm_head = many_edges(3 * CHUNK, vocab)
    made: list[int] = []
    lm_head.register_forward_hook(lambda module, inputs, output: made.append(len(output)))
    keep = torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t)
    with keep:
        loss = language_loss(hidden, edges, lm_head)
    assert made == [CHUNK] * 3
    # A chunk's logits are 512,000 numbers; what waits for the backward pass is no larger than the inputs.
    assert max(kept, default=0) <= max(lm_head.weight.numel(), CHUNK * hidden.shape[1])
    loss.backward()
    assert made == [CHUNK] * 6  # each chunk's logits were made a second time


def test_a_row_of_wrong_completions_costs_nothing_and_still_goes_backward() -> None:
    row = row_of([solution([1, 2], [3], False)])
    hidden = torch.randn(len(row), 8, requires_grad=True)
    lm_head = torch.nn.Linear(8, 10)
    loss = language_loss(hidden, language_edges(row).to(CPU), lm_head)
    loss.backward()
    assert loss.item() == 0 and language_weight(row.units) == 0
    assert (hidden.grad == 0).all() and (lm_head.weight.grad == 0).all()


def test_half_precision_logits_are_summed_in_single_precision() -> None:
    # 600 equal costs of about 4: a sum in bfloat16 would stop growing at 1024, where its step is 8.
    hidden, edges, lm_head = many_edges(600, vocab=40)
    edges = Edges(torch.zeros_like(edges.source), torch.zeros_like(edges.token), torch.ones(600))
    with torch.autocast("cpu", torch.bfloat16):
        loss = language_loss(hidden, edges, lm_head)
    wanted = plain_loss(hidden, edges, lm_head)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, wanted, rtol=0.01, atol=0.0)
    loss.backward()  # recomputed under the same autocast, or the shapes' types would not match
    assert hidden.grad.isfinite().all()
