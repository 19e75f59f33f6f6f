"""The corpus of judge replies, read by our parsers and by the rules in common use.

The common rules, in code of our own: the first double-bracketed letter, in the order of the letters
(FastChat's pair judge, reward-bench's generative judge); the first bracketed number (its single judge);
the integer that ends the reply (reward-bench's ratings); the last double-bracketed level (Arena-Hard); the
last \\boxed{} (ProcessBench).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from labelers.judges.critique_parser import parse_first_error
from labelers.judges.rating_parser import parse_rating
from labelers.judges.verdict_parser import parse_choice, parse_level, parse_verdict

FOLDER = Path(__file__).resolve().parent.parent / "labelers/judges/corpus"
Row = dict[str, Any]
Rule = Callable[[Row], Any]


class Score(NamedTuple):
    rows: int
    right: int
    wrong_labels: int  # a label where there is none, or another one than there is


def load(name: str) -> list[Row]:
    lines = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line]


def score(rows: list[Row], rule: Rule) -> Score:
    read = [(rule(row), row["expected"]) for row in rows]
    wrong = sum(got is not None and got != expected for got, expected in read)
    return Score(len(rows), sum(got == expected for got, expected in read), wrong)


def level(row: Row) -> list[Any] | None:
    verdict, strong, _ = parse_level(row["reply"])
    return None if verdict == "unparsed" else [verdict, strong]


def verdict(row: Row) -> str | None:
    return _decided(parse_verdict(row["reply"]).verdict)


OURS: dict[str, Rule] = {
    "pairwise": verdict,
    "levels": level,
    "ranking": lambda row: parse_choice(row["reply"], row["letters"]).letter,
    "rating": lambda row: parse_rating(row["reply"], *row["scale"]).rating,
    "critique": lambda row: parse_first_error(row["reply"], row["n_steps"]),
}


def first_substring(reply: str, letters: str) -> str | None:
    return next((letter for letter in letters if f"[[{letter}]]" in reply), None)


def first_bracketed_number(row: Row) -> float | None:
    found = re.search(r"\[\[(\d+\.?\d*)\]\]", row["reply"]) or re.search(r"\[(\d+\.?\d*)\]", row["reply"])
    return float(found[1]) if found else None


def trailing_integer(row: Row) -> int | None:
    found = re.search(r"\b([1-9]|10)\b\s*$", row["reply"])
    return int(found[1]) if found else None


def last_level(row: Row) -> list[Any] | None:
    meaning = {"A>>B": ["A", True], "A>B": ["A", False], "A=B": ["tie", False]}
    meaning |= {"B>A": ["B", False], "B>>A": ["B", True]}
    found = [level for level in re.findall(r"\[\[([AB<>=]+)\]\]", row["reply"]) if level]
    return meaning.get(found[-1]) if found else None


def last_box(row: Row) -> int | None:
    found = re.findall(r"\\boxed\{([^}]*)\}", row["reply"])
    return int(found[-1]) if found and re.fullmatch(r"\s*-?\d+\s*", found[-1]) else None


PEERS: dict[str, dict[str, Rule]] = {
    "pairwise": {
        "first substring": lambda row: {"A": "A", "B": "B", "C": "tie", None: None}[
            first_substring(row["reply"], "ABC")
        ]
    },
    "levels": {"last match": last_level},
    "ranking": {"first substring": lambda row: first_substring(row["reply"], row["letters"])},
    "rating": {"trailing integer": trailing_integer, "first bracketed number": first_bracketed_number},
    "critique": {"last box": last_box},
}


def _decided(verdict: str) -> str | None:
    return None if verdict == "unparsed" else verdict
