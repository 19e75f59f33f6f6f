"""Planted copies are found and placed, templates are not, and the compiled scan follows its definition."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_tables import completions, prompts

from curation.decontamination import (
    PRESETS,
    Decontamination,
    Rule,
    Scanner,
    Settings,
    decontaminate_completions,
    decontaminate_prompts,
    preset,
)
from curation.eval_sets import EvalSet, EvalText, eval_set_from_prompts
from curation.words.texts import plain_words
from samplers.policy import world
from store.errors import InputError

DEFAULT = PRESETS["default"]
QUESTION = (
    "A robe takes 2 bolts of blue fiber and half that much white fiber. "
    "How many bolts in total does it take to make 7 such robes for the whole choir?"
)


def eval_set(*texts: str, name: str = "e") -> EvalSet:
    rows = [EvalText(str(i), "question", text) for i, text in enumerate(texts)]
    return EvalSet(name, "here", None, "test", None, "math", rows, len(rows))


def rules(*train: str, against: EvalSet, rule: Rule = DEFAULT) -> list[tuple[str, bool]]:
    found = Scanner([against], rule).scan(train)
    return list(found.select(pl.col("rule").cast(pl.String), "numbers_differ").iter_rows())


def gsm8k(path: Path) -> list[str]:
    return [json.loads(line)["question"] for line in path.read_text(encoding="utf-8").splitlines()]


def without_punctuation(text: str) -> str:
    return re.sub(r"[^\w\s]", " ", text)


def rewrapped(text: str) -> str:
    return "\n".join(text.split(" "))


def wrapped_in_instructions(text: str) -> str:
    return f"Solve the following problem carefully.\n\n{text}\n\nPut your final answer in \\boxed{{}}."


def accented(text: str) -> str:
    return text.replace("e", "é").replace("o", "o\u0308").replace(" ", " \u200b")


def with_insertions(text: str) -> str:
    return re.sub(r"((?:\S+\s+){6})", r"\1indeed ", text)


COPIES = (str, str.upper, without_punctuation, rewrapped, wrapped_in_instructions, accented, with_insertions)


@pytest.mark.parametrize("edit", COPIES)
def test_every_copy_of_a_real_question_is_found(edit: Callable[[str], str], shared_data: Path) -> None:
    evals = gsm8k(shared_data / "gsm8k/test.jsonl")[:400]
    found = Scanner([eval_set(*evals)]).scan(edit(text) for text in evals)
    pairs = set(found.select(pl.col("row").cast(pl.String), "eval_row").iter_rows())
    missed = [i for i in range(len(evals)) if (str(i), str(i)) not in pairs]
    assert len(missed) <= (8 if edit is with_insertions else 0)


def test_real_training_questions_are_not_taken_for_test_questions(shared_data: Path) -> None:
    """Flagged are near copies in the published data ("At the same rate, how many additional hours ...")."""
    problems = (shared_data / "math500/test.jsonl").read_text(encoding="utf-8").splitlines()
    sets = [
        eval_set(*gsm8k(shared_data / "gsm8k/test.jsonl"), name="gsm8k"),
        eval_set(*(json.loads(line)["problem"] for line in problems), name="math500"),
    ]
    scanner = Scanner(sets)
    train = gsm8k(shared_data / "gsm8k/train.jsonl")
    assert 1 <= scanner.flagged(train).sum() <= 8
    totals = {row["eval_set"]: row for row in scanner.totals().to_dicts()}
    assert totals["gsm8k"] == {"eval_set": "gsm8k", "rows": 1319, "indexable": 1319, "too_short": 0}
    assert totals["math500"]["rows"] == 500 and 490 <= totals["math500"]["indexable"] < 500


def test_problems_of_one_template_are_not_copies_of_each_other() -> None:
    """Sentences of the template stand in many of its problems and say nothing about any one of them."""
    problems = [problem.text for problem in world.problems(2200, seed=11)]
    flagged = Scanner([eval_set(*problems[:200])], replace(DEFAULT, masked=False)).flagged(problems[200:])
    assert flagged.mean() < 0.03
    assert Scanner([eval_set(*problems[:200])]).flagged(problems[:200]).all()


# The rule once more in plain Python, over lists of words. Numbers are the words made of digits.


def grams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def covered(words: Sequence[str], n: int, counts: Callable[[tuple[str, ...]], bool]) -> set[int]:
    return {i + k for i, gram in enumerate(grams(words, n)) if counts(gram) for k in range(n)}


def by_definition(ours: str, evals: Sequence[str], rule: Rule) -> dict[str, tuple[str, bool, float]]:
    """Eval row -> (rule, numbers_differ, coverage of the eval text)."""
    found = {}
    for at, text in enumerate(evals):
        if plain_words(text) == plain_words(ours) and plain_words(text):
            found[str(at)] = ("exact", False, 1.0)
            continue
        for masked in (False, True):
            mine, theirs = plain_words(ours, masked=masked), plain_words(text, masked=masked)
            every = [set(grams(plain_words(t, masked=masked), rule.n)) for t in set(evals)]
            texts = {tuple(plain_words(t)): g for t, g in zip(set(evals), every, strict=True)}

            def evidence(gram: tuple[str, ...], texts: dict = texts) -> bool:  # type: ignore[type-arg]
                bare = all(word[0] in "0123456789#" for word in gram)
                return not bare and sum(gram in g for g in texts.values()) <= rule.max_df

            shared = {g for g in grams(mine, rule.n) if evidence(g)} & set(grams(theirs, rule.n))
            n_words = len(theirs)
            theirs_found = len(covered(theirs, rule.n, shared.__contains__))
            theirs_all = len(covered(theirs, rule.n, evidence))
            ours_found = len(covered(mine, rule.n, shared.__contains__))
            ours_all = len(covered(mine, rule.n, evidence))
            share = theirs_found / theirs_all if theirs_all else 0.0
            kept, before = {g for g in grams(theirs, rule.n) if evidence(g)}, set(grams(theirs, rule.n))
            lettered = {g for g in before if not all(w[0] in "0123456789#" for w in g)}
            usable = bool(kept) and len(kept) >= min(10, (len(lettered) + 1) // 2)
            if shared and usable and share >= rule.needed(n_words) - 1e-9:
                found[str(at)] = ("ngram", masked, share)
            elif (
                shared
                and rule.train_side is not None
                and min(ours_found, theirs_found) >= rule.train_words
                and ours_found / ours_all >= rule.train_side - 1e-9
            ):
                found[str(at)] = ("train_side", masked, share)
            if str(at) in found:
                break
    return found


SMALL = Rule("small", n=2, masked=True, short=3, long=8, at_long=0.5, max_df=3, train_side=0.7, train_words=4)
TEXTS = st.lists(st.sampled_from(["a", "b", "cé", "D.", "7", "12", "1,000", "学"]), max_size=12).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=6), st.lists(TEXTS, min_size=1, max_size=4))
def test_the_compiled_scan_says_what_the_definition_says(evals: list[str], train: list[str]) -> None:
    if not any(plain_words(text) for text in evals):
        return
    found = Scanner([eval_set(*evals)], SMALL).scan(train)
    for row, text in enumerate(train):
        mine = found.filter(pl.col("row") == row)
        got = {
            e: (r, d, pytest.approx(c))
            for e, r, d, c in mine.select(
                "eval_row", pl.col("rule").cast(pl.String), "numbers_differ", "coverage_eval"
            ).iter_rows()
        }
        assert by_definition(text, evals, SMALL) == got


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=6), st.lists(TEXTS, min_size=1, max_size=6))
def test_spans_hold_the_same_words_on_both_sides(evals: list[str], train: list[str]) -> None:
    if not any(plain_words(text) for text in evals):
        return
    for row in Scanner([eval_set(*evals)], SMALL).scan(train).iter_rows(named=True):
        text, theirs = train[row["row"]], evals[int(row["eval_row"])]
        assert row["span"] == text[row["spans"][0]["start"] : row["spans"][-1]["end"]]
        assert row["eval_span"] == theirs[row["eval_spans"][0]["start"] : row["eval_spans"][-1]["end"]]
        there = [plain_words(theirs[s["start"] : s["end"]], masked=True) for s in row["eval_spans"]]
        known = {gram for words in there for gram in grams(words, SMALL.n)}
        for span in row["spans"]:
            words = plain_words(text[span["start"] : span["end"]], masked=True)
            inside = covered(words, SMALL.n, known.__contains__)
            assert inside == set(range(len(words))) or row["rule"] == "exact"


def test_number_swaps_are_twins_and_the_policy_decides() -> None:
    question = "A baker sells 12 rolls at 3 coins each, then 7 loaves at 15 coins each. What did she earn?"
    swapped = "A baker sells 90 rolls at 2 coins each, then 8 loaves at 40 coins each. What did she earn?"
    assert rules(swapped, against=eval_set(question)) == [("ngram", True)]

    def dropped(twins: str) -> Decontamination:
        return decontaminate_prompts(prompts(p=swapped), [eval_set(question)], Settings(twins=twins))  # type: ignore[arg-type]

    assert dropped("drop").dropped == ["p"]
    assert dropped("warn").dropped == [] and dropped("warn").totals["twins"].to_list() == [1]
    assert dropped("warn").totals["hit"].to_list() == [0]
    assert dropped("off").report.is_empty()


def test_short_questions_must_match_in_full() -> None:
    long = "Tom has many books. How many books are in the box? He wants to know it before he sells them all."
    evals = eval_set("How many books are in the small box?", "Name a prime.")
    assert rules(long, against=evals) == []
    assert rules("how many books are in the small box", against=evals) == [("exact", False)]
    assert rules("NAME A PRIME!", against=evals) == [("exact", False)]


def test_half_of_a_question_is_found_from_our_side() -> None:
    half = QUESTION.split(". ")[0]
    assert rules(half, against=eval_set(QUESTION)) == [("train_side", False)]
    assert (
        rules(half + " and what is left is for the other choir of this town", against=eval_set(QUESTION))
        == []
    )


def test_boilerplate_shared_by_many_rows_is_no_evidence() -> None:
    rubric = "For which of these two scenarios does the main character do something clearly morally wrong? "
    stories = [f"I sold {w} chairs to every {v} man" for w in "ABCDEFGHIJ" for v in "klmnopqr"]
    evals = eval_set(*(rubric + story for story in stories))
    assert rules(rubric + "I went home early.", against=evals) == []
    assert ("exact", False) in rules(rubric + stories[0], against=evals)


def test_messages_are_also_compared_whole() -> None:
    turns = ["Thanks for the help.", "Name a prime.", "And now a joke about it, if you can think of one."]
    frame = prompts(p="x").with_columns(
        messages=pl.Series(
            [[{"role": "user", "content": turn} for turn in turns]], dtype=prompts("p")["messages"].dtype
        )
    )
    (row,) = decontaminate_prompts(frame, [eval_set("Name a prime!")]).report.to_dicts()
    assert row["rule"] == "exact" and row["span"] == "Name a prime" and row["action"] == "drop"
    start = len(turns[0]) + 1
    assert row["spans"] == [{"start": start, "end": start + len("Name a prime")}]


def test_completions_and_answers_only_warn() -> None:
    said = completions(p=[f"The benchmark says: {QUESTION} I remember it.", "42"])
    found = decontaminate_prompts(prompts("p"), [eval_set(QUESTION, "42")], completions=said)
    assert found.dropped == []
    assert found.report.select("row_id", "prompt_id", "field", "action").rows() == [
        ("p0", "p", "completion", "warn")
    ]
    assert found.totals["completions_warned"].to_list() == [1]
    policy = Settings(completions="drop")
    assert decontaminate_completions(prompts("p"), said, [eval_set(QUESTION)], policy).dropped == ["p0"]


def test_held_out_prompts_are_not_scanned_but_can_be_an_eval_set() -> None:
    everyone = pl.concat([prompts(a=QUESTION), prompts(t=QUESTION.lower(), split="test")])
    assert decontaminate_prompts(everyone, [eval_set_from_prompts("held_out", everyone)]).dropped == ["a"]
    test_only = everyone.filter(pl.col("split") == "test")
    assert decontaminate_prompts(test_only, [eval_set_from_prompts("held_out", everyone)]).report.is_empty()


def test_repeated_eval_texts_all_count_and_a_few_are_named() -> None:
    evals = eval_set(*[QUESTION] * 59, "Name a prime.", QUESTION.upper())
    backwards = replace(evals, texts=evals.texts[::-1])
    for given_set in (evals, backwards):
        found = decontaminate_prompts(prompts(p=QUESTION), [given_set, eval_set(QUESTION, name="f")])
        assert sorted(found.report["eval_row"].to_list()) == sorted(map(str, [*range(10), 0]))
        assert found.totals.select("eval_set", "hit", "percent_hit", "prompts_dropped").rows() == [
            ("e", 60, 100 * 60 / 61, 1),
            ("f", 1, 100.0, 1),
        ]


def test_rows_that_repeat_repeated_eval_texts_do_not_multiply() -> None:
    question = "A baker sells 12 rolls at 3 coins each, then 7 loaves at 15 coins each. What did she earn?"
    swapped = question.replace("12", "90").replace("3", "2").replace("7", "8").replace("15", "40")
    ours = prompts(**{f"p{i}": swapped for i in range(200)})
    found = decontaminate_prompts(ours, [eval_set(*[question] * 500)])
    assert found.report.height == 2000 and len(found.dropped) == 200
    assert found.totals.select("hit", "twins").rows() == [(0, 500)]


def test_a_long_text_that_holds_many_eval_texts() -> None:
    """One comparison after the other looks places up in what was entered of our text once."""
    evals = [" ".join(f"w{i}x{k}" for k in range(12)) for i in range(2000)]
    text = " ".join(f"{question} 5 of {i}" for i, question in enumerate(evals * 5))
    found = Scanner([eval_set(*evals, name="e")]).scan([text])
    assert found["eval_row"].n_unique() == 2000
    assert set(found["spans"].list.len()) == {5}


def test_nothing_depends_on_the_order_of_rows_or_sets() -> None:
    problems = [problem.text for problem in world.problems(300, seed=2)]
    asked = prompts(**{f"p{i}": text for i, text in enumerate(problems)})
    one, two = eval_set(*problems[:40]), eval_set(*problems[30:80], name="f")
    backwards = [replace(e, texts=e.texts[::-1]) for e in (two, one)]
    first = decontaminate_prompts(asked, [one, two])
    second = decontaminate_prompts(asked.reverse(), backwards)
    assert first.report.equals(second.report) and first.totals.equals(second.totals)
    assert first.report.height > 80


def test_a_text_longer_than_a_piece_and_more_matches_than_fit_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = [QUESTION, "Nothing to see here at all, move on please.", QUESTION + " filler" * 50] * 20
    evals = eval_set(*(f"{QUESTION} {i} {'xyz'[i % 3]}" for i in range(12)))
    whole = Scanner([evals]).scan(texts)
    monkeypatch.setattr("curation.decontamination.scan._BYTES", 100)
    monkeypatch.setattr("curation.decontamination.scan._PAIRS", 1)
    monkeypatch.setattr("curation.decontamination.scan._ALIGNED", 7)
    assert Scanner([evals]).scan(texts).equals(whole) and whole["row"].n_unique() == 40


def test_no_eval_set_at_all_matches_nothing() -> None:
    assert decontaminate_prompts(prompts(p=QUESTION), []).report.is_empty()
    assert not Scanner([]).flagged([QUESTION, ""]).any()


def test_an_eval_set_without_words_or_named_twice_stops() -> None:
    with pytest.raises(InputError, match="'e' has no text to compare"):
        Scanner([eval_set("!?")])
    with pytest.raises(InputError, match="'e' is named twice"):
        Scanner([eval_set("one"), eval_set("two")])


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("tulu3", " ".join(QUESTION.split()[:19]), True),  # 19 of 30 words
        ("tulu3", " ".join(QUESTION.split()[:14]), False),
        ("gpt3", " ".join(QUESTION.split()[:13]).replace(",", ""), True),
        ("gpt3", " ".join(QUESTION.split()[:12]), False),
        ("s1", " ".join(QUESTION.split()[:8]).upper(), True),
        ("s1", " ".join(QUESTION.split()[:7]), False),
        ("s1", without_punctuation(QUESTION.replace(".", " .")[50:80]), False),
        ("decon", QUESTION, True),
        ("decon", QUESTION.replace("blue", "red").replace("total", "all"), False),
    ],
)
def test_presets_follow_the_published_rules(name: str, text: str, found: bool) -> None:
    assert bool(rules(text, against=eval_set(QUESTION, "something else"), rule=preset(name))) is found


def test_rules_are_checked_and_hashed() -> None:
    assert preset("default").rule_hash != replace(DEFAULT, max_df=49).rule_hash
    with pytest.raises(InputError, match="did you mean 'tulu3'"):
        preset("tulu")
    for bad in (
        {"n": 1},
        {"at_long": 0.0},
        {"short": 30},
        {"max_df": 0},
        {"train_side": 2.0},
        {"template_share": 0.0},
    ):
        with pytest.raises(InputError, match="default"):
            replace(DEFAULT, **bad)
