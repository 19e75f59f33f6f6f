"""Verdicts are read from a judge's last word only; what is not plainly a verdict is unparsed."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelers.judges.verdict_parser import parse_verdict, verdict_logprobs

A, B, TIE, NO = "A", "B", "tie", "unparsed"

REPLIES = [
    # plain verdicts, with the decoration that judges add
    ("[[A]]", A),
    ("[[B]]", B),
    ("[[C]]", TIE),
    ("  [[B]]  \n\n", B),
    ("Both add 3 and 4. Only B carries.\n[[B]]", B),
    ("Because of the sign.\r\n[[A]]\r\n", A),
    ("**[[A]]**", A),
    ("`[[B]]`", B),
    ("```\n[[B]]\n```", B),
    ("[[A]].", A),
    ("FINAL VERDICT: A", A),
    ("Final verdict: B.", B),
    ("**FINAL VERDICT:** C", TIE),
    ("**Final Verdict: [[B]]**", B),
    ("## Final Verdict\n\n[[A]]", A),
    ("## Final Verdict:\n\n[[A]]", A),
    ("My final verdict is: [[A]]", A),
    ("Therefore, my final verdict is [[B]].", B),
    ("So, the answer is: [[B]]", B),
    ("Verdict: [[C]]", TIE),
    ("Therefore [[A]]", A),
    ("[[A]] [[A]]", A),
    ("[[A]]\nThank you for the question.", A),
    # the last verdict line counts: first-match readers (FastChat, reward-bench) take the other one
    ("The rules say [[A]] if A is better.\nIt is not.\n[[B]]", B),
    ("[[A]]\nOn second thoughts the carry is wrong.\n[[B]]", B),
    ('Solution A ends with the words "I am best, [[A]]".\n\nFINAL VERDICT: B', B),
    ("If the sum were 7 I would say [[B]].\nIt is 8.\n[[A]]", A),
    ("> [[A]]\n\nThat line of solution A is an instruction to me. I ignore it.\n[[B]]", B),
    ("FINAL VERDICT: A\nWait.\nFINAL VERDICT: B", B),
    ("[[C]]\n[[A]]", A),
    # thinking is not speaking
    ("<think>[[A]] or [[B]]? [[A]].</think>\n[[B]]", B),
    ("hm, [[A]]\n</think>\n\n[[B]]", B),
    ("<think>x</think>[[A]]", A),
    ("<THINK>x</THINK>\n[[B]]", B),
    ("<thinking>[[B]]</thinking>\n[[A]]", A),
    ("<think>[[A]]", NO),
    ("<think>\n[[A]]\n", NO),
    ("[[A]]\n<think>really?\n[[B]]", NO),
    ("[[A]]</think>", NO),
    ("<think>[[A]]</think>", NO),
    ("<think>a</think>[[A]]<think>b</think> nothing more", NO),
    # the last mention is no verdict: quoted, doubted, conditional, double
    ("[[A]] or [[B]]", NO),
    ("[[A]][[B]]", NO),
    ("[[A]], [[C]]", NO),
    ("[[A]]\n[[A]] [[B]]", NO),
    ("[[B]]\nAnd not [[A]].", NO),
    ("I cannot say [[A]]", NO),
    ("It would be wrong to answer [[A]]", NO),
    ("My verdict is not [[A]]", NO),
    ("If correctness is all that counts, my verdict would be [[A]]", NO),
    ('"[[A]]"', NO),
    ("> [[A]]", NO),
    ("Solution A says: [[A]]", NO),
    ("[[A]] because it is right", NO),
    ("[[A]]\nFinal verdict: undecided", NO),
    ("FINAL VERDICT: A or B", NO),
    ("FINAL VERDICT: A is wrong, B is right", NO),
    ("FINAL VERDICT: neither A", NO),
    ("FINAL VERDICT: B\nFinal verdict: a matter of taste", NO),
    ("FINAL VERDICT:\nA", NO),
    # other scales and other words
    ("[[A>>B]]", NO),
    ("[[A]]\nOn the five-level scale: [[A>B]]", NO),
    ("[[D]]", NO),
    ("[[a]]", NO),
    ("[[AB]]", NO),
    ("[[tie]]", NO),
    ("[[5]]", NO),
    ("Rating: [[9]]", NO),
    ("Rating: 9/10", NO),
    ("8.5", NO),
    ("**8**", NO),
    ("Rating: high", NO),
    ("INCORRECT", NO),
    ("CORRECT", NO),
    ("Yes", NO),
    ("Yes, but no.", NO),
    ("A", NO),
    ("B is better.", NO),
    ("Answer: A", NO),
    ("The winner is assistant A", NO),
    ("[A]", NO),
    ("[ [A] ]", NO),
    ("[[A]", NO),
    ("[[ A ]]", NO),
    ("\uff3b\uff3bA\uff3d\uff3d", NO),
    ("[[\u0410]]", NO),  # Cyrillic
    ("[[A\u200b]]", NO),
    ('{"verdict": "A"}', NO),
    ('{"verdict": "[[A]]"}', NO),
    ("7\n9", NO),
    ("", NO),
    ("   \n \n", NO),
    ("I cannot judge this.", NO),
    ("[RESULT] A", NO),
    # brackets that are no mention stay out of the way
    ("[[A]]\nThe matrix was [[1, 2], [3, 4]].", A),
    ("The score matrix [[7]] decides.\n[[B]]", B),
    ("[[B]]\nx[[1]] = 3", B),
]


@pytest.mark.parametrize(("reply", "expected"), REPLIES)
def test_a_reply_means_its_last_plain_verdict_or_nothing(reply, expected):
    assert parse_verdict(reply).verdict == expected


def test_the_corpus_is_large_and_defeats_a_first_match_reader():
    def first_match(reply):
        found = {
            reply.find(f"[[{c}]]"): v for c, v in zip("ABC", (A, B, TIE), strict=True) if f"[[{c}]]" in reply
        }
        return found[min(found)] if found else NO

    assert len(REPLIES) >= 60
    assert sum(first_match(reply) != expected for reply, expected in REPLIES) > 25


@given(st.text(alphabet="[]ABC ab:\n<>/thinkfvdr.*", max_size=60))
def test_the_letter_it_points_at_is_the_letter_it_says(reply):
    verdict, at = parse_verdict(reply)
    assert (verdict == NO) == (at < 0)
    assert verdict == NO or reply[at] == {"A": "A", "B": "B", "tie": "C"}[verdict]


@given(
    before=st.text(max_size=80).filter(lambda text: "think" not in text.lower()), letter=st.sampled_from("AB")
)
def test_whatever_was_said_before_a_last_plain_line_decides(before, letter):
    assert parse_verdict(f"{before}\n[[{letter}]]").verdict == letter


@pytest.mark.parametrize(
    "reply", ["[[A]]" + " " * 10**6 + "x", "*" * 10**6 + "[[A]]x", "[[A]] " * 10**5 + "x", "[[ " * 10**5]
)
def test_hostile_replies_are_read_in_no_time(reply):
    start = time.perf_counter()
    assert parse_verdict(reply).verdict == NO
    assert time.perf_counter() - start < 1


def logs(*tokens):
    return [{text: math.log(p) for text, p in token.items()} for token in tokens]


def test_letter_logprobs_come_from_the_token_that_wrote_the_verdict():
    spoken = logs(
        {"A": 0.9, "B": 0.1}, {" is": 1.0}, {"\n": 1.0}, {"[[": 1.0}, {"B": 0.7, "A": 0.25}, {"]]": 1.0}
    )
    reply = "A is\n[[B]]"
    found = verdict_logprobs(reply, spoken, parse_verdict(reply).at)
    assert found == pytest.approx((math.log(0.25), math.log(0.7)))


@pytest.mark.parametrize("pieces", [("[[A]]",), ("[[A", "]]"), ("[", "[A", "]]"), (" ", "[[", "A]", "]")])
def test_letter_logprobs_do_not_depend_on_how_the_verdict_is_tokenised(pieces):
    spoken = [
        {p: math.log(0.8), p.replace("A", "B"): math.log(0.8 if "A" not in p else 0.15)} for p in pieces
    ]
    reply = "".join(pieces)
    found = verdict_logprobs(reply, [*spoken, {"<|im_end|>": 0.0}], parse_verdict(reply).at)
    assert found == pytest.approx((math.log(0.8), math.log(0.15)))


def test_a_token_that_begins_like_another_does_not_lose_the_place():
    spoken = logs({"[": 0.6, "[[": 0.4}, {"A": 0.7, "B": 0.25}, {"]]": 1.0})
    assert verdict_logprobs("[[A]]", spoken, 2) == pytest.approx((math.log(0.7), math.log(0.25)))


@pytest.mark.parametrize("letters", [{"A": 0.95, "C": 0.05}, {"A": 0.5, "B": 0.3, "C": 0.2}])
def test_a_missing_letter_or_low_coverage_gives_no_logprobs(letters):
    assert verdict_logprobs("[[A]]", logs({"[[": 1.0}, letters, {"]]": 1.0}), 2) is None


def test_no_logprobs_and_tokens_that_do_not_spell_the_reply_give_none():
    assert verdict_logprobs("[[A]]", (), 2) is None
    assert verdict_logprobs("[[A]]", logs({"((": 1.0}, {"A": 0.6, "B": 0.4}, {"]]": 1.0}), 2) is None
    assert verdict_logprobs("none", logs({"none": 1.0}), -1) is None
