"""The one tokenisation that training, scoring and export share.

A conversation is three parts, each tokenised on its own and joined as ids:

    before   what the chat template writes up to the assistant's words (the generation prompt included)
    segments the completion: one segment, or one for each step
    after    what the template writes behind the assistant's words, e.g. `<|im_end|>\\n`

`before` and `after` come from rendering the conversation once with a marker in the place of the completion,
so `before + completion + after` is the text the template renders for the whole conversation. Where a template
trims the assistant's words, so does the codec, and plain Transformers, vLLM's chat and TRL read the same;
what one does to thoughts (`<think>`) is not done here, and `Codec.rewrites` tells of it. A boundary is
an index into the ids, never a token that is searched for, so no separator can be merged away or forged. The
fingerprint of template and vocabulary goes into the checkpoint and is checked when it is loaded: another
tokenizer or template would score silently wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from store.errors import InputError
from store.ids import content_id

Message = dict[str, str]
Ids = np.ndarray  # int32, one dimension
Strips = tuple[str | None, str | None]  # for str.lstrip and str.rstrip: "" takes nothing, None all whitespace

_MARKER = "\u2460completion\u2460"  # survives the trimming and splitting that templates do
_SYSTEM = {"role": "system", "content": "Think aloud."}
_USER = {"role": "user", "content": "A café sells 12 cups at 3.50 each.\n\nHow much is that?"}
_ASSISTANT = {"role": "assistant", "content": "Do you want\nall of them?"}
_SAMPLES = ([_USER], [_SYSTEM, _USER], [_USER, _ASSISTANT, _USER], [_SYSTEM, _USER, _ASSISTANT, _USER])
_STRIPPED = ("", "\n", None)
_PADDED = (f"\n \n{_MARKER}\n \n", f" \n {_MARKER} \n ")
_THOUGHT = f"<think>\nThree.\n</think>\n\n{_MARKER}"
_SAMPLE_STEPS = ["12 * 3.50 = 42.\n", "  So: \\boxed{42}\n", "\nThe answer is 42."]
PAD_TOKEN = "<|rewardsmith_pad|>"


@dataclass(frozen=True)
class Encoded:
    """One conversation. `ends[i]` is the index of the last token of segment i; the last id closes the
    conversation."""

    ids: Ids
    n_prompt: int
    ends: Ids


class Codec:
    """Turns conversations into ids with a Hugging Face tokenizer; remembers segments and frames it has
    seen."""

    def __init__(self, tokenizer: Any, where: str) -> None:
        self.tokenizer, self.where = tokenizer, where
        if not isinstance(tokenizer.chat_template, str):
            raise InputError(
                f"{where}: the tokenizer has no chat template; put a chat_template.jinja into the folder"
            )
        tokenizer.chat_template = _without_date(tokenizer.chat_template, where)
        self._segments: dict[str, Ids] = {}
        self._frames: dict[str, tuple[Ids, Ids]] = {}
        sample = self._accepted_sample()
        self._strips = self._find_strips(sample)
        # What a plain rendering of the template does to the assistant's words.
        self.rewrites = ["outer whitespace"] * (self._strips != ("", ""))
        self.rewrites += ["thoughts"] * (not self._writes(sample, _THOUGHT, self._strips))

    @cached_property
    def fingerprint(self) -> str:
        """Of all that ids depend on: the template's text, what it writes for several conversations (which
        special tokens it is given counts too), the vocabulary with its ids, and the merges."""
        template = self.tokenizer.chat_template.replace("\r\n", "\n")  # as it is read back from a file
        samples = [self._sample(messages) for messages in _SAMPLES]
        return content_id(template, samples, sorted(self.tokenizer.get_vocab().items()), self._merges())

    def _sample(self, messages: Sequence[Message]) -> list[list[int]] | None:
        try:
            found = self.encode(messages, _SAMPLE_STEPS)
        except InputError:  # e.g. of a template without system messages
            return None
        return [found.ids.tolist(), found.ends.tolist()]

    def _merges(self) -> Any:
        if not self.tokenizer.is_fast:
            return None
        return json.loads(self.tokenizer.backend_tokenizer.to_str())["model"].get("merges")

    def encode(self, messages: Sequence[Message], segments: Sequence[str]) -> Encoded:
        """Outer whitespace is trimmed as the template does it, but no segment to nothing."""
        before, after = self._frame(messages)
        left, right = self._strips
        texts = list(segments)
        texts[0] = texts[0].lstrip(left) or texts[0]
        texts[-1] = texts[-1].rstrip(right) or texts[-1]
        parts = [self._segment(text) for text in texts]
        ids = np.concatenate([before, *parts, after])
        ends = len(before) + np.cumsum([len(part) for part in parts], dtype=np.int32) - 1
        return Encoded(ids, len(before), ends)

    def encode_whole(self, messages: Sequence[Message], segments: Sequence[str]) -> Encoded:
        """As a completion that is one segment; `ends` are then the tokens that hold the segments' last
        characters."""
        text = "".join(segments)
        whole = self.encode(messages, [text])
        if len(segments) == 1:
            return whole
        left, right = self._strips
        kept = (text.lstrip(left) or text).rstrip(right) or text  # as `encode` keeps it
        spans = self.tokenizer(kept, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        starts = np.array([start for start, _ in spans])
        stops = np.cumsum([len(segment) for segment in segments]) - text.index(kept)
        ends = np.searchsorted(starts, stops.clip(1, len(kept))) - 1
        return Encoded(whole.ids, whole.n_prompt, (whole.n_prompt + ends).astype(np.int32))

    def warm(self, texts: Sequence[str]) -> None:
        """Tokenise many segments in one parallel call; `encode` then finds them ready."""
        new = list(dict.fromkeys(text for text in texts if text not in self._segments))
        if new:
            batch = self.tokenizer(new, add_special_tokens=False, return_attention_mask=False)["input_ids"]
            self._segments.update(
                (text, np.array(ids, np.int32)) for text, ids in zip(new, batch, strict=True)
            )

    def forget(self) -> None:
        """Gives back the memory of the texts that were encoded."""
        self._segments.clear()
        self._frames.clear()

    def _segment(self, text: str) -> Ids:
        if text not in self._segments:
            self.warm([text])
        return self._segments[text]

    def _frame(self, messages: Sequence[Message]) -> tuple[Ids, Ids]:
        key = content_id([[m["role"], m["content"]] for m in messages])
        if key not in self._frames:
            self._frames[key] = self._render(list(messages))
        return self._frames[key]

    def _render(self, messages: Sequence[Message]) -> tuple[Ids, Ids]:
        before, after = self._around(messages)
        before_ids, after_ids = self._plain(before), self._plain(after)
        bos = self.tokenizer.bos_token_id
        if bos is not None and len(before_ids) > 1 and before_ids[0] == before_ids[1] == bos:
            raise InputError(
                f"{self.where}: the rendered prompt starts with two BOS tokens: {before[:80]!r}; remove one"
            )
        return before_ids, after_ids

    def _around(self, messages: Sequence[Message]) -> tuple[str, str]:
        before, found, after = self._text(messages, _MARKER).rpartition(_MARKER)
        if not found:
            raise InputError(
                f"{self.where}: the chat template drops the assistant's words; it cannot be used for scoring"
            )
        return before, after

    def _text(self, messages: Sequence[Message], words: str) -> str:
        whole = [*messages, {"role": "assistant", "content": words}]
        try:
            return str(self.tokenizer.apply_chat_template(whole, tokenize=False))
        except Exception as error:  # templates raise their own exceptions, e.g. for roles out of order
            raise InputError(
                f"{self.where}: the chat template refuses the prompt {str(messages)[:200]}: {error}"
            ) from error

    def _accepted_sample(self) -> Sequence[Message]:
        refusals = []
        for messages in _SAMPLES:
            try:
                self._around(messages)
                return messages
            except InputError as error:
                refusals.append(error)
        raise refusals[0]

    def _find_strips(self, sample: Sequence[Message]) -> Strips:
        """Which characters the template takes off both ends of the assistant's words."""
        for strips in product(_STRIPPED, _STRIPPED):
            if all(self._writes(sample, words, strips) for words in _PADDED):
                return strips
        raise InputError(
            f"{self.where}: the chat template rewrites the assistant's words: of {_PADDED[0]!r} it makes "
            f"{self._text(sample, _PADDED[0])!r}; it cannot be used for scoring"
        )

    def _writes(self, sample: Sequence[Message], words: str, strips: Strips) -> bool:
        before, after = self._around(sample)
        left, right = strips
        return self._text(sample, words) == before + words.lstrip(left).rstrip(right) + after

    def _plain(self, text: str) -> Ids:
        # The template has written BOS and the like already: adding special tokens again would double them.
        return np.array(self.tokenizer(text, add_special_tokens=False)["input_ids"], np.int32)


def ensure_pad_token(tokenizer: Any) -> None:
    """A pad token of its own: where pad equals EOS, Hugging Face pools the token before EOS
    (transformers#35352)."""
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id in (
        tokenizer.eos_token_id,
        tokenizer.bos_token_id,
    ):
        tokenizer.add_special_tokens({"pad_token": PAD_TOKEN})


def _without_date(template: str, where: str) -> str:
    """The template with today's date switched off: it would make rewards depend on the day."""
    fixed = template.replace("strftime_now is defined", "false")
    if fixed != template:
        # In branches that are never reached now. Saved and read again, the template must pass as it is.
        fixed = fixed.replace("strftime_now(", "raise_exception(")
    if "strftime_now" in fixed:
        raise InputError(
            f"{where}: the chat template writes today's date, which changes every score; fix the date in it"
        )
    return fixed
