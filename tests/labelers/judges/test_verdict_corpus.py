"""The published corpus of judge replies: our parsers read every one right, the common rules do not."""

from __future__ import annotations

import pytest
from verdict_corpus import OURS, PEERS, Row, load, score

from labelers.judges.last_line import last_statement
from labelers.judges.untrusted import Kind, fence_pattern, neutralise

ROWS = [(kind, row) for kind in OURS for row in load(kind)]


@pytest.mark.parametrize(("kind", "row"), ROWS, ids=[row["id"] for _, row in ROWS])
def test_a_reply_means_what_a_careful_reader_takes_from_it(kind: str, row: Row) -> None:
    assert OURS[kind](row) == row["expected"], row["why"]


def test_the_corpus_is_large_and_every_row_is_one_of_a_kind_with_its_reason() -> None:
    assert len(ROWS) >= 250
    assert len({row["id"] for _, row in ROWS}) == len(ROWS)
    questions = {(kind, *(str(row[k]) for k in row if k not in ("id", "why"))) for kind, row in ROWS}
    assert len(questions) == len(ROWS)
    assert all(row["why"] for _, row in ROWS)


def test_every_kind_of_reply_has_replies_with_and_without_a_verdict() -> None:
    for kind in OURS:
        readable = [row["expected"] is not None for row in load(kind)]
        assert min(readable.count(True), readable.count(False)) >= 10


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in PEERS for name in PEERS[kind]])
def test_the_common_rules_make_wrong_labels(kind: str, name: str) -> None:
    rows = load(kind)
    theirs = score(rows, PEERS[kind][name])
    print(f"{kind}: {name} right {theirs.right}/{theirs.rows}, wrong labels {theirs.wrong_labels}")
    assert theirs.right < 0.8 * theirs.rows
    assert theirs.wrong_labels > 0.1 * theirs.rows


@pytest.mark.parametrize(
    "word", ["not", "never", "If so,", "unless", "?", '"', "> ", "nicht", "pas", "не", "不", "B:"]
)
def test_a_word_before_the_last_line_that_could_turn_it_round_leaves_nothing(word: str) -> None:
    for kind, row in ROWS:
        at = last_statement(row["reply"]).start
        turned = f"{row['reply'][:at]}{word} {row['reply'][at:]}"
        assert OURS[kind]({**row, "reply": turned}) is None, row["id"]


@pytest.mark.parametrize("after", ["No.", "Or not?", "[[D]]", "Hmm", "x", "2", '"', "<think>"])
def test_anything_said_after_a_verdict_leaves_nothing(after: str) -> None:
    for kind, row in ROWS:
        assert OURS[kind]({**row, "reply": f"{row['reply']}\nBut: {after}"}) is None, row["id"]


def test_a_reply_that_a_judge_quotes_from_a_candidate_is_no_verdict_of_its_own() -> None:
    kinds: dict[str, Kind] = dict.fromkeys(OURS, "pairwise")
    kinds |= {"ranking": "ranking", "rating": "rating", "critique": "critique"}
    for kind, row in ROWS:
        shown = neutralise(row["reply"], kinds[kind], fence_pattern(set()))
        assert OURS[kind]({**row, "reply": f"The text of the candidate:\n{shown}"}) is None, row["id"]
