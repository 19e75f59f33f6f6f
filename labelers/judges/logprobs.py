"""What a judge's log-probabilities say at the very token that carried its verdict.

    letters    log P(letter) of every letter that could have stood there
    ratings    E = sum k P(k) / sum P(k)       k over the whole numbers of the scale; coverage = sum P(k)

Tokenizers differ ("[[A]]" is one to five tokens, "10" one or two), so an alternative token counts for a
letter or a number if it says it at the place where the reply says its own. Nothing is filled in: a letter
that is not among the recorded alternatives, or a coverage below `MIN_COVERAGE`, gives None.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

Place = dict[str, float]  # {token text: log-probability}, one per new token

MIN_COVERAGE = 0.9  # below this the letters or the numbers do not speak for the judge

_DIGITS = re.compile(r"([0-9]{1,3})((?:[^0-9.].*)?)", re.DOTALL)


class ExpectedRating(NamedTuple):
    expected: float
    coverage: float


class _Token(NamedTuple):
    place: int
    begin: int
    text: str


def letter_logprobs(reply: str, logprobs: Sequence[Place], at: int, letters: str) -> list[float] | None:
    """log P of each of `letters` (upper case) at the token that wrote the letter `reply[at]`."""
    token = _token_at(reply, logprobs, at)
    if token is None:
        return None
    offset = at - token.begin
    letters = letters if reply[at].isupper() else letters.lower()
    alternatives = [token.text[:offset] + letter + token.text[offset + 1 :] for letter in letters]
    found = [logprobs[token.place][text] for text in alternatives if text in logprobs[token.place]]
    covered = sum(map(math.exp, found))
    return found if len(found) == len(letters) and covered >= MIN_COVERAGE else None


def expected_rating(
    reply: str, logprobs: Sequence[Place], at: int, low: int, high: int
) -> ExpectedRating | None:
    """The mean of the ratings the judge could have written at `reply[at]`, and their probability."""
    token = _token_at(reply, logprobs, at)
    if token is None or re.match(r"[0-9]+\.[0-9]", reply[at : at + 8]):
        return None
    mass = _rating_mass(token, logprobs, at - token.begin, high)
    covered = {k: p for k, p in mass.items() if low <= k <= high}
    coverage = sum(covered.values())
    if coverage < MIN_COVERAGE:
        return None
    return ExpectedRating(sum(k * p for k, p in covered.items()) / coverage, coverage)


def _rating_mass(token: _Token, logprobs: Sequence[Place], offset: int, high: int) -> dict[int, float]:
    """Probability of each whole number at `token`.

    A bare "1" may be the beginning of "10". The next token tells where the reply itself went on from it; of
    an alternative nobody knows, unless the tokenizer shows that it has "10" as a token. Else it is left out.
    """
    place, head = logprobs[token.place], token.text[:offset]
    after = logprobs[token.place + 1] if token.place + 1 < len(logprobs) else {}
    numbers = {
        text: found
        for text in place
        if text.startswith(head) and (found := _DIGITS.fullmatch(text, len(head))) is not None
    }
    merges = any(len(found[1]) > 1 for found in numbers.values())
    mass: dict[int, float] = {}
    for text, found in numbers.items():
        k, p = int(found[1]), math.exp(place[text])
        if found[2] or merges or 10 * k > high:
            mass[k] = mass.get(k, 0.0) + p
        elif text == token.text:
            for more, q in _continued(found[1], after).items():
                mass[more] = mass.get(more, 0.0) + p * q
    return mass


def _continued(digits: str, after: Place) -> dict[int, float]:
    """P(number | it begins with `digits`), from the alternatives of the next token."""
    shares: dict[int, float] = {}
    for text, logprob in after.items():
        more = _DIGITS.fullmatch(text)
        if more or not text.startswith((".", *"0123456789")):
            k = int(digits + (more[1] if more else ""))
            shares[k] = shares.get(k, 0.0) + math.exp(logprob)
    return shares


def _token_at(reply: str, logprobs: Sequence[Place], at: int) -> _Token | None:
    """The token that wrote `reply[at]`; None where the tokens do not spell the reply."""
    path = _spelling(reply, logprobs) if at >= 0 else None
    return next((token for token in path or () if token.begin <= at < token.begin + len(token.text)), None)


def _spelling(reply: str, logprobs: Sequence[Place]) -> list[_Token] | None:
    """The tokens that spell the reply, likelier ones tried first; None if none do.

    Tokens after the end of the reply (an end-of-turn marker) are left out. A token without a text of its own
    is part of a character that a later one completes.
    """
    path: list[_Token] = []
    stack = [(0, 0, "")]
    seen: set[tuple[int, int]] = set()
    while stack:
        index, begin, text = stack.pop()
        del path[max(0, index - 1) :]
        if index:
            path.append(_Token(index - 1, begin, text))
        end = begin + len(text)
        if end == len(reply):
            return path
        if index == len(logprobs) or (index, end) in seen:
            continue
        seen.add((index, end))
        fits = sorted((lp, token) for token, lp in logprobs[index].items() if reply.startswith(token, end))
        stack += [(index + 1, end, token) for _, token in fits]
    return None
