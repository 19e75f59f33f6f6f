"""What is known of prompts: a judge's readings of a sample, spread over the rest by a classifier.

The classifier learns from readable replies alone. How well it does on prompts that it did not learn from is
measured beside always saying the commonest label, or the mean rating: a filter by topic or quality is worth
what that difference is. What neither says is null, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from curation.classifier import HeldOut, held_out, learn
from curation.words.texts import texts_of

MIN_EXAMPLES = 20  # readable replies, below which there is nothing to learn from

ANNOTATIONS = pl.Schema(
    {
        "prompt_id": pl.String(),
        "topic": pl.String(),  # null: the judge could not be read, or the classifier is not sure
        "topic_by": pl.String(),  # judge, classifier; null where there is no topic
        "topic_probability": pl.Float64(),  # the classifier's; null where the judge said it
        "quality": pl.Float64(),  # 1 to 5; the classifier's is an expectation
        "quality_by": pl.String(),
    }
)


class Spread(NamedTuple):
    """What a classifier that learnt from some prompts says of others."""

    ids: list[str]
    probabilities: np.ndarray  # (ids, classes)
    classes: tuple[str, ...]
    tested: HeldOut
    truth: list[str]  # labels of the prompts it was tested on

    def accuracy(self) -> dict[str, float]:
        return {"n": self.tested.n, "accuracy": self.tested.accuracy, "baseline": self.tested.baseline}

    def error(self) -> dict[str, float]:
        """Mean absolute errors of ratings: the classifier's expectation, and always the mean."""
        truth = np.array([float(label) for label in self.truth])
        expected = self.tested.probabilities @ np.array([float(name) for name in self.tested.classes])
        return {
            "error": float(np.abs(expected - truth).mean()),
            "baseline_error": float(np.abs(truth.mean() - truth).mean()),
        }


def spread(ids: Sequence[str], texts: Sequence[str], said: Mapping[str, str], seed: int) -> Spread:
    """Learn from the prompts of `said` (id -> label, at least MIN_EXAMPLES) what to say of the others."""
    assert len(said) >= MIN_EXAMPLES
    known = [place for place, i in enumerate(ids) if i in said]
    rest = [place for place, i in enumerate(ids) if i not in said]
    seen, truth = texts_of(texts[place] for place in known), [said[ids[place]] for place in known]
    tested = held_out(seen, truth, [ids[place] for place in known], seed)
    model = learn(seen, truth)
    found = model.probabilities(texts_of(texts[place] for place in rest))
    return Spread([ids[place] for place in rest], found, model.classes, tested, truth)


def annotation_table(
    ids: Sequence[str],
    topics: Mapping[str, str],
    qualities: Mapping[str, str],
    topics_spread: Spread | None = None,
    qualities_spread: Spread | None = None,
    min_probability: float = 0.0,
) -> pl.DataFrame:
    """ANNOTATIONS of `ids`: what the judge said, and the classifier of the others, where there is one.

    A topic that the classifier gives less than `min_probability` is none; a quality is its expectation.
    """
    frames = [
        _column(topics, "topic").with_columns(topic_probability=pl.lit(None, pl.Float64)),
        _column(qualities, "quality").with_columns(pl.col("quality").cast(pl.Float64)),
    ]
    if topics_spread:
        frames[0] = pl.concat([frames[0], _topics(topics_spread, min_probability)])
    if qualities_spread:
        frames[1] = pl.concat([frames[1], _qualities(qualities_spread)])
    table = pl.DataFrame({"prompt_id": ids}, schema={"prompt_id": pl.String})
    for frame in frames:
        table = table.join(frame, "prompt_id", "left", maintain_order="left")
    return table.select(ANNOTATIONS.names())


def _column(said: Mapping[str, str], name: str) -> pl.DataFrame:
    columns = {"prompt_id": [*said], name: [*said.values()], f"{name}_by": ["judge"] * len(said)}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def _topics(found: Spread, min_probability: float) -> pl.DataFrame:
    best = found.probabilities.argmax(axis=1)
    columns = {
        "prompt_id": found.ids,
        "topic": [found.classes[k] for k in best],
        "topic_by": ["classifier"] * len(best),
        "topic_probability": found.probabilities[np.arange(len(best)), best],
    }
    return pl.DataFrame(columns).filter(pl.col("topic_probability") >= min_probability)


def _qualities(found: Spread) -> pl.DataFrame:
    expected = found.probabilities @ np.array([float(name) for name in found.classes])
    by = ["classifier"] * len(expected)
    return pl.DataFrame({"prompt_id": found.ids, "quality": expected, "quality_by": by})
