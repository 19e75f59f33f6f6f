"""Planted leaks: each edit does what its name says, the draw is stable, recall counts the right row."""

from __future__ import annotations

import re
from collections import Counter
from random import Random

import pytest

from curation.decontamination import PRESETS, Scanner
from curation.decontamination.planted import EDITS, PLANTED, plant, planted_recall
from curation.eval_sets import EvalSet, EvalText
from curation.words.texts import plain_words

NAMES = ("Ada", "Bela", "Chiara", "Dmitri", "Esra")
THINGS = ("marbles", "postcards", "lanterns", "walnuts", "violins", "kites", "thimbles", "acorns")


def story(i: int) -> str:
    random = Random(i)
    name, other, thing, place = (random.choice(NAMES), random.choice(NAMES), *random.sample(THINGS, 2))
    return (
        f"On the {i}th day of the fair, {name} packs {random.randint(10, 99)} {thing} into crates "
        f"of {random.randint(2, 9)}. Later {other} borrows {random.randint(2, 9)} crates and hides {place} "
        f"behind door {random.randint(100, 999)}! How many {thing} are left with {name} when gate {i} closes?"
    )


def eval_set(name: str, texts: list[str]) -> EvalSet:
    rows = [EvalText(str(i), "question", text) for i, text in enumerate(texts)]
    return EvalSet(name, f"{name}.jsonl", None, None, None, "math", rows, len(rows))


@pytest.fixture(scope="module")
def eval_sets() -> list[EvalSet]:
    short = [f"What is {i} times {i + 3}?" for i in range(20)]
    middle = [f"Name the {i} rivers that cross province {i * 7} twice over." for i in range(20)]
    return [eval_set("stories", [story(i) for i in range(60)]), eval_set("short", short + middle)]


def edited(name: str, text: str, seed: int = 0) -> str:
    return EDITS[name][0](text, Random(seed))


def test_edits_of_form_keep_every_word() -> None:
    text = story(1)
    for seed in range(20):
        assert plain_words(edited("case and punctuation", text, seed)) == plain_words(text)
    assert edited("verbatim", text) == text
    assert text in edited("embedded in other text", text)
    assert text in edited("embedded in other text", text.replace("!", "{}{0}"), 1).replace("{}{0}", "!")


def test_other_numbers_have_as_many_digits_and_nothing_else_changes() -> None:
    text = story(2)
    changed = edited("other numbers", text)
    assert re.sub(r"\d", "0", changed) == re.sub(r"\d", "0", text)
    assert changed != text


def test_names_are_replaced_throughout_and_by_different_ones() -> None:
    text = "Ada and her sister Bela meet. Ada greets Bela. Who greets Ada?"
    changed = edited("other numbers and names", text)
    first, second = re.findall(r"[A-Z][a-z]+", changed)[:2]
    assert changed == text.replace("Ada", first).replace("Bela", second)
    assert len({first, second, "Ada", "Bela"}) == 4


def test_inserted_words_leave_the_others_in_order() -> None:
    text = story(3)
    words = text.split()
    for name, share in [("a word inserted after every 5", 1 / 5), ("a word inserted after every 8", 1 / 8)]:
        changed = edited(name, text).split()
        assert len(changed) == len(words) + int(share * len(words))
        rest = iter(changed)
        assert all(word in rest for word in words)  # a subsequence


def test_replaced_words_keep_their_number_and_share() -> None:
    text = " ".join(f"w{i}" for i in range(2000))
    for name, share in [("10% of words replaced", 0.10), ("25% of words replaced", 0.25)]:
        changed = edited(name, text).split()
        kept = sum(a == b for a, b in zip(changed, text.split(), strict=True))
        assert abs(1 - kept / 2000 - share) < 4 * (share * (1 - share) / 2000) ** 0.5  # four deviations


def test_shuffled_sentences_are_the_same_words() -> None:
    text = story(4)
    assert Counter(plain_words(edited("sentences shuffled", text, 1))) == Counter(plain_words(text))


def test_the_draw_does_not_depend_on_the_order_of_rows_or_sets(eval_sets: list[EvalSet]) -> None:
    turned = [eval_sets[1], eval_sets[0]]
    turned = [EvalSet(s.name, s.source, None, None, None, s.kind, s.texts[::-1], s.n_rows) for s in turned]
    assert list(plant(turned, 7, 10)) == list(plant(eval_sets, 7, 10))
    assert list(plant(eval_sets, 8, 10)) != list(plant(eval_sets, 7, 10))


def test_every_edit_gets_its_number_of_texts_of_its_length(eval_sets: list[EvalSet]) -> None:
    plants = list(plant(eval_sets, 0, 10))
    assert Counter(p.edit for p in plants) == dict.fromkeys(EDITS, 10)
    assert {p.eval_set for p in plants if "under 8" in p.edit or "8 to 12" in p.edit} == {"short"}


def test_recall_is_complete_for_copies_and_counts_what_was_planted(eval_sets: list[EvalSet]) -> None:
    found = planted_recall(Scanner(eval_sets, PRESETS["default"]), eval_sets, seed=0, n=12)
    assert found.schema == PLANTED
    assert found["edit"].to_list() == list(EDITS)
    recall = dict(found.select("edit", "recall").iter_rows())
    for edit in ("verbatim", "case and punctuation", "embedded in other text", "under 8 words, whole"):
        assert recall[edit] == 1, edit
    assert found["planted"].to_list() == [12] * len(EDITS)
    assert (found["recall"] == found["found"] / found["planted"]).all()


def test_a_match_with_another_eval_row_is_no_find() -> None:
    planted_in = eval_set("mine", [story(0)])
    scanned_for = eval_set("mine", ["Which river is the longest of all in Europe?", story(0)])  # its row 1
    found = planted_recall(Scanner([scanned_for], PRESETS["default"]), [planted_in], seed=0, n=5)
    assert found.filter(edit="verbatim")["found"].to_list() == [0]


def test_without_eval_sets_there_is_nothing_planted() -> None:
    assert list(plant([], 0, 10)) == []
