"""OmegaPRM's search tree over one problem (arXiv 2406.06592, section 3.3): where to look for errors next.

A node is a prefix with N rollouts; its Monte Carlo value is MC = right / decided. Every wrong rollout r of a
node s with 0 < MC(s) < 1 is a candidate, and the next one to be searched maximises Q + U:

    Q(s, r) = alpha^(1 - MC(s)) * beta^(len(r) / length)        supposed to fail, yet failed; and not too long
    U(s)    = c_puct * sqrt(sum of all visits) / (1 + visits(s))

Searching bisects the rollout's steps for the first prefix with MC = 0. Each prefix looked at becomes a node,
and its own wrong rollouts become candidates. Here a search stays within steps: boundaries are those of the
whole text, and a prefix that two rollouts share is one node.

`grow` is a generator: it yields the prefix it needs rollouts from and is sent them. It knows no engine, so
any number of trees can grow at once (`collect`).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import sqrt
from typing import NamedTuple

from labelers.rollouts.exhaustive import DEFAULT_ROLLOUTS
from labelers.rollouts.samples import FreeDraw
from labelers.segment import Split, split_steps


@dataclass(slots=True, eq=False)
class Node:
    prefix: str
    drawn: Sequence[FreeDraw]
    visits: int = 0
    value: float | None = field(init=False)  # MC; None where nothing was decided

    def __post_init__(self) -> None:
        draws = [draw.draw for draw in self.drawn]
        decided = len(draws) - draws.count("undecided")
        self.value = draws.count("right") / decided if decided else None


class Searched(NamedTuple):
    """A wrong rollout that was searched: with its node's prefix, a whole solution."""

    prefix: str
    rollout: FreeDraw

    @property
    def text(self) -> str:
        return self.prefix + self.rollout.text


class Tree(NamedTuple):
    nodes: dict[str, Node]  # by prefix
    searched: list[Searched]


Growth = Generator[str, Sequence[FreeDraw], Tree]


@dataclass(frozen=True)
class TreeSearch:
    """`searches` and `budget` (rollouts) bound what one problem may cost; the others as in the formulas."""

    n: int = DEFAULT_ROLLOUTS
    alpha: float = 0.5
    beta: float = 0.9
    length: int = 500  # words
    c_puct: float = 0.125
    searches: int = 20
    budget: int = 200

    def __post_init__(self) -> None:
        if self.n < 1 or self.searches < 1 or self.budget < self.n or self.length < 1:
            raise ValueError(f"tree search: need n, searches, length >= 1 and budget >= n; got {self}")
        if not (0 < self.alpha <= 1 and 0 < self.beta <= 1 and self.c_puct >= 0):
            raise ValueError(f"tree search: need 0 < alpha, beta <= 1 and c_puct >= 0; got {self}")

    def grow(self, samples: Sequence[FreeDraw], split: Split) -> Growth:
        """A problem's tree; its root has the samples for rollouts where there are any, or N of its own."""
        tree = Tree({}, [])
        tree.nodes[""] = root = Node("", samples or (yield ""))
        pool = _candidates(root)
        spent = len(root.drawn) if not samples else 0
        texts = set()
        while pool and len(tree.searched) < self.searches and spent + self.n <= self.budget:
            ranks = [self.rank(*candidate, len(tree.searched)) for candidate in pool]
            node, rollout = pool.pop(ranks.index(max(ranks)))  # of equals the oldest
            if node.prefix + rollout.text in texts:
                continue
            texts.add(node.prefix + rollout.text)
            tree.searched.append(Searched(node.prefix, rollout))
            node.visits += 1
            before = len(tree.nodes)
            yield from self._search(tree.nodes, tree.searched[-1], split, (self.budget - spent) // self.n)
            found = list(tree.nodes.values())[before:]
            spent += self.n * len(found)
            pool += [candidate for node in found for candidate in _candidates(node)]
        return tree

    def _search(
        self, nodes: dict[str, Node], searched: Searched, split: Split, probes: int
    ) -> Generator[str, Sequence[FreeDraw], None]:
        """Bisect for the first step without a right rollout, with at most `probes` new nodes."""
        prefixes = list(accumulate(split_steps(searched.text, split)))
        good, bad = sum(len(prefix) <= len(searched.prefix) for prefix in prefixes), len(prefixes) - 1
        while good < bad:
            prefix = prefixes[middle := (good + bad) // 2]
            if prefix not in nodes:
                if probes == 0:
                    return
                probes -= 1
                nodes[prefix] = Node(prefix, (yield prefix))
            value = nodes[prefix].value
            if value is None:
                return
            good, bad = (middle + 1, bad) if value > 0 else (good, middle)

    def rank(self, node: Node, rollout: FreeDraw, visits: int) -> float:
        """Q + U of a candidate in a tree with so many visits: searches so far."""
        words = len(rollout.text.split())
        quality = self.alpha ** (1 - (node.value or 0)) * self.beta ** (words / self.length)
        return quality + self.c_puct * sqrt(visits) / (1 + node.visits)


def _candidates(node: Node) -> list[tuple[Node, FreeDraw]]:
    if not node.value or node.value == 1:
        return []
    return [(node, rollout) for rollout in node.drawn if rollout.draw == "wrong" and rollout.text.strip()]
