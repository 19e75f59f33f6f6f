"""The embedded policy's tokenizer: byte-level BPE in which every word and number of the world is one token.

The merges are learned from the world's own vocabulary, so " 0" to " 99", every name and every word of the
judge's prompt are single tokens, while any other text falls back to bytes. No learned merge contains a
newline, so a step boundary never melts into its neighbours. Turns follow ChatML (github.com/openai/openai-
python, chatml.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .world import NAMES, OBJECTS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, START, END = "<pad>", "<|im_start|>", "<|im_end|>"
HERE = Path(__file__).parent
JUDGE_PROMPT = (HERE / "judge_prompt.txt").read_text().strip()
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content']"
    " + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
_WORDS = (
    "has more fewer less than twice half as many How does have The the answer is right wrong"
    " user assistant system . , ? : + - * / = [[ ]] A B C"
)


def _vocabulary() -> list[str]:
    """Every word of the world and of the judge's prompt, with and without its leading space."""
    prompt = JUDGE_PROMPT.replace("[[", " [[ ").replace("]]", " ]] ").replace(":", " : ")
    words = [w.strip(".,?") for w in prompt.split() if "{" not in w]
    words = list(dict.fromkeys([*_WORDS.split(), *NAMES, *OBJECTS, *words, *map(str, range(100))]))
    return [form for word in words if word for form in (word, f" {word}")]


def build() -> PreTrainedTokenizerFast:
    """The tokenizer with its chat template; the same bytes every time."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=4096,
        min_frequency=1,
        special_tokens=[PAD, START, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    core.train_from_iterator(_vocabulary(), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=START,
        eos_token=END,
        pad_token=PAD,
        model_max_length=2048,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
