"""Rows of benchmarks of reward models: RewardBench 1 and 2, ProcessBench.

Their own numberings, models and subsets have no place in our tables, and rows that we write have none: their
ids are of the content, and what nobody knows says so.
"""

from __future__ import annotations

from curation.formats.rankings import NOT_RANKED, ranking_of, scores_of
from curation.formats.rows import (
    EVIDENCE,
    NO_LINES,
    NOT_A_CHOICE,
    SOFT,
    SOFT_UNKNOWN,
    Format,
    Parts,
    Row,
    Unreadable,
    answer_text,
    check_unicode,
    is_choice,
    one_row,
    plain_prompt,
    preference_row,
    stepwise_row,
    to_answer,
    to_prompt,
    with_ends,
    without_ends,
)
from store.ids import content_id
from store.tables import PREFERENCE, RANKING, STEPWISE

NO_ERROR = -1  # ProcessBench's label of a solution without a wrong step
UNKNOWN = "unknown"  # ProcessBench's readers want a text where the model is named
TIES = "Ties"  # the subset of RewardBench 2 in which several completions are right


def read_rewardbench(row: Row) -> list[Row]:
    """{prompt, chosen, rejected, subset}: texts (Lambert et al. 2024, arXiv 2403.13787). The subset is the
    evidence: it says where the preference comes from."""
    subset = row["subset"]
    if not isinstance(subset, str):
        raise Unreadable("subset_is_no_text")
    check_unicode(subset)
    chosen, rejected = to_answer(row["chosen"]), to_answer(row["rejected"])
    pair = preference_row(to_prompt(row["prompt"]), chosen, rejected, margin=None)
    return [pair | {"evidence": subset}]


def write_rewardbench(row: Row) -> Row:
    if not is_choice(row):
        raise Unreadable("tie")
    texts = {
        "prompt": plain_prompt(row["prompt"]),
        "chosen": answer_text(row["chosen"]),
        "rejected": answer_text(row["rejected"]),
    }
    return texts | {"subset": row.get("evidence") or EVIDENCE, "id": content_id(texts)}


def read_rewardbench2(row: Row) -> Parts:
    """{prompt, chosen: [texts], rejected: [texts]}: right completions get the score 1, wrong ones 0."""
    chosen, rejected = row["chosen"], row["rejected"]
    if isinstance(chosen, str) or isinstance(rejected, str):
        raise Unreadable("not_in_this_format")
    if not chosen or not rejected:
        raise Unreadable("all_right_or_all_wrong")
    counts = {"num_correct": len(chosen), "total_completions": len(chosen) + len(rejected)}
    if any(row.get(name) not in (None, count) for name, count in counts.items()):
        raise Unreadable("counts_differ_from_completions")
    scored = [(text, 1.0) for text in chosen] + [(text, 0.0) for text in rejected]
    parts = ranking_of(row["prompt"], scored, 1.0, "score_is_no_number")
    if any(not isinstance(part, Unreadable) and len(set(part["scores"])) == 1 for part in parts):
        raise Unreadable("all_right_or_all_wrong")  # the others cannot be used
    return parts


def write_rewardbench2(row: Row) -> Row:
    """The best completions are the right ones. RewardBench 2's scorer wants a row with several of them in its
    subset of ties, numbered `tied:<integer>`; elsewhere it takes the first completion for the right one."""
    scores = scores_of(row)
    chosen = [text for text, s in zip(row["completions"], scores, strict=True) if s == max(scores)]
    rejected = [text for text, s in zip(row["completions"], scores, strict=True) if s < max(scores)]
    if not rejected:
        raise Unreadable("all_right_or_all_wrong")
    prompt = plain_prompt(row["prompt"])
    number = content_id(prompt, chosen, rejected)[:15]  # of 60 bits: it must fit a signed integer
    several = len(chosen) > 1
    return {
        "id": f"tied:{int(number, 16)}" if several else number,
        "prompt": prompt,
        "chosen": chosen,
        "rejected": rejected,
        "num_correct": len(chosen),
        "total_completions": len(row["completions"]),
        "subset": TIES if several else EVIDENCE,
    }


def read_processbench(row: Row) -> list[Row]:
    """{problem, steps, label}: `label` is the index of the first wrong step, -1 for none (Zheng et al. 2024,
    arXiv 2412.06559). People stopped there: the steps behind it have no label."""
    steps, first = row["steps"], row["label"]
    if isinstance(first, bool) or not isinstance(first, int) or not NO_ERROR <= first < len(steps):
        raise Unreadable("label_is_no_step")
    labels = [None if NO_ERROR < first < i else i != first for i in range(len(steps))]
    return [stepwise_row(to_prompt(row["problem"]), with_ends(steps), labels, "processbench")]


def write_processbench(row: Row) -> Row:
    labels = row["labels"]
    first = labels.index(False) if False in labels else NO_ERROR
    if None in (labels if first == NO_ERROR else labels[:first]):
        raise Unreadable("undecided_step")
    problem, steps = plain_prompt(row["prompt"]), without_ends(row["completions"])
    return {
        "id": content_id(problem, steps),
        "generator": UNKNOWN,
        "problem": problem,
        "steps": steps,
        "final_answer_correct": None,
        "label": first,
    }


FORMATS = {
    "rewardbench": Format(
        "preference",
        PREFERENCE,
        read_rewardbench,
        one_row(write_rewardbench),
        columns=("prompt", "chosen", "rejected", "subset"),
        unread=("id", "chosen_model", "rejected_model"),
        loses=("margin",),
        refuses=(*NOT_A_CHOICE, "prompt_is_a_conversation"),
        alters=SOFT_UNKNOWN,
    ),
    "rewardbench2": Format(
        "ranking",
        RANKING,
        read_rewardbench2,
        one_row(write_rewardbench2),
        columns=("prompt", "chosen", "rejected", "num_correct", "total_completions"),
        unread=("id", "subset", "num_incorrect", "models", "additional_metadata"),
        loses=("scores",),
        refuses=(
            *NOT_RANKED,
            "all_right_or_all_wrong",
            "prompt_is_a_conversation",
        ),
        alters="scores become 1 for the best and 0 for all others",
    ),
    "processbench": Format(
        "stepwise",
        STEPWISE,
        read_processbench,
        one_row(write_processbench),
        columns=("problem", "steps", "label"),
        unread=("id", "generator", "final_answer_correct"),
        loses=SOFT,
        refuses=("undecided_step", "prompt_is_a_conversation", *NO_LINES),
        alters="labels behind the first wrong step become unknown",
    ),
}
