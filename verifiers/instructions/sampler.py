"""Constraints for a prompt that has none: drawn to fit it and each other, and written out behind it.

The same prompt, count and seed give the same constraints, in any process. What may be drawn and what goes
together is data, in `sampling_rules`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from verifiers.instructions.base import INSTRUCTIONS, Instruction, build
from verifiers.instructions.language import LANGUAGES, detect, written_in
from verifiers.instructions.sampling_rules import (
    ALL,
    COPIES,
    DRAWS,
    FIT_FOR_CODE,
    FIT_FOR_DATA,
    FIT_FOR_FOREIGN,
    FIT_FOR_LONG,
    SETTLES_CASE,
    SETTLES_LENGTH,
    Arguments,
    Material,
    conflict,
    phrases,
)
from verifiers.instructions.text import whole_words

SUITES = ("ifeval", "ifeval-train")
REPEAT = "combination:repeat_prompt"
ATTEMPTS = 50  # a first draw that goes with little else must not end the search
LONG = 600  # characters; nobody wants a longer prompt repeated

# Words of any request: what they are about they do not say.
_FUNCTION_WORDS = frozenset(
    """about above after again against almost along already also although always among another anyone around
    away back because been before being below between both cannot come could does doing done down each either
    else enough even every everything few from further give given goes going have having hence here hers
    herself himself however into itself just keep know less like likely made make many maybe might mine more
    most much must myself near need neither never next none nothing often once only other others ours
    ourselves over own please same shall should since some someone something still such take than that their
    theirs them themselves then there these they thing things this those though through thus together toward
    under until upon used using very want well were what whatever when where whether which while whom whose
    will with within without would your yours yourself
    answer compare compose create describe detail detailed discuss draft explain find generate help list name
    outline provide question respond response sentence sentences short show suggest summarise summarize tell
    text translate word words write""".split()
)
_CODE = re.compile(
    r"```|\b(?:python|javascript|typescript|java|sql|html|css|bash|regex|regexp|golang|rust|c\+\+)(?!\w)",
    re.IGNORECASE,
)
# Words of English requests that are rare in other languages.
_ENGLISH_WORDS = _FUNCTION_WORDS | frozenset("the how why who and you are".split())
_ASKS_FOR_CASE = re.compile(
    r"\b(?:(?:lower|upper|title|camel|snake)[\s-]?case|all[\s-]caps|(?:capital|small) letters?"
    r"|capitali[sz]e\w*)\b",
    re.IGNORECASE,
)
_ASKS_FOR_LANGUAGE = re.compile(
    rf"\btranslat|\b(?:in|into|to)\s(?:{'|'.join(set(LANGUAGES.values()) - {'English'})})\b", re.IGNORECASE
)
_ASKS_FOR_DATA = re.compile(r"\b(?:json|csv|tsv|xml|yaml|latex|markdown table|table)\b", re.IGNORECASE)
_ASKS_FOR_LENGTH = re.compile(
    r"\b(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|single|few|several|short|brief|per|each)[\s-]"
    r"(?:[a-z]+[\s-])?(?:word|sentence|paragraph|line|stanza|verse|page|character|letter|bullet|point|item|step"
    r"|section|part|tip|reason|example|way|idea|thing|fact|option|name|title|question)s?\b"
    r"|\b(?:bullet|haiku|limerick|sonnet|tweet|headline|slogan|tagline|title|acrostic|numbered|top \d+)s?\b"
    r"|\b(?:briefly|concise(?:ly)?|in short)\b",
    re.IGNORECASE,
)


class NothingFits(ValueError):
    """There are not as many compatible constraints for this prompt as were asked for."""


def sample_constraints(
    prompt: str, count: int, seed: int, *, suites: Collection[str] = SUITES
) -> list[Instruction]:
    """`count` different instructions that suit the prompt and do not contradict each other.

    Keywords come from the prompt's own content words, none twice. Raises NothingFits.
    """
    rng = random.Random(f"{seed}\n{prompt}")
    names = [name for name in sorted(suitable(prompt)) if INSTRUCTIONS[name].suite in suites]
    for _ in range(ATTEMPTS):
        material = Material(prompt, content_words(prompt))
        chosen: list[Instruction] = []
        for name in rng.sample(names, len(names)):
            if len(chosen) == count:
                break
            if not any(conflict(name, other.id) for other in chosen):
                chosen += _drawn(name, rng, material)
        if len(chosen) == count:
            # What follows the repeated request would read as a part of it.
            return sorted(chosen, key=lambda one: one.id == REPEAT)
    raise NothingFits(f"no {count} compatible constraints of {sorted(suites)} for the prompt {prompt!r:.80}")


def _drawn(name: str, rng: random.Random, material: Material) -> Iterator[Instruction]:
    """The instruction with drawn arguments; nothing when the prompt has too few words left for it."""
    ranges: Arguments = rng.choice(DRAWS[name])
    if sum(one.words for one in ranges.values()) <= material.left():
        drawn = {argument: one.draw(rng, material) for argument, one in ranges.items()}
        yield build(name, drawn)


def suitable(prompt: str) -> frozenset[str]:
    """Ids of the instructions that make sense on this prompt."""
    found = ALL
    if _CODE.search(prompt):
        found &= FIT_FOR_CODE
    if not _in_english(prompt):
        found &= FIT_FOR_FOREIGN
    if _ASKS_FOR_LANGUAGE.search(prompt):
        found &= FIT_FOR_FOREIGN - SETTLES_LENGTH
    if _ASKS_FOR_DATA.search(prompt):
        found &= FIT_FOR_DATA
    if _ASKS_FOR_CASE.search(prompt):
        found -= SETTLES_CASE
    if _ASKS_FOR_LENGTH.search(prompt):
        found -= SETTLES_LENGTH
    if len(prompt) > LONG:
        found &= FIT_FOR_LONG
    return found


def _in_english(prompt: str) -> bool:
    """Short prompts say too little for the n-grams: "Tell me a joke." would be Finnish."""
    if detect(prompt) == "en":
        return True
    english = any(word.lower() in _ENGLISH_WORDS for word in whole_words(prompt))
    return english and written_in(prompt, "en")


def content_words(prompt: str) -> list[str]:
    """The prompt's words that say what it is about, as they stand there, each once, in order."""
    fixed = {word.lower() for phrase in phrases() for word in whole_words(phrase) if len(word) > 3}
    found: dict[str, str] = {}
    for word in whole_words(prompt):
        lower = word.lower()
        plain = len(word) > 3 and word.isascii() and word.isalpha() and lower not in _FUNCTION_WORDS
        if plain and not any(lower in text or text in lower for text in fixed):
            found.setdefault(lower, word)
    return list(found.values())


class Layout(NamedTuple):
    """A way to write a list of sentences behind a prompt."""

    before: str
    mark: str = ""  # before each; {n} is its number
    between: str = "\n"


_PARAGRAPHS = Layout("\n\n", between="\n\n")
_LAYOUTS = (
    Layout("\n\n", between=" "),
    Layout(" ", between=" "),
    Layout("\n\nTake care of the following in your answer. ", between=" "),
    Layout("\n\n"),
    Layout("\n\nYour answer must keep to the following:\n", "- "),
    Layout("\n\nRules for the answer:\n", "{n}. "),
    Layout("\n\nPlease also mind these points.\n", "* "),
    Layout("\n\nRequirements:\n", "{n}) "),
)


def append(prompt: str, instructions: Sequence[Instruction], seed: int) -> str:
    """The prompt with the instructions written behind it, in one of several layouts."""
    prompt = prompt.rstrip()
    rng = random.Random(f"append\n{seed}\n{prompt}")
    sentences = [one.describe() for one in instructions]
    layout = rng.choice(_layouts(prompt, sentences))
    # What says "the request above" must not have a heading above it too, nor a repeated one a list's mark.
    if any(one.id in COPIES | {REPEAT} for one in instructions):
        layout = _PARAGRAPHS
    items = [layout.mark.format(n=n) + text for n, text in enumerate(sentences, 1)]
    return prompt + layout.before + layout.between.join(items)


def _layouts(prompt: str, sentences: Sequence[str]) -> list[Layout]:
    """Those that keep a sentence of several lines, and an unfinished prompt ("Hi"), apart from the rest."""
    several_lines = any("\n" in text for text in sentences)
    finished = prompt.endswith((".", "!", "?", ":"))
    return [
        one
        for one in _LAYOUTS
        if (one.between == "\n" or not several_lines) and (finished or one.before != " ")
    ]
