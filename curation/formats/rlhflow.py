"""RLHFlow's chats: pairs of whole conversations, pairs put to a judge that answers A or B, and solutions that
an outcome model answers with + or - (RLHFlow/RLHF-Reward-Modeling). The steps of its process model are in
`curation.formats.steps`.
"""

from __future__ import annotations

from curation.formats.rows import (
    NOT_A_CHOICE,
    SOFT_UNKNOWN,
    Format,
    Messages,
    Row,
    Unreadable,
    answer_text,
    is_choice,
    one_row,
    outcome_row,
    preference_row,
    to_answer,
    to_messages,
    to_number,
    to_prompt,
    to_truth,
)
from curation.formats.steps import FIRST_STEP, question_and_step, question_before_steps
from curation.formats.trl import read_preference
from store.ids import derived_seed
from store.tables import OUTCOME, PREFERENCE

_CONTEXT, _A, _B, _END = "[CONTEXT] ", " [RESPONSE A] ", " [RESPONSE B] ", " \n"
_TURN = "\n<turn> "


def read_pairs(row: Row) -> list[Row]:
    """{chosen, rejected}: conversations that share all turns but the last. The margin is the difference of
    their scores, where both have one. Rows with a prompt are of another format: here nobody would compare it
    with the conversations."""
    if isinstance(row["chosen"], str) or row.get("prompt") is not None:
        raise Unreadable("not_in_this_format")
    (pair,) = read_preference({name: row[name] for name in ("chosen", "rejected")})
    scores = [row.get("chosen_score"), row.get("rejected_score")]
    if None in scores:
        return [pair]
    better, worse = (to_number(score, "score_is_no_number") for score in scores)
    return [pair | {"margin": better - worse}]


def write_pairs(row: Row) -> Row:
    """Without scores: a margin does not say what its two sides were."""
    if not is_choice(row):
        raise Unreadable("tie")
    return {"chosen": row["prompt"] + row["chosen"], "rejected": row["prompt"] + row["rejected"]}


def read_judged(row: Row) -> list[Row]:
    """{messages}: the user shows a conversation and two responses to it, the assistant says A or B."""
    asked, verdict = to_messages(row["messages"], "user")
    text, letter = asked["content"], verdict["content"]
    if [asked["role"], verdict["role"]] != ["user", "assistant"] or letter not in ("A", "B"):
        raise Unreadable("verdict_neither_a_nor_b")
    if not (text.startswith(_CONTEXT) and text.endswith(_END) and text.count(_A) == text.count(_B) == 1):
        raise Unreadable("no_context_and_two_responses")
    context, responses = text.removeprefix(_CONTEXT).removesuffix(_END).split(_A)
    a, b = responses.split(_B)
    chosen, rejected = (a, b) if letter == "A" else (b, a)
    return [preference_row(_turns(context), to_answer(chosen), to_answer(rejected), margin=None)]


def write_judged(row: Row) -> Row:
    """Which response is A is drawn from the content, so that half of the chosen ones are."""
    if not is_choice(row):
        raise Unreadable("tie")
    context = _context(row["prompt"])
    chosen, rejected = answer_text(row["chosen"]), answer_text(row["rejected"])
    is_first = derived_seed("rlhflow", context, chosen, rejected) % 2 == 0
    a, b = (chosen, rejected) if is_first else (rejected, chosen)
    if any(mark.strip() in text for text in (context, a, b) for mark in (_A, _B)):
        raise Unreadable("text_holds_the_marks_of_the_format")
    asked = {"role": "user", "content": f"{_CONTEXT}{context}{_A}{a}{_B}{b}{_END}"}
    return {"messages": [asked, {"role": "assistant", "content": "A" if is_first else "B"}]}


def read_outcome(row: Row) -> list[Row]:
    """{conversations}: the user gives question and solution, the assistant answers + or -. Only "Step 1:"
    says where the solution begins."""
    turns = row["conversations"]
    if [turn["role"] for turn in turns] != ["user", "assistant"]:
        raise Unreadable("not_one_question_and_one_mark")
    mark = turns[1]["content"].strip()
    if mark not in ("+", "-"):
        raise Unreadable("turn_without_a_mark")
    question, solution = question_and_step(turns[0]["content"])
    return [outcome_row(to_prompt(question), to_answer(solution), mark == "+")]


def write_outcome(row: Row) -> Row:
    if row["label"] is None:
        raise Unreadable("no_label")
    question, solution = question_before_steps(row["prompt"]), answer_text(row["completion"])
    begun = solution if FIRST_STEP.match(solution) else f"Step 1: {solution}"
    mark = "+" if to_truth(row["label"]) else "-"
    said = [("user", f"{question} {begun}"), ("assistant", mark)]
    return {"conversations": [{"role": role, "content": content} for role, content in said]}


def _context(messages: Messages) -> str:
    _check_turns(messages)
    if any(_TURN in m["content"] for m in messages):
        raise Unreadable("text_holds_the_marks_of_the_format")
    return "\n" + "".join(f"{_TURN}{m['role']}\n {m['content']}" for m in messages) + "\n"


def _turns(context: str) -> Messages:
    before, *turns = context.removesuffix("\n").split(_TURN)
    parted = [turn.partition("\n ") for turn in turns]
    messages = to_prompt([{"role": role, "content": content} for role, _, content in parted])
    if before != "\n":
        raise Unreadable("turns_do_not_alternate")
    _check_turns(messages)
    return messages


def _check_turns(messages: Messages) -> None:
    """The format's template names the speakers by their places, so there is none for a system message."""
    if [m["role"] for m in messages] != [("user", "assistant")[i % 2] for i in range(len(messages))]:
        raise Unreadable("turns_do_not_alternate")
    if len(messages) % 2 == 0:
        raise Unreadable("prompt_does_not_end_with_the_user")


FORMATS = {
    "rlhflow-pairs": Format(
        "preference",
        PREFERENCE,
        read_pairs,
        one_row(write_pairs),
        columns=("chosen", "rejected", "chosen_score", "rejected_score"),
        loses=("margin",),
        refuses=NOT_A_CHOICE,
        alters=SOFT_UNKNOWN,
    ),
    "rlhflow-judged-pairs": Format(
        "preference",
        PREFERENCE,
        read_judged,
        one_row(write_judged),
        columns=("messages",),
        loses=("margin",),
        refuses=(
            *NOT_A_CHOICE,
            "turns_do_not_alternate",
            "prompt_does_not_end_with_the_user",
            "text_holds_the_marks_of_the_format",
        ),
        alters=SOFT_UNKNOWN,
    ),
    "rlhflow-outcome": Format(
        "outcome",
        OUTCOME,
        read_outcome,
        one_row(write_outcome),
        columns=("conversations",),
        refuses=("no_label", "prompt_is_a_conversation", "no_question", "text_holds_the_marks_of_the_format"),
        alters='completions without "Step 1:" get it in front',
    ),
}
