"""Candidates of a few prompts as hypothesis draws them: short texts of few letters, often the same."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl
from hypothesis import strategies as st
from small_tables import completions, labels, prompts, steps

from curation.scores import SCORES
from labelers.segment import split_steps


class Candidate(NamedTuple):
    text: str
    score: float | None
    label: bool | None
    steps: str  # a mark of small_tables.labels for each step
    opinion: tuple[int, str, float | None]  # of a judge, on this one and the candidate so many places later


class World(NamedTuple):
    prompts: pl.DataFrame
    completions: pl.DataFrame
    labels: pl.DataFrame
    scores: pl.DataFrame
    steps: pl.DataFrame
    opinions: pl.DataFrame

    def shuffled(self, seed: int) -> World:
        return World(*(table.sample(fraction=1, shuffle=True, seed=seed) for table in self))

    def only(self, prompt: str) -> World:
        """What belongs to one prompt."""
        ids = self.completions.filter(prompt_id=prompt)["completion_id"].to_list()
        mine = pl.col("completion_id").is_in(ids)
        return World(
            self.prompts.filter(prompt_id=prompt),
            self.completions.filter(mine),
            self.labels.filter(mine),
            self.scores.filter(mine),
            self.steps.filter(mine),
            self.opinions.filter(prompt_id=prompt),
        )


OPINIONS = pl.Schema(
    {
        "prompt_id": pl.String(),
        "a_id": pl.String(),
        "b_id": pl.String(),
        "preference": pl.String(),
        "rejected": pl.String(),
        "soft": pl.Float64(),
    }
)


def scores(evidence: str = "rating", **given: list[float | None]) -> pl.DataFrame:
    """`p=[5, None]`: p0 is rated 5, p1 not at all."""
    rows = [
        (f"{prompt}{i}", score, None, None if score is not None else "no_score", evidence)
        for prompt, found in given.items()
        for i, score in enumerate(found)
    ]
    return pl.DataFrame(rows, schema=SCORES, orient="row")


def opinions(*rows: tuple[str, str, str], prompt: str = "p", soft: float | None = 0.9) -> pl.DataFrame:
    """("0", ">", "1"): 0 is preferred, `soft` is the probability of what the row says; "=": a tie; a word:
    no preference, for this reason."""
    full = [
        (
            prompt,
            prompt + a,
            prompt + b,
            {">": "A", "<": "B"}.get(said),
            {">": None, "<": None, "=": "tie"}.get(said, said),
            None if soft is None else 1 - soft if said == "<" else soft,
        )
        for a, said, b in rows
    ]
    return pl.DataFrame(full, schema=OPINIONS, orient="row")


def _world(groups: list[list[Candidate]]) -> World:
    named = {f"p{n}x": group for n, group in enumerate(groups)}
    marks = {True: "+", False: "-", None: "?"}
    cut = {
        f"{name}{i}": (one, split_steps(one.text))
        for name, group in named.items()
        for i, one in enumerate(group)
    }
    stepped = {i: (one.steps[: len(parts)], parts) for i, (one, parts) in cut.items() if parts}
    judged = [
        opinions((str(i), said, str((i + step) % len(group))), prompt=name, soft=soft)
        for name, group in named.items()
        for i, (*_, (step, said, soft)) in enumerate(group)
        if step % len(group)
    ]
    return World(
        prompts(*named),
        completions(**{name: [one.text for one in group] for name, group in named.items()}),
        labels(**{name: "".join(marks[one.label] for one in group) for name, group in named.items()}),
        scores(**{name: [one.score for one in group] for name, group in named.items()}),
        steps(**stepped),
        pl.concat([opinions(), *judged]),
    )


_opinion = st.tuples(
    st.integers(0, 5),
    st.sampled_from([">", "<", "=", "order_flip", "unparsed"]),
    st.sampled_from([None, 0.5, 0.6, 1.0]),
)
_candidates = st.builds(
    Candidate,
    st.text("ab \n\x1f", max_size=4),
    st.sampled_from([None, 1.0, 1.5, 2.0, 3.0]),
    st.sampled_from([None, True, False]),
    st.text("+-?", min_size=5, max_size=5),
    _opinion,
)
worlds = st.lists(st.lists(_candidates, max_size=6), min_size=1, max_size=3).map(_world)
