"""Steps concatenate to the text they were cut from, and are cut where a reader would cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelers.segment import split_steps

POLICIES = ["newline", "blank-line", "step"]
PIECES = st.sampled_from(
    ["a", " ", "\n", "\n\n", "\r\n", "\t", "Step 1: ", "Step 2.", "\u2028", "\f", "é", "**"]
)


@pytest.mark.parametrize("policy", POLICIES)
@given(text=st.one_of(st.text(), st.lists(PIECES).map("".join)))
def test_steps_concatenate_to_the_text_and_no_step_is_blank(policy, text):
    steps = split_steps(text, policy)
    assert "".join(steps) == text
    assert all(step.strip() for step in steps) or (len(steps) == 1 and not text.strip())


@pytest.mark.parametrize("policy", POLICIES)
@given(text=st.lists(PIECES).map("".join), cut=st.integers(0, 5))
def test_a_prefix_of_steps_splits_into_the_same_steps(policy, text, cut):
    steps = split_steps(text, policy)
    assert split_steps("".join(steps[:cut]), policy) == steps[:cut]


def test_newline_makes_every_line_a_step_and_attaches_empty_lines_to_the_step_before():
    assert split_steps("\n a\n\n \nb\r\nc") == ["\n a\n\n \n", "b\r\n", "c"]
    assert split_steps("one\u2028line\fonly") == ["one\u2028line\fonly"]


def test_blank_line_keeps_the_lines_of_a_paragraph_together():
    assert split_steps("a\nb\n\nc\n \t\n\nd\n", "blank-line") == ["a\nb\n\n", "c\n \t\n\n", "d\n"]


def test_step_heads_begin_steps_and_a_preamble_belongs_to_the_first():
    text = (
        "Let us see.\nStep 1: add\n3 + 4 = 7\n\n**Step 2:** double\n## Step 3. done\nin step 2: we\nstep back"
    )
    assert split_steps(text, "step") == [
        "Let us see.\nStep 1: add\n3 + 4 = 7\n\n",
        "**Step 2:** double\n",
        "## Step 3. done\nin step 2: we\nstep back",
    ]
    assert split_steps("no heads\nat all", "step") == ["no heads\nat all"]


def test_an_empty_text_has_no_steps_and_an_unknown_policy_is_named():
    assert split_steps("") == []
    with pytest.raises(ValueError, match="'sentence'.*blank-line"):
        split_steps("a", "sentence")
