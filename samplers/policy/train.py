"""Makes the embedded policy from scratch: `python -m samplers.policy.train --steps 5000 --out DIR`.

A small Llama decoder learns two skills at once from `documents`: to solve, from fallible demonstrations (so
that it errs the way they do), and to judge pairs, from exact labels. An auxiliary head reads off every
solution token whether the line has gone wrong; it is dropped when the model is saved. Matrices follow Muon
(Jordan et al. 2024, kellerjordan.github.io/posts/muon), everything else AdamW; the learning rate falls
linearly over the second half.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from . import forward
from .documents import IGNORE, batches
from .forward import block
from .tokenizer import build


def make_model(size: int, layers: int, hidden: int) -> LlamaForCausalLM:
    """Random weights; heads of 32, the smallest vLLM's CPU attention takes."""
    tokenizer = build()
    heads = size // 32
    config = LlamaConfig(
        vocab_size=-(-len(tokenizer) // 64) * 64,
        hidden_size=size,
        num_hidden_layers=layers,
        intermediate_size=hidden,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        head_dim=32,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        initializer_range=0.04,
    )
    return LlamaForCausalLM(config)


def losses(
    model: LlamaForCausalLM,
    head: torch.nn.Linear,
    batch: dict[str, Tensor],
    layer: Callable[..., Tensor] = block,
) -> dict[str, Tensor]:
    """Mean losses: writing demonstrations, judging pairs, and the auxiliary ones; and the log's AUC."""
    hidden, middle = forward.hidden(model, batch["ids"], layer, middle=model.config.num_hidden_layers - 2)
    hidden = hidden.float().flatten(0, 1)
    nxt, wrong, doomed = (batch[k].flatten() for k in ("next", "line_wrong", "doomed"))
    weight = batch["weight"].flatten()
    taught, seen, ends = (nxt != IGNORE), (wrong != IGNORE), (doomed != IGNORE)
    each = F.cross_entropy(model.lm_head(hidden[taught]).float(), nxt[taught], reduction="none")
    verdict = batch["verdict"].flatten()[taught]
    flags = head(hidden[seen]).float()  # (positions, 2)
    line = F.binary_cross_entropy_with_logits(flags[:, 0], wrong[seen].float(), reduction="none")
    total = {
        "write": each[~verdict].sum() / (~verdict).sum().clamp(min=1),
        "judge": each[verdict].sum() / verdict.sum().clamp(min=1),
        "line": (line * weight[seen]).sum() / weight[seen].sum(),
    }
    total["auc"] = auc(flags[(ends & (weight >= 1))[seen], 0], wrong[ends & (weight >= 1)])
    truth = batch["truth"].flatten()
    known = truth != IGNORE
    total["truth"] = F.cross_entropy(model.lm_head(middle.flatten(0, 1)[known].float()), truth[known])
    doom = F.binary_cross_entropy_with_logits(flags[ends[seen], 1], doomed[ends].float(), reduction="none")
    total["doom"] = doom.mean()
    return total


def auc(score: Tensor, label: Tensor) -> Tensor:
    """Chance that a wrong line scores above a right one; what the log watches, not a loss."""
    rank = score.argsort().argsort().float() + 1
    bad = (label == 1).sum()
    good = len(label) - bad
    return ((rank[label == 1].sum() - bad * (bad + 1) / 2) / (bad * good).clamp(min=1)).detach()


def optimizers(model: LlamaForCausalLM, head: torch.nn.Linear, lr: float) -> list[torch.optim.Optimizer]:
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    rest = [p for p in model.parameters() if all(p is not m for m in matrices)]
    return [
        forward.Muon(matrices, lr=lr),
        torch.optim.AdamW([*rest, *head.parameters()], lr=lr, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def save(model: LlamaForCausalLM, out: Path) -> None:
    """A complete Hugging Face folder: bf16 weights, tokenizer, chat template, generation settings."""
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = build()
    copy = LlamaForCausalLM(model.config)
    copy.load_state_dict(model.state_dict())
    copy.generation_config.eos_token_id = tokenizer.eos_token_id
    copy.generation_config.pad_token_id = tokenizer.pad_token_id
    copy.generation_config.do_sample, copy.generation_config.temperature = True, 0.8
    copy.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)
    settings = out / "tokenizer_config.json"
    read = json.loads(settings.read_text())
    read.pop("backend", None)
    read["tokenizer_class"] = "PreTrainedTokenizerFast"  # the name that Transformers 4 and 5 both know
    settings.write_text(json.dumps(read, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="weights to go on from")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tokens", type=int, default=4000, help="tokens a step")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--mix", type=float, nargs=3, default=(0.45, 0.15, 0.4), help="solve, spot, judge")
    parser.add_argument("--easy", type=int, default=40, help="pools of 512 short documents to begin with")
    parser.add_argument("--inconsistent", type=float, default=0.85, help="share of problems: hardest to see")
    parser.add_argument("--stop", type=int, help="leave the schedule of --steps at this step")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    model = make_model(args.size, args.layers, args.hidden)
    if args.init:
        model.load_state_dict(LlamaForCausalLM.from_pretrained(args.init, dtype=torch.float32).state_dict())
    head = torch.nn.Linear(args.size, 2)
    opts = optimizers(model, head, args.lr)
    stream = batches(args.seed, args.tokens, tuple(args.mix), args.inconsistent, args.easy)
    layer = torch.compile(block, dynamic=True)
    began, seen = time.time(), 0
    sums: dict[str, list[float]] = {}
    last = min(args.stop or args.steps, args.steps)
    for step in range(last):
        factor = min(1.0, (step + 1) / 100) * min(1.0, 2 * (1 - step / args.steps) + 0.01)
        for opt in opts:
            for group in opt.param_groups:
                group["lr"] = args.lr * factor
        batch = {k: torch.from_numpy(v) for k, v in next(stream).items()}
        part = losses(model, head, batch, layer)
        (part["write"] + 0.5 * part["judge"] + part["line"] + part["truth"] + 0.5 * part["doom"]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for opt in opts:
            opt.step()
            opt.zero_grad()
        seen += batch["ids"].numel()
        for name, value in part.items():
            sums.setdefault(name, []).append(value.item())
        if (step + 1) % 50 == 0:
            means = " ".join(f"{k} {sum(v) / len(v):.4f}" for k, v in sums.items())
            print(f"{step + 1} {time.time() - began:.0f}s {seen / 1e6:.2f}M {means}", flush=True)
            sums = {}
        if (step + 1) % 500 == 0 or step + 1 == last:
            save(model, args.out)


if __name__ == "__main__":
    main()
