"""Find the answer that a completion commits to.

In order: an `<answer>` tag; the last box; the last of these markers by position: `#### x`, an `A: x` line
that ends the text (GSM8K's recorded solutions), "(final) answer is x", "Answer: x", an "Answer" heading,
"the correct option is x"; the text itself when it is a bare answer on one line; what its conclusion states
(`statements`). The last number anywhere is a fallback that must be asked for, because it rewards
intermediate results. A multiple-choice policy reads the same places for a letter.

Reasoning inside think tags is never an answer, nor is what follows the end of the model's turn. A box that
never closes, or a last line cut off by the token limit, has none either: "The answer is 1" may be the
beginning of 12. The whole search costs a few string scans; no pattern can backtrack without a bound.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from verifiers.answers.boxes import final_boxes, last_box
from verifiers.answers.formulas import TAIL_CHARS
from verifiers.answers.letters import concluded_letter, find_letter, written_choice
from verifiers.answers.normal import plain
from verifiers.answers.statements import (
    MAX_BARE_CHARS,
    REASON,
    concluded,
    corrected,
    is_bare,
    is_code,
    starts_like_mathematics,
    stated,
)
from verifiers.answers.wording import RETRACTION_CHARS, correction, is_denied
from verifiers.policy import DEFAULT, MAX_ANSWER_CHARS, Policy

Source = Literal["boxed", "marker", "phrase", "bare", "conclusion", "last_number", "none", "limit"]

MAX_TEXT_CHARS = 1_000_000
MAX_TRIES = 64  # the word "answer" may be repeated without end

_THINK_ENDS = ("</think>", "</thinking>", "</thought>", "[/THINK]", "◁/think▷", "<|channel|>final<|message|>")
_THINK_STARTS = ("<think>", "<thinking>", "<thought>", "[THINK]", "◁think▷", "<|channel|>analysis")
_TURN_STARTS = re.compile(r"\s*(?:(?:<[|｜][^<>|｜\n]{1,40}[|｜]>|<bos>|<s>)\s*(?:assistant\b\s*)?)+")
_TURN_END = re.compile(r"<[|｜][^<>|｜\n]{1,40}[|｜]>|</s>|<end_of_turn>|<eos>|<\|im_end")
_HASH_NUMBER = re.compile(r"[-+]?\$?\.?[0-9](?:[0-9,./%]*[0-9%])?(?: [A-Za-z]+)?\.?")
_ANSWER_LINE = re.compile(r"A:\s*(\S.*)")
_PHRASE = re.compile(
    r"(?:answer|(?<=correct )(?:option|choice))\b(?:\s{1,8}(?:to|of|for)\b[^.\n:]{0,100}?)?(?:\*\*|__)?"
    r"(?:\s{1,8}(?:is|was|are)\b\s{0,8}(?:\*\*|__)?:?|\s{0,8}[:=]|(?=\s{0,8}(?:\\[(\[]|\$)))(?:\*\*|__)?\s{0,16}",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"(?:[ >-]{0,8}[#*_]{1,6}[ #*_]{0,8}(?:the )?(?:final )?|(?:the )?final )answer[ #*_:]{0,8}\n"
    r"\s{0,16}(?=\S)",
    re.IGNORECASE,
)
_HYPOTHESIS = re.compile(
    r"\b(?:if|whether|suppose|assume|unless|not sure)\b[^.\n]*\Z"
    r"|\b(?:doubt(?:s|ed|ful)?|unlikely|no way|impossible|wrong|incorrect|mistaken\w*|tempting"
    r"|(?:people|some|someone|one|you|they)(?: \w+)? (?:say|think|believe|guess))\b[^.,;\n]*\Z"
    r"|\b(?:check|verify)(?:ing)? (?:our|the|this|my|your) \Z",
    re.IGNORECASE,
)
_EMPTY_BOX = re.compile(r"oxed\s?\{\s?\}")
_JUDGEMENT = re.compile(r"(?:indeed |also )?(?:in)?(?:correct|valid|right|wrong|reasonable)\b", re.IGNORECASE)
_DISPLAY_END = {"\\[": "\\]", "$$": "$$"}
_SENTENCE_END = re.compile(r"(?<!\.)\.(?=\s|$|\*\*)|\n|!(?=\s+[A-Z])|\?(?=\s|$)")
_FULL_WIDTH = str.maketrans({chr(0xFF10 + digit): str(digit) for digit in range(10)})
_SENTENCE_START = re.compile(
    r"(?:i(?= [a-z]|')|it|he|she|we|they|this|that|so|thus|therefore|hence)\b", re.IGNORECASE
)
_LATER = re.compile(r"####|\b[Tt]he (?:final |correct |right |actual )?answer is\b")  # after a box
_NO_SOLUTION = re.compile(
    r"(?:(?:so|thus|therefore|hence),? )?there (?:is|are|exists?) no (?:real )?solutions?\.?", re.IGNORECASE
)
_COMMAND = re.compile(r"\\[A-Za-z]+")
_WORD = re.compile(r"[A-Za-z]{2,}")
_NUMBER = re.compile(r"(?:(?<![\w).])[-−])?\$?(?:[0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+)%?")


class Extraction(NamedTuple):
    """`text` is None when there is no answer (`source` none) or it is too long to read (`source` limit)."""

    text: str | None
    source: Source


NOTHING = Extraction(None, "none")
TOO_LONG = Extraction(None, "limit")


def extract(text: str, policy: Policy = DEFAULT, *, truncated: bool = False) -> Extraction:
    """The answer in `text`; `truncated` says that generation was cut off at the token limit."""
    if len(text) > MAX_TEXT_CHARS:
        return TOO_LONG
    visible = final_words(text if text.isascii() else text.translate(_FULL_WIDTH))
    if visible is None:
        return NOTHING
    tagged = _tagged(visible, truncated)
    found = _marked_answer(visible if tagged is None else tagged, policy, truncated)
    if found is None and tagged is not None:
        found = Extraction(stated(tagged) if len(tagged) < TAIL_CHARS else tagged, "marker")
    if found is None and not truncated:
        found = _unmarked_answer(visible, policy)
    if found is None or not found.text or found.text.isspace() or _EMPTY_BOX.search(found.text):
        return NOTHING
    if len(found.text) > MAX_ANSWER_CHARS:
        return TOO_LONG
    if policy.choices:
        letter = find_letter(found.text, policy.choices)
        return Extraction(letter, found.source) if letter else NOTHING
    return found


def final_words(text: str) -> str | None:
    """What the model says after its reasoning, to the end of its turn; None when the reasoning never ends."""
    if "<" in text or "◁" in text or "[" in text:
        for mark in _THINK_ENDS:
            if (end := text.rfind(mark)) >= 0:
                text = text[end + len(mark) :]
        if any(mark in text for mark in _THINK_STARTS):
            return None
        if "<|" in text or "<｜" in text or "</s>" in text or "<e" in text:
            start = _TURN_STARTS.match(text)
            text = text[start.end() :] if start else text
            end_of_turn = _TURN_END.search(text)
            text = text[: end_of_turn.start()] if end_of_turn else text
    return text


def _tagged(text: str, truncated: bool) -> str | None:
    """The content of the last `<answer>` tag; one left open by a stop string counts, one cut off does not."""
    start = text.rfind("<answer>")
    if start < 0:
        return None
    content, closed, _ = text[start + len("<answer>") :].partition("</answer>")
    content = content.strip()
    return content if content and (closed or not truncated) else None


def _marked_answer(text: str, policy: Policy, truncated: bool) -> Extraction | None:
    """The answer in the last box, else at the last marker, unless what follows takes it back."""
    box = last_box(text)
    if box is None:
        return _answer_at_marker(text, policy, truncated)
    if box.content is None:
        return NOTHING
    rest = correction(text[box.end : box.end + RETRACTION_CHARS])
    if rest is None and is_denied(text, box.start, box.end):
        rest = text[box.end :]
    if rest is not None:
        return _corrected(rest, policy, truncated)
    if _LATER.search(text, box.end):
        later = _answer_at_marker(text[box.end :], policy, truncated)
        if later and (policy.choices or is_bare(later.text or "")):
            return later
    contents = final_boxes(text) if policy.boxes == "union" else [box.content]
    return Extraction(", ".join(contents), "boxed")


def _answer_at_marker(text: str, policy: Policy, truncated: bool) -> Extraction | None:
    if truncated:
        text = text[: text.rfind("\n") + 1]
    text = text.rstrip()
    candidates = [c for c in (_hash(text), _answer_line(text), _phrase(text)) if c]
    if not candidates:
        return None
    start, end, found = max(candidates, key=lambda c: c[0])
    if end < len(text) and (rest := correction(text[end : end + RETRACTION_CHARS])) is not None:
        return _corrected(rest, policy, truncated)
    if found.source != "phrase" or policy.choices or len(found.text or "") > TAIL_CHARS:
        return found
    return Extraction(stated(found.text or "", text[max(0, start - TAIL_CHARS) : start]), "phrase")


def _corrected(rest: str, policy: Policy, truncated: bool) -> Extraction:
    """What a text says instead of an answer that it has just taken back."""
    if found := _answer_at_marker(rest, policy, truncated):
        return found
    last = _SENTENCE_END.split(rest.strip().rstrip("."))[-1]
    value = find_letter(last, policy.choices) if policy.choices else corrected(last)
    return Extraction(value, "conclusion") if value and not truncated else NOTHING


def _unmarked_answer(text: str, policy: Policy) -> Extraction | None:
    line = text.strip()
    if _NO_SOLUTION.fullmatch(line):
        return Extraction("no solution", "conclusion")
    is_line = bool(line) and len(line) <= MAX_BARE_CHARS and "\n" not in line and not is_code(line)
    short = REASON.sub("", line) if is_line else ""
    if is_line and (written_choice(plain(line)) or is_bare(short)):
        return Extraction(short, "bare")
    if is_line and starts_like_mathematics(line) and _is_short(line):
        return Extraction(line, "bare")
    answer = concluded_letter(text, policy.choices) if policy.choices else concluded(text)
    if answer:
        return Extraction(answer, "conclusion")
    if is_line and _is_short(line):
        return Extraction(line, "bare")
    return _last_number(text) if policy.last_number else None


def _is_short(line: str) -> bool:
    """A name, or mathematics with a few words, and no sentence."""
    if _SENTENCE_START.match(line) or line.endswith(("?", ":")):
        return False
    words = len(_WORD.findall(_COMMAND.sub("", line)))
    return (
        words <= 3 if starts_like_mathematics(line) else words <= 2 and "$" not in line and "\\(" not in line
    )


def _hash(text: str) -> tuple[int, int, Extraction] | None:
    """`#### 42`; a Markdown heading looks the same, so other text counts only on the last line."""
    start = text.rfind("####")
    if start < 0:
        return None
    line, newline, _ = text[start + 4 :].partition("\n")
    end = start + 4 + len(line)
    line = line.strip(" #*")
    if not line or (newline and not _HASH_NUMBER.fullmatch(line)):
        return None
    return start, end, Extraction(line, "marker")


def _answer_line(text: str) -> tuple[int, int, Extraction] | None:
    start = text.rfind("\n") + 1
    match = _ANSWER_LINE.match(text, start)
    return (start, len(text), Extraction(match[1].strip(), "marker")) if match else None


def _phrase(text: str) -> tuple[int, int, Extraction] | None:
    lowered = text.lower()
    if len(lowered) != len(text):  # a few capitals lower to two characters and would shift positions
        lowered = text
    start = len(text)
    for _ in range(MAX_TRIES):
        start = max(lowered.rfind(word, 0, start) for word in ("answer", "correct option", "correct choice"))
        if start < 0:
            return None
        sentence, end = _after_phrase(text, start)
        if sentence.strip("\\()[]$ ") and not _JUDGEMENT.match(sentence):
            return start, end, Extraction(sentence, "phrase")
    return None


def _after_phrase(text: str, start: int) -> tuple[str, int]:
    line = text.rfind("\n", 0, start) + 1
    if heading := _HEADING.match(text, line):
        return _sentence(text, heading.end())
    match = _PHRASE.match(text, start if text[start] in "aA" else start + len("correct "))
    if not match or _HYPOTHESIS.search(text, max(line, start - 200), start):
        return "", start
    return _sentence(text, match.end())


def _sentence(text: str, start: int) -> tuple[str, int]:
    """From `start` to the end of the sentence, and that end; a display formula may span lines.

    A question says nothing.
    """
    closing = _DISPLAY_END.get(text[start : start + 2])
    formula_end = text.find(closing, start + 2, start + MAX_ANSWER_CHARS) if closing else -1
    stop = _SENTENCE_END.search(text, max(start, formula_end))
    end = stop.start() if stop else len(text)
    return "" if stop and stop[0] == "?" else text[start:end].strip(" *"), end


def _last_number(text: str) -> Extraction | None:
    numbers = _NUMBER.findall(text[-MAX_ANSWER_CHARS:])
    return Extraction(numbers[-1].rstrip(","), "last_number") if numbers else None
