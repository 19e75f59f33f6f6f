"""Training documents for the embedded policy: token ids with three kinds of target at every position.

- `next`: the next token where the document teaches writing it (a demonstration, a verdict), else -100.
- `truth`: the token that should come next in a line that is true so far (before a solution's first error),
  else -100.
- `line_wrong`: on solution tokens, whether the line has left the truth at or before this token, else -100.
- `doomed`: on the last token of each line, whether going on from the written amounts misses the answer,
  else -100.

The last three are targets of auxiliary heads that are thrown away after training. Reading what is written
against what the problem says is a circuit of its own that next-token loss on demonstrations hardly asks
for; a verdict at *every* token asks for it at the very position where the choice is seen.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .tokenizer import END, JUDGE_PROMPT, START, build
from .world import (
    Errors,
    Problem,
    demonstrate,
    first_wrong_token,
    generate,
    solvable,
    solve,
    tokens,
    true_line,
)

IGNORE = -100
POOL = 512  # documents sorted by length at a time
FAULT, FOLLOWS = 3.0, 0.1  # auxiliary weights: first wrong token of a line, whatever only follows a fault
DEMONSTRATOR, HARSH = Errors(), Errors().scaled(1.6)


class Document(NamedTuple):
    """Parallel rows as long as `ids`; `weight` is the auxiliary weight, `verdict` marks a judge's targets."""

    ids: list[int]
    next: list[int]
    truth: list[int]
    line_wrong: list[int]
    doomed: list[int]
    weight: list[float]
    verdict: list[bool]


class Marked(NamedTuple):
    """A solution's tokens with its auxiliary targets, and whether its answer is right."""

    words: list[str]
    truth: list[str]
    line_wrong: list[int]
    doomed: list[int]
    weight: list[float]
    right: bool


@lru_cache(maxsize=1)
def vocabulary() -> dict[str, int]:
    """World token to id."""
    tokenizer = build()
    return {tokenizer.decode([i]): i for i in range(len(tokenizer))}


def encode(text: str) -> list[int]:
    """Ids of a text made of world words only; the tokenizer's own answer, faster."""
    table = vocabulary()
    return [table[word] for word in tokens(text)]


_CHAT = {"user": [START, "user", "\n"], "next": [END, "\n", START, "assistant", "\n"]}
_FRAME = [part.replace("{prompt}", "") for part in JUDGE_PROMPT.replace("{a}", "{b}").split("{b}")]


def _weights(length: int, at: int) -> list[float]:
    """Most for the token where the line goes wrong and for its last one, little for what follows a fault."""
    weights = [1.0 if at < 0 or j < at else FAULT if j == at else FOLLOWS for j in range(length)]
    return [*weights[:-1], max(weights[-1], 2.0)]


def mark(problem: Problem, lines: list[str]) -> Marked:
    """Token-level truth of a solution; what follows the first false line counts less."""
    words, truth, wrong, doomed, weight, fallen = [], [], [], [], [], False
    for i, line in enumerate(lines):
        cut = tokens(line) + (["\n"] if i < len(lines) - 1 else [])
        at = first_wrong_token(problem, line)
        words += cut
        right = [] if fallen else tokens(true_line(problem, line))[: at + 1 if at >= 0 else None]
        truth += ["", *right[1:]] + [""] * (len(cut) - max(1, len(right)))
        wrong += [int(at >= 0 and j >= at) for j in range(len(cut))]
        doomed += [IGNORE] * (len(cut) - 1) + [int(not solvable(problem, lines[: i + 1]))]
        weight += [FOLLOWS] * len(cut) if fallen else _weights(len(cut), at)
        fallen = fallen or at >= 0
    return Marked(words, truth, wrong, doomed, weight, solvable(problem, lines))


def broken(problem: Problem, rng: random.Random, share: float = 0.5) -> Marked:
    """The reference with one token replaced by another of its kind in each line, with probability `share`.

    Lines break independently, so wrong tokens are some ten times denser than in demonstrations.
    """
    people = [problem.first, *(r.person for r in problem.relations)]
    said = [w for w in tokens(problem.text) if w.strip().isdigit()]
    words, truth, wrong, weight = [], [], [], []
    lines = solve(problem)
    for i, line in enumerate(lines):
        right = tokens(line)
        cut, at = list(right), len(right)
        if rng.random() < share:
            at = rng.choice([j for j, w in enumerate(right) if j and _swaps(w, people, said, rng)])
            cut[at] = rng.choice(_swaps(right[at], people, said, rng))
        end = ["\n"] if i < len(lines) - 1 else []
        words += cut + end
        truth += ["", *right[1 : at + 1], *[""] * (len(cut) - max(1, len(right[: at + 1])) + len(end))]
        weight += _weights(len(cut) + len(end), at if at < len(right) else -1)
        wrong += [int(j >= at) for j in range(len(cut))] + [int(at < len(right))] * len(end)
    return Marked(words, truth, wrong, [IGNORE] * len(words), weight, True)


def _swaps(word: str, people: list[str], said: list[str], rng: random.Random) -> list[str]:
    """What `word` could be mistaken for."""
    bare = word.strip()
    if bare.isdigit():
        near = [int(bare) + d for d in (-1, 1, rng.choice((-2, 2, -10, 10)))]
        return [w for w in dict.fromkeys([*said, *(f" {n}" for n in near if 1 <= n <= 99)]) if w != word]
    kinds = (["more", "less"], ["twice", "half"], ["+", "-", "*", "/"], people)
    return [f" {other}" for kind in kinds if bare in kind for other in kind if other != bare]


def _document(parts: list[tuple[list[str], Marked | None, bool]]) -> Document:
    """Joins (words, marks, taught) parts; a taught part's tokens are targets of the positions before them."""
    table = vocabulary()
    ids, taught, truth, wrong, doomed, weight = [], [], [], [], [], []
    for words, marks, teach in parts:
        ids += [table[w] for w in words]
        taught += [teach] * len(words)
        blank = [IGNORE] * len(words)
        truth += [table[w] if w else IGNORE for w in marks.truth] if marks else blank
        wrong += marks.line_wrong if marks else blank
        doomed += marks.doomed if marks else blank
        weight += marks.weight if marks else [0.0] * len(words)
    shifted = [i if t else IGNORE for i, t in zip(ids[1:], taught[1:], strict=True)] + [IGNORE]
    return Document(ids, shifted, [*truth[1:], IGNORE], wrong, doomed, weight, [False] * len(ids))


def solving(problem: Problem, rng: random.Random) -> Document:
    """The problem and a fallible demonstration in the plain chat layout."""
    marks = mark(problem, demonstrate(problem, rng, DEMONSTRATOR))
    return _document([
        (_CHAT["user"] + tokens(problem.text) + _CHAT["next"], None, False),
        (marks.words, marks, True),
        ([END], None, True),
    ])  # fmt: skip


def spotting(problem: Problem, rng: random.Random) -> Document:
    """A broken reference in the plain chat layout; nothing in it is to be imitated."""
    head = _CHAT["user"] + tokens(problem.text) + _CHAT["next"]
    marks = broken(problem, rng)
    return _document([(head, None, False), (marks.words, marks, False)])


def judging(problem: Problem, rng: random.Random) -> Document:
    """Two solutions and the verdict; three pairs in four are made to differ in the answer's truth."""
    errors = DEMONSTRATOR if rng.random() < 0.5 else HARSH
    a, b = (mark(problem, demonstrate(problem, rng, errors)) for _ in range(2))
    for _ in range(8 if rng.random() < 0.75 else 0):
        if a.right != b.right:
            break
        b = mark(problem, demonstrate(problem, rng, errors))
    if rng.random() < 0.5:
        a, b = b, a
    verdict = "C" if a.right == b.right else "A" if a.right else "B"
    plain = [(a, False), (b, False)]
    parts: list[tuple[list[str], Marked | None, bool]] = [
        (_CHAT["user"] + tokens(problem.text) + tokens(_FRAME[0]), None, False)
    ]
    for (marks, teach), frame in zip(plain, _FRAME[1:], strict=True):
        parts += [(marks.words, marks, teach), (tokens(frame), None, False)]
    document = _document([*parts, (_CHAT["next"], None, False), (["[[", verdict, "]]", END], None, True)])
    return document._replace(verdict=[target != IGNORE for target in document.next])


def batches(
    seed: int, budget: int, mix: tuple[float, float, float], inconsistent: float, easy: int = 0
) -> Iterator[dict[str, np.ndarray]]:
    """Endless batches of about `budget` tokens, rows of like length together.

    `mix` weighs solving, spotting and judging; `inconsistent` is `generate`'s; the first `easy` pools
    hold short problems.
    """
    rng, made = random.Random(seed), 0
    while True:
        depths = (1, 2) if made < easy else (2, 3, 3, 4)
        kinds = rng.choices((solving, spotting, judging), mix, k=POOL)
        documents = [kind(generate(rng, depths, inconsistent), rng) for kind in kinds]
        documents.sort(key=lambda d: len(d.ids))
        ready: list[list[Document]] = [[]]
        for document in documents:
            if (len(ready[-1]) + 1) * len(document.ids) > budget:
                ready.append([])
            ready[-1].append(document)
        rng.shuffle(ready)
        yield from map(_collate, ready)
        made += 1


def _collate(rows: list[Document]) -> dict[str, np.ndarray]:
    width = max(len(r.ids) for r in rows)
    out = {}
    for name, fill, kind in (
        ("ids", 0, np.int64), ("next", IGNORE, np.int64), ("truth", IGNORE, np.int64),
        ("line_wrong", IGNORE, np.int64),
        ("doomed", IGNORE, np.int64), ("weight", 0.0, np.float32), ("verdict", False, np.bool_),
    ):  # fmt: skip
        out[name] = np.full((len(rows), width), fill, dtype=kind)
        for i, row in enumerate(rows):
            out[name][i, : len(row.ids)] = getattr(row, name)
    return out
