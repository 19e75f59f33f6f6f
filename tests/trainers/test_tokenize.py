"""One tokenisation for training and scoring: frames, boundaries, fingerprints, and template traps."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_models import CHATML, byte_tokenizer, user

from store.errors import InputError
from trainers.tokenize import Codec, ensure_pad_token

STEPS = ["Add.\n", "\n1+1=2\n", "So 2."]


def test_a_conversation_is_the_text_its_template_renders() -> None:
    tokenizer = byte_tokenizer()
    encoded = Codec(tokenizer, "x").encode(user("What is 1+1?"), STEPS)
    whole = [*user("What is 1+1?"), {"role": "assistant", "content": "".join(STEPS)}]
    assert encoded.ids.tolist() == list(tokenizer.apply_chat_template(whole, return_dict=False))
    prompt = tokenizer.apply_chat_template(
        user("What is 1+1?"), add_generation_prompt=True, return_dict=False
    )
    assert encoded.ids[: encoded.n_prompt].tolist() == list(prompt)


def test_step_ends_are_the_last_token_of_each_step() -> None:
    tokenizer = byte_tokenizer()
    encoded = Codec(tokenizer, "x").encode(user("?"), STEPS)
    starts = [encoded.n_prompt, *(encoded.ends[:-1] + 1)]
    pieces = [tokenizer.decode(encoded.ids[a : b + 1]) for a, b in zip(starts, encoded.ends, strict=True)]
    assert pieces == STEPS
    assert tokenizer.decode(encoded.ids[encoded.ends[-1] + 1 :]) == "<|im_end|>\n"


def test_a_newline_at_a_step_boundary_is_never_merged_into_its_neighbour() -> None:
    from tokenizers import AddedToken

    tokenizer = byte_tokenizer()
    tokenizer.add_tokens([AddedToken("\n\n", normalized=False)])  # what byte-pair merges do to newline runs
    encoded = Codec(tokenizer, "x").encode(user("?"), ["a\n", "\nb"])
    # a \n | \n b: the four tokens stay apart although the text contains the merged one
    assert (encoded.ends - encoded.n_prompt).tolist() == [1, 3]


def test_templates_that_rewrite_the_generation_prompt_are_followed() -> None:
    # Qwen3 writes an empty thinking block before the last answer that its generation prompt does not have.
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = CHATML.replace(
        "m['content']", "('<t>' if m.role == 'assistant' else '') + m['content']"
    )
    encoded = Codec(tokenizer, "x").encode(user("?"), ["a"])
    assert tokenizer.decode(encoded.ids[: encoded.n_prompt]).endswith("assistant\n<t>")


def test_no_bos_is_added_to_what_the_template_wrote() -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = byte_tokenizer()
    start = tokenizer.convert_tokens_to_ids("<|im_start|>")
    tokenizer.bos_token = "<|im_start|>"
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", start)]
    )
    assert tokenizer("a")["input_ids"][0] == start  # the tokenizer does add one when asked plainly
    ids = Codec(tokenizer, "x").encode(user("?"), ["a"]).ids.tolist()
    assert ids.count(start) == 2  # one for each turn


def test_a_template_that_doubles_bos_is_refused() -> None:
    tokenizer = byte_tokenizer()
    tokenizer.bos_token = "<|im_start|>"
    tokenizer.chat_template = "{{ bos_token }}" + CHATML
    with pytest.raises(InputError, match="two BOS tokens"):
        Codec(tokenizer, "folder").encode(user("?"), ["a"])


def test_todays_date_is_kept_out_of_the_template() -> None:
    guard = "{% if strftime_now is defined %}{{ strftime_now('%d %b') }}{% else %}26 Jul{% endif %}"
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = guard + CHATML
    encoded = Codec(tokenizer, "x").encode(user("?"), ["a"])
    assert tokenizer.decode(encoded.ids).startswith("26 Jul")
    tokenizer.chat_template = "{{ strftime_now('%d %b') }}" + CHATML
    with pytest.raises(InputError, match="today's date"):
        Codec(tokenizer, "x")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "no chat template"),
        ("{% for m in messages %}{{ m.content if m.role == 'user' }}{% endfor %}", "drops the assistant"),
        ("{{ raise_exception('system first') }}", "system first"),
    ],
)
def test_unusable_templates_are_named(template: str | None, message: str) -> None:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = template
    with pytest.raises(InputError, match=message):
        Codec(tokenizer, "folder").encode(user("?"), ["a"])


def test_the_fingerprint_changes_with_template_and_vocabulary_only() -> None:
    first, same = Codec(byte_tokenizer(), "a"), Codec(byte_tokenizer(), "b")
    same.encode(user("anything"), ["at all"])
    assert first.fingerprint == same.fingerprint
    other = byte_tokenizer()
    other.chat_template = CHATML.replace("<|im_end|>\\n", "<|im_end|>")
    assert Codec(other, "x").fingerprint != first.fingerprint
    merged = byte_tokenizer()
    merged.add_tokens(["answer"])
    assert Codec(merged, "x").fingerprint != first.fingerprint


@pytest.mark.parametrize("pad", [None, "<|im_end|>"])
def test_padding_gets_a_token_of_its_own(pad: str | None) -> None:
    tokenizer = byte_tokenizer(pad)
    ensure_pad_token(tokenizer)
    assert tokenizer.pad_token_id not in (None, tokenizer.eos_token_id)


def test_batched_and_single_tokenisation_agree() -> None:
    texts = ["", "a\n", " 12 * 3", "é漢\n\n", "<|im_end|>"]
    warm, cold = Codec(byte_tokenizer(), "x"), Codec(byte_tokenizer(), "x")
    warm.warm(texts)
    for text in texts:
        assert np.array_equal(warm.encode(user("?"), [text]).ids, cold.encode(user("?"), [text]).ids)
