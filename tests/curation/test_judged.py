"""From eval sets to pairs for a judge, and from its verdicts to rows of a report."""

import polars as pl
import pytest

from curation.decontamination.judged import JUDGED, PAIRS, Paraphrases
from curation.decontamination.matches import MATCHES
from curation.eval_sets import EvalSet, EvalText
from curation.words.texts import texts_of

DUCKS = "Janet feeds 16 ducks at dawn. How many ducks does Janet feed in 3 weeks?"
METAL = "Which metal is liquid at room temperature?"
OURS = ["In 3 weeks, how many ducks will Janet have fed, feeding 16 at dawn?", "What is a noun?"]


def eval_set(name, kind, *texts):
    rows = [EvalText(str(row), "question", text) for row, text in enumerate(texts)]
    return EvalSet(name, "made", "main", "test", "abc", kind, rows, len(rows))


SETS = [
    eval_set("sums", "math", DUCKS, "Bo reads a book."),
    eval_set("quiz", "knowledge", METAL, DUCKS),
    eval_set("more", "math", DUCKS),
]


@pytest.fixture(scope="module")
def paraphrases():
    return Paraphrases(SETS)


def judged(pairs, verdict):
    return pairs.with_columns(verdict=pl.lit(verdict))


def test_an_eval_text_is_one_pair_per_kind_of_the_sets_that_have_it(paraphrases):
    pairs = paraphrases.pairs(texts_of(OURS))
    assert pairs.schema == PAIRS
    assert pairs.select("row", "text", "eval_text", "kind").rows() == [
        (0, OURS[0], DUCKS, "knowledge"),
        (0, OURS[0], DUCKS, "math"),
    ]


def test_a_verdict_holds_for_every_eval_row_of_that_kind(paraphrases):
    pairs = paraphrases.pairs(texts_of(OURS))
    found = paraphrases.matches(judged(pairs, "same").filter(pl.col("kind") == "math"))
    assert found.drop("verdict").schema == MATCHES
    assert found.select("row", "eval_set", "eval_row", "eval_field").rows() == [
        (0, "sums", "0", "question"),
        (0, "more", "0", "question"),
    ]
    row = found.row(0, named=True)
    assert (row["rule"], row["verdict"], row["span"], row["eval_span"]) == (
        "paraphrase",
        "same",
        OURS[0],
        DUCKS,
    )
    assert row["spans"] == [{"start": 0, "end": len(OURS[0])}] and row["eval_revision"] == "abc"
    assert 0 < row["coverage_eval"] <= 1 and row["n_matched"] is None


def test_different_is_no_match_and_unknown_is_one(paraphrases):
    pairs = paraphrases.pairs(texts_of(OURS))
    assert judged(pairs, "same").schema == JUDGED
    assert paraphrases.matches(judged(pairs, "different")).is_empty()
    assert set(paraphrases.matches(judged(pairs, "unknown"))["verdict"]) == {"unknown"}
    assert paraphrases.matches(judged(pairs, "unknown")).height == 3


def test_a_pair_without_a_verdict_is_never_clean(paraphrases):
    pairs = paraphrases.pairs(texts_of(OURS))
    found = paraphrases.matches(judged(pairs, None).cast({"verdict": pl.String}))
    assert found["verdict"].to_list() == ["unknown"] * 3
    with pytest.raises(AssertionError, match="a verdict is"):
        paraphrases.matches(judged(pairs, "maybe"))


def test_of_rows_with_one_text_the_first_are_named():
    repeated = Paraphrases([eval_set("sums", "math", *[DUCKS] * 30)])
    found = repeated.matches(judged(repeated.pairs(texts_of(OURS)), "same"))
    assert found["eval_row"].to_list() == [str(row) for row in range(10)]


@pytest.mark.parametrize(
    "ours, differ",
    [
        ("Janet feeds 16 ducks at dawn, every day. How many in 3 weeks?", False),
        ("Janet feeds 16 ducks at dawn, every day. How many in three weeks?", False),
        ("Janet feeds sixteen ducks at dawn. How many in 2 weeks?", True),
        ("Janet feeds 1,600 ducks at dawn, every day. How many in 5 weeks?", True),
    ],
)
def test_a_pair_with_fewer_than_half_of_the_numbers_is_taken_for_a_twin(paraphrases, ours, differ):
    pairs = paraphrases.pairs(texts_of([ours]))
    assert set(paraphrases.matches(judged(pairs, "same"))["numbers_differ"]) == {differ}


def test_no_eval_sets_and_no_texts_are_no_pairs(paraphrases):
    assert Paraphrases([]).pairs(texts_of(OURS)).schema == PAIRS
    nothing = paraphrases.pairs(texts_of([]))
    assert nothing.schema == PAIRS and nothing.is_empty()
    assert paraphrases.matches(judged(nothing, "same")).is_empty()
