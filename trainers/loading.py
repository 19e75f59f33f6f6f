"""Opening reward models: a base model to train, or a folder that the trainer wrote.

What cannot be packed as a tree, or would score silently wrong, is refused by name. A fresh head is drawn from
N(0, 1/(d+1)²) (OpenRLHF), so training starts near ln 2; the head of an existing reward model of the same kind
is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

from store.errors import InputError

from .attention import Backend, choose_backend
from .config import Objective, TrainConfig
from .heads import Head, make_head, read_head
from .items import make_items
from .model import EXTRAS, RewardModel
from .pack import LabelledTree, make_row
from .quiet import quiet
from .tokenize import Codec, ensure_pad_token
from .trees import build_tree
from .units import Unit

_MISMATCH = 0.05  # relative; a model that ignores the mask is off by order 1, rounding in bfloat16 by 0.01


def pick_device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device: 'cuda' was asked for but torch sees no GPU; use device: auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def open_base(settings: TrainConfig, device: torch.device, seed: int) -> RewardModel:
    """The model to train, from a base language model or from a reward model of the same kind."""
    source, objective, head = settings.model, settings.objective, make_head(settings)
    config, tokenizer = _open_parts(source, settings.revision)
    ensure_pad_token(tokenizer)
    _configure_head(config, head)
    hf, fresh_head = _load(source, config, head, settings.revision)
    if len(tokenizer) > hf.get_input_embeddings().num_embeddings:
        hf.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    hf.config.get_text_config().pad_token_id = tokenizer.pad_token_id  # the embedding had to have it first
    if fresh_head:
        generator = torch.Generator().manual_seed(seed)
        torch.nn.init.normal_(hf.score.weight, std=1 / (hf.score.in_features + 1), generator=generator)
    codec = Codec(tokenizer, source)
    extras = {
        "objective": objective,
        "label_at": "step end" if objective == "prm" else "every token" if head.per_token else "last token",
        "head": head.facts(),
        "steps": "steps concatenate to the completion; each is tokenised on its own",
        "tokenisation": codec.fingerprint,
    }
    dtype = getattr(torch, settings.dtype)
    return _ready(
        hf, codec, objective, head, choose_backend(settings.attention, device), dtype, extras, device
    )


def open_trained(
    folder: Path, device: torch.device, attention: str = "auto", dtype: str = "float32"
) -> RewardModel:
    """A model written by `RewardModel.save`; its tokenisation must be the one it was trained with."""
    config, tokenizer = _open_parts(str(folder), None)
    extras = getattr(config, EXTRAS, None)
    if not extras:
        raise InputError(
            f"{folder}: config.json has no {EXTRAS!r} entry; give a folder written by the trainer"
        )
    codec = Codec(tokenizer, str(folder))
    if codec.fingerprint != extras["tokenisation"]:
        raise InputError(
            f"{folder}: tokenizer or chat template differ from those the model was trained with; "
            "restore the folder's tokenizer files"
        )
    head = read_head(extras["head"])
    hf, fresh_head = _load(str(folder), config, head, None)
    if fresh_head:
        raise InputError(f"{folder}: the checkpoint has no reward head (score.weight); train it again")
    backend, compute = choose_backend(attention, device), getattr(torch, dtype)
    return _ready(hf, codec, extras["objective"], head, backend, compute, extras, device)


def _open_parts(source: str, revision: str | None) -> tuple[Any, Any]:
    try:
        config = AutoConfig.from_pretrained(source, revision=revision)
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{source}: cannot be loaded as a Hugging Face model: {_first_line(error)}"
        ) from None
    _refuse_unsupported(config, source)
    return config, tokenizer


def _refuse_unsupported(config: Any, source: str) -> None:
    """Window and recurrent layers read what stands before a token in the row, not what is above it in the
    tree."""
    text = config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"]) - {"full_attention"}
    window = getattr(text, "sliding_window", None) and getattr(text, "use_sliding_window", True)
    if kinds or window:
        found = ", ".join(sorted(kinds)) or f"a sliding window of {text.sliding_window}"
        raise InputError(
            f"{source}: {config.model_type} has {found}; tree packing needs full attention in every layer, "
            "as in Llama, Qwen2, Qwen3 or OLMo"
        )


def _configure_head(config: Any, head: Head) -> None:
    config.id2label = dict(enumerate(head.names))  # sets num_labels
    config.label2id = {label: i for i, label in enumerate(head.names)}
    config.problem_type = None if head.per_token else "regression"  # else vLLM puts a sigmoid over the reward
    config.token_classification_bias = False


def _load(source: str, config: Any, head: Head, revision: str | None) -> tuple[Any, bool]:
    """The module in float32, and whether its head is fresh; any other gap in the files is an error."""
    auto = AutoModelForTokenClassification if head.per_token else AutoModelForSequenceClassification
    kind = f"For{'Token' if head.per_token else 'Sequence'}Classification"
    same = any(name.endswith(kind) for name in config.architectures or [])
    try:
        with quiet():
            hf, info = auto.from_pretrained(
                source,
                config=config,
                revision=revision,
                dtype=torch.float32,
                attn_implementation="sdpa",
                output_loading_info=True,
                ignore_mismatched_sizes=not same,  # a head of the other kind is replaced
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{source}: the weights cannot be loaded: {_first_line(error)}") from None
    absent = set(info["missing_keys"]) | {entry[0] for entry in info["mismatched_keys"]}
    if gaps := sorted(absent - {"score.weight"}):
        raise InputError(f"{source}: weights are missing in the files, e.g. {', '.join(gaps[:3])}")
    return hf, not same or "score.weight" in absent


def _ready(
    hf: Any,
    codec: Codec,
    objective: Objective,
    head: Head,
    backend: Backend,
    dtype: torch.dtype,
    extras: dict[str, Any],
    device: torch.device,
) -> RewardModel:
    hf.set_attn_implementation(backend.implementation)
    hf.to(device).eval()  # eval: reward models are trained without dropout, as TRL and OpenRLHF do
    model = RewardModel(hf, codec, objective, head, backend, dtype, extras)
    check_packs(model)
    return model


@torch.no_grad()
def check_packs(model: RewardModel) -> None:
    """Refuse an architecture whose hidden states in a packed tree differ from those of plain rows."""
    rng = np.random.default_rng(0)
    stem, left, right = (rng.integers(0, model.hf.config.get_text_config().vocab_size, n) for n in (5, 4, 6))
    paths = [np.concatenate([stem, leaf]).astype(np.int32) for leaf in (left, right)]
    refusal = (
        f"{model.hf.config.model_type}: this architecture does not follow tree masks; it cannot be used here"
    )
    try:
        packed, plain = _last_hidden(model, paths), torch.cat([_last_hidden(model, [path]) for path in paths])
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{refusal} ({_first_line(error)})") from error
    if not (packed - plain).norm() <= _MISMATCH * plain.norm():
        raise InputError(refusal)


def _last_hidden(model: RewardModel, paths: list[np.ndarray]) -> Tensor:
    tree = build_tree(paths)
    last = np.array([path[-1] for path in tree.paths], np.int64)
    unit = Unit("", "", tuple(paths), np.arange(len(paths)), last, make_items([], []))
    row = make_row([LabelledTree(tree, [unit], last)])
    return model.hidden(row)[torch.from_numpy(last).to(model.device)].float()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
