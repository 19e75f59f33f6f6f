"""Dataset and model cards: Markdown with the YAML header the Hugging Face Hub reads."""

from __future__ import annotations

import re
from typing import Any

from data_cards import legends
from data_cards.curation import curation_blocks
from data_cards.decontamination import EDITS, decontamination
from data_cards.labels import (
    agreement_blocks,
    completer_words,
    judge_blocks,
    pair_blocks,
    quality_lines,
    rollout_blocks,
    seen_words,
    vote_blocks,
)
from data_cards.render import front_matter, render
from data_cards.run import Facts, Run
from data_cards.summary import (
    evidence_lines,
    has_judged_pairs,
    headline,
    isolation,
    margin_units,
    model_name,
    models,
    reads_answers,
    set_lines,
    size_category,
    stage_lines,
    tied_pairs,
    verdict_counts,
    verifier_lines,
)

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
SET_TAGS = {
    "preference": "preference",
    "ranking": "ranking",
    "outcome": "outcome-reward-model",
    "stepwise": "process-reward-model",
}
MODEL_TAGS = {"bt": "bradley-terry", "orm": "outcome-reward-model", "prm": "process-reward-model"}
SET_OF = {"bt": "preference", "orm": "outcome", "prm": "stepwise"}


def dataset_card(run: Run, repo: str = "OWNER/NAME", plot: str | None = None) -> str:
    """README.md of the run folder; `plot` is the path of the best-of-n plot beside it."""
    sets = set_lines(run)
    return render(
        "dataset_card.md.jinja",
        header=front_matter(_dataset_fields(run)),
        run=run,
        repo=repo,
        plot=plot,
        sets=sets,
        first=sets[0].name if sets else None,
        stages=stage_lines(run),
        models=models(run),
        verdicts=verdict_counts(run),
        verifiers=verifier_lines(run),
        reads_answers=reads_answers(run),
        isolation=isolation(run),
        evidence=evidence_lines(run),
        decontamination=decontamination(run),
        edits=EDITS,
        curation=curation_blocks(run),
        judge=judge_blocks(run),
        step_labels=rollout_blocks(run) + agreement_blocks(run),
        votes=vote_blocks(run),
        pairs=pair_blocks(run),
        quality=quality_lines(run),
        intervals=legends.INTERVALS,
        completer=completer_words(run),
        seen=seen_words(run),
        consensus=bool(agreement_blocks(run)),
        judged_pairs=has_judged_pairs(run),
        ties=tied_pairs(run),
        units=margin_units(run),
        gains=headline(run),
    )


def model_card(run: Run, model: str, config: Facts, metrics: Facts | None = None) -> str:
    """README.md of a reward model's folder: `config` is its config.json, `metrics` those of held-out rows."""
    extras = config.get("rewardsmith") or {}
    train = run.recipe.get("train") or {}
    own = train.get(model) or {}
    training_set = own.get("data") or SET_OF[model]
    return render(
        "model_card.md.jinja",
        header=front_matter(_model_fields(run, model)),
        run=run,
        model=model,
        training_set=training_set,
        extras={name: value for name, value in extras.items() if not isinstance(value, dict | list)},
        heads=(extras.get("head") or {}).get("n", 1),
        architecture=str((config.get("architectures") or ["unknown"])[0]),
        per_token=any("TokenClassification" in a for a in config.get("architectures") or ()),
        base=_base(run),
        settings={k: v for k, v in train.items() if k not in ("models", "base", *SET_OF)} | own,
        metrics=[(k, v) for k, v in sorted((metrics or {}).items()) if isinstance(v, int | float)],
        gains=[gain for gain in headline(run) if gain.method.partition("-")[0] == model],
        auc=sorted((k, v) for k, v in run.auc.items() if k.partition("-")[0] == model),
        sets=[line for line in set_lines(run) if line.name == training_set],
    )


def _dataset_fields(run: Run) -> dict[str, Any]:
    rows = sum(line.train + line.test for line in set_lines(run))
    tags = ["synthetic", "reward-model", "trl", *(SET_TAGS[name] for name in sorted(run.datasets))]
    tags += ["rlaif"] if has_judged_pairs(run) else []
    tags += ["math-shepherd"] if "stepwise" in run.datasets and run.recipe.get("rollout") else []
    return {
        "license": run.recipe.get("licence"),
        "pretty_name": run.name,
        "size_categories": [size_category(rows)],
        "task_categories": ["text-generation", "reinforcement-learning"],
        "annotations_creators": ["machine-generated"],
        "tags": tags,
        "configs": [
            {
                "config_name": name,
                "data_files": [{"split": s, "path": f"datasets/{name}/{s}.parquet"} for s in _order(splits)],
            }
            for name, splits in sorted(run.datasets.items())
        ],
    }


def _order(splits: Facts) -> list[str]:
    return [name for name in ("train", "test") if name in splits]


def _model_fields(run: Run, model: str) -> dict[str, Any]:
    base = _base(run)
    return {
        "license": run.recipe.get("licence"),
        "base_model": base if HUB_NAME.fullmatch(base) else None,
        "library_name": "transformers",
        "pipeline_tag": "token-classification" if model == "prm" else "text-classification",
        "tags": ["reward-model", MODEL_TAGS[model]],
    }


def _base(run: Run) -> str:
    """A Hub name, a local folder's bare name, or "embedded"."""
    base = (
        (run.recipe.get("train") or {}).get("base")
        or (run.recipe.get("engine") or {}).get("model")
        or "unknown"
    )
    return model_name(str(base))
