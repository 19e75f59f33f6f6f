"""Planted defects in files of public formats, those that published pipelines made among them (L1 to L18)."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curation.audit import Report, Tokens, reading, splits
from curation.audit.catalogue import CHECKS
from curation.audit.files import audit_files
from curation.audit.raw import RawChecks
from curation.audit.reading import REJECTIONS
from curation.audit.report import Tally
from curation.formats import FORMATS
from store.errors import InputError
from store.shards import write_table
from store.tables import OUTCOME, PREFERENCE, RANKING, STEPWISE

Row = dict[str, Any]


def written(path: Path, rows: list[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def report(tmp_path: Path, rows: list[Row], read_as: str | None = None, tokens: Any = None) -> Report:
    return audit_files([written(tmp_path / "set.jsonl", rows)], read_as, tokens)[0]


def checks(found: Report) -> set[str]:
    return {one.check for one in found.found}


def chat(*turns: str) -> list[Row]:
    return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(turns)]


def pair(prompt: str = "Why?", chosen: str = "Because.", rejected: str = "No idea.", **more: Any) -> Row:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected, **more}


def steps(*texts: str, labels: list[Any], prompt: str = "Add 1 and 2.") -> Row:
    return {"prompt": prompt, "completions": list(texts), "labels": labels}


def outcome(completion: str, label: Any, prompt: str = "Add 9 and 9.") -> Row:
    return {"prompt": prompt, "completion": completion, "label": label}


def marked(text: str, marks: str) -> Row:
    pieces = text.split("ки")
    return {"input": text, "label": "".join(p + m for p, m in zip(pieces, [*marks, ""], strict=True))}


GOOD = [pair(f"Question {i}?", f"Yes, {i}.", f"No, not {i}.") for i in range(5)]
SUM = "What is 1 + 2? Step 1: Add them. ки\nStep 2: The answer is 3. ки"
APS = {"question": "Q?", "reasoning_steps": [{"solution_prefix": "Q? One.", "mc_value": 0.25}]}

CASES: list[tuple[str, str, list[Row]]] = [
    # L1, L2: a completer that throws its solutions away leaves steps without labels, their last words cut.
    ("label_missing", "trl-stepwise", [steps("Step 1: a", "Step 2: b", labels=[None, None])]),
    ("label_missing", "math-shepherd", [{"input": "Q? Step 1: a", "label": "Q? Step 1: a"}]),
    ("step_without_content", "trl-stepwise", [steps("Step 1:", "Step 2:", labels=[False, True])]),
    # L3, L12: answers compared as strings.
    (
        "same_answer_two_labels",
        "trl-unpaired",
        [outcome("So the answer is: 18.0", False), outcome("The answer is 18", True)],
    ),
    (
        "same_answer_two_labels",
        "trl-unpaired",
        [outcome(r"It is \boxed{1/2}", True), outcome("x\n#### 0.5", False)],
    ),
    # L4: a blank line in a rationale makes three ratings of two answers.
    ("lengths_differ", "trl-preference", [pair(generations=["a", "b"], ratings=[None, 5, 1])]),
    ("lengths_differ", "trl-stepwise", [steps("a", "b", labels=[True])]),
    ("lengths_differ", "scored-rollouts", [{"prompt": "p", "completions": ["a", "b"], "rewards": [1.0]}]),
    # L5: tied ratings make a pair of one generation, or of two that are equally good.
    ("same_text", "trl-preference", [pair(chosen="Yes.", rejected="Yes.")]),
    ("tie_as_preference", "trl-preference", [pair(score_chosen=3, score_rejected=3.0)]),
    # L6: a verdict that is never read.
    (
        "chosen_by_position",
        "helpsteer2-preference",
        [
            {"prompt": f"p{i}", "response_1": "a", "response_2": "b", "preference_strength": -1}
            for i in range(20)
        ],
    ),
    # L8: a rating that is missing shifts all behind it, and the worse answer is chosen.
    ("rating_against_choice", "trl-preference", [pair(**{"chosen-rating": 2.0, "rejected-rating": 5.0})]),
    # L10: coin flips in place of verdicts contradict each other.
    ("labelled_both_ways", "trl-preference", [pair(), pair(chosen="No idea.", rejected="Because.")]),
    # L12: rewards below zero that all became 0.
    ("all_equal", "scored-rollouts", [{"prompt": "p", "completions": ["a", "b"], "rewards": [0.0, 0.0]}]),
    # L13: 2 counts as right because 12 holds it.
    (
        "two_right_answers",
        "trl-unpaired",
        [outcome("The answer is 2.", True), outcome("The answer is 12.", True)],
    ),
    # L14: one rollout of four makes a right step.
    ("weak_step_called_right", "math-aps", [APS]),
    # L16: two prompts in one pair.
    ("prompt_mismatch", "trl-preference", [{"chosen": chat("Why?", "a"), "rejected": chat("How?", "b")}]),
    (
        "prompt_mismatch",
        "trl-preference",
        [{"chosen": "\n\nHuman: Why?\n\nAssistant: a", "rejected": "\n\nHuman: How?\n\nAssistant: b"}],
    ),
    # L18: rollouts that repair a wrong step silently.
    ("right_after_wrong", "math-shepherd", [marked(SUM, "-+")]),
    ("labels_beside_steps", "math-shepherd", [marked(SUM, "++") | {"label": SUM.replace("ки", "+", 1)}]),
    ("prefix_labelled_both_ways", "trl-stepwise",
     [steps("a", "b", labels=[True, True]), steps("a", "c", labels=[False, False])]),
    ("labelled_both_ways", "trl-unpaired", [outcome("x", True), outcome("x", False)]),
    ("label_missing", "trl-unpaired", [outcome("x", -100)]),
    ("value_out_of_range", "openrlhf-steps-soft", [{"input": SUM, "value": [0.5, 1.5]}]),
    ("one_label_only", "trl-unpaired", [outcome("x", True), outcome("y", True)]),
    ("one_label_prompts", "trl-unpaired", [outcome("x", True), outcome("y", True), outcome("z", False, "r")]),
    ("cycle", "trl-preference", [pair("p", a, b) for a, b in ("xy", "yz", "zx")]),
    ("duplicate_row", "trl-preference", [pair(), pair()]),
    ("id_reused", "trl-preference", [pair(id=7), pair("How?", id=7)]),
    ("empty_text", "trl-preference", [pair(rejected=" ")]),
    ("empty_text", "trl-preference", [pair(chosen=chat("", "a")[1:], rejected=chat("", "")[1:])]),
    ("unreadable_row", "trl-preference", [pair(), {"prompt": "p"}]),
    ("unread_file", "math-shepherd", [pair()]),
    ("no_prompt", "trl-preference", [pair("")]),
    ("same_text", "trl-preference", [{"chosen": "no turns here", "rejected": "no turns here"}]),
    ("labels_beside_steps", "processbench",
     [{"id": "x", "problem": "p", "steps": ["a", "b"], "final_answer_correct": False, "label": 2}]),
    ("rating_out_of_range", "helpsteer2-preference",
     [{"prompt": "p", "response_1": "a", "response_2": "b", "preference_strength": 7}]),
    ("prompt_mismatch", "rlhflow-pairs",
     [{"prompt": "How?", "chosen": chat("Why?", "a"), "rejected": chat("Why?", "b")}]),
    ("labelled_both_ways", "scored-rollouts",
     [{"prompt": "p", "completions": ["a", "b", "c"], "rewards": [0.9, 0.5, 0.1]},
      {"prompt": "p", "completions": ["c", "a"], "rewards": [0.75, 0.25]}]),
    ("labelled_both_ways", "helpsteer",
     [{"prompt": "p", "response": "a", "helpfulness": n, "correctness": 3, "coherence": 3, "complexity": 1,
       "verbosity": 1} for n in (0, 3)]),
    ("too_few_completions", "ranking",
     [{"prompt": chat("p"), "completions": ["a"], "scores": [1.0], "completion_ids": ["x"]}]),
    # Texts that were decoded, unescaped or templated wrongly.
    ("broken_unicode", "trl-preference", [pair(chosen="half \ud83d")]),
    ("replacement_character", "trl-preference", [pair(chosen="caf\ufffd")]),
    ("mojibake", "trl-preference", [pair(chosen="cafÃ©")]),
    ("mojibake", "trl-preference", [pair(chosen="itâ€™s")]),
    ("mojibake", "trl-preference", [pair(chosen="Привет".encode().decode("cp1252"))]),
    ("mojibake", "trl-preference", [pair(chosen="λέξη".encode().decode("latin-1"))]),
    ("mojibake", "trl-preference", [pair(chosen="日本語".encode().decode("cp1252"))]),
    ("control_characters", "trl-preference", [pair(chosen="a\x00b")]),
    ("escaped_newlines", "trl-preference", [pair(chosen="One.\\n\\nTwo.")]),
    ("escaped_newlines", "trl-preference", [pair("Two\nlines?", "One.\\n\\nTwo.")]),
    ("escaped_newlines", "trl-stepwise", [steps("One.\\nTwo.", "3", labels=[True, True])]),
    ("html_entities", "trl-preference", [pair(chosen="a &lt; b")]),
    ("invisible_characters", "trl-preference", [pair(chosen="a\u200bb")]),
    ("template_marks", "trl-preference", [pair(chosen="Yes.<|im_end|>")]),
]  # fmt: skip


@pytest.mark.parametrize(("check", "form", "rows"), CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES])
def test_a_planted_defect_is_found(tmp_path: Path, check: str, form: str, rows: list[Row]) -> None:
    found = report(tmp_path, rows, form)
    assert check in checks(found)
    one = next(one for one in found.found if one.check == check)
    assert one.first and 0 < one.count <= one.out_of
    assert one.first[0][0].startswith(("row ", "whole set"))


def test_a_clean_file_has_no_finding_and_its_format_is_found(tmp_path: Path) -> None:
    found = report(tmp_path, GOOD)
    assert found.found == [] and (found.read_as, found.rows, found.read) == ("trl-preference", 5, 5)


def test_rows_of_ultrafeedback_binarized_are_read_and_its_defects_found(tmp_path: Path) -> None:
    """Its columns look like our own table's, but chosen and rejected are whole conversations."""

    def row(i: int, chosen: str = "Yes.", rejected: str = "No.", scores: tuple[float, float] = (8, 5)) -> Row:
        sides = [chat(f"Question {i}?", answer) for answer in (chosen, rejected)]
        return {
            "prompt": f"Question {i}?",
            "prompt_id": f"{i:064x}",
            "chosen": sides[0],
            "rejected": sides[1],
            "messages": sides[0],
            "score_chosen": scores[0],
            "score_rejected": scores[1],
        }

    rows = [row(i) for i in range(10)] + [row(10, scores=(7, 7)), row(11, "No.", "Yes.", (2, 6))]
    rows += [row(12, "Yes.", "Yes."), row(13) | {"rejected": chat("Another question?", "No.")}]
    found = report(tmp_path, rows)
    assert found.read_as == "trl-preference" and found.read == 12
    assert {one.check: one.first[0][0] for one in found.found if one.severity == "error"} == {
        "tie_as_preference": "row 11",
        "rating_against_choice": "row 12",
        "same_text": "row 13",
        "prompt_mismatch": "row 14",
    }


@pytest.mark.parametrize(
    "text",
    [
        r"The set \{x : x \neq 0\} and \nabla f, \nu.",  # LaTeX is no escaped newline
        "Ça coûte 5 €, n’est-ce pas? Â ne veut rien dire.",
        "« Il est passé…» dit-elle. « À côté…»",
        "Use `a && b`; 3 < 4 > 2; AT&T",
        "👩‍👩‍👧 joins its parts",
        "A Human: walks into a bar. [INSTALL]",
        "def f():\n\treturn 'a\\nB'\n",
        "Ответ: яблоки и сливки",
    ],
)
def test_honest_texts_are_left_alone(tmp_path: Path, text: str) -> None:
    assert report(tmp_path, [pair(chosen=text)], "trl-preference").found == []
    assert report(tmp_path, [steps(text, "b", labels=[True, False])], "trl-stepwise").found == []


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("The answer is 18 apples", "The answer is 18"),  # not plainly a number
        (r"\boxed{x + 18}", "The answer is 18"),
        ("#### 18", "#### 19"),
        ("18", "18 "),
    ],
)
def test_only_plain_numbers_are_compared(tmp_path: Path, a: str, b: str) -> None:
    found = report(tmp_path, [outcome(a, True), outcome(b + " ", False)], "trl-unpaired")
    assert "same_answer_two_labels" not in checks(found)


def test_rounded_answers_may_both_be_right(tmp_path: Path) -> None:
    rows = [outcome("#### 1/3", True), outcome("#### 0.33", True), outcome("#### 1,000", True, "q")]
    assert checks(report(tmp_path, rows, "trl-unpaired")) & {"two_right_answers"} == set()


def test_answers_joined_by_position_are_found(tmp_path: Path, shared_data: Path) -> None:
    """L7: one row dropped before the join, and every later prompt has its neighbour's answers."""
    lines = (shared_data / "gsm8k/test.jsonl").read_text().splitlines()[:512]
    rows = [json.loads(line) for line in lines]
    right = [pair(row["question"], row["answer"], row["answer"][::-1]) for row in rows]
    assert "answers_shifted" not in checks(report(tmp_path, right, "trl-preference"))
    moved = right[:200] + [
        pair(a["prompt"], b["chosen"], b["rejected"]) for a, b in zip(right[200:], right[201:], strict=False)
    ]
    found = report(tmp_path, moved, "trl-preference")
    one = next(one for one in found.found if one.check == "answers_shifted")
    assert one.severity == "error" and one.count >= 256  # four whole blocks of 64 behind the row
    assert "1 rows further down" in one.first[0][1]


def test_one_side_joined_by_position_is_found(tmp_path: Path, shared_data: Path) -> None:
    """L16: the second answers come from the same data in another order."""
    lines = (shared_data / "gsm8k/test.jsonl").read_text().splitlines()[:400]
    rows = [json.loads(line) for line in lines]
    others = rows[137:] + rows[:137]
    mixed = [pair(a["question"], a["answer"], b["answer"]) for a, b in zip(rows, others, strict=True)]
    found = report(tmp_path, mixed, "trl-preference")
    assert "side_off_topic" in checks(found)
    straight = [pair(row["question"], row["answer"], row["answer"] + " Or not.") for row in rows]
    assert "side_off_topic" not in checks(report(tmp_path, straight, "trl-preference"))


def test_the_first_seat_and_the_longer_text_are_weighed_against_chance(tmp_path: Path) -> None:
    def judged(share: float, n: int = 400) -> Report:
        rows = [
            {
                "prompt": f"p{i}",
                "response_1": "a long answer",
                "response_2": "short",
                "preference_strength": -1 if i < share * n else 1,
            }
            for i in range(n)
        ]
        return report(tmp_path, rows, "helpsteer2-preference")

    assert checks(judged(0.5)) == set() and checks(judged(0.54)) == set()
    biased = judged(0.7)
    assert checks(biased) == {"position_bias", "length_bias"}
    assert biased.facts["chosen_first"] == {"share": 0.7, "pairs": 400}
    assert biased.facts["longer_is_better"] == {"share": 0.7, "of": 400}


def test_a_prompt_in_train_and_test_is_found(tmp_path: Path) -> None:
    train = written(tmp_path / "train-00000.jsonl", GOOD)
    test = written(tmp_path / "test.jsonl", [pair("Question 3"), pair("Something else?")])
    last = audit_files([train, test], "trl-preference")[-1]
    (leak,) = last.found
    assert (leak.check, leak.count, leak.out_of) == ("prompt_in_both_splits", 1, 2)
    assert leak.first == [("test.jsonl row 1", "also train-00000.jsonl row 4")]
    assert len(audit_files([train, written(tmp_path / "dev.jsonl", [pair()])], "trl-preference")) == 2


def letters(messages: list[Row], segments: Any) -> tuple[list[int], int, list[int]]:
    """A model whose tokens are characters."""
    prompt = "".join(m["content"] for m in messages)
    ends = [len(prompt) + len("".join(segments[: i + 1])) - 1 for i in range(len(segments))]
    return [ord(c) for c in prompt + "".join(segments)], len(prompt), ends


def test_what_a_model_reads_is_checked(tmp_path: Path) -> None:
    tokens = Tokens(letters, lambda text: set(range(0, len(text), 3)), 8)
    alike = report(tmp_path, [pair("Why?", "abcdX", "abcdY")], "trl-preference", tokens)  # L17
    assert {"same_tokens", "over_long"} <= checks(alike)
    assert "prompt_over_long" in checks(report(tmp_path, [pair("Why is it so?")], "trl-preference", tokens))
    assert checks(report(tmp_path, [pair("W?", "abc", "abd")], "trl-preference", tokens)) == set()
    cut = report(tmp_path, [steps("ab", "cd", "f", labels=[True] * 3, prompt="W?")], "trl-stepwise", tokens)
    assert {"steps_cut_off", "over_long"} <= checks(cut) and "merged_separator" not in checks(cut)
    merged = report(tmp_path, [steps("a", "b", labels=[True] * 2, prompt="W?")], "trl-stepwise", tokens)
    assert checks(merged) == {"merged_separator"}  # "a\n" ends inside the token of characters 0 to 2


def test_every_row_is_read_or_named(tmp_path: Path) -> None:
    rows: list[Any] = [*GOOD, {"prompt": "p"}, pair(chosen="x", rejected="x"), pair("only"), 5, None, ["a"]]
    found = report(tmp_path, rows, "trl-preference")
    rejected = {one.check: one.count for one in found.found}
    # A row that says nothing is counted as such; so many of them are an error of the file.
    assert (found.rows, found.read) == (len(rows), 6)
    assert rejected == {"unread_file": 4, "unreadable_row": 4, "same_text": 1}


def test_compressed_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in GOOD).encode()))
    assert audit_files([path])[0].read == 5


def test_a_table_says_the_same_as_parquet_and_row_by_row(tmp_path: Path) -> None:
    """Tables of ours in Parquet never become Python rows; the findings are those of the slow way."""
    rows = [
        {
            "prompt": chat(f"Question {i % 7}?"),
            "completion": chat("", f"Yes\u200b, {i % 5}.")[1:],
            "label": i % 4 == 0,
            "evidence": "given",
            "prompt_id": f"p{i % 6}",
            "completion_id": f"c{i}",
        }
        for i in range(40)
    ]
    frame = pl.DataFrame(rows, schema=OUTCOME)
    write_table(frame, tmp_path / "set.parquet", OUTCOME)
    fast = audit_files([tmp_path / "set.parquet"])[0].to_dict()
    slow = report(tmp_path, rows, "outcome").to_dict()
    assert fast["format"] == "outcome" and fast["rows"] == 40
    assert fast["findings"] == slow["findings"] and fast["facts"] == slow["facts"]
    found = {one["check"]: one["count"] for one in fast["findings"]}
    assert found["id_reused"] == 6 and found["labelled_both_ways"] and found["invisible_characters"] == 40


def test_a_file_that_nothing_reads_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "set.jsonl", [{"a": 1}])
    with pytest.raises(InputError, match=r"set\.jsonl: no format has rows like these.*--from"):
        audit_files([path])


def test_public_samples_have_no_error(shared_data: Path) -> None:
    """Published rows of four formats; their authors' choices are warnings and notes at most."""
    files = sorted((shared_data / "format_samples").glob("*.jsonl"))
    reports = audit_files([*files, shared_data / "processbench/gsm8k.json"])
    assert [found.read_as for found in reports] == [
        "math-aps",
        "math-shepherd",
        "prm800k-positive",
        "processbench",
    ]
    assert sum(found.errors for found in reports) == 0
    assert [found.read for found in reports] == [124, 7, 28, 400]


def test_every_rejection_is_a_check_that_there_is() -> None:
    assert set(REJECTIONS.values()) <= CHECKS.keys()


def test_an_id_may_name_a_prompt_or_a_conversation_but_not_two_questions(tmp_path: Path) -> None:
    pairs = [pair(f"Question {i // 2}?", f"Yes, {i}.", id=-(i // 2)) for i in range(8)]  # -1 and -2, too
    assert "id_reused" not in checks(report(tmp_path, pairs, "trl-preference"))
    first = chat("Why?", "Because.", "And how?")
    turns = [{"prompt": first[:1]}, {"prompt": first}]
    turns = [row | {"chosen": chat("", "a")[1:], "rejected": chat("", "b")[1:], "id": 7} for row in turns]
    assert "id_reused" not in checks(report(tmp_path, turns, "trl-preference"))
    strangers = [pair("Why?", unique_id="u"), pair("How?", unique_id="u")]
    assert "id_reused" in checks(report(tmp_path, strangers, "trl-preference"))


def test_tables_without_ids_and_step_values_are_clean(tmp_path: Path) -> None:
    texts = [{"prompt": chat(f"Question {i}?"), "evidence": "given"} for i in range(4)]
    pairs = [row | {"chosen": chat("", f"yes {i}")[1:], "rejected": chat("", f"no {i}")[1:], "soft": 1.0}
             for i, row in enumerate(texts)]  # fmt: skip
    outcomes = [row | {"completion": chat("", f"yes {i}")[1:], "label": i % 2 == 0}
                for i, row in enumerate(texts)]  # fmt: skip
    stepwise = [
        {"prompt": row["prompt"], "completions": [f"a{i}\n", "b"], "labels": [True, False], "method": "m"}
        for i, row in enumerate(texts)
    ]
    for name, rows in (("preference", pairs), ("outcome", outcomes), ("stepwise", stepwise)):
        found = report(tmp_path, rows, name)
        assert [one for one in found.found if one.severity == "error"] == [] and found.read == 4
    null = dict.fromkeys(STEPWISE)
    write_table(pl.DataFrame([null | row for row in stepwise], STEPWISE), tmp_path / "s.parquet", STEPWISE)
    assert audit_files([tmp_path / "s.parquet"])[0].found == []
    short = stepwise[0] | {"values": [0.5]}
    write_table(pl.DataFrame([null | short], STEPWISE), tmp_path / "s.parquet", STEPWISE)
    (one,) = audit_files([tmp_path / "s.parquet"])[0].found
    assert (one.check, one.first) == ("lengths_differ", [("row 1", "2 steps, 1 values")])


def test_a_parquet_table_with_holes_is_audited_as_its_rows_are(tmp_path: Path) -> None:
    def found(rows: list[Row], schema: pl.Schema, tokens: Any = None) -> set[str]:
        frame = pl.DataFrame([dict.fromkeys(schema) | row for row in rows], schema)
        write_table(frame, tmp_path / "set.parquet", schema)
        return checks(audit_files([tmp_path / "set.parquet"], tokens=tokens)[0])

    tokens = Tokens(letters, lambda text: set(range(len(text))), 99)
    yes, no = chat("", "yes")[1:], chat("", "no")[1:]
    pairs = [{"prompt": None, "chosen": yes, "rejected": no}, {"prompt": [], "chosen": yes, "rejected": None}]
    assert {"no_prompt", "unreadable_row"} <= found(pairs, PREFERENCE, tokens)
    asked = {"prompt": chat("p"), "rejected": no}
    for chosen in ([], chat("yes"), [*yes, *no]):
        assert "unreadable_row" in found([asked | {"chosen": chosen}], PREFERENCE, tokens)
    holes = {"prompt": chat("p"), "completions": ["a", None], "labels": [True, False]}
    assert "empty_text" in found([holes], STEPWISE)
    ranked = {"prompt": chat("p"), "completions": None, "scores": [1.0], "completion_ids": ["x"]}
    assert "lengths_differ" in found([ranked], RANKING)


@pytest.mark.parametrize(
    "more",
    [
        {"chosen_score": 10**400, "rejected_score": 1},
        {"generations": ["a", "b"], "chosen": 1},
        {"generations": ["a", "b"], "chosen": ["text"]},
        {"generations": ["a", "b"], "chosen": [{"role": "assistant"}]},
    ],
)
def test_hostile_rows_end_no_audit(tmp_path: Path, more: Row) -> None:
    found = report(tmp_path, [*GOOD, pair("Other?") | more], "trl-preference")
    assert found.rows == 6 and found.read >= 5


def test_an_explicit_prompt_may_stand_beside_an_answer_with_turn_marks(tmp_path: Path) -> None:
    rows = [pair(chosen="a\n\nHuman: x\n\nAssistant: b", rejected="a\n\nHuman: y\n\nAssistant: c")]
    assert "prompt_mismatch" not in checks(report(tmp_path, rows, "trl-preference"))
    whole = {"chosen": chat("Why?", "a"), "rejected": chat("How?", "b")}
    (found,) = report(tmp_path, [*GOOD * 3, whole], "trl-preference").found[:1]
    assert (found.check, found.count) == ("prompt_mismatch", 1)
    assert "unreadable_row" not in checks(report(tmp_path, [*GOOD * 3, whole], "trl-preference"))


def test_the_next_format_is_tried_where_later_rows_need_it(tmp_path: Path) -> None:
    def rolled(i: int, rewards: list[Any]) -> Row:
        return {"prompt": f"p{i}", "completions": [f"a{i}", f"b{i}"], "rewards": rewards}

    rows = [rolled(i, [1, 0]) for i in range(120)]
    mostly = report(tmp_path, [*rows, rolled(999, [0.25, 0.75])])
    assert mostly.read_as == "rollouts" and "scored-rollouts" in mostly.also_fits
    found = report(tmp_path, rows + [rolled(i, [0.25, 0.75]) for i in range(120, 200)])
    assert (found.read_as, found.read, found.found) == ("scored-rollouts", 200, [])


def test_turns_of_one_conversation_are_not_shifted(tmp_path: Path, shared_data: Path) -> None:
    lines = (shared_data / "gsm8k/test.jsonl").read_text().splitlines()[:120]
    solved = [json.loads(line) for line in lines]
    rows = []
    for i, row in enumerate(solved):
        said = [solved[(i + turn) % len(solved)]["answer"] for turn in range(3)]
        talk = chat(
            row["question"], said[0], "Can you explain that again?", said[1], "Thanks! Now a poem.", said[2]
        )
        rows += [{"prompt": talk[:at], "completion": talk[at : at + 1]} for at in (1, 3, 5)]
    found = report(tmp_path, [row | {"label": i % 2 == 0} for i, row in enumerate(rows)], "trl-unpaired")
    assert "answers_shifted" not in checks(found)


def test_a_shift_by_three_and_a_whole_shuffle_are_found(tmp_path: Path, shared_data: Path) -> None:
    lines = (shared_data / "gsm8k/test.jsonl").read_text().splitlines()[:320]
    rows = [json.loads(line) for line in lines]

    def joined(answers: list[Row]) -> set[str]:
        sets = [outcome(b["answer"], True, a["question"]) for a, b in zip(rows, answers, strict=False)]
        return checks(report(tmp_path, sets, "trl-unpaired"))

    assert joined(rows) & {"answers_shifted", "answers_off_topic"} == set()
    assert "answers_shifted" in joined(rows[3:])
    assert "answers_off_topic" in joined(rows[1::2] + rows[::2])


def test_a_split_column_and_near_copies_are_compared(tmp_path: Path, monkeypatch: Any) -> None:
    asks = "A shop sells {} red pens and {} blue pens for three dollars each; how much is that in all?"
    words = ["two", "nine", "eleven", "forty", "sixty", "eighty"]
    train = [
        pair(asks.format(a, b) + f" {a * 9}", split="train") for a, b in zip(words, words[1:], strict=False)
    ]
    test = [pair(train[0]["prompt"], split="test"), pair("What else is there?", split="validation")]
    leak = audit_files([written(tmp_path / "set.jsonl", train + test)])[-1].found[0]
    assert (leak.check, leak.count, leak.out_of) == ("prompt_in_both_splits", 1, 2)
    paths = [
        written(tmp_path / f"{side}.jsonl", [pair(asks.format("two", "nine") + more)])
        for side, more in (("train", ""), ("test", " Please."))
    ]
    (near,) = audit_files(paths)[-1].found
    assert near.check == "near_copy_in_both_splits"
    assert near.first == [("test.jsonl row 1", "a near copy of train.jsonl row 1 in train")]
    monkeypatch.setattr(splits, "NEAR_BYTES", 10)
    assert [one.check for one in audit_files(paths)[-1].found] == ["near_copies_not_compared"]


def test_batches_of_long_rows_end_early(tmp_path: Path, monkeypatch: Any) -> None:
    rows = [pair(f"Question {i}?", "yes " * 50, "no " * 50) for i in range(20)]
    path, tally = written(tmp_path / "set.jsonl", rows), Tally()
    whole = audit_files([path])[0].to_dict()
    monkeypatch.setattr(reading, "BATCH_BYTES", 1000)
    batches = list(reading.Rows(path, FORMATS["trl-preference"], RawChecks(tally), tally))
    assert [batch.height for batch in batches] == [3] * 6 + [2]
    assert audit_files([path])[0].to_dict() == whole


def test_an_unreadable_file_among_others_is_an_error_of_its_own(tmp_path: Path) -> None:
    good, bad = written(tmp_path / "good.jsonl", GOOD), written(tmp_path / "other.jsonl", [{"a": 1}])
    reports = audit_files([bad, good])
    assert [checks(one) for one in reports] == [{"unreadable_file"}, set()]
    with pytest.raises(InputError, match=r"columns: 'a'"):
        audit_files([bad])
    with pytest.raises(InputError, match="no rows in this file"):
        audit_files([written(tmp_path / "empty.jsonl", [])])
