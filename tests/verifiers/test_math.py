"""Verdicts: nothing wrong is accepted, nothing undecided is called wrong."""

import threading
import time

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers import math as verifiers_math
from verifiers.math import Decision, canonical, equivalent, verify, verify_frame, verify_many
from verifiers.policy import DEFAULT, Policy

HARD = r"\sum_{k=1}^{100000000} \frac{1}{k}"  # readable, and beyond any deadline


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
        ("15", r"\boxed{\15}", "correct", "string"),  # "\$15" after a careless shell
        (r"\text{Evelyn}", "The answer is Evelyn.", "correct", "string"),
        (r"\text{east}", r"\boxed{\text{west}}", "incorrect", "string"),
        ("yes", r"\boxed{No}", "incorrect", "string"),
        (r"\text{The points form a hexagon}", "The points form a hexagon.", "correct", "string"),
        (r"\text{(C)}", r"\boxed{C}", "correct", "string"),
        ("C", r"\boxed{(D)}", "incorrect", "string"),
        ("B", "The answer is (B) 12", "correct", "string"),
        ("C", "The correct answer is option (C) 42.", "correct", "string"),
        ("12", "The answer is (B) 12", "correct", "string"),
        ("(B) 12", r"\boxed{B}", "correct", "string"),
        ("(B) 12", r"\boxed{\text{(C)}\ 12}", "incorrect", "string"),
        ("(B) 12", r"\boxed{13}", "incorrect", "rational"),
        ("12", r"\boxed{" + "(A) " * 1000 + "}", "limit", "none"),
        ("B", r"\boxed{\textbf{(C)}\ 12}", "incorrect", "string"),
        (r"3\sqrt{13}", r"$\boxed{3 \sqrt{13}}$", "correct", "string"),
        (r"[-1, -\frac{1}{2})", r"\boxed{[-1,-\tfrac12)}", "correct", "string"),
        (r"$\\left(\\frac{4}{5},\\frac{1}{5}\\right)$", r"\boxed{(4/5, 1/5)}", "correct", "algebraic"),
        (r"3\sqrt{13}", r"\boxed{\sqrt{117}}", "correct", "algebraic"),
        ("4", r"\boxed{4\sqrt{2}}", "incorrect", "numeric"),
        ("5 cm", r"\boxed{5 \text{ km}}", "incorrect", "numeric"),
        ("ab", r"\boxed{ba}", "correct", "algebraic"),
        (r"\tan^2 y + 1", r"\boxed{\sec^2 y}", "correct", "algebraic"),
        ("20", r"\boxed{20 @ 3 \diamond}", "unparseable", "none"),
        (r"\foo{x}}{", r"\boxed{5}", "gold_unparseable", "none"),
        ("", r"\boxed{5}", "gold_unparseable", "none"),
        ("9" * 2000, r"\boxed{5}", "gold_unparseable", "none"),
        ("5", r"\boxed{1e999999999}", "limit", "none"),
        ("5", r"\boxed{9^{9^{9^9}}}", "limit", "none"),
        ("5", r"\boxed{100000000!}", "limit", "none"),
        ("5", r"\boxed{" + "1" * 5000 + "}", "limit", "none"),
        ("5", "I do not know what it could be", "no_answer", "none"),
    ],
)
def test_status_and_method(gold: str, prediction: str, status: str, method: str) -> None:
    verdict = verify(gold, prediction)
    assert verdict.status == status, verdict
    assert verdict.method == method


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("1234", "1, 234"),
        ("12", "1 2"),
        ("120", "5!!"),
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
        (r"e^{-40}", r"e^{-41}"),
        (r"\frac{1}{2004!}", r"\frac{1}{2006!}"),
        ("x=5", "y=5"),
        ("[-3,2]", "(-3,2]"),
        ("1.4", r"\sqrt{2}"),
        ("12", "3 * 4 = 13"),
        ("4", r"4\sqrt(2)"),
        ("0", "open('marker', 'w').write('x') or 0"),
        ("0", "().__class__.__base__.__subclasses__()"),
        ("10,20", "10.2"),
        ("1,50", "1.5"),
        ("5", "5 squared and more"),
        ("0.07", r"\boxed{7} % done"),
    ],
)
def test_these_are_never_accepted(a: str, b: str) -> None:
    for gold, prediction in ((a, b), (b, a)):
        assert verify(gold, prediction).status != "correct"
        assert not equivalent(gold, prediction)


@pytest.mark.parametrize(
    ("policy", "gold", "prediction", "correct", "by_default"),
    [
        (Policy(percent="fraction"), "28%", "0.28", True, True),
        (Policy(percent="fraction"), "28%", "28", False, True),
        (Policy(percent="fraction"), "0.28", r"\boxed{28\%}", True, True),
        (Policy(units="strict"), "5 cm", "5", False, True),
        (Policy(units="strict"), "5 cm", "50 mm", True, True),
        (Policy(units="ignore"), "5 cm", "5 km", True, False),
        (Policy(units="ignore"), "5 cm", "6 cm", False, False),
        (Policy(simplified=True), r"\frac{1}{2}", r"\boxed{\frac{2}{4}}", False, True),
        (Policy(simplified=True), r"\frac{1}{2}", r"\boxed{0.5}", True, True),
        (Policy(simplified=True), "5", r"\boxed{2+3}", False, True),
        (Policy(simplified=True), r"2\sqrt{3}", r"\boxed{2\sqrt3}", True, True),
        (Policy(ordered=True), "1, 2", r"\boxed{2, 1}", False, True),
        (Policy(ordered=True), "1, 2", r"\boxed{1, 2}", True, True),
        (Policy(boxes="union"), "{2, 3}", r"\boxed{2} and \boxed{3}", True, False),
        (Policy(choices="ABCD"), "B", "The answer is b", True, False),
        (Policy(choices="ABCD"), "(B) 12", "So the answer is (B).", True, True),
        (Policy(choices="ABCD"), "B", "The answer is (C) 12", False, False),
        (Policy(last_number=True), "20", "He took 3 of them and saw 20 birds on the way", True, False),
    ],
)
def test_policies(policy: Policy, gold: str, prediction: str, correct: bool, by_default: bool) -> None:
    assert (verify(gold, prediction, policy).status == "correct") is correct
    assert (verify(gold, prediction).status == "correct") is by_default


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("boxes", "all"),
        ("percent", "foo"),
        ("units", None),
        ("ordered", "no"),
        ("choices", "A, B"),
        ("choices", 4),
    ],
)
def test_a_policy_with_an_unknown_value_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"policy\.{field}.*{value!r}"):
        Policy(**{field: value})  # type: ignore[arg-type]


def test_numbers_are_answers_as_written() -> None:
    assert verify(0, "0").status == verify(0.5, 0.5).status == "correct"
    frame = pl.DataFrame({"answer": [5, None, 7], "text": ["A: 5", "A: 5", "A: 8"]})
    assert verify_frame(frame)["status"].to_list() == ["correct", "gold_unparseable", "incorrect"]


def test_truncated_has_a_value_for_every_pair() -> None:
    with pytest.raises(ValueError, match="1 values for 2 pairs"):
        verify_many([("1", "1"), ("2", "2")], truncated=[True])


def test_number_words_and_false_starts_are_read() -> None:
    for gold, text in [("1/2", "one half"), ("2/3", "two thirds"), ("100", "one hundred"), ("12", "a dozen"),
                       ("60", "5 dozen"), ("25", "twenty-five"), ("-5", "negative 5")]:  # fmt: skip
        assert verify(gold, f"The answer is {text}.").status == "correct", text
    for text in ("xyz=6", "xy+yz=6", "i^3", "_{10}C_3", "m+n"):
        assert verify(text, text).status == "correct", text


def test_a_gold_that_is_no_choice_is_nobodys_mistake() -> None:
    assert verify("12", "The answer is B", Policy(choices="ABCD")).status == "gold_unparseable"


def test_a_truncated_completion_has_no_answer_in_its_last_line() -> None:
    assert verify("1", "so\nThe answer is 1").status == "correct"
    assert verify("1", "so\nThe answer is 1", truncated=True).status == "no_answer"
    pairs = [("1", "so\nThe answer is 1")] * 2
    assert [v.status for v in verify_many(pairs, truncated=[True, False])] == ["no_answer", "correct"]


def test_a_long_reference_without_a_marker_is_read_like_a_completion() -> None:
    solution = "We add 3 and 4 to get the number of apples.\n" * 9 + "So she has 7 apples."
    assert verify(solution, r"\boxed{7}").status == "correct"
    assert verify(r"\boxed{x = 3 \text{ or } x = 4", "3, 4").status == "correct"  # a box left open


def test_hard_answers_cost_their_deadline_and_no_neighbour() -> None:
    verify(r"\sin^2 x", r"1 - \cos^2 x + 0 \tan x")  # start the worker
    pairs = [("5", HARD), (r"\sin^2 x", r"1 - \cos^2 x"), ("7", "7"), ("5", HARD + " + 1"), ("5", HARD)]
    started = time.monotonic()
    verdicts = verify_many(pairs, workers=2, deadline=0.5)
    seconds = time.monotonic() - started
    assert [v.status for v in verdicts] == ["timeout", "correct", "correct", "timeout", "timeout"]
    assert seconds < 4, f"{seconds:.1f} s"
    assert 0 < verdicts[2].seconds < 0.1 < verdicts[0].seconds


def test_a_timeout_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine may have been busy: the next call tries again."""
    pair = (r"\int_0^1 x^2 dx", r"\boxed{\frac{1}{3}}")
    busy = [(Decision("timeout"), 0.1)], [(None, 0.1)]
    for outcome in busy:
        with monkeypatch.context() as patched:
            patched.setattr(verifiers_math, "_in_workers", lambda *_, outcome=outcome: outcome)
            assert verify(*pair).status == (outcome[0][0] or Decision("limit")).status
    assert verify(*pair).status == "correct"


def test_the_seconds_of_a_pair_are_its_own() -> None:
    quick = (r"\int_0^1 x^3 dx", r"\boxed{\frac{1}{4}}")
    verify_many([(r"\int_0^1 x^4 dx", "1/5")], workers=2, deadline=5)  # start the workers
    slow, fast = verify_many([("5", HARD + " + 2"), quick], workers=2, deadline=2.0)
    assert slow.status == "timeout" and slow.seconds > 1.9
    assert fast.status == "correct" and fast.seconds < 1.5


def test_a_defect_costs_one_verdict_and_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise IndexError("a defect")

    monkeypatch.setattr("verifiers.expressions.compare.same", broken)
    verdicts = verify_many([("x + 3", r"\boxed{y + 3}"), ("7", "7")])
    assert [v.status for v in verdicts] == ["unparseable", "correct"]
    assert "a defect" in caplog.text and "y + 3" in caplog.text


def test_verdicts_do_not_depend_on_the_thread_or_the_number_of_workers() -> None:
    pairs = [(r"\cos 2x", f"1 - {k} \\sin^2 x") for k in range(6)]
    found = {n: [v.status for v in verify_many(pairs, workers=n)] for n in (0, 1, 2)}
    assert found[0] == found[1] == found[2] == ["incorrect"] * 2 + ["correct"] + ["incorrect"] * 3
    inside: list[str] = []
    thread = threading.Thread(target=lambda: inside.append(verify(r"\cos 3x", r"4\cos^3 x - 3\cos x").status))
    thread.start()
    thread.join()
    assert inside == ["correct"]


def test_a_frame_gets_the_columns_of_a_verdict() -> None:
    frame = pl.DataFrame({"answer": ["5", None, "6"], "text": [r"\boxed{5}", "5", None], "cut": [False] * 3})
    judged = verify_frame(frame, truncated="cut")
    assert judged.columns == ["answer", "text", "cut", "status", "extracted", "method", "seconds"]
    assert judged["status"].to_list() == ["correct", "gold_unparseable", "no_answer"]
    assert judged["extracted"].to_list() == ["5", "5", None]
    assert judged["seconds"].min() > 0  # type: ignore[operator]
    assert verify_frame(frame.clear()).height == 0


def test_the_last_number_policy_reaches_verify_many() -> None:
    pair = ("20", "We took 3 red ropes of 5 and saw 20 more things of note")
    assert [v.status for v in verify_many([pair, pair])] == ["no_answer"] * 2
    assert [v.status for v in verify_many([pair], Policy(last_number=True))] == ["correct"]


def test_vote_classes_are_exact_values_or_normal_strings() -> None:
    spellings = (
        "1/2",
        "0.5",
        r"\frac{1}{2}",
        r"\dfrac12",
        ".50",
        "$0.5$",
        "2/4",
        "x = 1/2",
        r"\frac{\sqrt{4}}{4}",
    )
    assert {canonical(s) for s in spellings} == {"1/2"}
    assert canonical("10%") == canonical("10") == canonical("10 dollars") == "10"
    assert canonical("1, 2") == canonical("1,2") != canonical("1.2")
    assert canonical(r"\frac{\sqrt{2}}{2}") == canonical(r"1/\sqrt{2}") != canonical(r"\sqrt{2}")
    assert canonical("x^2+2x+1") == canonical("(x+1)^2") != canonical("(x-1)^2")
    assert canonical("$") is canonical("") is canonical("9" * 5000) is canonical("1e9999") is None


_ANSWERS = st.one_of(
    st.fractions(max_denominator=50).map(str),
    st.decimals(-99, 99, places=2, allow_nan=False).map(str),
    st.text(alphabet="0123456789.,/-% $x=abE\\{}()!", max_size=12),
    st.sampled_from([r"\frac{1}{2}", r"\sqrt2", "50%", "5 cm", "5 m", "x=5", "East", "(A)", "1,22", "1.22"]),
)
_TERMS = st.sampled_from(
    "1 2 -3 x y 2x \\sqrt{2} \\pi i \\frac{1}{3} x^2 0.5 \\sin{x} (x+1) |x| 2^{10}".split()
)
_EXPRESSIONS = st.recursive(
    _TERMS,
    lambda inner: (
        st.builds("{}{}{}".format, inner, st.sampled_from("+ - * , / ^ = <".split()), inner)
        | inner.map("({})".format)
        | inner.map("\\frac{{{}}}{{2}}".format)
        | inner.map("\\{{{}\\}}".format)
    ),
    max_leaves=5,
)


@given(_ANSWERS, _ANSWERS)
def test_equivalence_is_symmetric(a: str, b: str) -> None:
    assert equivalent(a, b) == equivalent(b, a)


@settings(max_examples=200, deadline=None)
@given(_EXPRESSIONS, _EXPRESSIONS)
def test_equivalence_of_expressions_is_symmetric(a: str, b: str) -> None:
    there, back = verify(a, "\\boxed{" + b + "}"), verify(b, "\\boxed{" + a + "}")
    assert (there.status == "correct") == (back.status == "correct")
    assert (there.status == "incorrect") == (back.status == "incorrect")


@settings(max_examples=100, deadline=None)
@given(_EXPRESSIONS.filter(lambda a: "=" not in a))  # of 1=1=2 a text states the right side
def test_spelling_does_not_matter(a: str) -> None:
    spelled = (
        a.replace("\\frac", "\\dfrac").replace("(", "\\left( ").replace(")", " \\right)").replace("+", " + ")
    )
    assert verify(a, f"The answer is ${spelled}$").status in ("correct", "gold_unparseable", "limit")


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


@settings(deadline=None)
@given(
    st.text(max_size=300),
    st.text(max_size=300),
    st.sampled_from([DEFAULT, Policy(choices="AB", boxes="union")]),
)
def test_any_two_texts_get_a_verdict(gold: str, prediction: str, policy: Policy) -> None:
    verdict = verify(gold, prediction, policy)
    assert verdict.status and verdict.seconds >= 0
