"""TRL's rows: preference in its four forms, unpaired preference (KTO), stepwise supervision.

The preference columns are also those of OpenRLHF and of NeMo-RL's binary preferences, and with the prompt
inside chosen and rejected those of open-instruct and RLHFlow.
"""

from __future__ import annotations

from os.path import commonprefix

from curation.formats.rows import (
    EVIDENCE,
    NO_LINES,
    NOT_A_CHOICE,
    SOFT,
    SOFT_UNKNOWN,
    Format,
    Messages,
    Row,
    Unreadable,
    decided,
    is_choice,
    one_row,
    outcome_row,
    plain_prompt,
    preference_row,
    stepwise_row,
    to_answer,
    to_messages,
    to_number,
    to_prompt,
    to_truth,
    with_ends,
    without_ends,
)
from store.tables import OUTCOME, PREFERENCE, STEPWISE

LAST_TURN = "\n\nAssistant:"  # of a conversation in one text


def read_preference(row: Row) -> list[Row]:
    """Standard or conversational, prompt explicit or implicit; `margin` where there is one."""
    if row.get("tools"):
        raise Unreadable("tools_are_not_kept")
    prompt, chosen, rejected = _parts(row)
    margin = row.get("margin")
    margin = None if margin is None else to_number(margin, "margin_is_no_number")
    return [preference_row(prompt, chosen, rejected, margin)]


def write_preference(row: Row) -> Row:
    """Conversational with an explicit prompt. These rows have no soft preference, and a tie would be learned
    as a choice; both are rejected."""
    if not is_choice(row):
        raise Unreadable("tie")
    return {name: row[name] for name in ("prompt", "chosen", "rejected")}


def write_margin(row: Row) -> Row:
    """Every row must have the column: TRL makes a tensor of it."""
    if row["margin"] is None:
        raise Unreadable("no_margin")
    return write_preference(row) | {"margin": row["margin"]}


def read_unpaired(row: Row) -> list[Row]:
    return [outcome_row(to_prompt(row["prompt"]), to_answer(row["completion"]), to_truth(row["label"]))]


def write_unpaired(row: Row) -> Row:
    if row["label"] is None:
        raise Unreadable("no_label")
    return {"prompt": row["prompt"], "completion": row["completion"], "label": to_truth(row["label"])}


def read_stepwise(row: Row) -> list[Row]:
    steps, labels = row["completions"], row["labels"]
    if len(steps) != len(labels):
        raise Unreadable("labels_differ_from_steps")
    truths = [to_truth(label) for label in labels]
    return [stepwise_row(to_prompt(row["prompt"]), with_ends(steps), truths, EVIDENCE)]


def write_stepwise(row: Row) -> Row:
    """A plain text prompt, steps without the newline that ends them: the trainer adds it."""
    return {
        "prompt": plain_prompt(row["prompt"]),
        "completions": without_ends(row["completions"]),
        "labels": decided(row["labels"]),
    }


def _parts(row: Row) -> tuple[Messages, Messages, Messages]:
    chosen, rejected, prompt = row["chosen"], row["rejected"], row.get("prompt")
    if not chosen or not rejected:
        raise Unreadable("empty_completion")
    if isinstance(chosen, str) != isinstance(rejected, str):
        raise Unreadable("chosen_and_rejected_are_of_two_kinds")
    whole = not isinstance(chosen, str) and chosen[0]["role"] != "assistant"
    if prompt is not None and not whole:
        return to_prompt(prompt), to_answer(chosen), to_answer(rejected)
    cut = _shared_text(chosen, rejected) if isinstance(chosen, str) else _shared_turns(chosen, rejected)
    if chosen == rejected or not 0 < cut < min(len(chosen), len(rejected)):
        raise Unreadable("no_prompt_and_no_shared_beginning")
    if prompt is not None and not _asks(to_prompt(prompt), to_messages(chosen[:cut], "user")):
        raise Unreadable("prompt_differs_from_conversation")
    return to_prompt(chosen[:cut]), to_answer(chosen[cut:]), to_answer(rejected[cut:])


def _asks(prompt: Messages, conversation: Messages) -> bool:
    """Is the prompt how the conversation begins, perhaps behind a system message, or its last turns? White
    space around a text is no difference."""
    asked, said = ([(m["role"], m["content"].strip()) for m in turns] for turns in (prompt, conversation))
    spoken = said[1:] if said[0][0] == "system" else said
    return asked in (said[: len(asked)], spoken[: len(asked)], said[-len(asked) :])


def _shared_text(chosen: str, rejected: str) -> int:
    """Behind the last turn mark (HH-RLHF, Bai et al. 2022, arXiv 2204.05862) before the texts part; in other
    texts at the last space: no word is cut, the space belongs to the answers."""
    shared = commonprefix([chosen, rejected])
    turn = shared.rfind(LAST_TURN)
    return shared.rfind(" ") if turn < 0 else turn + len(LAST_TURN)


def _shared_turns(chosen: Messages, rejected: Messages) -> int:
    same = (a == b for a, b in zip(chosen, rejected, strict=False))
    return next((i for i, equal in enumerate(same) if not equal), min(len(chosen), len(rejected)))


PAIR = ("prompt", "chosen", "rejected", "margin", "tools")

FORMATS = {
    "trl-preference": Format(
        "preference",
        PREFERENCE,
        read_preference,
        one_row(write_preference),
        columns=PAIR,
        unread=("chat_template_kwargs",),
        loses=("margin",),
        refuses=NOT_A_CHOICE,
        alters=SOFT_UNKNOWN,
    ),
    "trl-margin": Format(
        "preference",
        PREFERENCE,
        read_preference,
        one_row(write_margin),
        columns=PAIR,
        unread=("chat_template_kwargs",),
        refuses=(*NOT_A_CHOICE, "no_margin"),
        alters=SOFT_UNKNOWN,
    ),
    "trl-unpaired": Format(
        "outcome",
        OUTCOME,
        read_unpaired,
        one_row(write_unpaired),
        columns=("prompt", "completion", "label"),
        refuses=("no_label",),
    ),
    "trl-stepwise": Format(
        "stepwise",
        STEPWISE,
        read_stepwise,
        one_row(write_stepwise),
        columns=("prompt", "completions", "labels"),
        loses=SOFT,
        refuses=("undecided_step", "prompt_is_a_conversation", *NO_LINES),
    ),
}
