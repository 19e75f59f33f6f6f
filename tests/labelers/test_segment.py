"""Steps concatenate to the text they were cut from, and are cut where a reader would cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelers.segment import Split, split_steps

LINES = [Split("newline"), Split("blank-line"), Split("step")]
SENTENCE = Split("sentence")
MARKS = [Split("separator", "ки"), Split("separator", "\n\n"), Split("separator", "aa")]
SPLITS = [*LINES, SENTENCE, *MARKS]
PIECES = st.sampled_from(
    [
        "a",
        "A",
        " ",
        "\n",
        "\n\n",
        "\r\n",
        "\t",
        "Step 1: ",
        "Step 2.",
        "\u2028",
        "\f",
        "é",
        "**",
        "ки",
        "1.",
        "3.5",
    ]
    + [
        ".",
        "! ",
        "?",
        ". ",
        "e.g. ",
        "Fig. 2",
        "$",
        "$x = 1. Y$",
        "\\[",
        "\\]",
        "。",
        "a. B",
        '."',
        "...",
        "\x00",
    ]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES).map("".join))
each_split = pytest.mark.parametrize("split", SPLITS, ids=repr)


@each_split
@given(text=TEXTS)
def test_steps_concatenate_to_the_text_and_no_step_is_blank(split, text):
    steps = split_steps(text, split)
    assert "".join(steps) == text
    blank = [not step.removesuffix(split.separator).strip() for step in steps]
    assert not any(blank) or len(steps) == 1


@each_split
@given(text=TEXTS, cut=st.integers(0, 5))
def test_a_prefix_of_steps_splits_into_the_same_steps(split, text, cut):
    steps = split_steps(text, split)
    assert split_steps("".join(steps[:cut]), split) == steps[:cut]


def test_newline_makes_every_line_a_step_and_attaches_empty_lines_to_the_step_before():
    assert split_steps("\n a\n\n \nb\r\nc") == ["\n a\n\n \n", "b\r\n", "c"]
    assert split_steps("one\u2028line\fonly") == ["one\u2028line\fonly"]


def test_blank_line_keeps_the_lines_of_a_paragraph_together():
    assert split_steps("a\nb\n\nc\n \t\n\nd\n", Split("blank-line")) == ["a\nb\n\n", "c\n \t\n\n", "d\n"]


def test_step_heads_begin_steps_and_a_preamble_belongs_to_the_first():
    text = (
        "Let us see.\nStep 1: add\n3 + 4 = 7\n\n**Step 2:** double\n## Step 3. done\nin step 2: we\nstep back"
    )
    assert split_steps(text, Split("step")) == [
        "Let us see.\nStep 1: add\n3 + 4 = 7\n\n",
        "**Step 2:** double\n",
        "## Step 3. done\nin step 2: we\nstep back",
    ]
    assert split_steps("no heads\nat all", Split("step")) == ["no heads\nat all"]


def test_a_separator_ends_its_step_and_stays_in_it():
    split = Split("separator", " ки\n")
    assert split_steps("one ки\ntwo ки\n", split) == ["one ки\n", "two ки\n"]
    assert split_steps(" ки\none ки\n ки\ntwo", split) == [" ки\none ки\n ки\n", "two"]


@pytest.mark.parametrize(
    "steps",
    [
        ["It is 3.5 m.", " Is it?", " Yes!", ' "Good."', " So we go on... and stop."],
        ["She pays $5.", " He has $6 left.", " Done."],
        ["Let $x = 1. Y$ and \\(a. B\\) hold.", "  Then \\[ c = 2. D \\] follows."],
        ["Add the parts, e.g. Two and three.", " See Fig. 3, Eq. (4) and No. 5.", " No.", " Dr. Who vs. Me."],
        ["1. First add.", " It is 5.", " Then go on.\n", "2. Double it.\n\n", "(a) B.\n", "b. C"],
        ["The line goes through A.", " Then B"],
        ["The U.S. Army and J. K. Rowling met A. E. Smith.", " Then B"],
        ["Total: 5\n", "Next line\r\n", "x = 3. no capital follows"],
        ["It is 5.  \n \n", "  Then 6."],
        ["你好。", "再见！", "好"],
        ["It is approx. Five and w.r.t. X it holds.", " Ok"],
    ],
)
def test_sentences_end_where_a_reader_would_end_them(steps):
    assert split_steps("".join(steps), SENTENCE) == steps


@given(text=TEXTS)
def test_no_sentence_leaves_a_blank_at_the_end_of_a_prefix(text):
    assert all(step.endswith("\n") or step == step.rstrip() for step in split_steps(text, SENTENCE)[:-1])


@each_split
@pytest.mark.parametrize(
    "text", [".", "\\[", "$", " ", ". ", "$a", "\n", " \n", "a.b ", "1. ", "A. ", "$$", ".\u201d", "ки", "*"]
)
@pytest.mark.parametrize("head", ["", "Step 1"])
def test_a_long_hostile_text_is_cut_in_linear_time(split, text, head):
    long = head + text * 50_000
    assert "".join(split_steps(long, split)) == long


def test_an_empty_text_has_no_steps():
    assert [split_steps("", split) for split in SPLITS] == [[]] * len(SPLITS)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (Split("word"), "'word'.*blank-line"),
        (Split("separator"), "separator goes with"),
        (Split("newline", "x"), "separator goes with"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(split, message):
    with pytest.raises(ValueError, match=message):
        split_steps("a", split)
