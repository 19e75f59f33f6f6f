"""Prompts as token ids: one BOS, the template's special tokens, prefills that never melt into the prompt."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_chat import TEMPLATE, chat_tokenizer

from samplers.chat import ChatTokens, load_chat
from store.errors import InputError

ASK = ({"role": "user", "content": "two plus two"},)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tokenizer with merges, which must not reach over the end of the prompt."""
    folder = tmp_path_factory.mktemp("tokenizer")
    chat_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def chat(folder: str) -> ChatTokens:
    return load_chat(folder)


def test_a_tokenizer_that_adds_a_bos_adds_none_to_a_template_that_has_one(chat: ChatTokens) -> None:
    bos = chat.tokenizer.bos_token_id
    assert chat.tokenizer("two")["input_ids"][0] == bos  # so encoding the template's text naively doubles it
    for ids in (chat.ids(ASK), chat.ids(ASK, "four is")):
        assert ids[0] == bos
        assert ids.count(bos) == 1


def test_ids_are_those_of_the_tokenizers_own_template_call(chat: ChatTokens) -> None:
    theirs = chat.tokenizer.apply_chat_template(list(ASK), add_generation_prompt=True, return_dict=False)
    assert chat.ids(ASK) == theirs


@pytest.mark.parametrize("prefill", ["four", " four", "\n", "the answer is 12\n", "]", "é漢"])
def test_a_prefill_continues_the_prompts_own_ids(chat: ChatTokens, prefill: str) -> None:
    head, whole = chat.ids(ASK), chat.ids(ASK, prefill)
    assert whole[: len(head)] == head
    assert chat.tokenizer.decode(whole) == chat.tokenizer.decode(head) + prefill


def test_a_prefill_that_would_merge_with_the_prompt_is_kept_apart() -> None:
    tokenizer = chat_tokenizer(template=TEMPLATE.replace("[assistant]", "[assistant] f"))
    chat = ChatTokens(tokenizer)
    head = chat.ids(ASK)
    melted = tokenizer(tokenizer.decode(head) + "our", add_special_tokens=False)["input_ids"]
    assert melted[: len(head)] != head  # " four" is a token
    assert chat.ids(ASK, "our")[: len(head)] == head
    assert tokenizer.decode(chat.ids(ASK, "our")).endswith(" four")


def test_a_model_without_a_template_needs_one_from_the_recipe(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    chat_tokenizer(template=None).save_pretrained(folder)
    with pytest.raises(InputError, match="has no chat template.*engine.chat_template"):
        load_chat(str(folder))
    assert load_chat(str(folder), template="{{ messages[0]['content'] }}").ids(ASK)
    (tmp_path / "t.jinja").write_text(TEMPLATE)
    assert load_chat(str(folder), template=str(tmp_path / "t.jinja")).ids(ASK)
    with pytest.raises(InputError, match="cannot read .*absent.jinja"):
        load_chat(str(folder), template=str(tmp_path / "absent.jinja"))


def test_a_conversation_the_template_refuses_is_an_error_that_names_the_roles(folder: str) -> None:
    strict = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}x"
    chat = load_chat(folder, template=strict)
    with pytest.raises(InputError, match=r"roles \['system', 'user'\]: no system role"):
        chat.ids(({"role": "system", "content": "s"}, *ASK))


def test_text_is_what_the_new_tokens_add_up_to_the_first_stop_string(chat: ChatTokens) -> None:
    prompt, new = (
        chat.ids(ASK),
        chat.tokenizer("four plus four\nis eight", add_special_tokens=False)["input_ids"],
    )
    assert chat.text(prompt, new) == "four plus four\nis eight"
    assert chat.text(prompt, new, ("eight", "\n", " plus f")) == "four"
    assert chat.text(prompt, []) == ""


def test_a_character_of_several_tokens_may_span_prompt_and_answer(chat: ChatTokens) -> None:
    ids = chat.tokenizer("a漢b", add_special_tokens=False)["input_ids"]
    assert chat.text(ids[:2], ids[2:]) == "\ufffd\ufffdb"  # two stray bytes of three
