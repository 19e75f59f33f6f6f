"""What the audit looks for: the name, the weight, the meaning and the remedy of every check.

    error    a label is wrong, or the row cannot mean what it says: nobody should train on it
    warning  the set teaches less than it could, or something besides the labels
    note     worth knowing

The checks come from defects that published pipelines and sets really had; `seen` names where.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


class Check(NamedTuple):
    severity: Severity
    of: str  # what is counted: rows, pairs, steps, prompts, ...
    says: str
    fix: str
    seen: str = ""


CHECKS: dict[str, Check] = {
    # Pairs.
    "same_text": Check(
        "error",
        "rows",
        "chosen and rejected, or two completions of a group, are the same text",
        "leave these rows out",
        "distilabel's dpo.py pairs tied ratings; 7 % of UltraFeedback after truncation (OpenRLHF#1311)",
    ),
    "empty_text": Check("error", "rows", "a completion or a step has no text", "leave these rows out"),
    "tie_as_preference": Check(
        "error",
        "rows",
        "the two sides are rated alike, yet one of them is the chosen one",
        "drop ties, or keep them with a soft preference of 1/2",
        "distilabel's dpo.py",
    ),
    "no_preference": Check(
        "error",
        "rows",
        "the soft preference does not prefer the chosen one",
        "swap the sides, or drop the row",
        "a coin flip in place of an unreadable verdict (DataDreamer, judge_pairs_with_prompt.py)",
    ),
    "margin_against_choice": Check(
        "error", "rows", "the margin is negative or not finite", "swap the sides, or drop the row"
    ),
    "rating_against_choice": Check(
        "error",
        "rows",
        "the rejected side has the higher rating",
        "read the ratings again: one that is missing shifts all behind it",
        "open-instruct's ultrafeedback parser after a one-line preamble",
    ),
    "prompt_mismatch": Check(
        "error",
        "rows",
        "chosen and rejected answer different prompts",
        "join the two sides by the prompt's id, never by position",
        "open-instruct's parse_preferences.py; SimPO#62",
    ),
    "no_prompt": Check("error", "rows", "the row has no prompt", "leave these rows out"),
    "labelled_both_ways": Check(
        "error",
        "pairs",
        "the same texts are labelled in two ways",
        "decide which holds, or drop both",
    ),
    "cycle": Check(
        "warning",
        "prompts",
        "preferences go in a circle: no score of the completions agrees with all of them",
        "ask the judge in both orders, and drop what it does not confirm",
    ),
    "chosen_by_position": Check(
        "error",
        "rows",
        "the chosen one stands in the same place in every pair: nobody may have read the verdict",
        "shuffle the candidates before they are judged, and look at the code that reads the verdict",
        "open-instruct's synthetic_preference_dataset.py always chooses the first",
    ),
    "position_bias": Check(
        "warning",
        "rows",
        "the chosen one stands in one place more often than chance allows",
        "judge each pair in both orders and drop what depends on the order",
        "first seat 52.6 % in FastChat's shipped judgements",
    ),
    "length_bias": Check(
        "warning",
        "rows",
        "length alone tells most of the labels",
        "match lengths when pairs are chosen (build.length_ratio)",
    ),
    # Ids and joins.
    "duplicate_row": Check("warning", "rows", "the same row again", "keep one of them"),
    "id_reused": Check(
        "error",
        "ids",
        "one id stands for two texts",
        "make ids of the content",
        "joins by such an id put answers under the wrong prompt",
    ),
    "unknown_prompt": Check("error", "rows", "the prompt is not among the prompts", "build the set again"),
    "unknown_completion": Check(
        "error", "rows", "the completion is not among the completions", "build the set again"
    ),
    "prompt_text_differs": Check(
        "error", "rows", "the prompt's id is another prompt's", "join by id, and build the set again"
    ),
    "completion_text_differs": Check(
        "error", "rows", "the text is not the sampled one", "build the set again from the completions"
    ),
    "answer_to_another_prompt": Check(
        "error",
        "rows",
        "the completion answers another prompt",
        "join by id, never by position",
        "open-instruct's parse_preferences.py: one malformed row shifts all behind it",
    ),
    "answers_shifted": Check(
        "error",
        "rows",
        "in a whole stretch the answers fit the prompt some rows away, not their own",
        "find the row that was dropped on one side of the join, and join by id",
        "open-instruct's parse_preferences.py; SimPO#62",
    ),
    "side_off_topic": Check(
        "warning",
        "rows",
        "one side's answers share far fewer words with their prompts than the other's",
        "compare some of these rows with their prompts: that side may have been joined by position",
        "SimPO#62",
    ),
    "answers_off_topic": Check(
        "warning",
        "rows",
        "long answers share no more words with their prompts than with those of their neighbours",
        "compare some of these rows with their prompts: the answers may have been shuffled",
        "SimPO#62",
    ),
    # Labels and evidence.
    "preference_against_label": Check(
        "error", "rows", "the chosen one is wrong and the rejected one right", "swap the sides"
    ),
    "label_differs": Check("error", "rows", "the label is not the evidence's", "build the set again"),
    "label_without_evidence": Check(
        "error",
        "rows",
        "there is a label where the evidence is undecided",
        "leave these rows out: what cannot be read is no label",
        "NeMo-Skills counts a malformed judgement as wrong",
    ),
    "label_missing": Check(
        "error",
        "rows",
        "a completion or a step has no label",
        "label it, or leave it out",
        "distilabel's Math-Shepherd completer with structured output",
    ),
    "one_label_only": Check(
        "warning", "rows", "every label of the set is the same", "add completions of the other kind"
    ),
    "one_label_prompts": Check(
        "note",
        "prompts",
        "all completions of the prompt have the same label",
        "a trainer that compares within a prompt learns nothing from them",
    ),
    "same_answer_two_labels": Check(
        "warning",
        "prompts",
        "completions that end in the same number are labelled right and wrong",
        "compare answers as mathematics, not as strings: 18.0 is 18",
        "distilabel's Math-Shepherd completer, openr, NeMo-Skills' majority vote",
    ),
    "two_right_answers": Check(
        "warning",
        "prompts",
        "completions that end in different numbers are both labelled right",
        "compare whole answers: 2 is not right because 12 holds it",
        "openr's check_correctness",
    ),
    # Groups.
    "lengths_differ": Check(
        "error",
        "rows",
        "as many labels, ratings or scores as there are texts are needed",
        "leave these rows out; read the judge's reply strictly",
        "distilabel's ultrafeedback.py after a blank line in a rationale",
    ),
    "too_few_completions": Check(
        "warning", "rows", "a group of fewer than two completions: nothing to learn", "leave these rows out"
    ),
    "rating_out_of_range": Check(
        "error", "rows", "a rating or strength is outside its scale", "read the ratings again"
    ),
    "score_missing": Check("error", "rows", "a score is missing or not finite", "leave these rows out"),
    "all_equal": Check(
        "warning",
        "rows",
        "all scores of the group are the same: nothing to learn",
        "leave these rows out",
        "NeMo-Skills' highest-reward mode turns negative scores into 0",
    ),
    # Steps.
    "labels_beside_steps": Check(
        "error",
        "rows",
        "the labels do not stand at the ends of the steps",
        "write the marked text from the steps anew",
    ),
    "step_without_content": Check(
        "error",
        "rows",
        'a step is only its number, as in "Step 2:"',
        "read the steps anew: a label was taken for text, or text for a label",
        "distilabel's FormatPRM cuts an unlabelled step's last word and calls it wrong",
    ),
    "value_out_of_range": Check("error", "rows", "a step value is not a probability", "scale the values"),
    "label_against_value": Check(
        "error",
        "rows",
        "a step that always (or never) led to the answer is labelled otherwise",
        "make the labels anew from the values",
    ),
    "right_after_wrong": Check(
        "warning",
        "rows",
        "a step after the first wrong one is labelled right",
        "end solutions at their first error (build.truncate_after_error), or use strict rollouts",
        "rollouts repair a wrong step silently (agno#9046)",
    ),
    "weak_step_called_right": Check(
        "note",
        "steps",
        "a step is labelled right although fewer than half of its rollouts succeeded",
        "train on the values (soft labels)",
        "openr's mc_value > 0 (openr#57)",
    ),
    "one_rollout_values": Check(
        "note", "steps", "all step values are 0 or 1: one rollout a step, or none", "draw more rollouts"
    ),
    "prefix_labelled_both_ways": Check(
        "warning",
        "prefixes",
        "the same steps after the same prompt are labelled in two ways",
        "label each prefix once",
    ),
    "step_marks_in_text": Check(
        "error",
        "rows",
        "a step holds the tag that ends steps",
        "take the tag out of the text: a trainer that looks for it finds too many steps",
    ),
    # Texts.
    "broken_unicode": Check(
        "error", "rows", "a text holds half a character", "decode the source again, as UTF-16"
    ),
    "replacement_character": Check(
        "warning", "rows", "a text holds U+FFFD: it was cut or decoded wrongly", "decode the source again"
    ),
    "mojibake": Check(
        "warning", "rows", "UTF-8 was read as Latin-1, as in Ã© for é", "decode the source again, as UTF-8"
    ),
    "control_characters": Check(
        "warning", "rows", "a text holds control characters", "take them out, and look where they come from"
    ),
    "escaped_newlines": Check(
        "warning", "rows", r"newlines are written out as \n", "decode the strings once more"
    ),
    "html_entities": Check("note", "rows", "characters are written as HTML entities", "unescape the texts"),
    "invisible_characters": Check(
        "note",
        "rows",
        "a text holds zero-width or direction characters",
        "take them out where they mean nothing",
    ),
    "template_marks": Check(
        "warning",
        "rows",
        "a text holds the marks of a chat template: a turn inside a turn",
        "split the conversation into messages, or take the marks out",
    ),
    # What a model reads.
    "same_tokens": Check(
        "error",
        "rows",
        "both sides are the same tokens, as far as the model reads: loss ln 2, no gradient",
        "leave these rows out, or allow more tokens",
        "OpenRLHF#1311, rlhf-book#504",
    ),
    "over_long": Check(
        "warning", "rows", "the row is longer than the model reads", "allow more tokens, or leave it out"
    ),
    "prompt_over_long": Check(
        "error",
        "rows",
        "the prompt alone is longer than the model reads: the answer is never seen",
        "allow more tokens, or leave it out",
    ),
    "prompt_refused": Check(
        "warning",
        "rows",
        "the model's chat template refuses the conversation",
        "put the turns in the order that the template knows, or leave the row out",
    ),
    "steps_cut_off": Check(
        "warning",
        "rows",
        "labelled steps lie behind what the model reads",
        "allow more tokens, or leave the row out",
    ),
    "merged_separator": Check(
        "warning",
        "rows",
        "the end of a step is inside a token: the step's label has no place",
        "tokenise each step on its own, or use another separator",
        "trl#2148, openr#94",
    ),
    # Splits, files, runs.
    "prompt_in_both_splits": Check(
        "error", "prompts", "the prompt is on both sides of the split", "split by prompt group"
    ),
    "near_copy_in_both_splits": Check(
        "warning",
        "groups",
        "near copies of a prompt are on both sides of the split",
        "split by groups of near copies",
    ),
    "unreadable_row": Check(
        "warning", "rows", "the row cannot be read in this format", "mend it, or name the format (--from)"
    ),
    "unread_file": Check(
        "error",
        "rows",
        "so many rows cannot be read that the audit says little about the file",
        "name its format (--from), or mend it",
    ),
    "unreadable_file": Check(
        "error", "files", "the file cannot be read: nothing in it was checked", "mend it, or leave it out"
    ),
    "near_copies_not_compared": Check(
        "note",
        "prompts",
        "near copies between the sides of the split were not looked for: too much text",
        "make the split with `flows split`, which keeps near copies on one side",
    ),
    "file_changed": Check(
        "error", "files", "the file is not the one that the run wrote", "run the recipe again"
    ),
    "rows_lost": Check(
        "error",
        "stages",
        "rows in are not rows out and rows rejected",
        "run the recipe again; report this if it stays",
        "Online-RLHF's gen_hf2.py drops the last data_size % world_size prompts",
    ),
}
