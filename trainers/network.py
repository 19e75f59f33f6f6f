"""What is trained as one module: a reward model and, with `lm_coef`, its base's language-model head.

One module, so that sharding sees every weight and every forward pass."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModelForCausalLM

from store.errors import InputError

from .config import TrainConfig
from .losses.language import Edges, language_loss
from .model import RewardModel
from .pack import Row
from .quiet import quiet

_CHANGED_LOGITS = ("logits_scaling", "logit_scale", "final_logit_softcapping")


class Network(nn.Module):
    """`lm_head` is a module of its own weights, or a function of the embedding's where they are tied."""

    def __init__(self, model: RewardModel, lm_head: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.model, self.hf, self.lm_head = model, model.hf, lm_head

    def forward(self, row: Row, edges: Edges | None = None) -> tuple[Tensor, Tensor | None]:
        """(L, H, C) float32 outputs, and the summed language-modelling loss over `edges`."""
        hidden = self.model.hidden(row)
        language = None
        if edges is not None:
            assert self.lm_head is not None
            with self.model.precision():
                language = language_loss(hidden, edges.to(self.model.device), self.lm_head)
        outputs = self.model.read(hidden, row).clone()  # not a view: sharding hooks the outputs themselves
        return outputs, language


def open_lm_head(config: TrainConfig, model: RewardModel) -> Callable[[Tensor], Tensor]:
    """The language-model head of the base model in float32; frozen under LoRA, like the rest of the base."""
    base = AutoConfig.from_pretrained(config.model, revision=config.revision)
    text = base.get_text_config()
    if not any(name.endswith("ForCausalLM") for name in base.architectures or []):
        raise InputError(f"{config.model}: lm_coef needs a language-model head, and this model has none")
    if any(getattr(text, name, None) not in (None, 1.0) for name in _CHANGED_LOGITS):
        raise InputError(f"{config.model}: lm_coef does not know how {base.model_type} scales its logits")
    if text.tie_word_embeddings:
        embedding = model.hf.get_input_embeddings()
        return lambda hidden: F.linear(hidden, embedding.weight)
    with quiet():
        causal = AutoModelForCausalLM.from_pretrained(
            config.model, revision=config.revision, dtype=torch.float32
        )
    return causal.get_output_embeddings().to(model.device).requires_grad_(config.lora is None)
