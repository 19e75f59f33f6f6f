"""Log-probabilities are read at the token that carried the verdict, however the reply was cut into tokens."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelers.judges.logprobs import Place, expected_rating, letter_logprobs
from labelers.judges.rating_parser import parse_rating
from labelers.judges.verdict_parser import parse_verdict


def logs(*tokens: dict[str, float]) -> list[Place]:
    return [{text: math.log(p) for text, p in token.items()} for token in tokens]


def test_letters_are_read_at_the_verdict_and_not_at_their_first_mention() -> None:
    spoken = logs(
        {"A": 0.9, "B": 0.1}, {" is.": 1.0}, {"\n": 1.0}, {"[[": 1.0}, {"B": 0.7, "A": 0.25}, {"]]": 1.0}
    )
    reply = "A is.\n[[B]]"
    found = letter_logprobs(reply, spoken, parse_verdict(reply).at, "AB")
    assert found == pytest.approx([math.log(0.25), math.log(0.7)])


@pytest.mark.parametrize("pieces", [("[[A]]",), ("[[A", "]]"), ("[", "[A", "]]"), (" ", "[[", "A]", "]")])
def test_letters_do_not_depend_on_how_the_verdict_is_tokenised(pieces: tuple[str, ...]) -> None:
    spoken = [{p: math.log(0.8), p.replace("A", "B"): math.log(0.15 if "A" in p else 0.8)} for p in pieces]
    reply = "".join(pieces)
    found = letter_logprobs(reply, [*spoken, {"<|im_end|>": 0.0}], parse_verdict(reply).at, "AB")
    assert found == pytest.approx([math.log(0.8), math.log(0.15)])


def test_a_token_that_begins_like_another_does_not_lose_the_place() -> None:
    spoken = logs({"[": 0.6, "[[": 0.4}, {"A": 0.7, "B": 0.25}, {"]]": 1.0})
    assert letter_logprobs("[[A]]", spoken, 2, "AB") == pytest.approx([math.log(0.7), math.log(0.25)])


def test_a_character_of_several_tokens_does_not_lose_the_place() -> None:
    spoken = logs({"": 1.0}, {"题": 1.0}, {"\n[[": 1.0}, {"A": 0.7, "B": 0.25}, {"]]": 1.0})
    assert letter_logprobs("题\n[[A]]", spoken, 4, "AB") == pytest.approx([math.log(0.7), math.log(0.25)])


def test_every_candidate_of_a_ranking_gets_its_own() -> None:
    spoken = logs({"[[": 1.0}, {"C": 0.5, "A": 0.2, "D": 0.2, "B": 0.1}, {"]]": 1.0})
    found = letter_logprobs("[[C]]", spoken, 2, "ABCD")
    assert found == pytest.approx([math.log(p) for p in (0.2, 0.1, 0.5, 0.2)])


def test_a_small_letter_is_compared_with_small_letters() -> None:
    spoken = logs({"[[": 1.0}, {"a": 0.7, "b": 0.25, "A": 0.03}, {"]]": 1.0})
    assert letter_logprobs("[[a]]", spoken, 2, "AB") == pytest.approx([math.log(0.7), math.log(0.25)])


@pytest.mark.parametrize("letters", [{"A": 0.95, "C": 0.05}, {"A": 0.5, "B": 0.3, "C": 0.2}])
def test_a_missing_letter_or_low_coverage_gives_none(letters: dict[str, float]) -> None:
    assert letter_logprobs("[[A]]", logs({"[[": 1.0}, letters, {"]]": 1.0}), 2, "AB") is None


def test_no_logprobs_and_tokens_that_do_not_spell_the_reply_give_none() -> None:
    assert letter_logprobs("[[A]]", (), 2, "AB") is None
    assert letter_logprobs("[[A]]", logs({"((": 1.0}, {"A": 0.6, "B": 0.4}, {"]]": 1.0}), 2, "AB") is None
    assert letter_logprobs("none", logs({"none": 1.0}), -1, "AB") is None
    assert expected_rating("[[8]]", (), 2, 1, 10) is None
    assert expected_rating("none", logs({"none": 1.0}), -1, 1, 10) is None


@given(st.lists(st.floats(0.01, 1), min_size=5, max_size=5), st.integers(1, 5), st.booleans())
def test_the_expected_rating_is_the_mean_of_the_distribution(
    weights: list[float], said: int, together: bool
) -> None:
    share = {k: w / sum(weights) for k, w in enumerate(weights, 1)}
    form = "[[{}]]" if together else "{}"
    number = {form.format(k): p for k, p in share.items()}
    spoken = logs(number) if together else logs({"[[": 1.0}, number, {"]]": 1.0})
    found = expected_rating(f"[[{said}]]", spoken, 2, 1, 5)
    assert found is not None
    assert found.expected == pytest.approx(sum(k * p for k, p in share.items()))
    assert found.coverage == pytest.approx(1)


def test_ten_as_one_token() -> None:
    spoken = logs({"[[": 1.0}, {"10": 0.6, "9": 0.3, "1": 0.1}, {"]]": 1.0})
    # .6 * 10 + .3 * 9 + .1 * 1 = 8.8
    assert expected_rating("[[10]]", spoken, 2, 1, 10) == pytest.approx((8.8, 1.0))


def test_ten_as_two_tokens_is_told_from_one_by_the_second() -> None:
    spoken = logs({"[[": 1.0}, {"1": 0.5, "8": 0.5}, {"0": 0.8, "]]": 0.2}, {"]]": 1.0})
    # .5 * (.8 * 10 + .2 * 1) + .5 * 8 = 8.1
    assert expected_rating("[[10]]", spoken[:3] + logs({"]]": 1.0}), 2, 1, 10) == pytest.approx((8.1, 1.0))
    spoken_one = [*spoken[:2], *logs({"0": 0.8, "]]": 0.2})]
    assert expected_rating("[[1]]", spoken_one, 2, 1, 10) == pytest.approx((8.1, 1.0))


def test_a_one_that_may_begin_a_ten_is_left_out_where_nobody_knows() -> None:
    spoken = logs({"[[": 1.0}, {"8": 0.95, "1": 0.05}, {"]]": 1.0})
    assert expected_rating("[[8]]", spoken, 2, 1, 10) == pytest.approx((8.0, 0.95))
    likely = logs({"[[": 1.0}, {"8": 0.6, "1": 0.4}, {"]]": 1.0})
    assert expected_rating("[[8]]", likely, 2, 1, 10) is None
    # On a scale to nine it can only be a one: .6 * 8 + .4 * 1 = 5.2
    assert expected_rating("[[8]]", likely, 2, 1, 9) == pytest.approx((5.2, 1.0))


def test_numbers_outside_the_scale_and_words_do_not_count() -> None:
    spoken = logs({"[[": 1.0}, {"4": 0.92, "7": 0.05, "high": 0.03}, {"]]": 1.0})
    assert expected_rating("[[4]]", spoken, 2, 1, 5) == pytest.approx((4.0, 0.92))
    assert expected_rating("[[4]]", logs({"[[": 1.0}, {"4": 0.8, "7": 0.2}, {"]]": 1.0}), 2, 1, 5) is None


def test_a_decimal_rating_has_no_expected_one() -> None:
    reply = "[[8.5]]"
    spoken = logs({"[[": 1.0}, {"8": 1.0}, {".": 1.0}, {"5": 1.0}, {"]]": 1.0})
    assert expected_rating(reply, spoken, parse_rating(reply, 1, 10).at, 1, 10) is None
