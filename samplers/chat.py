"""From messages to the token ids a model reads: one chat template, special tokens from it alone.

    ids(messages)          = encode(text)               text = template(messages, add_generation_prompt=True)
    ids(messages, prefill) = encode(text + prefill)     if that begins with ids(messages), else
                             ids(messages) + encode(prefill)

Text is encoded with `add_special_tokens=False`: a template that writes a BOS gets one, as in training.
The model wrote its tokens after the prompt's, so a prefill must never melt into the last token of the prompt:
the second form keeps the two apart where the tokenizer would merge them.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from samplers.engine import Message
from store.errors import InputError

CONTEXT_TOKENS = 8
CACHED_PROMPTS = 4096  # rendered prompts kept: samples and rollouts of one prompt come together


class ChatTokens:
    """Renders conversations for one model."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._rendered = lru_cache(CACHED_PROMPTS)(self._render)
        self._ids = lru_cache(CACHED_PROMPTS)(self._encode)

    def ids(self, messages: tuple[Message, ...], prefill: str = "") -> list[int]:
        """Token ids of the conversation up to the point where the model writes on; do not modify the list."""
        return self._ids(tuple(tuple(sorted(message.items())) for message in messages), prefill)

    def continued(self, messages: tuple[Message, ...], prefill: str, text: str) -> list[int]:
        """Token ids that write `text` behind `ids(messages, prefill)`."""
        head, whole = self.ids(messages, prefill), self.ids(messages, prefill + text)
        return whole[len(head) :] if whole[: len(head)] == head else self._tokens(text)

    def text(self, prompt: list[int], new: list[int], stop: tuple[str, ...] = ()) -> str:
        """What `new` adds to `prompt`, up to the first stop string.

        Decoded behind the end of the prompt, because some tokenizers drop the space of a first word.
        """
        context = prompt[-CONTEXT_TOKENS:]
        before = self.tokenizer.decode(context, skip_special_tokens=True)
        whole = self.tokenizer.decode(context + new, skip_special_tokens=True)
        # Else a character of several tokens spans the boundary.
        text = (
            whole[len(before) :]
            if whole.startswith(before)
            else self.tokenizer.decode(new, skip_special_tokens=True)
        )
        ends = [at for mark in stop if (at := text.find(mark)) >= 0]
        return text[: min(ends, default=None)]

    def _encode(self, turns: tuple[tuple[tuple[str, str], ...], ...], prefill: str) -> list[int]:
        text, head = self._rendered(turns)
        if not prefill:
            return head
        whole = self._tokens(text + prefill)
        return whole if whole[: len(head)] == head else head + self._tokens(prefill)

    def _render(self, turns: tuple[tuple[tuple[str, str], ...], ...]) -> tuple[str, list[int]]:
        from jinja2 import TemplateError

        messages = [dict(turn) for turn in turns]
        try:
            text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except TemplateError as error:
            roles = [message["role"] for message in messages]
            raise InputError(
                f"the model's chat template does not accept a conversation with roles {roles}: {error}"
            ) from error
        return text, self._tokens(text)

    def _tokens(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]


def load_chat(model: str, revision: str | None = None, template: str | None = None) -> ChatTokens:
    """The tokenizer of a model folder or Hub repository. `template`: a Jinja text or file to use instead."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model, revision=revision)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"model {model}: its tokenizer cannot be loaded: {error}") from error
    if template:
        tokenizer.chat_template = read_template(template)
    if not tokenizer.chat_template:
        raise InputError(
            f"model {model} has no chat template, so there is no telling how it reads a conversation; "
            "give one in the recipe (engine.chat_template: a Jinja file), or use the instruction-tuned model"
        )
    return ChatTokens(tokenizer)


def read_template(template: str) -> str:
    """A template is its own text if it has Jinja marks, else the name of a file."""
    if "{{" in template or "{%" in template:
        return template
    try:
        return Path(template).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"engine.chat_template: cannot read {template}: {error.strerror}") from error
