"""The preference set: which evidence decides between the completions of each prompt.

Verdicts before opinions. Where verifiers judge a prompt they decide (by the share of constraints kept, if the
recipe asks for that and nothing but constraints is judged); elsewhere the judge; without one the system
prompt that an answer was sampled under, where there are several, or else a clear vote.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from curation.pairing import PairRule, Trainer
from curation.pairs import Paired, join, length_gap, preference, preference_judged, preference_scored
from curation.scores import scores_from_constraints, scores_from_judge, scores_from_variants
from flows.engines import reward_base
from flows.judge_modes import MODES
from flows.recipe import Recipe, TrainStage
from flows.verify import VERDICTS_DIR
from labelers.judges.panel import PANEL
from labelers.judges.scores import JUDGE_SCORES
from store.accounting import Account
from store.shards import read_table
from store.tables import COMPLETION_VERDICTS

if TYPE_CHECKING:
    from trainers.tokenize import Codec

OPTIONS = ("pairs_per_prompt", "min_margin", "ties", "length_ratio", "hard_negatives", "graded_constraints")


class Made(NamedTuple):
    """What the stages before have made, which every set is built from."""

    prompts: pl.DataFrame
    completions: pl.DataFrame
    labels: pl.DataFrame  # curation.evidence.LABELS
    verified: list[str]  # prompts to which a verifier applies
    excluded: pl.DataFrame | None = None  # curation.candidates.EXCLUDED


def settings(recipe: Recipe) -> dict[str, Any]:
    """What the choice of pairs depends on, the tokenisation of the model that will train on them too."""
    found = {name: getattr(recipe.build, name) for name in OPTIONS}
    if recipe.sample and recipe.sample.worse_systems:
        found["systems"] = recipe.sample.systems
    if not _is_trained_on(recipe):
        return found
    assert recipe.train
    return found | {
        "tokenisation": _codec(reward_base(recipe)).fingerprint,
        "max_tokens": _max_tokens(recipe.train),
    }


def opinions_file(recipe: Recipe) -> str | None:
    return MODES[recipe.judge.mode].labels_file if recipe.judge else None


def build(run_dir: Path, recipe: Recipe, made: Made) -> tuple[pl.DataFrame, Account, dict[str, Any]]:
    """The set, where its completions went, and facts: where the comparisons went, what lengths tell."""
    if _is_trained_on(recipe):
        _codec(reward_base(recipe)).warm(made.completions["text"].to_list())
    parts = [_verified(run_dir, recipe, made)]
    others = made._replace(completions=made.completions.filter(~pl.col("prompt_id").is_in(made.verified)))
    parts.append(_judged(run_dir, recipe, others) if recipe.judge else _undecided(recipe, others))
    paired = join([part for found in parts for part in found])
    facts = {"pairs": paired.pairs.to_dict(), "length_gap": length_gap(paired.table)}
    return paired.table, paired.account, facts


def _rule(recipe: Recipe) -> PairRule:
    config = recipe.build
    return PairRule(
        config.pairs_per_prompt, config.min_margin, config.ties, config.length_ratio, config.hard_negatives
    )


def _is_trained_on(recipe: Recipe) -> bool:
    train = recipe.train
    return train is not None and "bt" in train.models and train.set_of("bt") == "preference"


def _trainer(recipe: Recipe) -> Trainer | None:
    """How the Bradley-Terry trainer will read the pairs, so that those it cannot tell apart are left out."""
    if not _is_trained_on(recipe):
        return None
    assert recipe.train
    codec = _codec(reward_base(recipe))

    def encode(messages: list[dict[str, Any]]) -> list[int]:
        return codec.encode(messages[:-1], [messages[-1]["content"]]).ids.tolist()

    return Trainer(encode, _max_tokens(recipe.train))


def _max_tokens(config: TrainStage) -> int:
    """What the trainer keeps of a conversation; longer ones it drops and counts itself."""
    return min(config.max_tokens or config.row_tokens, config.row_tokens)


@cache
def _codec(source: str) -> Codec:
    from transformers import AutoTokenizer

    from trainers.tokenize import Codec

    return Codec(AutoTokenizer.from_pretrained(source), source)


def _labelled(recipe: Recipe, made: Made) -> list[Paired]:
    tables = (made.prompts, made.completions, made.labels)
    return [preference(*tables, _rule(recipe), trainer=_trainer(recipe), excluded=made.excluded)]


def _undecided(recipe: Recipe, made: Made) -> list[Paired]:
    if not recipe.sample or not recipe.sample.worse_systems:
        return _labelled(recipe, made)
    scores = scores_from_variants(made.completions, recipe.sample.systems)
    told = _told(recipe, made)
    return [preference_scored(made.prompts, made.completions, scores, _rule(recipe), **told)]


def _told(recipe: Recipe, made: Made) -> dict[str, Any]:
    return {"labels": made.labels, "trainer": _trainer(recipe), "excluded": made.excluded}


def _verified(run_dir: Path, recipe: Recipe, made: Made) -> list[Paired]:
    is_verified = pl.col("prompt_id").is_in(made.verified)
    mine = made._replace(completions=made.completions.filter(is_verified))
    if not recipe.build.graded_constraints:
        return _labelled(recipe, mine)
    scores = scores_from_constraints(read_table(run_dir / VERDICTS_DIR, COMPLETION_VERDICTS))
    judged_otherwise = scores.filter(pl.col("reason") == "other_verifier")["completion_id"].to_list()
    mixed = mine.completions.filter(pl.col("completion_id").is_in(judged_otherwise))["prompt_id"]
    is_graded = ~pl.col("prompt_id").is_in(mixed.unique().to_list())
    graded = preference_scored(
        made.prompts,
        mine.completions.filter(is_graded),
        scores,
        _rule(recipe),
        trainer=_trainer(recipe),
        excluded=made.excluded,
    )
    return [graded, *_labelled(recipe, mine._replace(completions=mine.completions.filter(~is_graded)))]


def _judged(run_dir: Path, recipe: Recipe, made: Made) -> list[Paired]:
    config, path = recipe.judge, opinions_file(recipe)
    assert config and path
    told = _told(recipe, made)
    mine = pl.col("prompt_id").is_in(made.completions["prompt_id"].unique().to_list())
    if config.mode == "pairwise":
        opinions = read_table(run_dir / path, PANEL).filter(mine)
        return [preference_judged(made.prompts, made.completions, opinions, _rule(recipe), **told)]
    given = read_table(run_dir / path, JUDGE_SCORES).filter(mine)
    scores = scores_from_judge(given.select("completion_id", "score"), config.mode)
    return [preference_scored(made.prompts, made.completions, scores, _rule(recipe), **told)]
