"""README.md of a trained model, from its config.json and training manifest alone: what its numbers mean, code
that reads them as training did, what was measured, what it was trained on."""

from __future__ import annotations

import re
from typing import Any

from .config import TrainConfig
from .heads import Head, read_head
from .model import EXTRAS

Facts = dict[str, Any]
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_TITLES = {
    "bt": "Bradley-Terry reward model",
    "orm": "Outcome reward model",
    "prm": "Process reward model",
    "regression": "Attribute reward model",
}
_TAGS = {"orm": "outcome-reward-model", "prm": "process-reward-model"}
_ALWAYS_SHOWN = ("objective", "epochs", "lr", "seed")
_AGGREGATES = {
    "mean": "members.mean(-1)",
    "min": "members.min(-1).values",
    "mean-std": "members.mean(-1) - members.std(-1, correction=0)",
}


def model_card(config: Facts, manifest: Facts, in_transformers: bool = True) -> str:
    """Markdown with the header that the Hugging Face Hub reads. `in_transformers`: the library has the
    model's class."""
    extras = config[EXTRAS]
    head = read_head(extras["head"])
    sections = [
        _header(manifest["model"], extras["objective"], head),
        _introduction(config, extras, head, manifest),
        _reading(extras, head, in_transformers),
        _measured(manifest),
        _training(manifest),
        _limits(extras),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def exported_card(architecture: str, extras: Facts, manifest: Facts) -> str:
    """Of a step model in the form that vLLM has built in."""
    head = read_head(extras["head"])
    used = f"""# Process reward model for vLLM

A {architecture} with the scores of the model it was made from: the softmax over incorrect and correct at
every token, to be read at the last token of each step.

```python
import torch
from transformers import AutoTokenizer
from vllm import LLM
from vllm.config import PoolerConfig

folder = "PATH"  # where this file is, or its name on the Hub
tokenizer = AutoTokenizer.from_pretrained(folder)
{_encoding(extras)}
llm = LLM(folder, runner="pooling", dtype="float32", pooler_config=PoolerConfig(tok_pooling_type="ALL"))
found = llm.encode([{{"prompt_token_ids": ids}}], pooling_task="token_classify")
step_rewards = found[0].outputs.data[:, 1][ends]
```

Steps that end in a token of their own can be picked by vLLM itself: `PoolerConfig(step_tag_id=...)`."""
    header = _header(manifest["model"], extras["objective"], head, library="vllm")
    sections = [header, used, _measured(manifest), _training(manifest), _limits(extras)]
    return "\n\n".join(sections) + "\n"


def _limits(extras: Facts) -> str:
    thoughts = (
        " The chat template rewrites `<think>` in the assistant's words; the model was trained on "
        "completions as they are, so give it token ids made as above, not renderings of the template."
        if "thoughts" in extras["template_rewrites"]
        else ""
    )
    return (
        "## Limits\n\nRewards of other kinds of prompts, of longer texts, or of another policy's style are "
        "extrapolation, and a policy optimised against them will find what the model gets wrong." + thoughts
    )


def _header(base: str, objective: str, head: Head, library: str = "transformers") -> str:
    lines = [f"base_model: {base}"] if _HUB_NAME.fullmatch(base) else []
    lines += [
        f"library_name: {library}",
        f"pipeline_tag: {'token' if head.per_token else 'text'}-classification",
        "tags:",
        "- reward-model",
        *(f"- {_TAGS[objective]}" for _ in [0] if objective in _TAGS),
    ]
    return "\n".join(["---", *lines, "---"])


def _introduction(config: Facts, extras: Facts, head: Head, manifest: Facts) -> str:
    used, rows = (f"{manifest['record']['counts'].get(name, 0):,}" for name in ("used", "rows"))
    several = (
        f" It has {head.n} heads, each trained on its own resampling of the data; rewards are joined by "
        f"{extras['aggregate']}."
        if head.n > 1
        else ""
    )
    return (
        f"# {_TITLES[extras['objective']]}\n\n"
        f"{config['architectures'][0]}, trained from {manifest['model']} on {used} of {rows} rows."
        f"{several}\n\n{_meaning(extras['objective'], head)}"
    )


def _meaning(objective: str, head: Head) -> str:
    if objective == "regression":
        return f"It predicts {', '.join(head.labels)} at the last token; the reward is the first of them."
    if objective == "bt":
        return (
            "The reward is the logit of the last token; only differences between answers to one prompt mean "
            "anything."
        )
    if objective == "orm":
        where = "the last token" if not head.per_token else "every token, and the last one counts"
        return f"The reward is P(the solution is right), read at {where}."
    step = "P(good) + P(neutral) / 2" if head.kind == "classes" else "P(the step is right)"
    return (
        f"It gives {step} at the last token of each step; the reward of a solution is the minimum over its "
        "steps."
    )


def _reading(extras: Facts, head: Head, in_transformers: bool) -> str:
    auto = f"AutoModelFor{'Token' if head.per_token else 'Sequence'}Classification"
    task = "token_classify" if head.per_token else "classify"
    imports = "" if in_transformers else "from trainers.token_classes import ensure_token_class\n"
    register = (
        ""
        if in_transformers
        else "ensure_token_class(AutoConfig.from_pretrained(folder))  # a class that transformers lacks\n"
    )
    return f"""## Read it

```python
import torch
from transformers import {"" if in_transformers else "AutoConfig, "}{auto}, AutoTokenizer
{imports}
folder = "PATH"  # where this file is, or its name on the Hub
{register}tokenizer = AutoTokenizer.from_pretrained(folder)
model = {auto}.from_pretrained(folder, dtype="float32").eval()
{_encoding(extras)}
with torch.no_grad():
    logits = model(torch.tensor([ids])).logits[0]
{_formula(extras, head)}
```

With vLLM the same `logits`:

```python
from vllm import LLM, PoolingParams

llm = LLM(folder, runner="pooling", dtype="float32")
raw = PoolingParams(use_activation=False)
found = llm.encode([{{"prompt_token_ids": ids}}], raw, pooling_task="{task}")
logits = found[0].outputs.data
```

Many at once, completions of a prompt sharing its tokens: `python -m trainers.score PATH DATA --output
scores.parquet`, or

```python
from trainers import Item, score

reward = score(folder, [Item(prompt, steps)])[0].reward
```"""


def _encoding(extras: Facts) -> str:
    """Python lines from a conversation to `ids`, and of steps also `ends`."""
    steps = extras["objective"] == "prm"
    example = '["2 + 3 = 5\\n", "The answer is 5."]' if steps else '["2 + 3 = 5. The answer is 5."]'
    trimmed = "outer whitespace" in extras["template_rewrites"]
    lines = [
        'prompt = [{"role": "user", "content": "What is 2 + 3?"}]',
        f"steps = {example}  # joined they are the completion{', its outer whitespace trimmed' * trimmed}",
        "",
        "# The chat template writes all special tokens; each part is tokenised on its own, as in training.",
        'marked = [*prompt, {"role": "assistant", "content": "@@"}]',
        'before, _, after = tokenizer.apply_chat_template(marked, tokenize=False).rpartition("@@")',
        "parts = [tokenizer(part, add_special_tokens=False).input_ids for part in [before, *steps, after]]",
    ]
    if steps:
        lines.append("# The last token of each step.")
        lines.append("ends = torch.tensor([len(part) for part in parts]).cumsum(0)[1:-1] - 1")
    return "\n".join([*lines, "ids = sum(parts, [])"])


def _formula(extras: Facts, head: Head) -> str:
    """Python lines from `logits`, (outputs,) or (tokens, outputs), to `reward`; as trainers/readout.py."""
    several = head.n > 1
    split = f"logits.view(-1, {head.n}, {len(head.labels)})" if several else "logits"
    if head.kind == "attributes":
        values = f"logits.view({head.n}, {len(head.labels)}).T" if several else "logits"
        lines = [f"# values: {', '.join(head.labels)}"]
    elif head.kind == "classes":
        lines, values = [f"shares = {split}.softmax(-1)"], "shares[..., 2] + shares[..., 1] / 2"
    elif head.kind == "binary":
        lines, values = [], f"{split}.softmax(-1)[..., 1]"
    else:
        lines, values = [], "logits.sigmoid()" if extras["objective"] == "orm" else "logits"
    if several and extras["objective"] == "bt":
        std = [deviation or 1.0 for deviation in extras["head_std"]]  # as ensemble.py does
        values = f"({values} - torch.tensor({extras['head_mean']})) / torch.tensor({std})"
    if several:
        lines.append(f"members = {values}")
        values = _AGGREGATES[extras["aggregate"]]
    if extras["objective"] == "prm":
        lines += [f"values = {values}", "step_rewards = values[ends]", "reward = step_rewards.min()"]
    elif head.kind == "reward":
        lines.append(f"reward = {values}" if several else f"reward = {values}[0]")
    else:
        lines += [f"values = {values}", f"reward = values[{-1 if head.per_token else 0}]"]
    return "\n".join(lines)


def _measured(manifest: Facts) -> str:
    record = manifest["record"]
    if record["best_eval"] < 0:
        return "## Measured\n\nNothing was held out in this training."
    found = record["evals"][record["best_eval"]]
    lines = [f"| {name.replace('_', ' ')} | {_number(value)} |" for name, value in found.items()]
    table = "\n".join(["| on held-out prompts | |", "|---|--:|", *lines])
    used, rows = (f"{record['eval_counts'].get(name, 0):,}" for name in ("used", "rows"))
    source = (
        ", ".join(manifest["eval_data"])
        or f"{100 * manifest['settings']['eval_fraction']:.3g} % of the training data's prompts"
    )
    notes = [f"Held out: {used} of {rows} rows of {source}."]
    if len(record["evals"]) > 1:
        notes.append("The weights are those of the best evaluation on these prompts.")
    if found.get("first_error_f1") is not None:
        notes.append("The threshold of the first error is chosen on these very rows, which flatters its F1.")
    return f"## Measured\n\n{table}\n\n{' '.join(notes)}"


def _number(value: float | None) -> str:
    if value is None:
        return "not defined"
    return f"{value:,.0f}" if value == int(value) else f"{value:.4g}"


def _training(manifest: Facts) -> str:
    defaults = {name: field.default for name, field in TrainConfig.model_fields.items()}
    shown = {
        name: value
        for name, value in manifest["settings"].items()
        if name in _ALWAYS_SHOWN or value != defaults[name]
    }
    lines = [f"| {name} | {value} |" for name, value in sorted(shown.items())]
    dropped = {k: v for k, v in manifest["record"]["counts"].items() if k not in ("rows", "used")}
    counts = "".join(f", {v:,} dropped ({k.replace('_', ' ')})" for k, v in sorted(dropped.items()))
    versions = ", ".join(f"{name} {number}" for name, number in manifest["versions"].items())
    return (
        f"## Training\n\nData: {', '.join(manifest['data'])}{counts}.\n\n"
        + "\n".join(["| setting | |", "|---|---|", *lines])
        + (
            "\n\n`adapter/` holds the LoRA adapter and the head alone."
            if manifest["settings"]["lora"]
            else ""
        )
        + f"\n\nOther settings have their defaults; `training.json` has all. {versions}."
    )
