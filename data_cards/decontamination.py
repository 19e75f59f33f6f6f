"""What card and report say of the evaluation sets: what was compared, by which rule, what that rule finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from data_cards.labels import Block, rates
from data_cards.run import Facts, Run
from data_cards.summary import percent

IGNORED = {
    "folded": "Case, accents, punctuation and operators (+, -, =) do not count.",
    "unpunctuated": "Case, punctuation and operators (+, -, =) do not count.",
    "spaced": "Case does not count.",
}
TWINS = {
    "drop": "Prompts that match but for their numbers (twins) are dropped with the others.",
    "warn": "Prompts that match but for their numbers (twins) are reported and kept.",
    "off": "Prompts that match but for their numbers are not looked for.",
}
EDITS = "Copies edited on purpose, of texts drawn from these very sets: how many of them the rule finds."
PARAPHRASES = (
    "Pairs that share rare words, shown to a judge in both orders. What it could not decide is unknown: such "
    "prompts are kept and listed, and not called clean."
)


@dataclass(frozen=True)
class Decontamination:
    rule: str  # in words
    twins: str
    sets: list[
        Facts
    ]  # rows of curation.decontamination.TOTALS, and `unseen`: eval rows out of reach of n-grams
    unseen: str  # what happens to those
    hardly_seen: list[str]
    not_compared: list[Facts]  # name, source, reason
    recall: list[Facts]  # rows of curation.decontamination.planted.PLANTED
    blocks: list[Block]


def decontamination(run: Run) -> Decontamination | None:
    """None where nothing was compared and nothing should have been."""
    notes, screened = _notes(run, "decontaminate"), _notes(run, "screen")
    if not notes.get("eval_sets") and not notes.get("not_compared"):
        return None
    warned = {row["eval_set"]: row["completions_warned"] for row in screened.get("eval_sets") or ()}
    sets: list[Facts] = [
        {
            **row,
            "completions_warned": warned.get(row["eval_set"]),
            "unseen": row["rows"] - row["indexable"],
        }
        for row in sorted(notes["eval_sets"], key=lambda row: str(row["eval_set"]))
    ]
    return Decontamination(
        rule=rule_words(notes["rule"]),
        twins=TWINS[notes["twins"]],
        sets=sets,
        unseen=unseen_title(notes["rule"]["exact"]),
        hardly_seen=hardly_seen(sets, notes["rule"]["exact"]),
        not_compared=list(notes["not_compared"]),
        recall=list(notes["recall"]),
        blocks=_blocks(run, notes, screened),
    )


def unseen_title(exact: bool) -> str:
    """What a rule does with evaluation rows that its n-grams do not see."""
    return "only whole" if exact else "not compared"


def hardly_seen(totals: Sequence[Facts], exact: bool) -> list[str]:
    """A line for each set of which n-grams see less than half: no hit says next to nothing there."""
    rest = "only found as whole copies, without a word before or behind" if exact else "not compared at all"
    return [
        f"{row['eval_set']}: n-grams see {row['indexable']:,} of {row['rows']:,} rows; the others are too "
        f"short, or made of phrases that many of them share, and are {rest}"
        for row in totals
        if 2 * row["indexable"] < row["rows"]
    ]


def rule_words(rule: Facts) -> str:
    """A rule of `curation.decontamination.rules` in sentences."""
    n = rule["n"]
    ways = ["it is the same words, at any length"] if rule["exact"] else []
    ways.append(f"it shares any run of {n} words with it" if rule["coverage"] == "any" else _covered(rule))
    if rule["train_side"] is not None:
        most = percent(rule["train_side"], 0)
        ways.append(f"{most} of its own words, at least {rule['train_words']}, stand in such runs")
    parts = [f"A prompt touches an evaluation text when {', or '.join(ways)}.", IGNORED[rule["alphabet"]]]
    if rule["coverage"] != "any":
        parts.append("Phrases that many evaluation texts have in common are no evidence.")
    if rule["masked"]:
        parts.append("Numbers are compared as they stand, and masked.")
    if rule["min_words"]:
        parts.append(f"Evaluation texts of fewer than {rule['min_words']} words are not compared.")
    return " ".join(parts)


def _covered(rule: Facts) -> str:
    most, least, n = percent(rule["at_short"], 0), percent(rule["at_long"], 0), rule["n"]
    much = f"more than {most}" if most == least else most
    covered = {
        "words": f"runs of {n} words that both have cover {much} of its words",
        "idf": f"runs of {n} words that both have are {much} of its weight, rare ones weighing more",
    }[rule["coverage"]]
    if most == least:
        return covered
    return f"{covered} where it is up to {rule['short']} words long, falling to {least} from {rule['long']}"


def _blocks(run: Run, notes: Facts, screened: Facts) -> list[Block]:
    blocks = []
    if notes.get("planted"):
        found = f"{notes['planted_found']} of {notes['planted']} found"
        blocks.append(Block("Leaks that the recipe put among the prompts", [("planted", found)]))
    if notes.get("judge"):
        blocks.append(Block("Paraphrases", rates(notes["judge"]), PARAPHRASES))
    if screened.get("actions"):
        rows = [(f"completions, {action}", f"{n:,}") for action, n in screened["actions"].items()]
        blocks.append(Block("Completions that repeat an evaluation text", rows))
    return blocks


def matches(run: Run, most: int) -> list[dict[str, Any]]:
    """The `most` matches to look at: of each set and rule in turn, the best of every evaluation row first."""
    if run.contamination is None:
        return []
    best = ["action", "coverage_eval", "eval_row", "row_id", "field"]
    ranked = run.contamination.sort(best, descending=[False, True, False, False, False])
    ranked = ranked.with_columns(again=_place("eval_set", "eval_row")).sort("again", maintain_order=True)
    ranked = ranked.with_columns(turn=_place("eval_set", "rule", "action")).sort("turn", maintain_order=True)
    return [
        row | {"ours": marked(row, ""), "theirs": marked(row, "eval_")}
        for row in ranked.head(most).to_dicts()
    ]


def _place(*group: str) -> pl.Expr:
    """0 for the first row of its group, 1 for the second, and so on."""
    return pl.int_range(pl.len()).over(group)


def marked(row: Facts, side: str) -> list[tuple[str, bool]]:
    """The outer stretch of a match in pieces, each with whether it was matched; `side`: "" ours, "eval_".

    The stretch begins where its first span does; spans behind its end have been cut off with the text.
    """
    text, spans = row[f"{side}span"] or "", row[f"{side}spans"] or []
    pieces, at = [], 0
    for span in spans:
        start, end = (min(span[name] - spans[0]["start"], len(text)) for name in ("start", "end"))
        pieces += [(text[at:start], False), (text[start:end], True)]
        at = end
    pieces.append((text[at:], False))
    return [piece for piece in pieces if piece[0]]


def _notes(run: Run, stage: str) -> Facts:
    return (run.stages.get(stage) or {}).get("notes") or {}
