"""Every row format: the round trip on drawn tables and on published samples, and what is rejected."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.formats import FORMATS, TABLES, read_format, write_format
from curation.formats.losses import losses
from curation.formats.rows import (
    attributes_row,
    outcome_row,
    preference_row,
    ranking_row,
    stepwise_row,
    with_ends,
)
from store.errors import InputError

ABOVE = {"openrlhf-steps-soft": 0.5, "math-aps": 0.0}  # a step whose value is above is right
HELPSTEER = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
CONVERSATIONS = (  # formats whose prompts may have several turns
    "helpsteer2-preference",
    "helpsteer3",
    "nemo-attributes",
    "nemo-ranked",
    "rlhflow-judged-pairs",
    "rlhflow-pairs",
    "trl-preference",
)
ADDED = ("rewardbench", "rewardbench2", "processbench")  # their rows have columns for which we have none
TEXT = st.text("abü .:+-<>\n", min_size=1, max_size=8)
NUMBER = st.floats(-4, 4, width=16)
Row = dict[str, Any]


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def assistant(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def lines(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read(name: str, *rows: Any) -> list[Row]:
    return read_format(name, rows)[0].to_dicts()


def rejected(name: str, *rows: Any) -> dict[str, int]:
    return read_format(name, rows)[1].rejected


@st.composite
def table_rows(draw: st.DrawFn, name: str) -> Row:
    """A row of the format's table that the format can hold."""
    question = draw(TEXT.filter(str.strip))
    prompt, table = user(question), FORMATS[name].table
    if name in CONVERSATIONS:
        prompt = draw(st.sampled_from([prompt, [*prompt, *assistant("So?"), *user(question)]]))
    if name == "nemo-attributes":
        prompt = draw(st.sampled_from([[], [{"role": "system", "content": "Be kind."}]])) + prompt
    texts = draw(st.lists(TEXT, min_size=2, max_size=4, unique=True))
    if table == "preference":
        margin = float(draw(st.integers(1, 3))) if "helpsteer" in name else draw(NUMBER)
        return preference_row(prompt, assistant(texts[0]), assistant(texts[1]), margin)
    if name == "rewardbench2":
        scores = [1.0, *(draw(st.sampled_from([0.0, 1.0])) for _ in texts[2:]), 0.0]
        return ranking_row(prompt, [assistant(text) for text in texts], scores)
    if table == "ranking":
        return ranking_row(prompt, [assistant(text) for text in texts], [draw(NUMBER) for _ in texts])
    if table == "outcome":
        return outcome_row(prompt, assistant(texts[0]), draw(st.booleans()))
    if table == "attributes":
        names = [n for n in FORMATS[name].schema if n not in ("prompt", "completion") and "_id" not in n]
        values = {n: draw(st.none() | st.integers(0, 4).map(float)) for n in names}
        return attributes_row(prompt, assistant(texts[0]), values | {names[0]: 1.0})
    values: list[float] | None = None
    labels: list[bool | None] = [draw(st.booleans()) for _ in texts]
    if name == "processbench":  # people stop at the first wrong step
        first = draw(st.integers(0, len(texts)))
        labels = [i < first if i <= first else None for i in range(len(texts))]
    if name in ABOVE:
        values = [draw(st.floats(0, 1, width=16)) for _ in texts]
        labels = [value > ABOVE[name] for value in values]
    row = stepwise_row(prompt, with_ends(texts), labels, name, values)
    if name != "prm800k-class":
        return row
    ratings = [draw(st.sampled_from([-1, 0, 1])) for _ in texts]
    return row | {"ratings": ratings, "labels": [{-1: False, 0: None, 1: True}[r] for r in ratings]}


NUMBERED = ("math-shepherd", "openrlhf-steps", "openrlhf-steps-soft", "rlhflow-steps", "rlhflow-outcome")


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in TABLES])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_table_survives_the_round_trip_but_for_what_the_format_says_it_loses(
    name: str, data: st.DataObject
) -> None:
    row = data.draw(table_rows(name))
    frame = pl.DataFrame([row], schema=FORMATS[name].schema)
    written, account = write_format(name, frame)
    assert account.rejected == {}
    again, account = read_format(name, written)
    assert (account.rejected, account.left_out) == ({}, {}) or name in ADDED
    assert write_format(name, again)[0] == written
    kept = set(frame.columns) - set(FORMATS[name].loses) - {"evidence", "method"}
    if name in NUMBERED:  # "Step 1: " in front of each step, which changes the text and its id
        column = "completion" if name == "rlhflow-outcome" else "completions"
        assert [text.split(": ", 1)[1] for text in said(again, column)] == said(frame, column)
        kept -= {column, "completion_id"}
    assert again.select(sorted(kept)).equals(frame.select(sorted(kept)), null_equal=True)


def said(frame: pl.DataFrame, column: str) -> list[str]:
    value = frame[column].to_list()[0]
    return [part["content"] if isinstance(part, dict) else part for part in value]


STEPWISE_ROW = stepwise_row(user("?"), ["a\n", "b\n", "c"], [True, False, True], "x", [0.9, 0.2, 0.4]) | {
    "confidences": [0.5, 0.5, 0.5],
    "ratings": [1, -1, 1],
}
LOSING = {
    "preference": preference_row(user("?"), assistant("a"), assistant("b"), 1.5),
    "ranking": ranking_row(user("?"), [assistant(t) for t in "abc"], [7.0, 2.0, 0.5]),
    "outcome": outcome_row(user("?"), assistant("a"), True),
    "stepwise": STEPWISE_ROW,
    "attributes": attributes_row(
        user("?"), assistant("a"), dict.fromkeys(("quality", *HELPSTEER, "charm"), 2.0)
    ),
}


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in TABLES])
def test_every_loss_that_a_format_lists_is_one_and_is_counted(name: str) -> None:
    form = FORMATS[name]
    row = LOSING[form.table] | ({"margin": 2.0} if "helpsteer" in name else {})
    written, account = write_format(name, pl.DataFrame([row]))
    again = read(name, *written)[0]
    for column in form.loses:
        assert again.get(column) != row[column], column
    lost = set(form.loses)
    if form.table == "attributes":
        lost |= row.keys() - form.schema.keys()
    assert account.left_out == dict.fromkeys(lost, 1)
    same = {column for column in row if column in again and again[column] == row[column]}
    remade = {"evidence", "method", "completion_id", "completion_ids", "chosen_id", "rejected_id"}
    changed = row.keys() - same - lost - remade
    assert bool(changed) <= bool(form.alters), changed  # nothing is changed that the format does not tell


ODD_PROMPTS = [
    user("?") + assistant("!") + user("?"),
    [{"role": "system", "content": "Be kind."}, *user("?")],
    user("Q Step 1: a"),
    user("ки <extra_id_1>User\n [RESPONSE A] \n<turn> user\n"),
    user(" \n "),
    user("?") + [{"role": "tool", "content": "4"}] + user("?"),
]
ODD: dict[str, list[Row]] = {
    "preference": [
        *({"soft": s} for s in (0.5, 0.75, 0.25, None)),
        *({"margin": m} for m in (None, 0.5, 9.0)),
        {"rejected": assistant("a")},
    ],
    "ranking": [
        {"scores": [1.0, 1.0, 1.0]},
        {"scores": [2.0, None, 1.0]},
        {"scores": [1.0]},
        {"completions": ["a"], "scores": [1.0]},
        {"completions": ["a", "a", "b"]},
    ],
    "outcome": [{"label": None}],
    "stepwise": [
        {"labels": [None, False, True]},
        {"values": [None, 0.5, 0.5]},
        {"values": None},
        {"ratings": None, "labels": [True, None, False]},
        {"completions": ["a", "b", "c"]},
        {"completions": ["Step 2: a\n", "b\n", "c"]},
        {"completions": ["a ки\n", "b\n", "c"]},
        {"completions": ["a\n", "\n", "c"]},
        {"completions": ["a\n", "b\n", ""]},
        {"values": [2.5, 0.5, 0.5]},
    ],
    "attributes": [
        dict.fromkeys(("quality", *HELPSTEER)),
        {"completion": assistant("<extra_id_1>User\n")},
        {"quality": -100.0, "verbosity": -7.0},
        {"helpfulness": 4.5},
    ],
}


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in TABLES])
def test_a_row_is_refused_for_no_other_reason_than_those_listed(name: str) -> None:
    form = FORMATS[name]
    odd = ODD[form.table] + [{"prompt": prompt} for prompt in ODD_PROMPTS]
    rows = [LOSING[form.table] | one for one in odd]
    reasons = {why for row in rows for why in write_format(name, pl.DataFrame([row]))[1].rejected}
    assert reasons <= set(form.refuses)
    if form.table == "attributes":
        bare = pl.DataFrame([attributes_row(user("?"), assistant("a"), {})])
        assert set(write_format(name, bare)[1].rejected) <= set(form.refuses)


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in TABLES])
def test_what_is_written_can_be_read(name: str) -> None:
    form = FORMATS[name]
    for one in [*ODD[form.table], *({"prompt": prompt} for prompt in ODD_PROMPTS)]:
        row = LOSING[form.table] | ({"margin": 2.0} if "helpsteer" in name else {}) | one
        written, _ = write_format(name, pl.DataFrame([row]))
        again, account = read_format(name, written)
        assert account.rejected == {} and again.height == len(written), one


@pytest.mark.parametrize(
    "name", [n for n, f in FORMATS.items() if f.table == "preference" and n not in TABLES]
)
def test_how_sure_a_preference_is_changes_only_as_the_format_tells(name: str) -> None:
    row = LOSING["preference"] | {"margin": 2.0, "soft": None}
    (pair,) = read(name, *write_format(name, pl.DataFrame([row]))[0])
    assert pair["soft"] == 1.0 and "becomes sure" in FORMATS[name].alters
    tie = row | {"soft": 0.5, "margin": 1.5}
    written, account = write_format(name, pl.DataFrame([tie]))
    if account.kept:  # the sides of a tie stay where they are
        (pair,) = read(name, *written)
        assert (pair["soft"], pair["chosen"], pair["rejected"]) == (0.5, tie["chosen"], tie["rejected"])
        assert pair["margin"] == 0.0 and "a tie's margin becomes 0" in FORMATS[name].alters
    else:
        assert account.rejected == {"tie": 1}


@pytest.mark.parametrize("name", ["helpsteer2-preference", "helpsteer3"])
def test_the_side_of_the_better_response_is_drawn_from_the_content(name: str) -> None:
    rows = [preference_row(user("?"), assistant(f"a {i}"), assistant("b"), 2.0) for i in range(200)]
    frame = pl.DataFrame(rows)
    written, _ = write_format(name, frame)
    strengths = [row[list(row)[-1]] for row in written]
    assert 70 < strengths.count(-2) < 130 and set(strengths) == {-2, 2}
    assert written == write_format(name, frame[::-1])[0][::-1]  # whatever the order
    assert read(name, *written) == rows


def test_an_empty_system_message_is_dropped_as_the_format_tells() -> None:
    row = attributes_row([{"role": "system", "content": ""}, *user("?")], assistant("a"), {"quality": 1.0})
    (again,) = read("nemo-attributes", *write_format("nemo-attributes", pl.DataFrame([row]))[0])
    assert again["prompt"] == user("?") and "empty system message" in FORMATS["nemo-attributes"].alters


def test_the_list_of_losses_names_every_format_and_the_lossless_ones() -> None:
    assert [one.name for one in losses()] == [name for name in FORMATS if name not in TABLES]
    lossless = {one.name for one in losses() if not (one.unwritten or one.altered)}
    assert lossless == {"trl-unpaired", "rollouts", "scored-rollouts"}


def test_columns_that_are_not_read_are_counted_by_name_as_far_as_there_are_few() -> None:
    rows = [PAIR | {"source": "web", "licence": None}, PAIR | {"source": "book"}]
    assert read_format("trl-preference", rows)[1].left_out == {"source": 2}
    many = [PAIR | {f"c{i}": 1 for i in range(100)}] * 2
    left_out = read_format("trl-preference", many)[1].left_out
    assert len(left_out) == 33 and sum(left_out.values()) == 200
    odd = read_format("trl-preference", [PAIR | {"\ud800": 1, "\x1b[2J": 1, "n" * 1000: 1, "empty": [None]}])
    assert list(odd[1].left_out) == ["'\\ud800'", "'\\x1b[2J'", "n" * 64]
    bare = [PAIR | {"prompt_id": "x", "prompt": user("?"), "source": "web"}]
    frame, account = read_format("preference", bare)
    assert account.left_out == {"source": 1} and frame["prompt_id"].to_list() == ["x"]


def test_a_ranking_keeps_its_order_and_its_ties_where_scores_become_ranks() -> None:
    row = ranking_row(user("?"), [assistant(t) for t in "abcd"], [0.5, 7.0, 0.5, -1.0])
    (written,), _ = write_format("nemo-ranked", pl.DataFrame([row], schema=FORMATS["ranking"].schema))
    assert written["context"] == user("?")
    assert [(c["rank"], c["completion"][0]["content"]) for c in written["completions"]] == [
        (0, "b"),
        (1, "a"),
        (1, "c"),
        (2, "d"),
    ]
    assert read("nemo-ranked", written)[0]["scores"] == [0.0, -1.0, -1.0, -2.0]


def test_all_four_preference_forms_are_read() -> None:
    good, bad = assistant("blue"), assistant("red")
    forms = [
        {"prompt": user("Sky?"), "chosen": good, "rejected": bad},
        {"chosen": user("Sky?") + good, "rejected": user("Sky?") + bad},
        {"prompt": "Sky?", "chosen": "blue", "rejected": "red"},
        {"prompt": "Sky?", "chosen": user("Sky?") + good, "rejected": user("Sky?") + bad},  # UltraFeedback
    ]
    rows = read("trl-preference", *forms)
    assert all(row == rows[0] for row in rows) and len(rows) == 4
    text = read("trl-preference", {"chosen": "The sky is blue.", "rejected": "The sky is black."})[0]
    said = [text[c][0]["content"] for c in ("prompt", "chosen", "rejected")]
    assert said == ["The sky is", " blue.", " black."]
    assert read("trl-preference", forms[0] | {"margin": 2})[0]["margin"] == 2.0


def test_a_multi_turn_conversation_is_the_prompt_up_to_where_the_answers_differ() -> None:
    talk = user("Hi") + assistant("Hello!") + user("Sky?")
    row = read("trl-preference", {"chosen": talk + assistant("blue"), "rejected": talk + assistant("red")})[0]
    assert (row["prompt"], row["chosen"]) == (talk, assistant("blue"))


PAIR = {"prompt": "?", "chosen": "a", "rejected": "b"}
MARKED = {"input": "Q? Step 1: a ки\nStep 2: b ки", "label": "Q? Step 1: a +\nStep 2: b -"}
TURNS = [{"role": "user", "content": "Q? Step 1: a"}, {"role": "assistant", "content": "maybe"}]
RATED = {"prompt": "?", "response": "yes"} | dict.fromkeys(
    ("helpfulness", "correctness", "coherence", "complexity", "verbosity"), 4
)
STRENGTH = {"prompt": "?", "response_1": "a", "response_2": "b", "preference_strength": 2}
RANKED = [{"rank": rank, "completion": assistant(text)} for rank, text in enumerate("ab")]
VISITED = {"solution_prefix": "Pa", "mc_value": 0.5}
OWN = {"prompt": user("?"), "chosen": assistant("a"), "rejected": assistant("b")}
OWN_RANKING = {"prompt": user("?"), "completions": ["a", "b"], "scores": [1.0, 0.0]}
OWN_STEPS = {"prompt": user("?"), "completions": ["a", "b"], "labels": [True, None]}
BEST = {"prompt": "?", "chosen": ["a"], "rejected": ["b", "c"]}
MARKED_STEPS = {"problem": "?", "steps": ["a", "b"], "label": -1}
ALL_ALIKE = "all_right_or_all_wrong"
MARKS = "text_holds_the_marks_of_the_format"
REJECTED = [
    ("trl-preference", {"chosen": "a", "rejected": "b"}, "no_prompt_and_no_shared_beginning"),
    ("trl-preference", {"chosen": "the same", "rejected": "the same"}, "no_prompt_and_no_shared_beginning"),
    ("trl-preference", PAIR | {"chosen": "b"}, "same_completion_twice"),
    ("trl-preference", PAIR | {"chosen": ""}, "empty_completion"),
    ("trl-preference", PAIR | {"chosen": assistant("a")}, "chosen_and_rejected_are_of_two_kinds"),
    ("trl-preference", PAIR | {"margin": "much"}, "margin_is_no_number"),
    ("trl-preference", PAIR | {"tools": [{"name": "search"}]}, "tools_are_not_kept"),
    ("trl-preference", {"chosen": "a b"}, "not_in_this_format"),
    (
        "trl-preference",
        PAIR | {"prompt": [{"role": "user", "content": [{"type": "image"}]}]},
        "content_is_no_text",
    ),
    ("trl-stepwise", {"prompt": "?", "completions": [1], "labels": [True]}, "content_is_no_text"),
    (
        "trl-preference",
        {"prompt": "?", "chosen": user("!") + assistant("a"), "rejected": user("!") + assistant("b")},
        "prompt_differs_from_conversation",
    ),
    (
        "trl-preference",
        {"prompt": "?", "chosen": assistant("a") + user("b"), "rejected": assistant("c")},
        "completion_is_a_conversation",
    ),
    ("trl-unpaired", {"prompt": "?", "completion": "a", "label": None}, "label_neither_true_nor_false"),
    ("trl-stepwise", {"prompt": "?", "completions": ["a"], "labels": [-100]}, "label_neither_true_nor_false"),
    ("trl-stepwise", {"prompt": "?", "completions": ["a"], "labels": [0.7]}, "label_neither_true_nor_false"),
    (
        "trl-stepwise",
        {"prompt": "?", "completions": ["a"], "labels": ["yes"]},
        "label_neither_true_nor_false",
    ),
    ("trl-stepwise", {"prompt": "?", "completions": ["a"], "labels": []}, "labels_differ_from_steps"),
    ("trl-stepwise", {"prompt": "?", "completions": [], "labels": []}, "empty_step"),
    ("math-shepherd", MARKED | {"label": "Q? Step 1: a +\nStep 2: c -"}, "label_differs_from_input"),
    ("math-shepherd", MARKED | {"label": "Q? Step 1: a +\nStep 2: b"}, "label_differs_from_input"),
    ("math-shepherd", {"input": "Q? Step 1: a", "label": "Q? Step 1: a"}, "no_step_tag"),
    ("math-shepherd", {"input": "Q? a ки", "label": "Q? a +"}, "no_question_before_step_1"),
    (
        "math-shepherd",  # an annotation inside the question, as in a dozen published rows
        {"input": "Q ки? Step 1: a ки", "label": "Q +? Step 1: a +"},
        "no_question_before_step_1",
    ),
    (
        "math-shepherd",
        {"input": "Q? Step 1: a ки and more", "label": "Q? Step 1: a + and more"},
        "text_after_last_tag",
    ),
    ("math-shepherd", {"text": "Q?"}, "not_in_this_format"),
    ("math-shepherd", ["a", "list"], "not_in_this_format"),
    ("openrlhf-steps", {"input": MARKED["input"], "value": ["+"]}, "values_differ_from_tags"),
    ("openrlhf-steps", {"input": MARKED["input"], "value": [0.5, 1.5]}, "value_is_no_probability"),
    ("openrlhf-steps", {"input": MARKED["input"], "value": ["+", 0.5]}, "value_is_no_probability"),
    ("rlhflow-steps", {"conversations": TURNS}, "turn_without_a_mark"),
    ("rlhflow-steps", {"conversations": TURNS[:1]}, "turns_do_not_alternate"),
    ("math-aps", {"question": "Q", "reasoning_steps": [VISITED]}, "prefix_without_the_question"),
    (
        "math-aps",
        {"question": "P", "reasoning_steps": [VISITED | {"mc_value": 2}]},
        "value_is_no_probability",
    ),
    ("math-aps", {"question": "P", "reasoning_steps": [VISITED | {"solution_prefix": "P"}]}, "no_steps"),
    ("nemo-ranked", {"context": user("?"), "completions": RANKED[:1]}, "fewer_than_two_completions"),
    (
        "nemo-ranked",
        {"context": user("?"), "completions": [RANKED[0], RANKED[1] | {"rank": None}]},
        "rank_is_no_number",
    ),
    (
        "rollouts",
        {"prompt": "?", "completions": ["a", "b"], "rewards": [1]},
        "rewards_differ_from_completions",
    ),
    ("rollouts", {"prompt": "?", "completions": ["a"], "rewards": [0.5]}, "label_neither_true_nor_false"),
    ("rollouts", {"prompt": "?", "completions": [""], "rewards": [1]}, "empty_completion"),
    (
        "scored-rollouts",
        {"prompt": "?", "completions": ["a", "a", "b"], "rewards": [1, 0.5, 0]},
        "same_completion_with_two_scores",
    ),
    ("trl-preference", PAIR | {"margin": 10**400}, "margin_is_no_number"),
    ("trl-preference", PAIR | {"prompt": "a\ud800"}, "text_is_no_unicode"),
    ("preference", OWN | {"prompt": user("a\ud800"), "prompt_id": "p"}, "text_is_no_unicode"),
    ("preference", OWN | {"margin": float("nan")}, "margin_is_no_number"),
    ("preference", OWN | {"chosen": [None]}, "not_in_this_format"),
    ("preference", OWN | {"chosen": assistant("a") + user("b")}, "completion_is_a_conversation"),
    ("ranking", OWN_RANKING | {"scores": [1.0, None]}, "score_is_no_number"),
    ("ranking", OWN_RANKING | {"scores": [1.0]}, "scores_differ_from_completions"),
    ("stepwise", OWN_STEPS | {"completions": ["a", ""]}, "empty_text"),
    ("stepwise", OWN_STEPS | {"completions": ["a", 1]}, "content_is_no_text"),
    ("stepwise", OWN_STEPS | {"labels": [True, 0.7]}, "label_neither_true_nor_false"),
    ("stepwise", OWN_STEPS | {"values": [0.5]}, "values_differ_from_completions"),
    ("stepwise", OWN_STEPS | {"ratings": [1, 2]}, "rating_out_of_range"),
    ("stepwise", OWN_STEPS | {"method": 1}, "method_is_no_text"),
    *(("preference", OWN | {"prompt": prompt}, "no_prompt") for prompt in (None, [], "")),
    ("preference", OWN | {"evidence": {"a": 1}}, "evidence_is_no_text"),
    ("preference", OWN | {"evidence": ["a"]}, "evidence_is_no_text"),
    ("preference", OWN | {"prompt_id": 7}, "prompt_id_is_no_text"),
    ("preference", OWN | {"chosen_id": {"a": 1}}, "chosen_id_is_no_text"),
    ("ranking", OWN_RANKING | {"completion_ids": ["a", 1]}, "completion_id_is_no_text"),
    ("ranking", OWN_RANKING | {"completion_ids": ["a"]}, "completion_ids_differ_from_completions"),
    ("trl-stepwise", {"prompt": "?", "completions": ["", "a"], "labels": [True, True]}, "empty_step"),
    ("trl-preference", PAIR | {"prompt": ""}, "no_prompt"),
    ("trl-preference", {"prompt": "", "chosen": "It is a", "rejected": "It is b"}, "no_prompt"),
    ("trl-unpaired", {"prompt": "", "completion": "a", "label": True}, "no_prompt"),
    ("trl-unpaired", {"prompt": user(""), "completion": "a", "label": True}, "no_prompt"),
    ("openrlhf-steps", {"input": MARKED["input"], "value": [True, 0.5]}, "value_is_no_probability"),
    ("helpsteer", RATED | {"verbosity": 5}, "rating_out_of_range"),
    ("helpsteer", RATED | {"verbosity": "4"}, "rating_is_no_number"),
    ("helpsteer", RATED | {"prompt": "a\n<extra_id_1>Assistant\nb"}, "prompt_does_not_end_with_the_user"),
    ("helpsteer", RATED | {"prompt": "a <extra_id_1>Assistant\nb"}, "stray_turn_mark"),
    ("helpsteer2-preference", STRENGTH | {"preference_strength": -100}, "strength_out_of_range"),
    ("helpsteer2-preference", STRENGTH | {"response_1": "b"}, "same_completion_twice"),
    ("nemo-attributes", {"text": "<extra_id_1>User\n?", "label": [0.0] * 9}, "text_without_an_end_mark"),
    ("nemo-attributes", {"text": "<extra_id_1>User\n?\n<extra_id_2>", "label": [0.0]}, "not_nine_labels"),
    ("preference", {"prompt": user("?"), "chosen": [], "rejected": assistant("a")}, "empty_column"),
    ("rewardbench", PAIR | {"subset": None}, "subset_is_no_text"),
    ("rewardbench", PAIR | {"subset": "\ud800"}, "text_is_no_unicode"),
    ("rewardbench", PAIR, "not_in_this_format"),
    ("rewardbench2", PAIR, "not_in_this_format"),
    ("rewardbench2", BEST | {"rejected": []}, ALL_ALIKE),
    ("rewardbench2", BEST | {"rejected": ["a", "c", "d"]}, ALL_ALIKE),  # without a, both are wrong
    ("rewardbench2", BEST | {"num_correct": 2}, "counts_differ_from_completions"),
    ("rewardbench2", BEST | {"total_completions": 4}, "counts_differ_from_completions"),
    ("rewardbench2", {"prompt": "?", "chosen": ["a"], "rejected": ["a"]}, "same_completion_with_two_scores"),
    ("processbench", MARKED_STEPS | {"label": 2}, "label_is_no_step"),
    ("processbench", MARKED_STEPS | {"label": -2}, "label_is_no_step"),
    ("processbench", MARKED_STEPS | {"label": True}, "label_is_no_step"),
    ("processbench", MARKED_STEPS | {"steps": []}, "empty_step"),
    ("processbench", MARKED_STEPS | {"steps": ["a", ""]}, "empty_step"),
    (
        "rlhflow-pairs",  # a prompt that nobody would compare
        {"prompt": "!", "chosen": user("?") + assistant("a"), "rejected": user("?") + assistant("b")},
        "not_in_this_format",
    ),
    ("rlhflow-pairs", {"chosen": "a b", "rejected": "a c"}, "not_in_this_format"),
    ("rlhflow-pairs", {"chosen": TURNS, "rejected": TURNS}, "no_prompt_and_no_shared_beginning"),
    ("rlhflow-judged-pairs", {"messages": user("?") + assistant("C")}, "verdict_neither_a_nor_b"),
    ("rlhflow-judged-pairs", {"messages": user("?") + assistant("A")}, "no_context_and_two_responses"),
    ("rlhflow-outcome", {"conversations": TURNS}, "turn_without_a_mark"),
    ("rlhflow-outcome", {"conversations": TURNS * 2}, "not_one_question_and_one_mark"),
    ("rlhflow-outcome", {"conversations": user("Q") + assistant("+")}, "no_question_before_step_1"),
]


@pytest.mark.parametrize(("name", "row", "reason"), REJECTED)
def test_a_row_that_cannot_be_read_is_rejected_by_name(name: str, row: Any, reason: str) -> None:
    assert rejected(name, row) == {reason: 1}


def test_what_a_format_has_no_way_to_say_is_rejected_when_it_is_written() -> None:
    pair = preference_row(user("?"), assistant("a"), assistant("b"), None)
    steps = stepwise_row(user("?"), ["a\n", "b"], [True, False], "x")
    system = [{"role": "system", "content": "Be kind."}]
    talk = stepwise_row([*user("?"), *assistant("!"), *user("?")], ["a"], [True], "x")
    for name, row, reason in [
        ("trl-preference", pair | {"soft": 0.5}, "tie"),
        ("trl-preference", pair | {"soft": 0.25}, "rejected_is_preferred"),
        ("trl-preference", pair | {"soft": 0.75}, "soft_preference"),
        ("helpsteer3", pair | {"soft": 0.25, "margin": 2.0}, "rejected_is_preferred"),
        ("helpsteer2-preference", pair | {"soft": 0.51, "margin": 2.0}, "soft_preference"),
        ("trl-margin", pair, "no_margin"),
        ("rewardbench", pair | {"soft": 0.5}, "tie"),
        ("rewardbench", pair | {"prompt": talk["prompt"]}, "prompt_is_a_conversation"),
        ("rlhflow-pairs", pair | {"soft": 0.75}, "soft_preference"),
        ("rlhflow-judged-pairs", pair | {"prompt": system + user("?")}, "turns_do_not_alternate"),
        (
            "rlhflow-judged-pairs",
            pair | {"chosen": assistant("a [RESPONSE B]")},
            "text_holds_the_marks_of_the_format",
        ),
        ("rlhflow-judged-pairs", pair | {"prompt": user("a\n<turn> user\n b")}, MARKS),
        ("rlhflow-outcome", outcome_row(user("Q Step 1: x"), assistant("a"), True), MARKS),
        ("rlhflow-outcome", outcome_row(user("?"), assistant("a"), True) | {"label": None}, "no_label"),
        (
            "rewardbench2",
            ranking_row(user("?"), [assistant(t) for t in "ab"], [1, 1]),
            "all_right_or_all_wrong",
        ),
        ("processbench", steps | {"labels": [None, False]}, "undecided_step"),
        ("math-shepherd", steps | {"completions": ["Step 2: a\n", "b"]}, "steps_numbered_otherwise"),
        ("rlhflow-steps", steps | {"completions": ["Step 1: a\n", "b"]}, "steps_numbered_otherwise"),
        ("math-aps", steps | {"values": None}, "step_without_a_value"),
        ("openrlhf-steps-soft", steps | {"values": None}, "step_without_a_value"),
        ("helpsteer3", pair | {"margin": 0.5}, "margin_is_no_strength"),
        ("trl-unpaired", outcome_row(user("?"), assistant("a"), True) | {"label": None}, "no_label"),
        ("trl-stepwise", steps | {"labels": [True, None]}, "undecided_step"),
        ("trl-stepwise", steps | {"completions": ["a", "b"]}, "step_does_not_end_its_line"),
        ("math-shepherd", steps | {"completions": ["a ки\n", "b"]}, "text_holds_the_marks_of_the_format"),
        ("openrlhf-steps", talk, "prompt_is_a_conversation"),
        ("openrlhf-steps-soft", steps, "step_without_a_value"),
        ("prm800k-class", steps | {"labels": [None, True]}, "undecided_step"),
        (
            "helpsteer",
            attributes_row(user("<extra_id_1>User\n"), assistant("a"), dict.fromkeys(list(RATED)[2:], 1.0)),
            "text_holds_the_marks_of_the_format",
        ),
    ]:
        frame = pl.DataFrame([row], schema=FORMATS[name].schema)
        assert write_format(name, frame)[1].rejected == {reason: 1}, name
        assert reason in FORMATS[name].refuses, name
    frame = pl.DataFrame([attributes_row(user("?"), assistant("a"), {"helpfulness": 1.0})])
    assert write_format("helpsteer", frame)[1].rejected == {"attribute_missing": 1}


def test_steps_that_are_numbered_in_order_keep_their_numbers() -> None:
    row = stepwise_row(user("Q"), ["Step 1: a\n", "step 2 : b"], [True, False], "x")
    written, _ = write_format("openrlhf-steps", pl.DataFrame([row], schema=FORMATS["stepwise"].schema))
    assert written == [{"input": "Q Step 1: a ки\nstep 2 : b ки", "value": ["+", "-"]}]
    assert read("openrlhf-steps", *written)[0]["completions"] == row["completions"]


def test_not_a_number_is_a_missing_value_and_never_a_label() -> None:
    values: dict[str, float | None] = dict.fromkeys(list(RATED)[2:], 1.0) | {"verbosity": math.nan}
    frame = pl.DataFrame([attributes_row(user("?"), assistant("a"), values)])
    assert write_format("helpsteer", frame)[0][0]["verbosity"] is None
    assert write_format("nemo-attributes", frame)[0][0]["label"] == [-100.0] * 4 + [1.0] * 4 + [-100.0]
    ranking = ranking_row(user("?"), [assistant("a"), assistant("b")], [1.0, math.nan])
    frame = pl.DataFrame([ranking], schema=FORMATS["ranking"].schema)
    assert write_format("scored-rollouts", frame)[1].rejected == {"score_is_no_number": 1}


def test_a_completion_that_cannot_be_used_is_left_out_and_not_its_row() -> None:
    row = {"prompt": "?", "completions": ["a", "b", "", "c"], "rewards": [1, None, 1, 0]}
    frame, account = read_format("rollouts", [row])
    assert frame["label"].to_list() == [True, False] and account.kept == 1
    assert account.left_out == {"label_neither_true_nor_false": 1, "empty_completion": 1}
    frame, account = read_format("scored-rollouts", [row | {"rewards": [0.5, "?", 1, 2]}])
    assert frame["completions"][0].to_list() == ["c", "a"] and account.kept == 1
    ranked = [*RANKED, RANKED[0] | {"rank": 7}, {"rank": 3, "completion": assistant("c")}]
    frame, account = read_format("nemo-ranked", [{"context": user("?"), "completions": ranked}])
    assert frame["completions"][0].to_list() == ["b", "c"]
    assert account.left_out == {"same_completion_with_two_scores": 1}
    rows = [outcome_row(user("?"), assistant(t), True) | {"label": t == "a" or None} for t in "ab"]
    written, account = write_format("rollouts", pl.DataFrame(rows, schema=FORMATS["outcome"].schema))
    assert written[0]["completions"] == ["a"] and (account.kept, account.rejected) == (1, {"no_label": 1})


def test_rows_of_a_tree_that_disagree_about_a_shared_step_are_not_written() -> None:
    rows = [
        stepwise_row(user("?"), ["a\n", text], [True, True], "x", [value, 1.0])
        for text, value in (("b", 0.25), ("c", 0.5))
    ]
    frame = pl.DataFrame(rows, schema=FORMATS["stepwise"].schema)
    written, account = write_format("math-aps", frame)
    assert written == [] and account.rejected == {"prefix_with_two_values": 2}


@pytest.mark.parametrize(
    "solutions",
    [(["a\n", "b"], ["a\nb", "c"]), (["ab"], ["a", "bc"]), (["ab", "c"], ["a", "bc"])],
)
def test_rows_of_a_prompt_that_cut_a_text_in_different_places_are_not_written(
    solutions: tuple[list[str], ...],
) -> None:
    rows = [stepwise_row(user("?"), s, [True] * len(s), "x", [0.5] * len(s)) for s in solutions]
    written, account = write_format("math-aps", pl.DataFrame(rows))
    assert written == [] and account.rejected == {"steps_cut_in_different_places": 2}


def test_rows_that_others_of_their_prompt_repeat_or_begin_with_are_part_of_them() -> None:
    solutions = (["a", "b"], ["a"], ["a", "c"], ["a", "c"])
    rows = [stepwise_row(user("?"), s, [True] * len(s), "x", [0.5] * len(s)) for s in solutions]
    written, account = write_format("math-aps", pl.DataFrame(rows))
    assert account.kept == 4
    assert [row["completions"] for row in read("math-aps", *written)] == [["a", "b"], ["a", "c"]]
    assert "repeats or begins with" in FORMATS["math-aps"].alters


def test_what_a_format_has_no_place_for_is_counted() -> None:
    frame = pl.DataFrame(
        [preference_row(user("?"), assistant("a"), assistant(t), m) for t, m in (("b", 1.0), ("c", None))],
        schema=FORMATS["preference"].schema,
    )
    assert write_format("trl-preference", frame)[1].left_out == {"margin": 1}
    assert write_format("trl-margin", frame)[1].left_out == {}
    steps = stepwise_row(user("?"), ["a\n", "b"], [True, False], "x", [0.75, 0.25])
    frame = pl.DataFrame([steps], schema=FORMATS["stepwise"].schema)
    assert write_format("trl-stepwise", frame)[1].left_out == {"values": 1}
    assert write_format("math-aps", frame)[1].left_out == {"labels": 1}


def test_a_prompt_may_be_repeated_in_the_conversation() -> None:
    system = [{"role": "system", "content": "Be kind."}]
    for prompt, before in (
        (user("Sky?"), user("Sky?")),
        ("Sky?", [*system, *user("Sky?")]),
        ([*system, *user("Sky?")], [*system, *user("Sky?")]),
        ("Sky? ", user("Sky?")),
        ("Sky?", user("Hi") + assistant("Hello!") + user(" Sky?\n")),  # the last turn
    ):
        row = {"prompt": prompt, "chosen": before + assistant("blue"), "rejected": before + assistant("red")}
        assert read("trl-preference", row)[0]["prompt"] == before


def test_a_shared_beginning_ends_before_the_word_in_which_the_answers_part() -> None:
    row = read("trl-preference", {"chosen": "The sky is blue", "rejected": "The sky isn't red"})[0]
    said = [row[name][0]["content"] for name in ("prompt", "chosen", "rejected")]
    assert said == ["The sky", " is blue", " isn't red"]


def test_a_text_with_turn_marks_is_cut_at_the_last_one() -> None:
    asked = "\n\nHuman: Hi\n\nAssistant: Hello!\n\nHuman: 1-1?\n\nAssistant:"
    for answers in ((" The answer is 0", " The answer was 0"), (" 0", " 1")):
        row = read("trl-preference", {"chosen": asked + answers[0], "rejected": asked + answers[1]})[0]
        assert [row[n][0]["content"] for n in ("prompt", "chosen", "rejected")] == [asked, *answers]


def test_a_step_is_right_where_its_value_is_above_a_half() -> None:
    assert read("openrlhf-steps", {"input": MARKED["input"], "value": [0.5, 0.51]})[0]["labels"] == [
        False,
        True,
    ]


def test_an_unknown_format_is_answered_with_the_names_there_are() -> None:
    with pytest.raises(InputError, match="no format 'prm800k'; there are .*prm800k-positive, .*helpsteer"):
        read_format("prm800k", [])


def test_published_math_shepherd_rows_survive_the_round_trip(shared_data: Path) -> None:
    rows = lines(shared_data / "format_samples/samples_math-shepherd.jsonl")
    frame, account = read_format("math-shepherd", rows)
    assert account.kept == len(rows) == 7 and account.rejected == {}
    assert frame["labels"][0].to_list() == [True, True, True, True, False]
    assert frame["prompt"][0][0]["content"].endswith("in a year?")
    without_task = [{name: row[name] for name in ("input", "label")} for row in rows]
    assert write_format("math-shepherd", frame)[0] == without_task
    for name in ("openrlhf-steps", "rlhflow-steps", "trl-stepwise", "prm800k-drop"):
        again = read_format(name, write_format(name, frame)[0])[0]
        assert again.drop("method").equals(frame.drop("method")), name


def test_published_math_aps_prefixes_become_the_steps_of_their_continuations(shared_data: Path) -> None:
    rows = lines(shared_data / "format_samples/samples_math-aps.jsonl")
    frame, account = read_format("math-aps", rows)
    assert account.kept == 3 and account.rejected == {}
    written, _ = write_format("math-aps", frame)
    assert read_format("math-aps", written)[0].equals(frame)
    for row, again in zip(rows, written, strict=True):
        visited: dict[str, list[float]] = {}
        for step in row["reasoning_steps"]:
            visited.setdefault(step["solution_prefix"], []).append(step["mc_value"])
        del visited[row["question"]]
        kept = {step["solution_prefix"]: step["mc_value"] for step in again["reasoning_steps"]}
        assert kept == {prefix: sum(values) / len(values) for prefix, values in visited.items()}


def test_prefixes_of_a_search_are_a_tree() -> None:
    values = {"Q": 0.5, "Qab": 0.25, "Qabc": 0.0, "Qabd": 1.0, "Qx": 0.5}
    steps = [{"solution_prefix": p, "mc_value": v} for p, v in values.items()]
    found = read("math-aps", {"question": "Q", "reasoning_steps": steps})
    assert [(row["completions"], row["values"], row["labels"]) for row in found] == [
        (["ab", "c"], [0.25, 0.0], [True, False]),
        (["ab", "d"], [0.25, 1.0], [True, True]),
        (["x"], [0.5], [True]),
    ]


def test_grouped_rollouts_are_written_a_prompt_a_row() -> None:
    rows = [outcome_row(user(q), assistant(t), t == "b") for q, t in ("pa", "pb", "qb", "qc", "qd")]
    frame = pl.DataFrame(rows, schema=FORMATS["outcome"].schema)
    written, account = write_format("rollouts", frame)
    assert written == [
        {"prompt": "p", "completions": ["a", "b"], "rewards": [0, 1]},
        {"prompt": "q", "completions": ["b", "c", "d"], "rewards": [1, 0, 0]},
    ]
    assert account.kept == 5 and read_format("rollouts", written)[0].equals(frame)
    # a table without ids is grouped by its prompts
    bare = read_format("outcome", frame.drop("prompt_id").to_dicts())[0]
    assert write_format("rollouts", bare)[0] == written


def test_a_completion_drawn_twice_is_ranked_once() -> None:
    row = {"prompt": "?", "completions": ["a", "b", "a"], "rewards": [1, 0.25, 1]}
    found = read("scored-rollouts", row)[0]
    assert (found["completions"], found["scores"]) == (["a", "b"], [1.0, 0.25])


def test_helpsteer_ratings_and_preferences_are_read() -> None:
    row = read(
        "helpsteer", RATED | {"verbosity": None, "prompt": "a\n<extra_id_1>Assistant\nb\n<extra_id_1>User\nc"}
    )
    assert row[0]["prompt"] == user("a") + assistant("b") + user("c")
    assert (row[0]["helpfulness"], row[0]["verbosity"]) == (4.0, None)
    for strength, chosen, soft in ((2, "b", 1.0), (-3, "a", 1.0), (0, "a", 0.5)):
        pair = read("helpsteer2-preference", STRENGTH | {"preference_strength": strength})[0]
        assert pair["chosen"] == assistant(chosen)
        assert (pair["margin"], pair["soft"]) == (abs(strength), soft)
    context = user("a") + assistant("b") + user("c")
    pair = read(
        "helpsteer3", {"context": context, "response1": "x", "response2": "y", "overall_preference": -1}
    )
    assert (pair[0]["prompt"], pair[0]["chosen"], pair[0]["margin"]) == (context, assistant("x"), 1.0)


def test_nemo_aligners_text_is_taken_apart_at_its_turn_marks() -> None:
    text = (
        "<extra_id_0>System\nBe kind.\n<extra_id_1>User\nHi\nthere\n"
        "<extra_id_1>Assistant\nHello!\n<extra_id_2>"
    )
    row = read("nemo-attributes", {"text": text, "label": [-100.0] * 4 + [3.0, 4.0, 4.0, 2.0, -100.0]})[0]
    assert row["prompt"] == [{"role": "system", "content": "Be kind."}, *user("Hi\nthere")]
    assert row["completion"] == assistant("Hello!")
    assert (row["quality"], row["helpfulness"], row["verbosity"]) == (None, 3.0, None)
