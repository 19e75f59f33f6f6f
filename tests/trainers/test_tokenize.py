"""One tokenisation for training and scoring: frames, boundaries, fingerprints, and template traps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import CHATML, byte_tokenizer, tokenizer_with_merges, user

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


def test_a_template_without_its_date_can_be_saved_and_read_again(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = byte_tokenizer()
    tokenizer.chat_template = (
        "{% if strftime_now is defined %}{{ strftime_now('%d %b') }}{% else %}26 Jul{% endif %}" + CHATML
    )
    codec = Codec(tokenizer, "x")
    tokenizer.save_pretrained(tmp_path)
    again = Codec(AutoTokenizer.from_pretrained(tmp_path), str(tmp_path))
    assert again.fingerprint == codec.fingerprint
    assert np.array_equal(again.encode(user("?"), ["a"]).ids, codec.encode(user("?"), ["a"]).ids)


def rendering(tokenizer: Any, text: str) -> list[int]:
    whole = [*user("?"), {"role": "assistant", "content": text}]
    return list(tokenizer.apply_chat_template(whole, return_dict=False))


@pytest.mark.parametrize("strip", ["", ".strip()", " | trim", ".lstrip('\\n')", ".rstrip()"])
@pytest.mark.parametrize("steps", [["a\n", "b"], [" \na\n", "\n b \n"], ["\n \na  "], [" \n"]])
def test_words_are_trimmed_as_the_template_trims_them(strip: str, steps: list[str]) -> None:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = CHATML.replace("m['content']", f"(m['content']{strip})")
    codec = Codec(tokenizer, "x")
    assert codec.rewrites == (["outer whitespace"] if strip else [])
    found, whole = codec.encode(user("?"), steps), codec.encode_whole(user("?"), steps)
    assert np.array_equal(found.ids, whole.ids) and np.array_equal(found.ends, whole.ends)
    if "".join(steps).strip():
        assert found.ids.tolist() == rendering(tokenizer, "".join(steps))
    assert found.ends[0] >= found.n_prompt and (np.diff(found.ends) > 0).all()  # none came to nothing


def test_a_template_that_rewrites_words_is_refused_and_one_that_rewrites_thoughts_is_known() -> None:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = CHATML.replace("m['content']", "(m['content'] | replace(' ', ''))")
    with pytest.raises(InputError, match="folder: the chat template rewrites the assistant's words"):
        Codec(tokenizer, "folder")
    tokenizer.chat_template = CHATML.replace("m['content']", "m['content'].split('</think>')[-1]")
    assert Codec(tokenizer, "folder").rewrites == ["thoughts"]


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


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{{ '<|im_start|>'", "{{ ('SYS ' if m['role'] == 'system' else '') + '<|im_start|>'"),
        ("{{ '<|im_start|>'", "{{ ('|' if loop.length > 2 else '') + '<|im_start|>'"),
        ("m['content']", "(m['content'] | replace('never in a sample', ''))"),
    ],
)
def test_the_fingerprint_sees_a_template_edited_for_other_conversations(old: str, new: str) -> None:
    edited = byte_tokenizer()
    edited.chat_template = CHATML.replace(old, new)
    assert edited.chat_template != CHATML
    assert Codec(edited, "x").fingerprint != Codec(byte_tokenizer(), "x").fingerprint


def test_the_fingerprint_sees_tokens_and_merges_that_no_sample_has() -> None:
    added, merged = byte_tokenizer(), tokenizer_with_merges()
    added.add_tokens(["zebra"])
    prints = {Codec(t, "x").fingerprint for t in (byte_tokenizer(), added, merged, tokenizer_with_merges(2))}
    assert len(prints) == 4


def test_the_fingerprint_sees_another_special_token() -> None:
    one, other = byte_tokenizer(), byte_tokenizer()
    for tokenizer in (one, other):
        tokenizer.chat_template = "{{ eos_token }}" + CHATML
    other.eos_token = "<|im_start|>"
    assert Codec(one, "x").fingerprint != Codec(other, "x").fingerprint


def test_a_template_that_refuses_system_messages_has_a_fingerprint() -> None:
    strict, other = byte_tokenizer(), byte_tokenizer()
    refusal = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    strict.chat_template = refusal + CHATML
    assert Codec(strict, "x").fingerprint != Codec(other, "x").fingerprint


def test_steps_of_a_whole_text_end_at_the_tokens_that_hold_their_last_characters() -> None:
    tokenizer = tokenizer_with_merges(2)  # "\n\n" and ".\n" are single tokens
    codec = Codec(tokenizer, "x")
    steps = ["Né.", "\n\nSecond.\n", "\nDone"]
    found = codec.encode_whole(user("?"), steps)
    assert np.array_equal(found.ids, codec.encode(user("?"), ["".join(steps)]).ids)
    assert not np.array_equal(found.ids, codec.encode(user("?"), steps).ids)
    upto = [tokenizer.decode(found.ids[found.n_prompt : end + 1]) for end in found.ends]
    assert upto == ["Né.\n", "Né.\n\nSecond.\n", "Né.\n\nSecond.\n\nDone"]


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
