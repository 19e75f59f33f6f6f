"""Where the answer is found, and where no answer may be found."""

import time

import pytest

from verifiers.extraction import MAX_ANSWER_CHARS, MAX_TEXT_CHARS, extract


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so \boxed{42}.", "42"),
        (r"\boxed{10} and then \boxed{42}", "42"),  # the last box wins
        (r"\boxed{\frac{1}{2}} is it", r"\frac{1}{2}"),
        (r"\boxed{\left\{1, 2\right\}}", r"\left\{1, 2\right\}"),  # escaped braces do not count
        (r"\boxed{x = \boxed{5}}", "5"),
        (r"put it in \boxed{}. So \boxed{7}. Again \boxed{}", "7"),
        (r"\beginboxed{8\sqrt{6}}", r"8\sqrt{6}"),
        (r"\fbox{3}", "3"),
        (r"$\boxed 9$", "9"),
        ("Janet makes $18.\n#### 18", "18"),
        ("work <<1+1=2>>2\nA: 26", "26"),
        ("#### 5\nThe answer is 6.", "6"),  # the last marker wins, of any kind
        ("The answer is 6.\n#### 5", "5"),
        ("The answer is 42 because geometry proves it", "42"),
        ("Final Answer: The final answer is 34. I hope it is correct.", "34"),
        ("Final Answer: The largest $n$ is 34.", "34"),
        ("**Answer:** 3.5", "3.5"),
        ("the answer to the question is: $18.90.", "$18.90"),
        ("Answer \\[ \n 9 \n \\]", "\\[ \n 9 \n \\]"),
        ("The answer is 12.\n", "12"),
        ("<think> The answer is 3. \\boxed{3} </think> The answer is 4.", "4"),
        ("1,000.5", "1,000.5"),
        (r"\frac{3}{4}", r"\frac{3}{4}"),
        ("Evelyn", "Evelyn"),
    ],
)
def test_the_committed_answer_is_found(text: str, answer: str) -> None:
    assert extract(text).text == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n ",
        "The perimeter of the whole field is 7",
        "First 3 apples.\nThen 4 more apples.\n",
        r"<think> \boxed{3}",
        r"<think> a </think> b <think> The answer is 3.",
        r"first \boxed{10}, so the answer is \boxed{1",  # cut off inside the last box
        "#### Step 1\nWe add the two numbers together.\nDone with it all now.",
        "what is the answer",
    ],
)
def test_no_answer_is_made_up(text: str) -> None:
    assert extract(text) == (None, "none")


def test_the_last_number_counts_only_when_asked_for() -> None:
    text = "So it took James 2 hours to walk\nand 3 hours, -7.50 in all, to return home."
    assert extract(text).text is None
    assert extract(text, last_number=True) == ("-7.50", "last_number")
    assert extract("it is 4-3 and no more than that", last_number=True).text == "3"


def test_a_cut_off_last_line_is_not_trusted_but_a_closed_box_is() -> None:
    assert extract("so\nThe answer is 1").text == "1"
    assert extract("so\nThe answer is 1", truncated=True).text is None
    assert extract("The answer is 12.\nSo we", truncated=True).text == "12"
    assert extract(r"so \boxed{12} and", truncated=True).text == "12"
    assert extract("1", truncated=True).text is None
    assert extract("we have 1\nand 2", last_number=True, truncated=True).text is None


def test_too_long_is_a_limit_and_not_an_answer() -> None:
    assert extract("x" * (MAX_TEXT_CHARS + 1)).source == "limit"
    assert extract(r"\boxed{" + "1" * (MAX_ANSWER_CHARS + 1) + "}").source == "limit"
    assert extract("The answer is " + "1" * (MAX_ANSWER_CHARS + 1)).source == "limit"


@pytest.mark.parametrize(
    "unit",
    [
        r"\boxed{",
        r"\boxed{}",
        "answer ",
        "answer is ",
        "answer to x ",
        "$",
        "{",
        "}",
        " ",
        "\n",
        "#### ",
        "1,",
        "1 ",
        "<think>",
        "a",
    ],
)
@pytest.mark.parametrize("ending", ["", r"\boxed{", "?"])
def test_a_megabyte_of_anything_takes_under_a_second(unit: str, ending: str) -> None:
    text = unit * ((MAX_TEXT_CHARS - 10) // len(unit)) + ending
    started = time.perf_counter()
    extract(text, last_number=True)
    seconds = time.perf_counter() - started
    assert seconds < 1, f"{seconds:.2f} s"
