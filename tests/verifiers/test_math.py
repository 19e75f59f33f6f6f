"""Verdicts: nothing wrong is accepted, nothing undecided is called wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifiers.math import Policy, canonical, equivalent, verify, verify_many


@pytest.mark.parametrize(
    ("gold", "prediction", "status", "method"),
    [
        ("#### 18", "so she has 18\nA: 18", "correct", "string"),
        ("18", r"\boxed{18.00}", "correct", "rational"),
        ("18", r"\boxed{19}", "incorrect", "rational"),
        ("0.5", r"\boxed{\frac{1}{2}}", "correct", "rational"),
        ("1/3", "0.333333333333333333", "incorrect", "rational"),
        ("10", "A: 9.999999999999998", "incorrect", "rational"),
        ("2.74", "2,74", "correct", "rational"),
        (r"\text{Evelyn}", "The answer is Evelyn.", "correct", "string"),
        (r"\text{east}", r"\boxed{\text{west}}", "incorrect", "literal"),
        ("yes", r"\boxed{No}", "incorrect", "literal"),
        (r"\text{(C)}", r"\boxed{C}", "correct", "string"),
        ("C", r"\boxed{(D)}", "incorrect", "literal"),
        (r"3\sqrt{13}", r"$\boxed{3 \sqrt{13}}$", "correct", "string"),
        (r"[-1, -\frac{1}{2})", r"\boxed{[-1,-\tfrac12)}", "correct", "string"),
        (r"3\sqrt{13}", r"\boxed{\sqrt{117}}", "gold_unparseable", "none"),
        ("4", r"\boxed{4\sqrt{2}}", "unparseable", "none"),
        ("5 cm", r"\boxed{5 \text{ km}}", "unparseable", "none"),
        ("ab", r"\boxed{ba}", "gold_unparseable", "none"),
        ("", r"\boxed{5}", "gold_unparseable", "none"),
        ("9" * 2000, r"\boxed{5}", "gold_unparseable", "none"),
        ("5", r"\boxed{1e999999999}", "limit", "none"),
        ("5", r"\boxed{" + "1" * 5000 + "}", "limit", "none"),
        ("5", "I do not know what it could be", "no_answer", "none"),
    ],
)
def test_status_and_method(gold: str, prediction: str, status: str, method: str) -> None:
    verdict = verify(gold, prediction)
    assert (verdict.status, verdict.method) == (status, method)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("1234", "1, 234"),
        ("12", "1 2"),
        ("120", "5!"),
        ("5", "5!"),
        ("2", "2x"),
        ("2", "2xy"),
        ("2", "2 e"),
        (r"\pm 2021", "2021"),
        ("0.333", "0.333..."),
        ("52", "52_8"),
        ("AB", "ab"),
        ("X", "x"),
        ("0.0000001", "0.0000002"),
        ("1.6e-19", "9.1e-31"),
        ("1/2^99", "1/2^98"),
        ("x=5", "y=5"),
        ("[-3,2]", "(-3,2]"),
        ("0", "open('marker', 'w').write('x') or 0"),
        ("0", "().__class__.__base__.__subclasses__()"),
    ],
)
def test_these_are_never_accepted(a: str, b: str) -> None:
    for gold, prediction in ((a, b), (b, a)):
        assert verify(gold, prediction).status != "correct"
        assert not equivalent(gold, prediction)


def test_a_truncated_completion_has_no_answer_in_its_last_line() -> None:
    assert verify("1", "so\nThe answer is 1").status == "correct"
    assert verify("1", "so\nThe answer is 1", truncated=True).status == "no_answer"


def test_the_last_number_policy_reaches_verify_many() -> None:
    pair = ("20", "Therefore, the length of the red rope is 20 centimeters.")
    assert [v.status for v in verify_many([pair, pair])] == ["no_answer"] * 2
    assert [v.status for v in verify_many([pair], Policy(last_number=True))] == ["correct"]


def test_vote_classes_are_exact_numbers_or_normal_strings() -> None:
    half = {
        canonical(s) for s in ("1/2", "0.5", r"\frac{1}{2}", r"\dfrac12", ".50", "$0.5$", "2/4", "x = 1/2")
    }
    assert half == {"1/2"}
    assert canonical("10%") == canonical("10") == canonical("10 dollars") == "10"
    assert canonical("1, 2") == canonical("1,2") != canonical("1.2")
    assert canonical("$") is canonical("") is canonical("9" * 5000) is canonical("1e9999") is None


_ANSWERS = st.one_of(
    st.fractions(max_denominator=50).map(str),
    st.decimals(-99, 99, places=2, allow_nan=False).map(str),
    st.text(alphabet="0123456789.,/-% $x=abE\\{}()!", max_size=12),
    st.sampled_from([r"\frac{1}{2}", r"\sqrt2", "50%", "5 cm", "5 m", "x=5", "East", "(A)", "1,22", "1.22"]),
)


@given(_ANSWERS, _ANSWERS)
def test_equivalence_is_symmetric(a: str, b: str) -> None:
    assert equivalent(a, b) == equivalent(b, a)


@given(_ANSWERS, _ANSWERS)
def test_two_answers_of_one_vote_class_are_never_told_apart(a: str, b: str) -> None:
    if canonical(a) is not None and canonical(a) == canonical(b):
        assert equivalent(a, b) or _marks(a) != _marks(b)


def _marks(answer: str) -> str:
    """Units and labels, which votes ignore and verdicts do not."""
    return "".join(c for c in answer if c.isalpha() or c in "$%=")


@given(_ANSWERS)
def test_an_answer_is_equivalent_to_itself_unless_there_is_nothing_to_read(answer: str) -> None:
    assert equivalent(answer, answer) or canonical(answer) is None


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_two_texts_get_a_verdict(gold: str, prediction: str) -> None:
    assert verify(gold, prediction).status
