"""Models, tokenizer and labelled sets of the trainer benchmark: made from seeds, nothing is downloaded.

The language has 480 words (the step trees use 60), each good or bad. A completion has a hidden quality that
decides how many of its words are good, and comparisons go by that quality; a step is right where its share of
good words is raised. What is to be learned is one bit a word: held-out accuracy rises with useful updates.

Lengths are log-normal around the medians of a case. Every side gets the same token ids: ours as tables, which
`trainers` tokenises, the peers as the ids that this tokenisation gives.
"""

from __future__ import annotations

import json
import math
import random
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

N_WORDS = 480
SPREAD = 0.6  # of log lengths; 16 such rows padded to the longest take 2.4 times their tokens
LONGEST = 900  # tokens of a completion; with the prompt below the 1,024 at which TRL drops a row
CHOSEN_RIGHT, OTHERS_RIGHT = 1.0, 0.3  # share of right steps on the chosen path and among the others
GOOD_OF_STEP = (0.1, 0.9)  # share of good words in a wrong and in a right step
TEMPLATE = "{% for m in messages %}<|{{ m['role'] }}|> {{ m['content'] }} <|end|> {% endfor %}"
SHAPES: dict[str, dict[str, Any]] = {
    # A Llama for one CPU core, and the published shapes of Qwen3.
    "small": dict(width=128, inner=352, layers=4, heads=4, groups=2, head=32, vocabulary=512),
    "random-0.6b": dict(width=1024, inner=3072, layers=28, heads=16, groups=8, head=128, vocabulary=151936),
    "random-1.7b": dict(width=2048, inner=6144, layers=28, heads=16, groups=8, head=128, vocabulary=151936),
    "random-4b": dict(width=2560, inner=9728, layers=36, heads=32, groups=8, head=128, vocabulary=151936),
}


class Case(NamedTuple):
    """`prompt` and `response` are median lengths in tokens. A step of the optimiser takes `step_prompts`
    prompts with all their comparisons, at every side but a peer's defaults."""

    title: str
    objective: str  # bt or prm
    prompt: int
    response: int
    completions: int  # of a prompt; all their comparisons, or all their steps, are labelled
    prompts: int  # to train on
    held_out: int
    step_prompts: int
    steps: int = 0
    alternatives: int = 0  # of each step: rows are made as from PRM800K, one for each that is not chosen
    spread: float = SPREAD
    words: int = N_WORDS  # in use


class Group(NamedTuple):
    """A prompt and its completions as lists of steps; `quality` orders completions, `labels` are of steps."""

    prompt: str
    completions: list[list[str]]
    quality: list[float]
    labels: list[list[bool | None]]


def groups(case: Case, seed: int) -> tuple[list[Group], list[Group]]:
    """Prompts to train on and held-out ones; lengths are scaled so that medians hold."""
    rng = random.Random(seed)
    made = [_group(case, rng, i) for i in range(case.prompts + case.held_out)]
    return made[: case.prompts], made[case.prompts :]


def _group(case: Case, rng: random.Random, i: int) -> Group:
    # The number at the start makes the prompt unique; the words behind it have no say in the labels.
    prompt = f"{_number(i)} {_words(case, rng, _length(case.prompt - 6, case.spread, rng), 0.5)}"
    if case.objective == "bt":
        quality = [rng.gauss(0, 1) for _ in range(case.completions)]
        texts = [[_words(case, rng, _length(case.response, case.spread, rng), _share(q))] for q in quality]
        return Group(prompt, texts, quality, [])
    if not case.alternatives:
        rows = [_solution(case, rng) for _ in range(case.completions)]
        return Group(prompt, [steps for steps, _ in rows], [], [labels for _, labels in rows])
    return _step_tree(case, rng, prompt)


def _step_tree(case: Case, rng: random.Random, prompt: str) -> Group:
    """One path of chosen steps; each alternative of a step makes a row of its own, as in TRL's conversion of
    PRM800K. The steps before it have their label in the first row."""
    chosen, labels = _solution(case, rng, CHOSEN_RIGHT)
    rows, targets = [chosen], [labels]
    for t in range(case.steps):
        for _ in range(case.alternatives - 1):
            other, label = _step(case, rng, OTHERS_RIGHT)
            rows.append([*chosen[:t], other])
            targets.append([*[None] * t, label])
    return Group(prompt, rows, [], targets)


def _solution(case: Case, rng: random.Random, right: float = 0.5) -> tuple[list[str], list[bool | None]]:
    made = [_step(case, rng, right) for _ in range(case.steps)]
    return [text for text, _ in made], [label for _, label in made]


def _step(case: Case, rng: random.Random, right: float) -> tuple[str, bool]:
    label = rng.random() < right
    n = _length(case.response // case.steps - 1, case.spread, rng, LONGEST // case.steps)
    return _words(case, rng, n, GOOD_OF_STEP[label]) + " <|step|> ", label


def _length(median: int, spread: float, rng: random.Random, longest: int = LONGEST) -> int:
    return max(1, min(longest, round(median * math.exp(rng.gauss(0, spread)))))


def _share(quality: float) -> float:
    return 1 / (1 + math.exp(-0.5 * quality))


def _words(case: Case, rng: random.Random, n: int, good: float) -> str:
    half = case.words // 2
    return " ".join(f"w{2 * rng.randrange(half) + (rng.random() < good)}" for _ in range(n))


def _number(i: int) -> str:
    return " ".join(f"w{int(digit)}" for digit in f"{i:05d}")


def make_tokenizer(folder: Path) -> Any:
    """A word a token; the template writes `<|user|> words <|end|> <|assistant|> words <|end|>`."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<|pad|>", "<|end|>", "<|unknown|>", "<|user|>", "<|assistant|>", "<|step|>"]
    tokens = [*special, *(f"w{i}" for i in range(N_WORDS))]
    core = Tokenizer(models.WordLevel({t: i for i, t in enumerate(tokens)}, unk_token="<|unknown|>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<|pad|>", eos_token="<|end|>", unk_token="<|unknown|>"
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return tokenizer


def make_model(folder: Path, shape: str, objective: str, device: str) -> None:
    """A reward model with random weights and a small random head, so that all sides start from the same."""
    import torch
    from transformers import (
        AutoModelForSequenceClassification,
        AutoModelForTokenClassification,
        LlamaConfig,
        Qwen3Config,
    )

    s = SHAPES[shape]
    make_config = LlamaConfig if shape == "small" else Qwen3Config
    names = ["reward"] if objective == "bt" else ["incorrect", "correct"]
    config = make_config(
        vocab_size=s["vocabulary"],
        hidden_size=s["width"],
        intermediate_size=s["inner"],
        num_hidden_layers=s["layers"],
        num_attention_heads=s["heads"],
        num_key_value_heads=s["groups"],
        head_dim=s["head"],
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
        token_classification_bias=False,
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
    )
    auto = AutoModelForSequenceClassification if objective == "bt" else AutoModelForTokenClassification
    torch.manual_seed(0)
    with torch.device(device):
        model = auto.from_config(config)
    torch.nn.init.normal_(model.score.weight, std=1 / (s["width"] + 1))
    # On disk in bfloat16 where weights are gigabytes: every side then reads them as float32.
    model.to(torch.bfloat16 if device == "cuda" else torch.float32).save_pretrained(folder)
    make_tokenizer(folder)


def write_data(folder: Path, case: Case, train: list[Group], held_out: list[Group], model: Path) -> None:
    """train.parquet for ours, train.json for the peers, held_out.json for the one judge of all sides."""
    from transformers import AutoTokenizer

    from trainers.tokenize import Codec

    folder.mkdir(parents=True, exist_ok=True)
    codec = Codec(AutoTokenizer.from_pretrained(model), str(model))
    table = [row for i, group in enumerate(train) for row in _rows(case, group, f"p{i:05d}")]
    pq.write_table(pa.Table.from_pylist(table), folder / "train.parquet")
    make = _pairs if case.objective == "bt" else _labelled
    (folder / "train.json").write_text(json.dumps([row for g in train for row in make(g, codec)]))
    (folder / "held_out.json").write_text(json.dumps([_judged(case, g, codec) for g in held_out]))


def _rows(case: Case, group: Group, prompt_id: str) -> list[dict[str, Any]]:
    """Rows of store/tables.py: a preference, a ranking, or a stepwise row for each completion."""
    head = {"prompt_id": prompt_id, "prompt": _said("user", group.prompt)}
    if case.objective == "prm":
        both = zip(group.completions, group.labels, strict=True)
        return [{**head, "completions": steps, "labels": labels} for steps, labels in both]
    texts = [steps[0] for steps in group.completions]
    if len(texts) > 2:
        return [{**head, "completions": texts, "scores": group.quality}]
    ((i, j),) = comparisons(group.quality)
    return [{**head, "chosen": _said("assistant", texts[i]), "rejected": _said("assistant", texts[j])}]


def comparisons(quality: list[float]) -> list[tuple[int, int]]:
    """All pairs, the better one first."""
    return [(i, j) if quality[i] > quality[j] else (j, i) for i, j in combinations(range(len(quality)), 2)]


def _said(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def _encoded(group: Group, codec: Any) -> list[Any]:
    return [codec.encode(_said("user", group.prompt), steps) for steps in group.completions]


def _pairs(group: Group, codec: Any) -> list[dict[str, Any]]:
    ids = [one.ids.tolist() for one in _encoded(group, codec)]
    return [
        {"chosen_ids": ids[i], "rejected_ids": ids[j], "length": max(len(ids[i]), len(ids[j]))}
        for i, j in comparisons(group.quality)
    ]


def _labelled(group: Group, codec: Any) -> list[dict[str, Any]]:
    rows = []
    for one, labels in zip(_encoded(group, codec), group.labels, strict=True):
        row = [-100] * len(one.ids)
        for at, label in zip(one.ends, labels, strict=True):
            row[at] = -100 if label is None else int(label)
        rows.append({"input_ids": one.ids.tolist(), "labels": row, "length": len(row)})
    return rows


def _judged(case: Case, group: Group, codec: Any) -> dict[str, Any]:
    """Token ids, where the model's judgement is read, and what is right."""
    encoded = _encoded(group, codec)
    if case.objective == "bt":
        at = [[len(one.ids) - 1] for one in encoded]
        return {
            "ids": [one.ids.tolist() for one in encoded],
            "at": at,
            "pairs": comparisons(group.quality),
        }
    both = list(zip(encoded, group.labels, strict=True))
    known = [[i for i, label in enumerate(labels) if label is not None] for labels in group.labels]
    return {
        "ids": [one.ids.tolist() for one in encoded],
        "at": [[int(one.ends[i]) for i in some] for (one, _), some in zip(both, known, strict=True)],
        "labels": [[labels[i] for i in some] for (_, labels), some in zip(both, known, strict=True)],
    }
