"""Planted copies are found, templates are not, and nothing is left uncompared in silence."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_tables import completions, prompts

from curation.decontamination import Settings, decontaminate
from curation.evalsets import EvalRow, eval_set_from_prompts, load_eval_set
from curation.ngrams import spans, words
from samplers.policy import world
from store.errors import InputError


def eval_set(*texts: str, name: str = "e") -> dict[str, list[EvalRow]]:
    return {name: [EvalRow(name, str(i), "question", text) for i, text in enumerate(texts)]}


def rules(*train: str, against: dict[str, list[EvalRow]], settings: Settings = Settings()) -> list[str]:  # noqa: B008
    asked = prompts(**{f"p{i}": text for i, text in enumerate(train)})
    return decontaminate(asked, against, settings=settings).report["rule"].to_list()


QUESTION = (
    "A robe takes 2 bolts of blue fiber and half that much white fiber. "
    "How many bolts in total does it take to make 7 such robes for the whole choir?"
)


def shouted(text: str) -> str:
    return text.upper()


def without_punctuation(text: str) -> str:
    return re.sub(r"[^\w\s]", " ", text)


def rewrapped(text: str) -> str:
    return "\n".join(text.split(" "))


def wrapped_in_instructions(text: str) -> str:
    return f"Solve the following problem carefully.\n\n{text}\n\nPut your final answer in \\boxed{{}}."


def accented(text: str) -> str:
    return text.replace("e", "é").replace("o", "o\u0308").replace(" ", " \u200b")


COPIES = (str, shouted, without_punctuation, rewrapped, wrapped_in_instructions, accented)


@pytest.mark.parametrize("edit", COPIES)
def test_every_copy_of_a_world_problem_is_found_and_dropped(edit: Callable[[str], str]) -> None:
    evals = [problem.text for problem in world.problems(200, seed=5)]
    asked = prompts(**{f"p{i}": edit(text) for i, text in enumerate(evals)})
    found = decontaminate(asked, eval_set(*evals))
    assert found.dropped == sorted(asked["prompt_id"])
    hits = found.report.filter(
        (pl.col("prompt_id").str.slice(1) == pl.col("eval_row")) & (pl.col("rule") != "twin")
    )
    assert hits.height == 200


@pytest.mark.parametrize("edit", COPIES)
def test_every_copy_of_a_real_question_is_found(edit: Callable[[str], str], shared_data: Path) -> None:
    evals = load_eval_set("gsm8k", shared_data / "gsm8k/test.jsonl", ["question"])
    asked = prompts(**{f"p{row.row_id}": edit(row.text) for row in evals})
    assert len(decontaminate(asked, {"gsm8k": evals}).dropped) == len(evals) == 1319


def test_real_training_questions_are_not_taken_for_test_questions(shared_data: Path) -> None:
    """Of 7,473 rows 2 are flagged, both near copies ("At the same rate, how many additional hours ...")."""
    evals = {
        "gsm8k": load_eval_set("gsm8k", shared_data / "gsm8k/test.jsonl", ["question"]),
        "math500": load_eval_set("math500", shared_data / "math500/test.jsonl", ["problem"], "unique_id"),
    }
    lines = (shared_data / "gsm8k/train.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["question"] for line in lines]
    started = time.process_time()
    found = decontaminate(prompts(**{f"p{i}": text for i, text in enumerate(texts)}), evals)
    assert time.process_time() - started < 15
    assert len(found.dropped) <= 6
    totals = {row["eval_set"]: row for row in found.totals.to_dicts()}
    assert totals["math500"]["rows"] == 500 and totals["math500"]["hit"] == 0
    assert 490 <= totals["math500"]["indexable"] < 500  # a few are too short for 5-grams


def test_problems_of_one_template_are_not_copies_of_each_other() -> None:
    """5,000 x 500 problems of one world: only what shares 60 % of its 5-grams with an eval problem goes."""
    problems = [problem.text for problem in world.problems(5500, seed=11)]
    asked = prompts(**{f"p{i}": text for i, text in enumerate(problems[500:])})
    started = time.process_time()
    found = decontaminate(asked, eval_set(*problems[:500]))
    assert time.process_time() - started < 15
    assert len(found.dropped) <= 5
    twins = found.report.filter(pl.col("rule") == "twin")
    assert set(twins["action"]) <= {"warn"} and twins.height < 200


def test_number_swaps_are_twins_and_dropped_only_when_asked() -> None:
    question = "A baker sells 12 rolls at 3 coins each, then 7 loaves at 15 coins each. What did she earn?"
    swapped = "A baker sells 90 rolls at 2 coins each, then 8 loaves at 40 coins each. What did she earn?"
    assert rules(swapped, against=eval_set(question)) == ["twin"]
    asked = prompts(p=swapped)
    assert decontaminate(asked, eval_set(question)).dropped == []
    assert decontaminate(asked, eval_set(question), settings=Settings(twins="drop")).dropped == ["p"]
    assert rules(swapped, against=eval_set(question), settings=Settings(twins="off")) == []


def test_short_questions_must_match_in_full() -> None:
    long = "Tom has many books. How many books are in the box? He wants to know it before he sells them all."
    evals = eval_set("How many books are in the small box?", "Name a prime.")
    assert rules(long, against=evals) == []
    assert rules("how many books are in the small box", against=evals) == ["exact"]
    assert rules("NAME A PRIME!", against=evals) == ["exact"]


def test_boilerplate_shared_by_many_rows_is_no_evidence() -> None:
    rubric = "For which of these two scenarios does the main character do something clearly morally wrong? "
    verbs = ["sold", "hid", "fixed", "ate", "lost", "bought", "painted", "burnt", "mailed"]
    drawn = [random.Random(i).sample(verbs, 3) for i in range(80)]
    stories = [
        f"I {a} the chair, {b} the old table and {c} whatever was left in the kitchen" for a, b, c in drawn
    ]
    evals = eval_set(*(rubric + story for story in stories))
    assert rules(rubric + "I went home early.", against=evals) == []
    assert "exact" in rules(rubric + stories[0], against=evals)


def test_a_match_says_where_it_is() -> None:
    text = wrapped_in_instructions(QUESTION)
    (row,) = decontaminate(prompts(p=text), eval_set(QUESTION)).report.to_dicts()
    assert text[row["char_start"] : row["char_end"]] == row["span"] == QUESTION.rstrip("?")
    assert row["coverage"] == 1.0 and row["action"] == "drop"


def test_completions_only_warn() -> None:
    said = completions(p=[f"The benchmark says: {QUESTION} I remember it.", "42"])
    found = decontaminate(prompts("p"), eval_set(QUESTION), completions=said)
    assert found.dropped == [] and found.report["completion_id"].to_list() == ["p0"]
    assert found.report["action"].to_list() == ["warn"]
    assert found.totals["completions_warned"].to_list() == [1]


def test_held_out_prompts_are_not_scanned_but_can_be_an_eval_set() -> None:
    everyone = pl.concat(
        [prompts(a=QUESTION, b="What is the weather like in Paris?"), prompts("t", split="test")]
    )
    held_out = everyone.with_columns(messages=everyone["messages"]).filter(pl.col("split") == "test")
    evals = {"held_out": eval_set_from_prompts("held_out", held_out)}
    assert decontaminate(everyone, evals).dropped == []
    leaked = pl.concat([prompts(a=QUESTION), prompts(t=QUESTION.lower(), split="test")])
    assert decontaminate(leaked, {"held_out": eval_set_from_prompts("held_out", leaked)}).dropped == ["a"]


def test_repeated_eval_texts_are_all_reported_and_never_boilerplate() -> None:
    found = decontaminate(prompts(p=QUESTION), eval_set(*[QUESTION] * 60))
    assert found.report.height == 60 and found.totals["hit"].to_list() == [60]


def test_the_order_of_rows_changes_nothing() -> None:
    problems = [problem.text for problem in world.problems(300, seed=2)]
    asked = prompts(**{f"p{i}": text for i, text in enumerate(problems)})
    evals = eval_set(*problems[:40])
    backwards = {"e": evals["e"][::-1]}
    first, second = decontaminate(asked, evals), decontaminate(asked.reverse(), backwards)
    assert first.report.equals(second.report) and first.totals.equals(second.totals)


@given(st.text(max_size=60))
def test_words_and_their_places_agree(text: str) -> None:
    assert len(words(text)) == len(spans(text))


def test_words_fold_what_does_not_matter() -> None:
    assert words("Ann's eggs aren’t hers") == words("Ann s eggs aren t hers") == words("anns EGGS arent hers")
    assert words("two s’mores") == words("two s mores")
    assert words("Don’t pay $1,000.50 for Café-Crème x2!") == words("dont pay 1000 50 for cafe creme x 2")
    assert words("数学は3点") == ["数", "学", "は", "3", "点"]


@pytest.mark.parametrize(
    ("name", "content", "fields", "message"),
    [
        ("missing.jsonl", None, ["question"], "no file"),
        ("a.jsonl", "", ["question"], "has no rows"),
        ("a.jsonl", '{"question": ""}\n', ["question"], "empty in every row"),
        ("a.jsonl", '{"questions": "x"}\n', ["question"], "did you mean 'questions'"),
        ("a.jsonl", '{"question": "x"}\n{"question"\n', ["question"], "line 2"),
        ("a.jsonl", "[1]\n", ["question"], "object with named columns"),
        ("a.txt", "x", ["question"], "none of .jsonl"),
        ("a.jsonl", '{"question": "x"}\n', [], "in `fields`"),
    ],
)
def test_an_eval_set_that_cannot_be_compared_stops_the_run(
    tmp_path: Path, name: str, content: str | None, fields: list[str], message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(message)):
        load_eval_set("mine", tmp_path / name, fields)


def test_an_eval_set_without_words_stops_the_run() -> None:
    with pytest.raises(InputError, match="no text to compare"):
        decontaminate(prompts("p"), eval_set("!?"))


def test_eval_sets_load_from_every_kind_of_file(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"key": ["a", "b"], "question": ["one, two", "three\nfour"], "passage": ["five", None]}
    )
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_csv(tmp_path / "a.csv")
    (tmp_path / "a.json").write_text(json.dumps(frame.to_dicts()), encoding="utf-8")
    files = [tmp_path / name for name in ("a.parquet", "a.csv", "a.json")]
    loaded = [load_eval_set("e", path, ["question", "passage"], "key") for path in files]
    assert loaded[0] == loaded[1] == loaded[2]
    assert [row[1:] for row in loaded[0]] == [
        ("a", "question", "one, two"),
        ("a", "passage", "five"),
        ("b", "question", "three\nfour"),
    ]
