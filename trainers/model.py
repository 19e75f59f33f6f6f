"""A reward model: a Hugging Face backbone and one bias-free linear head, kept in the class that will be
saved.

    bt, orm on the last token   {Arch}ForSequenceClassification, one label, problem_type "regression" (vLLM
                                would put a sigmoid over it otherwise): the raw logit of the last token
    orm per token, prm          {Arch}ForTokenClassification, two labels: P(correct) = softmax(logits)[..., 1]

The trained module is the saved one, so nothing is converted. Head and loss are float32 whatever the compute
type. A fresh head is drawn from N(0, 1/(d+1)²) (OpenRLHF), so training starts near ln 2; the head of an
existing reward model of the same kind is kept."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.nn import functional as F
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)
from transformers.utils import logging as transformers_logging

from store.errors import InputError

from .attention import Backend, choose_backend
from .config import Objective, TrainConfig
from .pack import LabelledTree, Row, make_row
from .tokenize import Codec, ensure_pad_token
from .trees import build_tree
from .units import Unit

EXTRAS = "rewardsmith"  # our entry in config.json
_MISMATCH = 0.05  # relative; a model that ignores the mask is off by order 1, rounding in bfloat16 by 0.01
_SAMPLED = 1024  # values of each tensor that go into the weights' fingerprint
_UNBOUNDED = 1 << 30


@dataclass
class RewardModel:
    """`hf` is the Hugging Face module with `score` as head; `per_token` tells its two kinds apart."""

    hf: Any
    codec: Codec
    objective: Objective
    per_token: bool
    backend: Backend
    dtype: torch.dtype
    extras: dict[str, Any]

    @property
    def device(self) -> torch.device:
        return self.hf.score.weight.device

    @property
    def max_positions(self) -> int:
        return int(getattr(self.hf.config.get_text_config(), "max_position_embeddings", None) or _UNBOUNDED)

    def logits(self, row: Row) -> Tensor:
        """One float32 logit for each label of the row: the reward, or the log-odds of correct."""
        out = F.linear(self.hidden(row).float(), self.hf.score.weight.float())
        return out[:, 1] - out[:, 0] if self.per_token else out[:, 0]

    def hidden(self, row: Row) -> Tensor:
        """Last hidden state of each labelled token."""
        tokens, depth, index = (
            torch.from_numpy(a).to(self.device) for a in (row.tokens, row.depth, row.index)
        )
        reduced = self.dtype != torch.float32
        with torch.autocast(self.device.type, self.dtype) if reduced else contextlib.nullcontext():
            extra = self.backend.inputs(row, self.device)
            out = self.hf.base_model(
                input_ids=tokens[None], position_ids=depth[None], use_cache=False, **extra
            )
        return out.last_hidden_state[0].index_select(0, index)

    def weights_fingerprint(self) -> str:
        """Names the weights by shape and first values of every tensor."""
        digest = hashlib.blake2b(digest_size=16)
        for name, tensor in sorted(self.hf.state_dict().items()):
            sample = tensor.detach().flatten()[:_SAMPLED].float().cpu().numpy().tobytes()
            digest.update(f"{name} {tuple(tensor.shape)} ".encode() + sample)
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """A plain Hugging Face checkpoint with its tokenizer."""
        setattr(self.hf.config, EXTRAS, self.extras)
        with _quiet():
            self.hf.save_pretrained(folder)
            self.codec.tokenizer.save_pretrained(folder)


def pick_device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device: 'cuda' was asked for but torch sees no GPU; use device: auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def open_base(settings: TrainConfig, device: torch.device, seed: int) -> RewardModel:
    """The model to train, from a base language model or from a reward model of the same kind."""
    source, objective = settings.model, settings.objective
    per_token = objective == "prm" or (objective == "orm" and settings.orm_target == "token")
    config, tokenizer = _open_parts(source, settings.revision)
    ensure_pad_token(tokenizer)
    _configure_head(config, per_token)
    hf, fresh_head = _load(source, config, per_token, settings.revision)
    if len(tokenizer) > hf.get_input_embeddings().num_embeddings:
        hf.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    hf.config.get_text_config().pad_token_id = tokenizer.pad_token_id  # the embedding had to have it first
    if fresh_head:
        generator = torch.Generator().manual_seed(seed)
        torch.nn.init.normal_(hf.score.weight, std=1 / (hf.score.in_features + 1), generator=generator)
    codec = Codec(tokenizer, source)
    extras = {
        "objective": objective,
        "label_at": "step end" if objective == "prm" else "every token" if per_token else "last token",
        "steps": "steps concatenate to the completion; each is tokenised on its own",
        "tokenisation": codec.fingerprint,
    }
    dtype = getattr(torch, settings.dtype)
    return _ready(
        hf, codec, objective, per_token, choose_backend(settings.attention, device), dtype, extras, device
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
    per_token = extras["label_at"] != "last token"
    hf, fresh_head = _load(str(folder), config, per_token, None)
    if fresh_head:
        raise InputError(f"{folder}: the checkpoint has no reward head (score.weight); train it again")
    backend, compute = choose_backend(attention, device), getattr(torch, dtype)
    return _ready(hf, codec, extras["objective"], per_token, backend, compute, extras, device)


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


def _configure_head(config: Any, per_token: bool) -> None:
    labels = ["incorrect", "correct"] if per_token else ["reward"]
    config.id2label = dict(enumerate(labels))  # sets num_labels
    config.label2id = {label: i for i, label in enumerate(labels)}
    config.problem_type = None if per_token else "regression"
    config.token_classification_bias = False


def _load(source: str, config: Any, per_token: bool, revision: str | None) -> tuple[Any, bool]:
    """The module in float32, and whether its head is fresh; any other gap in the files is an error."""
    auto = AutoModelForTokenClassification if per_token else AutoModelForSequenceClassification
    kind = f"For{'Token' if per_token else 'Sequence'}Classification"
    same = any(name.endswith(kind) for name in config.architectures or [])
    try:
        with _quiet():
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
    per_token: bool,
    backend: Backend,
    dtype: torch.dtype,
    extras: dict[str, Any],
    device: torch.device,
) -> RewardModel:
    hf.set_attn_implementation(backend.implementation)
    hf.to(device).eval()  # eval: reward models are trained without dropout, as TRL and OpenRLHF do
    model = RewardModel(hf, codec, objective, per_token, backend, dtype, extras)
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
    tree, nothing = build_tree(paths), np.zeros(0, np.float32)
    last = np.array([path[-1] for path in tree.paths], np.int64)
    unit = Unit("", "", tuple(paths), np.arange(len(paths)), last, nothing, nothing)
    return model.hidden(make_row([LabelledTree(tree, [unit], last)])).float()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' load report and progress bars: what matters in them is checked here."""
    level = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
