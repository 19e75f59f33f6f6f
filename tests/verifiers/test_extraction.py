"""Where the answer is found, and where no answer may be found."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifiers.extraction import MAX_TEXT_CHARS, extract
from verifiers.policy import MAX_ANSWER_CHARS, Policy


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
        (r"so $\boxed 12$ apples", "12"),
        (r"The result is \\boxed{-3}", "-3"),
        ("the answer is $oxed{7}$", "7"),  # an unescaped "\b" is a backspace
        ("the answer is \boxed{7}", "7"),
        (r"\boxed{20} percent", r"20\%"),
        (r"\boxed{7}%", r"7\%"),
        (r"\boxed{7}\%", r"7\%"),
        (r"$\boxed{7}\%$", r"7\%"),
        (r"$\boxed{7}$%", r"7\%"),
        (r"\boxed{7} % done", "7"),  # a comment
        ("Thus\n\\[\n.185\n\\]", ".185"),
        ("$$.5$$", "$$.5$$"),
        ("#### 5. Conclusion\nThe total is 6.", "6"),
        ("The answer is: The largest number of points that could be in it is 19", "19"),
        ("xyz=6", "xyz=6"),
        ("xy+yz=6", "xy+yz=6"),
        ("So $xyz=6$.", "$xyz=6$"),
        ("So x ≥ 5.", "x ≥ 5"),
        ("So x ≠ 5.", "x ≠ 5"),
        (r"So the probability is $\frac{2}{3} \approx 0.667$.", r"\frac{2}{3} \approx 0.667"),
        ("The answer is 4 = 5.", "4 = 5"),  # which of them was meant is not known
        ("A. 12", "A. 12"),
        ("i^3", "i^3"),
        ("i+1", "i+1"),
        ("_{10}C_3", "_{10}C_3"),
        ("There is no solution.", "no solution"),
        ("The answer is １２.", "12"),
        ("The answer is negative 5.", "-5"),
        ("The answer is minus 5.", "-5"),
        ("Work.\nSo the total is negative $5.", "-$5"),
        ("Thus the profit is $5 million.", "$5 million"),
        ("It is not hard to see that it is \\boxed{5}.", "5"),
        ("\\boxed{5}. Let me know if this is wrong!", "5"),
        ("The answer is 5. Let me know if there is an error.", "5"),
        ("The answer is 5, not 6.", "5"),
        ("The answer is 5. Note that 6 would be wrong.", "5"),
        (r"we box \boxed{4}, and nothing is boxed after", "4"),
        ("Janet makes $18.\n#### 18", "18"),
        ("work <<1+1=2>>2\nA: 26", "26"),
        ("#### 5\nThe answer is 6.", "6"),  # the last marker wins, of any kind
        ("The answer is 6.\n#### 5", "5"),
        ("The answer is 42 because geometry proves it", "42"),
        ("42 because geometry proves it", "42"),
        ("First compute 6*7.\n42", "42"),
        ("Final Answer: The final answer is 34. I hope it is correct.", "34"),
        ("Final Answer: The final answer is $[2, 3)$. I hope it is correct.", "[2, 3)"),
        ("Final Answer: The largest $n$ is 34.", "34"),
        ("Final Answer: Jane started growing it 3 hours ago. I hope it is correct.", "3 hours"),
        ("**Answer:** 3.5", "3.5"),
        ("**Answer:** (B)", "(B)"),
        ("The correct answer is option (C) 42.", "option (C) 42"),
        ("**Final Answer**\n\n$x = 5$", "x = 5"),
        ("### Answer\n42\n", "42"),
        ("**Answer:** Verna received $7.00 in change.", "$7.00"),
        ("The correct option is C", "C"),
        ("The correct choice is (D).", "(D)"),
        ("the answer to the question is: $18.90.", "$18.90"),
        ("Therefore, the answer is \\(52\\) candles and flashlights.", "52"),
        ("So the answer is $7 + (-2) + 0 = 5$.", "5"),
        ("the answer is not 42 but 43", "43"),
        ("The answer is 44. We may check that our answer is correct.", "44"),
        ("Answer \\[ \n 9 \n \\]", "9"),
        ("The answer is 12.\n", "12"),
        ("<answer> 12 </answer>", "12"),
        ("Put it in <answer></answer> tags. <answer>The total is $5.</answer> Done.", "$5"),
        ("so <answer>\n\\boxed{4}\n</answer>", "4"),
        ("it is <answer>17", "17"),  # "</answer>" was the stop string
        ("<think> The answer is 3. \\boxed{3} </think> The answer is 4.", "4"),
        ("The answer is 4.<|im_end|>\n<|im_start|>user\nThe answer is 5.", "4"),
        ("<|im_start|>assistant\nThe answer is 4.</s> The answer is 5.", "4"),
        ("<|channel|>analysis<|message|>is it 5?<|end|><|channel|>final<|message|>The answer is 4.", "4"),
        ("1,000.5", "1,000.5"),
        (r"\frac{3}{4}", r"\frac{3}{4}"),
        ("x < 3", "x < 3"),
        ("Evelyn", "Evelyn"),
        (r"(3*sqrt(5))/7", r"(3*sqrt(5))/7"),
    ],
)
def test_the_committed_answer_is_found(text: str, answer: str) -> None:
    assert extract(text).text == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("We multiply 3 by 4.\n\nSo she needs 12 apples.", "12"),
        ("Therefore, x = 5.", "x = 5"),
        ("So the solutions are x=3 and x=-2.", "x=3 and x=-2"),
        ("Work.\nSo the ratio is 3:4.", "3:4"),
        ("Work.\nTherefore, the speed is 60 km/h.", "60 km/h"),
        ("Work.\nTherefore, Janet makes **$18** every day.", "$18"),
        ("Work.\nThe total is 20 + 10 = 30 carrots a week.", "30"),
        ("Some work.\nTotal: $45", "$45"),
        ("Some work.\n**The total is $45.**", "$45"),
        ("We add.\n\nTherefore, the length of the red rope is 20 centimeters.", "20 centimeters"),
        ("We add. Thus, Charlie will make a total of \\(\\$440\\) for the day.", r"\$440"),
        ("We add: 20 + 14 = 34.\nSo, she spends a total of 34 hours on yoga in 4 weeks.", "34 hours"),
        ("\\[20 + 14 = 34 \\text{ hours}\\] So, she spends 34 hours on yoga in 4 weeks.", "34 hours"),
        ("Its volume:\n\\[ V = 20 \\times 2 = 40 \\text{ cubic inches} \\]", r"40 \text{ cubic inches}"),
        ("\\begin{align*}\na &= 1 + 2 \\\\\n&= 3.\n\\end{align*}", "3"),
        ("Since $63 = 3 \\cdot 21$ and $42 = 2 \\cdot 21$, the greatest common divisor is $21$.", "21"),
        ("We compute\n\\[\\begin{aligned} x &= 1 + 2 \\\\ &\\quad + 4 = 7. \\end{aligned}\\]", "7"),
        ("Add. Thus it goes a total of $100 + 37 \\frac12 = 137 \\frac12$ miles.", r"137 \frac12 miles"),
        ("We find that $x \\lt 3$.", r"x \lt 3"),
        ("Therefore $x < 5$ is the solution.", "x < 5"),
        ("Work. So, the pair $(x, y)$ that solves the system is $(7, 6)$.", "(7, 6)"),
        ("the number is not 10 which is 1,000.99€", "1,000.99€"),
        ("Soucis : 2,74 $ a..", "2,74 $"),
        ("He walks.\nTherefore there are 12 such sequences. I hope it is correct.", "12"),
        ("He walks.\nSo he has 12 left. Let me know if you have any questions!", "12"),
        ("He walks.\nSo it is 12. (One gear turns 20 times and the other 27.)", "12"),
        ("<<48/2=24>>24 clips.\nShe sold 48+24 = <<48+24=72>>72 clips in April and May.", "72"),
        ("We have $a+b=3$. Hence, $AB + B = 12.$", "12"),
        ("Since both are even, it is a sum of 4, so $x = 120$.", "x = 120"),
        ("The identity matrix is $\\begin{pmatrix}1 & 0 \\\\ 0 & 1\\end{pmatrix}$.",
         r"\begin{pmatrix}1 & 0 \\ 0 & 1\end{pmatrix}"),
    ],
)  # fmt: skip
def test_a_conclusion_states_the_answer_where_nothing_marks_it(text: str, answer: str) -> None:
    assert extract(text) == (answer, "conclusion")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n ",
        "First 3 apples.\nThen 4 more apples.\n",
        "The problem mentions 42 apples.",
        "I thought about 42 for a long time and it seems nice.",
        "There are 7 days.\nThe rest is easy.\nI do not know.",
        "So he has 42 apples. But wait, that is wrong.",
        "So he has 42 apples. Is that right?",
        "So is it 42?",
        "It is not 42 in any case.",
        "So it is not equal to 42.",
        "So she has 42 - 5 apples.",
        "So half of 42 is left.",
        "So it is between 5 and 6.",
        "So he needs 5-7 apples.",
        "So the domain is all numbers except 42.",
        "Suppose there are 42 apples.",
        "So $2x + 3$ of them.\nLet us now use 42 apples.",
        "He buys 3 books for 4 dollars.\nSo he pays 3 times 4 dollars.",  # two values, none calculated
        "The answer is 42?",
        "I am not sure whether the answer is 42.",
        "If the answer is 42, then all is lost and no more is to be said.",
        "Step 1. We add 41 and 1.\nStep 2: we need 42 more things",
        r"<think> \boxed{3}",
        r"so \boxed{}",
        r"The answer is $\boxed{}$.",
        r"<think> a </think> b <think> The answer is 3.",
        r"first \boxed{10}, so the answer is \boxed{1",  # cut off inside the last box
        "#### Step 1\nWe add the two numbers together.\nDone with it all now.",
        "what is the answer",
        "Answer \\( \n 9 \n \\)",  # an inline formula does not span lines
        "open('marker', 'w').write('x') or 0",
        "globals()['__builtins__']['open']('marker', 'w') or 0",
        "().__class__.__base__.__subclasses__()",
        "So it is open('marker', 'w').write('x') or 0",
        "The answer\nFirst, we take 5 apples and go on with the rest of the work.",
    ],
)
def test_no_answer_is_made_up(text: str) -> None:
    assert extract(text) == (None, "none")


def test_the_coefficient_of_a_formula_is_no_value() -> None:
    for text in (
        "So the side is 3\\sqrt{2} units long in all.",
        "So it is 3 \\frac{1}{2} of them all today.",
    ):
        assert extract(text).text not in ("3", "2")


def test_the_last_number_counts_only_when_asked_for() -> None:
    text = "We walked for 2 hours\nand 3 hours, -7.50 in all, to return home from the place."
    assert extract(text).text is None
    assert extract(text, Policy(last_number=True)) == ("-7.50", "last_number")
    assert extract("it is 4-3 and no more than that", Policy(last_number=True)).text == "3"


def test_boxes_of_the_final_statement_are_united_when_asked_for() -> None:
    union = Policy(boxes="union")
    assert extract(r"\boxed{9}. So $\boxed{2}, \boxed{3}$ and $\boxed{5}$.", union).text == "2, 3, 5"
    assert extract(r"\boxed{a} \quad \text{and} \quad \boxed{b}", union).text == "a, b"
    assert extract(r"\boxed{143} **Final** \boxed{143}", union).text == "143"
    assert extract(r"first \boxed{10}, a long way before \boxed{42}", union).text == "42"
    assert extract(r"\boxed{2}, \boxed{3").text is None


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("The answer is A.", "A"),
        ("the answer is b", "B"),
        ("**Answer:** (B)", "B"),
        (r"\boxed{\text{(C)}}", "C"),
        (r"\boxed{\textbf{(D) } 12}", "D"),
        ("(B) 12", "B"),
        ("B.", "B"),
        ("a", "A"),
        ("The correct option is C", "C"),
        ("The correct answer is option C: 12 apples", "C"),
        ("12 is too small, 14 too large.\nSo (B) is correct.", "B"),
        ("No valid answer here", None),
        ("The answer is 12", None),
        ("The answer is E", None),
        ("A cat is here", None),
        ("So it is either (A) or (B).", None),
        ("The correct answer is not B", None),
        ("Not B", None),
        ("Eliminate B", None),
        ("Option B is incorrect.", None),
        ("I think it is A or B", None),
        ("The answer is B or C", None),
        ("Vitamin B is good", None),
        (r"\boxed{(B)(C)}", None),
        ("The answer is (A), (B), (C), (D)", None),
        ("The answer is B. No wait, C.", "C"),
        ("The correct answer is B, not C.", "B"),
        ("The answer is (B) not enough information.", "B"),
        ("(B) because (A) is too small", "B"),
        ("B and D are wrong, so the answer is A.", "A"),
        ("The answer is (A) A cat", "A"),
        ("So it is not (B).", None),
        ("Is it (B)?", None),
        ("", None),
    ],
)
def test_letters_of_multiple_choice(text: str, letter: str | None) -> None:
    assert extract(text, Policy(choices="ABCD")).text == letter


def test_a_cut_off_last_line_is_not_trusted_but_a_closed_box_is() -> None:
    assert extract("so\nThe answer is 1").text == "1"
    assert extract("so\nThe answer is 1", truncated=True).text is None
    assert extract("The answer is 12.\nSo we", truncated=True).text == "12"
    assert extract(r"so \boxed{12} and", truncated=True).text == "12"
    assert extract("1", truncated=True).text is None
    assert extract("So there are 12 of them.\nAnd we", truncated=True).text is None
    assert extract("it is <answer>17", truncated=True).text is None
    assert extract("we have 1\nand 2", Policy(last_number=True), truncated=True).text is None


def test_too_long_is_a_limit_and_not_an_answer() -> None:
    assert extract("x" * (MAX_TEXT_CHARS + 1)).source == "limit"
    assert extract(r"\boxed{" + "1" * (MAX_ANSWER_CHARS + 1) + "}").source == "limit"
    assert extract("The answer is " + "1" * (MAX_ANSWER_CHARS + 1)).source == "limit"


@pytest.mark.parametrize(
    "unit",
    [
        r"\boxed{",
        r"\boxed{}",
        r"\fbox",
        "oxed ",
        "answer ",
        "answer is ",
        "answer to x ",
        "correct option ",
        "if the answer is ",
        "So it is 5. ",
        "= 5",
        "so, ",
        "$",
        "$1",
        "{",
        "}",
        " ",
        "\n",
        "#### ",
        "1,",
        "1 ",
        "<think>",
        "<|",
        "<answer>",
        "wait, ",
        "no. ",
        r"\boxed{5} is ",
        "The answer is 5. Wait. ",
        "such that = ",
        "\\[",
        "a",
    ],
)
@pytest.mark.parametrize("ending", ["", r"\boxed{", "?"])
def test_a_megabyte_of_anything_has_a_bounded_cost(unit: str, ending: str) -> None:
    text = unit * ((MAX_TEXT_CHARS - 10) // len(unit)) + ending
    started = time.process_time()
    extract(text, Policy(last_number=True, boxes="union"))
    seconds = time.process_time() - started
    assert seconds < 10, f"{seconds:.2f} s"


_PIECES = st.sampled_from(
    r"\boxed{ } { $ \( \) \[ \] answer is So the = , . \n 42 <answer> </answer> <think> **Answer:** #### (B) "
    r"\text{ \begin{align*} \end{align*} because not ? <|im_end|> \\ & and 1,234 % or so , that".split(" ")
)


@given(st.lists(_PIECES, max_size=40).map(" ".join), st.booleans())
def test_any_text_has_an_answer_or_none_and_the_answer_is_in_it(text: str, truncated: bool) -> None:
    found = extract(text.replace("\\n", "\n"), truncated=truncated)
    assert (found.text is None) == (found.source in ("none", "limit"))
    assert found.text is None or found.text.strip()


@pytest.mark.parametrize(
    "words",
    """negative 5|minus 5|the square root of 5|the cube of 5|the reciprocal of 5|the opposite of 5|one over 5
    |one less than 5|log 5|less than 5|more than 5|at most $5$|at least 5|up to 5|over 5|anything but 5
    |different from 5|a multiple of 5|a factor of 5|divisible by 5|in Theorem 5|found in step 5
    |obtained by adding 5|n such that n + 1 = 5|undefined for 5|5 halves|5 thirds|5 tenths|5 quarters
    |5 and a half|5 dozen|5 factorial|5 times pi|5 over pi|5 more than y|5 or more|5 if n is even
    |5, which is wrong|5 is wrong|quarter to 5|May 5|x + 5|x plus 5|greater than 5
    |5 squared|a 5 by 5 grid|the sum of 5 and y|x to the 5|option 5|x where x + 2 = 5""".split("|"),
)
@pytest.mark.parametrize("start", ["The answer is", "Work.\nSo the answer is", "Work.\nThus, the total is"])
def test_words_around_a_number_that_change_it_are_not_dropped(start: str, words: str) -> None:
    assert extract(f"{start} {words.strip()}.").text not in ("5", "+ 5", "$5$", "5 squared.")


@pytest.mark.parametrize(
    "text",
    [
        "So x must be greater than 5.",
        "So n is divisible by 5.",
        "So by equation 5.",
        "So we exclude 5.",
        "So we need to add 5.",
        "So it is impossible to get 5.",
        "So the sum is x + 5.",
        "So the time is quarter to 5.",
        "So the date is May 5.",
        "Therefore, 5 is not the answer.",
        "So it is not the case that it equals 5.",
        "So this contradicts n = 5.",
        "So the claim holds for n = 5.",
        "So we should check 5.",
        "So it might be 5.",
        "So I think 5 is too small.",
        r"\boxed{5}? Hmm, no, not quite.",
        r"\boxed{5} does not work.",
        r"If x were 2, we would get \boxed{5}.",
        "A common wrong answer is 5.",
        "I doubt the answer is 5.",
        "It is unlikely that the answer is 5.",
        "There's no way the answer is 5.",
        "Some people would say that the answer is 5.",
        "The answer is 5. Or 6.",
        r"It can't be \boxed{5}.",
        r"It is not \boxed{5}, I think.",
        r"$\boxed{5}$ is wrong.",
        r"\boxed{5}. Wait, that is wrong.",
        "#### 5\nHold on, I made a mistake.",
    ],
)
def test_a_number_that_is_denied_or_has_another_role_is_no_answer(text: str) -> None:
    assert extract(text) == (None, "none")
    assert extract("We work on it.\n" + text) == (None, "none")


@pytest.mark.parametrize(
    "text",
    [
        "The answer is 5. Wait, actually it's 6.",
        "So the answer is 5.\n\nHold on, that's not right. It should be 6.",
        "**Answer: 5**\n\nEdit: I made an arithmetic error above; it should be 6.",
        r"\boxed{5}. Wait, actually, I made an error. The answer is 6.",
        r"$\boxed{5}$ is wrong, the right answer is $6$.",
        r"First \boxed{5}. The final answer is 6.",
        "The answer is 5. No, 6.",
        "The answer is 5. Correction: 6.",
    ],
)
def test_a_corrected_answer_counts(text: str) -> None:
    assert extract(text).text == "6"
