"""Many labelled prefixes from few problems: OmegaPRM trees (`tree`) grown side by side.

Every rollout that a tree has searched is, with the prefix it went on from, a wrong solution whose steps have
been bisected. It becomes a row of COMPLETIONS with its ROLLOUTS and STEPS, like any solution that
`label_steps` has labelled, and can be built into the same sets: each step that was a node carries its Monte
Carlo value (method "mc-tree-n8"), those before a right rollout are proven by it ("witness"), those behind the
first error follow from it ("after-error").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import Any, NamedTuple

import polars as pl

from labelers.rollouts.cases import Case, rollouts_of
from labelers.rollouts.labels import relabel, rollout_stats
from labelers.rollouts.samples import FreeDraw, questions, read_samples
from labelers.rollouts.strategy import Evidence, StepLabel
from labelers.rollouts.streams import Draws, Stream
from labelers.rollouts.tree import Growth, Searched, Tree, TreeSearch
from labelers.rollouts.witness import closed_labels
from labelers.segment import NEWLINE, Split, split_steps
from samplers.cached import Budget, Progress, sample_through
from samplers.engine import Engine, Message, Request, Sampling
from store.ids import content_id
from store.ledger import Ledger
from store.tables import COMPLETIONS
from verifiers.math import verify
from verifiers.policy import DEFAULT, Policy


class Collected(NamedTuple):
    solutions: pl.DataFrame  # COMPLETIONS: what was searched
    rollouts: pl.DataFrame  # ROLLOUTS
    steps: pl.DataFrame  # STEPS
    facts: dict[str, Any]


def collect_prefixes(
    engine: Engine,
    ledger: Ledger,
    prompts: pl.DataFrame,
    search: TreeSearch = TreeSearch(),  # noqa: B008
    sampling: Sampling = Sampling(),  # noqa: B008
    seed: int = 0,
    *,
    samples: pl.DataFrame | None = None,
    system: str | None = None,
    split: Split = NEWLINE,
    reading: Policy = DEFAULT,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> Collected:
    """Grow one tree per prompt (each needs an answer) and label what was searched.

    `samples` (COMPLETIONS by the engine's model with these parameters and this system prompt) are the roots'
    rollouts, at no cost; a prompt without any draws its own. Prompts that are always or never solved at the
    root, or whose reference answer cannot be read, yield nothing.
    """
    known = {} if samples is None else read_samples(samples, prompts, reading)
    question = questions(prompts)
    trees = []
    for prompt_id in sorted(set(prompts["prompt_id"])):
        messages, gold = question((prompt_id, system))
        if verify(gold, "0", reading).status != "gold_unparseable":
            growth = search.grow(known.get((prompt_id, system), []), split)
            trees.append(_Growing(prompt_id, messages, gold, seed, search.n, growth))

    source = partial(sample_through, ledger, engine, budget=budget, progress=progress)
    draws = Draws(source, sampling, reading)
    draws.run(trees)
    cases = [case for tree in trees for case in tree.cases(split)]
    solutions = _solutions(trees, samples, engine, system)
    rollouts = rollouts_of(cases)
    steps = relabel(rollouts, solutions, _Closed(search.n), split=split)
    facts = rollout_stats(rollouts) | _spent(trees) | {"rejected": draws.rejected, "prompts": len(trees)}
    return Collected(solutions, rollouts, steps, facts)


@dataclass(frozen=True)
class _Closed:
    """Reads a finished search: what each node shows, and what follows from it for the steps between."""

    n: int

    name = "tree"

    def probes(self, seen: Evidence) -> Sequence[int]:
        return ()

    def read(self, seen: Evidence) -> Evidence:
        return seen

    def labels(self, seen: Evidence) -> list[StepLabel]:
        return closed_labels(seen, self.n, f"mc-tree-n{self.n}")


@dataclass(slots=True, eq=False)
class _Growing:
    """Implements `streams.Reader`: feeds one tree the rollouts it asks for."""

    prompt_id: str
    messages: tuple[Message, ...]
    gold: str
    seed: int
    n: int
    growth: Growth
    tree: Tree | None = None
    streams: dict[str, Stream] = field(default_factory=dict)
    wanted: str | None = None
    outstanding: int = 0
    closed: set[str] = field(default_factory=set)

    def wave(self, sampling: Sampling) -> list[Request]:
        drawn = None if self.wanted is None else self._draws(self.wanted)
        try:
            prefix = self.wanted = self.growth.send(drawn)  # type: ignore[arg-type]  # None starts it
        except StopIteration as end:
            self.tree = end.value
            return []
        stream = self.streams[prefix] = Stream.of(self.messages, prefix, self.gold, self.seed)
        return [request for i in range(self.n) for request in stream.ask(i, self, prefix, sampling)]

    def cases(self, split: Split) -> Iterator[Case]:
        """The solutions that were searched, with the draws of every node on their way."""
        for searched in self.tree.searched if self.tree else ():
            *prefixes, whole = accumulate(split_steps(searched.text, split))
            streams = [self.streams.get(p) or Stream(self.messages, p, self.gold, 0) for p in prefixes]
            outcome = searched.rollout._replace(completion_id=self._id(searched), text="")
            ends = [len(text) for text in (*prefixes, whole)]
            case = Case.of(outcome, ends, streams, [()] * len(prefixes), (), _Closed(self.n))
            case.asked = [stream.asked for stream in streams]
            yield case

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """COMPLETIONS, less who drew them, of what was drawn here and then searched."""
        for searched in self.tree.searched if self.tree else ():
            if stream := self.streams.get(searched.prefix):
                key = searched.rollout.completion_id
                index, said = next((i, said) for i, said in stream.drawn.items() if said.key == key)
                numbers = said.n_prompt_tokens, said.n_tokens, said.finish_reason
                yield self._id(searched), self.prompt_id, index, stream.seed + index, searched.text, *numbers

    def _draws(self, prefix: str) -> list[FreeDraw]:
        stream = self.streams[prefix]
        return [stream.draw(i) for i in range(self.n) if i in stream.drawn]

    def _id(self, searched: Searched) -> str:
        own = searched.rollout.completion_id
        drawn_here = searched.prefix in self.streams  # else it is one of the samples
        return content_id("searched", self.prompt_id, searched.prefix, own) if drawn_here else own


def _spent(trees: Sequence[_Growing]) -> dict[str, int]:
    """All calls, those of the roots too, which stand in no row of ROLLOUTS."""
    drawn = [said for tree in trees for stream in tree.streams.values() for said in stream.drawn.values()]
    return {
        "rollouts": len(drawn),
        "tokens": sum(said.n_tokens for said in drawn),
        "prompt_tokens": sum(said.n_prompt_tokens for said in drawn),
    }


def _solutions(
    trees: Sequence[_Growing], samples: pl.DataFrame | None, engine: Engine, system: str | None
) -> pl.DataFrame:
    who = (engine.kind, engine.model, engine.revision, system)
    drawn = [(*row[:2], *who, *row[2:]) for tree in trees for row in tree.rows()]
    table = pl.DataFrame(drawn, schema=COMPLETIONS, orient="row")
    if samples is not None:
        ids = [s.rollout.completion_id for tree in trees if tree.tree for s in tree.tree.searched]
        table = pl.concat([table, samples.filter(pl.col("completion_id").is_in(ids)).unique("completion_id")])
    return table.sort("prompt_id", "completion_id")
