"""Copies are what the plain definition calls copies, whatever the order of rows; nothing else goes."""

from __future__ import annotations

import random
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.duplicates import Copies, Rule, Sketches, copies_of, find_copies, near_copies
from curation.duplicates.frames import prompt_texts, texts_of_series
from curation.duplicates.kernels import similarities
from curation.words.alphabet import operators
from curation.words.texts import plain_words

VOCABULARY = [f"word{chr(97 + k % 26)}{chr(97 + k // 26)}" for k in range(200)]


def shingles(text: str, n: int) -> set[tuple[str, ...]]:
    words = plain_words(text, operators())
    return set(zip(*(words[k:] for k in range(n)), strict=False))


def jaccard(a: str, b: str, n: int) -> float:
    return overlap(shingles(a, n), shingles(b, n))


def overlap(mine: set, theirs: set) -> float:
    return len(mine & theirs) / len(mine | theirs) if mine | theirs else 0.0


def sketched(folder: Path, texts: list[str], rule: Rule) -> Sketches:
    sketches = Sketches(folder, rule)
    sketches.add(texts_of_series(pl.Series(texts, dtype=pl.String)))
    return sketches


def random_text(draw: random.Random, words: int) -> list[str]:
    return [draw.choice(VOCABULARY) for _ in range(words)]


def families(seed: int, n: int) -> list[str]:
    """Texts, and for each some that differ in one to five words."""
    draw, texts = random.Random(seed), []
    for _ in range(n):
        words = random_text(draw, draw.randint(4, 60))
        texts.append(" ".join(words))
        for _ in range(draw.randint(0, 3)):
            changed = list(words)
            for _ in range(draw.randint(0, 5)):
                changed[draw.randrange(len(changed))] = draw.choice(VOCABULARY)
            texts.append(" ".join(changed))
    draw.shuffle(texts)
    return texts


def stays(found: Copies, texts: list[str]) -> set[str]:
    return {text for text, one in zip(texts, found.stays, strict=True) if one}


@settings(max_examples=40)
@given(
    texts=st.lists(st.text(st.sampled_from("ab 1+-é漢\u200b?"), max_size=30), min_size=2, max_size=5),
    n=st.integers(1, 4),
)
def test_similarity_is_jaccard_of_word_runs(tmp_path_factory, texts, n):
    with sketched(tmp_path_factory.mktemp("s"), texts, Rule(n, 0.7)) as sketches:
        pairs = np.array(list(combinations(range(len(texts)), 2)))
        found = sketches.shingles(np.arange(len(texts)), sketches.shingle_offsets())
        alike = similarities(*found, pairs)
    assert alike.tolist() == [jaccard(texts[a], texts[b], n) for a, b in pairs]


@pytest.mark.parametrize("rule", [Rule(5, 0.7), Rule(3, 0.6), Rule(2, 0.9)])
def test_what_goes_has_a_copy_that_stays(rule):
    texts = families(3, 150)
    found = copies_of(pl.Series(texts), rule)
    assert 0 < (~found.stays).sum() < len(texts)
    for k, kept in enumerate(found.kept):
        same_words = plain_words(texts[k]) == plain_words(texts[kept])
        alike = 1.0 if same_words else jaccard(texts[k], texts[kept], rule.words)
        assert found.stays[kept]
        assert found.exact[k] == same_words
        assert found.similarity[k] == np.float32(alike) and alike >= rule.similarity
        assert found.group[k] == found.group[kept]


def test_groups_are_those_of_all_pairs():
    texts = list(dict.fromkeys(families(5, 250)))
    sets, pairs = [shingles(text, 5) for text in texts], list(combinations(range(len(texts)), 2))
    parents = list(range(len(texts)))

    def top(k: int) -> int:
        return k if parents[k] == k else top(parents[k])

    for a, b in pairs:
        if overlap(sets[a], sets[b]) >= 0.7:
            parents[top(a)] = top(b)
    group = copies_of(pl.Series(texts), Rule(5, 0.7)).group
    together = {(a, b) for a, b in pairs if group[a] == group[b]}
    expected = {(a, b) for a, b in pairs if top(a) == top(b)}
    assert together <= expected
    assert len(together) >= 0.98 * len(expected) > 50  # the recall of bands for pairs at the threshold


def test_bands_are_as_long_as_the_recall_allows():
    bands = Rule(5, 0.7).bands
    assert (bands.number, bands.rows) == (25, 5)  # 1 - (1 - .7^5)^25 = .990; 21 of 6 would find .919
    assert Rule(5, 1.0).bands.rows == 128


def test_sketches_find_as_many_pairs_as_the_formula_says(tmp_path):
    """Pairs of 100 words with one run of 20 changed: 96 shingles, 24 lost, J = 72 / 120 = 0.6."""
    draw, texts = random.Random(0), []
    for _ in range(600):
        words = [f"{draw.choice(VOCABULARY)}x{draw.randrange(10**6)}" for _ in range(100)]
        texts += [" ".join(words), " ".join(words[:40] + random_text(draw, 20) + words[60:])]
    words_a = jaccard(texts[0], texts[1], 5)
    with sketched(tmp_path, texts, Rule(5, 0.7)) as sketches:
        bands = np.stack([sketches.band(k) for k in range(25)], axis=1)
    shared = (bands[0::2] == bands[1::2]).mean()
    assert shared == pytest.approx(words_a**5, abs=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rows_and_batches_changes_nothing(seed, monkeypatch):
    texts, rule = families(seed, 60), Rule(5, 0.7)
    first = copies_of(pl.Series(texts), rule)
    group_of = dict(zip(texts, first.group.tolist(), strict=True))
    monkeypatch.setattr("curation.duplicates.frames._BATCH", 7)
    shuffled = random.Random(seed).sample(texts, len(texts))
    again = copies_of(pl.Series(shuffled), rule)
    assert stays(again, shuffled) == stays(first, texts)
    assert dict(zip(shuffled, again.group.tolist(), strict=True)) == group_of


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("What is Ann's AGE?", "what is ann’s age", True),
        ("What is f'(2)?", "What is f(2)?", False),
        ("It costs 1,000 francs", "it costs 1000 francs.", True),
        ("How much is 3 + 5?", "How much is 3 - 5?", False),
        ("How much is 3 − 5?", "How much is 3 - 5?", True),
        ("Solve x < 2", "Solve x > 2", False),
        ("\U0001f642", "\U0001f642", True),
        ("", "", False),
        ("...", "...", False),
        ("one two three", "one two four", False),
        ("漢字", "漢 字。", True),
    ],
)
def test_same_words(a, b, same):
    assert copies_of(pl.Series([a, b]), Rule()).stays.sum() == (1 if same else 2)


def test_texts_are_compared_only_within_their_part():
    texts = pl.Series(["the very same words here"] * 4)
    within = np.array([1, 1, 2, 3], np.uint64)
    assert copies_of(texts, Rule(), within=within).kept.tolist() == [0, 0, 2, 3]


def test_the_preferred_copy_stays():
    texts = pl.Series(["the very same words here"] * 3)
    found = copies_of(texts, Rule(), preference=np.array([5, 2, 9], np.uint64))
    assert found.kept.tolist() == [1, 1, 1]


def test_a_chain_is_one_group_but_its_far_end_stays():
    """Each is a copy of the next one only: 40 words, moved on by six, share 30 of 42 shingles (0.71)."""
    words = random_text(random.Random(1), 60)
    texts = pl.Series([" ".join(words[k : k + 40]) for k in (0, 6, 12)])
    found = copies_of(texts, Rule(), preference=np.arange(3, dtype=np.uint64))
    assert len(set(found.group.tolist())) == 1
    assert found.kept.tolist() == [0, 0, 2]
    assert found.similarity.tolist() == pytest.approx([1, 30 / 42, 1])


def test_hundreds_of_near_copies_are_one_group():
    words = random_text(random.Random(2), 60)
    texts = [" ".join([*words, VOCABULARY[k % 200] + VOCABULARY[k // 200]]) for k in range(700)]
    found = copies_of(pl.Series(texts), Rule())
    assert found.stays.sum() == 1 and len(set(found.group.tolist())) == 1


def test_what_is_held_in_memory_at_a_time_changes_nothing(monkeypatch):
    texts = pl.Series([f"{text} {VOCABULARY[k]}" for text in families(8, 40) for k in range(9)])
    whole = copies_of(texts, Rule())
    monkeypatch.setattr("curation.duplicates.copies._PAIRS", 64)
    monkeypatch.setattr("curation.duplicates.copies._LOAD", 3000)
    bit_by_bit = copies_of(texts, Rule())
    for mine, theirs in zip(whole, bit_by_bit, strict=True):
        assert mine.tolist() == theirs.tolist()


def test_completions_of_one_prompt_with_one_label():
    text = "First two and two are four, then four and four are eight, so the answer is eight"
    frame = pl.DataFrame(
        {
            "completion_id": ["c", "a", "b", "d", "e"],
            "prompt_id": ["p", "p", "p", "q", "p"],
            "label": [True, True, False, True, True],
            "text": [text, text + " indeed", text, text, "Something else"],
        }
    )
    found = near_copies(frame, "text", "completion_id", ("prompt_id", "label"), Rule())
    assert found.select("completion_id", "kept").rows() == [("c", "a")]
    assert found["similarity"].item() == pytest.approx(13 / 14) and not found["exact"].item()


def test_copies_have_the_same_numbers_and_operators():
    """A problem with other numbers stays, in one group with the first for splits."""
    problem = "A baker bakes {} loaves in the morning and sells all but {} of them before noon {} two each"
    texts = [
        problem.format(*values) for values in ((48, 12, "+"), (50, 12, "+"), (12, 48, "+"), (48, 12, "-"))
    ]
    texts += [text.replace("loaves", "fresh loaves") for text in texts]
    found = copies_of(pl.Series(texts), Rule(3, 0.5), np.arange(8, dtype=np.uint64))
    assert found.kept.tolist() == [0, 1, 2, 3] * 2
    assert len(set(found.group.tolist())) == 1 and found.numbers_differ.all()
    louder = [text + end for text in texts[:1] for end in ("", "!", " **now**", " (now)")]
    assert copies_of(pl.Series(louder), Rule(3, 0.5)).stays.sum() == 1
    spelled = [problem.format(a, "twelve", "x") for a in ("三", "五", "½", "¼", "³", "²")]
    assert copies_of(pl.Series(spelled), Rule(3, 0.5)).stays.all()


def test_no_copy_is_left_in_a_long_chain():
    """Windows on one long text, each a copy of its neighbours; then copies of old and new ones."""
    draw = random.Random(7)
    words = [f"{draw.choice(VOCABULARY)}{draw.choice(VOCABULARY)}" for _ in range(3000)]
    texts = [" ".join(words[k : k + 60]) for k in range(0, 2900, 6)]
    texts += [f"{text} indeed" for text in texts[::10]]
    found = copies_of(pl.Series(texts), Rule(), np.arange(len(texts), dtype=np.uint64))
    assert len(set(found.group.tolist())) == 1
    left = [shingles(text, 5) for text in stays(found, texts)]
    assert len(left) > 200
    assert not [1 for a, b in combinations(left, 2) if overlap(a, b) >= 0.7]


def test_texts_without_words_are_nobodys_copies():
    found = copies_of(pl.Series(["", "", None, " ", "...", "a", "a"]), Rule())
    assert found.wordless.tolist() == [True] * 5 + [False] * 2
    assert found.stays.sum() == 6 and len(set(found.group.tolist())) == 6


def test_system_messages_are_not_compared():
    system = {"role": "system", "content": "You are kind."}
    ask = {"role": "user", "content": "How far is it?"}
    frame = pl.DataFrame({"messages": [[system, ask], [ask, {"role": "assistant", "content": "Far."}, ask]]})
    assert prompt_texts(frame)["text"].to_list() == ["How far is it?", "How far is it?\nFar.\nHow far is it?"]
    assert prompt_texts(frame)["system"].to_list() == ["You are kind.", ""]


def test_nothing_has_no_copies(tmp_path):
    with Sketches(tmp_path, Rule()) as sketches:
        assert len(find_copies(sketches).kept) == 0


def test_problems_from_templates_are_no_copies():
    """The embedded world has few sentences and many numbers: its problems must not become one group."""
    from samplers.policy import world

    problems = pl.Series([problem.text for problem in world.problems(840, 11)])
    found = copies_of(problems, Rule(3, 0.6))
    assert len(set(found.group.tolist())) > 0.98 * len(problems)


def test_real_questions_and_edited_ones(shared_data):
    """Of GSM8K's train questions one is another one's copy; one more word does not hide a question."""
    rows = (shared_data / "gsm8k" / "train.jsonl").read_text().splitlines()
    questions = pl.Series(rows).str.json_path_match("$.question")
    assert (~copies_of(questions, Rule()).stays).sum() == 1
    long = questions.filter(questions.str.split(" ").list.len() >= 30).head(500)
    edited = long.str.replace(r"(\w+ \w+ \w+) ", "$1 actually ")
    found = copies_of(pl.concat([long, edited]), Rule())
    assert (found.group[: len(long)] == found.group[len(long) :]).mean() > 0.98
