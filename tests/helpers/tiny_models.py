"""Tiny random models of five architectures, a byte tokenizer, and tables in the pipeline's columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
ARCHITECTURES = ("llama", "qwen2", "qwen3", "gemma", "olmo2")
SIZES = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,  # large enough for attention to matter
}


def tokenizer_with_merges(n: int = 1) -> Any:
    """As `byte_tokenizer`, with merges across the borders of steps: of a full stop and a newline, then of two
    newlines."""
    return byte_tokenizer(merges=[(".", "Ċ"), ("Ċ", "Ċ")][:n])


def byte_tokenizer(pad: str | None = "<pad>", merges: Sequence[tuple[str, str]] = ()) -> Any:
    """One token a byte and three special ones, ChatML; `pad` may be None or the EOS token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    specials = ["<pad>", "<|im_start|>", "<|im_end|>"]
    tokens = [*specials, *sorted(pre_tokenizers.ByteLevel.alphabet()), *map("".join, merges)]
    core = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=list(merges)))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not merges)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(specials)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|im_end|>", pad_token=pad)
    tokenizer.chat_template = CHATML
    return tokenizer


def make_base(folder: Path, architecture: str = "qwen2", tokenizer: Any = None, **changes: Any) -> Path:
    """A causal language model folder with random weights."""
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    torch.manual_seed(0)
    sizes = {name: value for name, value in {**SIZES, **changes}.items() if value is not None}
    config = CONFIG_MAPPING[architecture](**sizes)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    (tokenizer or byte_tokenizer()).save_pretrained(folder)
    return folder


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def assistant(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    names = dict.fromkeys(name for row in rows for name in row)
    pq.write_table(pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows]), path)
    return path


def sum_rows(objective: str, n: int = 24, per_prompt: int = 4) -> list[dict[str, Any]]:
    """Rows about single-digit sums; solution i of a prompt is right where i is even."""
    rows: list[dict[str, Any]] = []
    for i in range(n):
        a, b = i // per_prompt % 5, i // per_prompt % 7
        right, wrong = f"{a}+{b}={a + b}", f"{a}+{b}={a + b + 1 + i % 3}"
        prompt = {"prompt": user(f"What is {a}+{b}?"), "prompt_id": f"p{i // per_prompt:03d}"}
        text = right if i % 2 == 0 else wrong
        if objective == "bt":
            pair = {"chosen": assistant(f"{right} ({i})."), "rejected": assistant(f"{wrong} ({i}).")}
            rows.append({**prompt, **pair, "margin": 0.5, "soft": 1.0})
        elif objective == "orm":
            rows.append({**prompt, "completion": assistant(f"{text} ({i})."), "label": i % 2 == 0})
        else:
            steps = ["Add.\n", f"{text}\n", f"So ({i})."]
            rows.append(
                {
                    **prompt,
                    "completions": steps,
                    "labels": [True, i % 2 == 0, None],
                    "values": [1.0, 0.3, 0.5],
                }
            )
    return rows
