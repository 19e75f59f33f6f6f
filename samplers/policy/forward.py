"""A lean bf16 training pass over a Hugging Face Llama's own weights, and a batched Muon.

The stock modules spend most of a CPU step in element-wise kernels and in flash attention's backward. Here
the layer is one compiled function with plain attention and fused projections: twice the tokens a second,
same numbers (tests/samplers/test_policy.py holds them against `LlamaForCausalLM`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

HEAD = 32  # the smallest head size vLLM's CPU attention takes


def _norm(x: Tensor, weight: Tensor) -> Tensor:
    wide = x.float()
    return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6) * weight).to(x.dtype)


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


def block(
    x: Tensor, norms: tuple[Tensor, ...], weights: tuple[Tensor, ...], rope: tuple[Tensor, ...]
) -> Tensor:
    """One decoder layer; x (B, T, d), `weights` q, k, v, o, gate, up, down, `rope` cos, sin, mask."""
    rows, width, size = x.shape
    q, k, v, o, gate, up, down = (w.to(x.dtype) for w in weights)
    cos, sin, mask = rope
    mixed = _norm(x, norms[0]) @ torch.cat((q, k, v)).t()
    q, k, v = mixed.view(rows, width, 3, size // HEAD, HEAD).permute(2, 0, 3, 1, 4)
    scores = (
        _turn(q, cos, sin) @ _turn(k, cos, sin).transpose(-1, -2) / math.sqrt(HEAD) + mask
    )  # (B, H, T, T)
    seen = (torch.softmax(scores, -1) @ v).transpose(1, 2).reshape(rows, width, size)
    x = x + seen @ o.t()
    wide, gated = (_norm(x, norms[1]) @ torch.cat((gate, up)).t()).chunk(2, -1)
    return x + (F.silu(wide) * gated) @ down.t()


def hidden(
    model: LlamaForCausalLM,
    ids: Tensor,
    layer: Callable[..., Tensor] = block,
    middle: int = 0,
    kind: torch.dtype = torch.bfloat16,
) -> tuple[Tensor, Tensor]:
    """States (B, T, d) after the last layer, as `model.model(ids)` gives them, and after `middle` layers.

    Rows are padded on the right; causal attention then needs no padding mask.
    """
    width, core = ids.shape[1], model.model
    theta = model.config.rope_parameters["rope_theta"]
    angle = torch.outer(
        torch.arange(width).float(), theta ** (-torch.arange(0, HEAD, 2).float() / HEAD)
    ).repeat(1, 2)
    mask = torch.full((width, width), -30000.0, dtype=kind).triu(1)
    rope = (angle.cos().to(kind), angle.sin().to(kind), mask)
    x = F.embedding(ids, core.embed_tokens.weight).to(kind)
    half = x
    for depth, module in enumerate(core.layers, 1):
        attention, mlp = module.self_attn, module.mlp
        parts = (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj)
        weights = tuple(p.weight for p in (*parts, mlp.gate_proj, mlp.up_proj, mlp.down_proj))
        x = layer(x, (module.input_layernorm.weight, module.post_attention_layernorm.weight), weights, rope)
        half = x if depth == middle else half
    return _norm(x, core.norm.weight), _norm(half, core.norm.weight)


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised by five Newton-Schulz steps; matrices of one shape go through together.

    Jordan et al. 2024 (kellerjordan.github.io/posts/muon); the update is scaled to AdamW's typical size, 0.2
    an element, as in Liu et al. 2025 (arXiv 2502.16982), so that one learning rate serves both optimizers.
    """

    def __init__(self, params: list[Tensor], lr: float, momentum: float = 0.95, decay: float = 0.01) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            shapes: dict[torch.Size, list[Tensor]] = {}
            for p in group["params"]:
                shapes.setdefault(p.shape, []).append(p)
            for shape, params in shapes.items():
                state = self.state[params[0]]
                grads = torch.stack([p.grad for p in params])
                mean = state.setdefault("mean", torch.zeros_like(grads)).lerp_(grads, 1 - group["momentum"])
                update = _orthogonal(grads.lerp_(mean, group["momentum"]))
                scale = 0.2 * max(shape) ** 0.5 * group["lr"]
                for p, u in zip(params, update, strict=True):
                    p.mul_(1 - group["lr"] * group["decay"]).sub_(u, alpha=scale)


def _orthogonal(matrices: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrices, roughly: singular values end near 1. (N, rows, columns)."""
    x = matrices.bfloat16()
    tall = x.shape[1] > x.shape[2]
    x = x.transpose(1, 2) if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return (x.transpose(1, 2) if tall else x).float()
