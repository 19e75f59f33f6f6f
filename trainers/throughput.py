"""How fast steps run and how much of the hardware they use.

    tokens        forwarded tokens: every token of a packed tree once; filler is not counted
    path_tokens   the same examples as separate rows without padding
    sharing       path_tokens / tokens
    mfu           model FLOP/s on forwarded tokens over the devices' peak (PaLM, arXiv 2204.02311, app. B)

A token costs 2 FLOP for each weight of a matrix product going forward, 2 going back through it, and 2 more
for its gradient where it is trained: 6 N in full fine-tuning, 4 N + 2 N_trained with adapters. Attention
costs 12 · layers · heads · head width for each token that a token attends to, those above it in its tree and
itself. Not counted: work behind the mask, recomputed activations, the head of a language-modelling loss."""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass

import torch

from .model import RewardModel

# Dense bfloat16 FLOP/s, half of what NVIDIA's data sheets of the A100, H100 and H200 give with sparsity, by
# what torch calls the device; the first match counts.
PEAK_FLOPS = {
    "A100": 312e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "H200 NVL": 836e12,
    "H200": 989e12,
}


@dataclass
class Work:
    """What one or more steps forwarded, over all devices, and how long they took."""

    steps: int = 0
    tokens: int = 0
    path_tokens: int = 0
    attended: int = 0  # summed over the forwarded tokens: how many each attends to
    seconds: float = 0.0

    def add(self, tokens: int, path_tokens: int, attended: int, seconds: float) -> None:
        self.steps += 1
        self.tokens += tokens
        self.path_tokens += path_tokens
        self.attended += attended
        self.seconds += seconds


@dataclass(frozen=True)
class Speed:
    """Costs of a model. `peak` is that of all devices; None where it is unknown, where the computation is not
    in bfloat16, and where only some of the weights work on each token (experts)."""

    flops_per_token: float
    flops_per_attended: float
    peak: float | None

    def rates(self, work: Work) -> dict[str, float | None]:
        flops = self.flops_per_token * work.tokens + self.flops_per_attended * work.attended
        return {
            "seconds_per_step": work.seconds / work.steps,
            "tokens_per_second": work.tokens / work.seconds,
            "path_tokens_per_second": work.path_tokens / work.seconds,
            "sharing": work.path_tokens / work.tokens,
            "mfu": flops / work.seconds / self.peak if self.peak else None,
        }


def speed_of(model: RewardModel, devices: int = 1) -> Speed:
    """`devices` share the tokens of each step."""
    config = model.hf.config.get_text_config()
    looked_up = {id(m.weight) for m in model.hf.modules() if isinstance(m, torch.nn.Embedding)}
    weights = [p for p in model.hf.parameters() if p.ndim >= 2 and id(p) not in looked_up]
    n, trained = (sum(p.numel() for p in part) for part in (weights, [p for p in weights if p.requires_grad]))
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    peak = _peak(model)
    return Speed(
        flops_per_token=4 * n + 2 * trained,
        flops_per_attended=12 * config.num_hidden_layers * heads * width,
        peak=peak * devices if peak else None,
    )


def _peak(model: RewardModel) -> float | None:
    config = model.hf.config.get_text_config()
    experts = getattr(config, "num_experts", None) or getattr(config, "num_local_experts", None)
    if model.device.type != "cuda" or model.dtype != torch.bfloat16 or experts:
        return None
    name = torch.cuda.get_device_name(model.device)
    if "MIG" in name:  # a slice of a GPU
        return None
    return next((peak for known, peak in PEAK_FLOPS.items() if known in name), None)


def peak_memory_gib(device: torch.device) -> float:
    """The most memory held so far: tensors on a GPU, the resident set of the process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage: bytes on macOS, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
