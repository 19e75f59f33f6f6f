"""The report of a run: one HTML page that needs nothing but a browser, and the best-of-n plot on its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
from markupsafe import Markup

from data_cards import legends
from data_cards.charts import Point, Series, best_of_n_chart, colour, histogram
from data_cards.curation import curation_blocks, duplicate_examples, funnel
from data_cards.curves import training_lines
from data_cards.decontamination import EDITS, decontamination, matches
from data_cards.labels import (
    agreement_blocks,
    completer_words,
    judge_blocks,
    pair_blocks,
    quality_lines,
    rollout_blocks,
    vote_blocks,
)
from data_cards.render import TEMPLATES, render
from data_cards.run import Run
from data_cards.summary import (
    evidence_lines,
    featured,
    headline,
    models,
    percent,
    points,
    set_lines,
    stage_lines,
    verdict_counts,
    verifier_lines,
)

MAX_HITS = 12  # contamination matches shown
MAX_PAIRS = 6
ORDER = ("random", "majority", "oracle")


def report(run: Run) -> str:
    """The whole page. Text of models is escaped everywhere; the page runs no script and loads nothing."""
    lines = stage_lines(run)
    names = featured(run.curves) if run.curves is not None else []
    return render(
        "report.html.jinja",
        run=run,
        style=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        tiles=_tiles(run),
        models=models(run),
        gains=headline(run),
        plot=Markup(best_of_n_chart(_series(run.curves))) if run.curves is not None and names else None,
        methods=_methods(run.curves, names),
        auc=sorted(run.auc.items()),
        histograms=_histograms(run.scores),
        training=training_lines(run),
        stages=lines,
        seconds=sum(line.seconds for line in lines),
        engine_seconds=sum(line.engine_seconds for line in lines),
        sets=set_lines(run),
        evidence=evidence_lines(run),
        verdicts=verdict_counts(run),
        verifiers=verifier_lines(run),
        quality=quality_lines(run),
        intervals=legends.INTERVALS,
        completer=completer_words(run),
        judge=judge_blocks(run),
        step_labels=rollout_blocks(run) + agreement_blocks(run),
        evidence_blocks=vote_blocks(run) + pair_blocks(run),
        hits=matches(run, MAX_HITS),
        decontamination=decontamination(run),
        edits=EDITS,
        curation=curation_blocks(run),
        funnel=funnel(run),
        duplicates=duplicate_examples(run),
        pairs=_pairs(run),
    )


def best_of_n_plot(curves: pl.DataFrame) -> str:
    """The plot alone, as an SVG file with a background of its own, for a README or a card."""
    return best_of_n_chart(_series(curves), background="#ffffff")


def _series(curves: pl.DataFrame) -> list[Series]:
    return [Series(name, _points(curves, name)) for name in featured(curves)]


def _points(curves: pl.DataFrame, method: str) -> list[Point]:
    rows = curves.filter(pl.col("method") == method).sort("n")
    return [Point(*row) for row in rows.select("n", "accuracy", "low", "high").iter_rows()]


def _tiles(run: Run) -> list[tuple[str, str, str]]:
    """(number, what it is, detail) for the top of the page."""
    tiles = []
    if run.prompts is not None:
        splits = dict(run.prompts["split"].value_counts().sort("split").iter_rows())
        tiles.append(
            (f"{run.prompts.height:,}", "prompts", ", ".join(f"{n:,} {s}" for s, n in sorted(splits.items())))
        )
    counts = dict(verdict_counts(run))
    if counts:
        total = sum(counts.values())
        tiles.append(
            (f"{total:,}", "completions verified", f"{percent(counts.get('correct', 0) / total)} correct")
        )
    tiles += [(f"{s.train + s.test:,}", f"{s.name} rows", s.labels) for s in set_lines(run)]
    best = sorted(headline(run), key=lambda gain: gain.method)
    tiles += [
        (
            f"{points(g.gain)} pts",
            f"{g.method} over majority",
            f"best of {g.n}, [{points(g.low)}, {points(g.high)}]",
        )
        for g in best
    ]
    return tiles


def _methods(curves: pl.DataFrame | None, names: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of the largest n, null rulers first, then by accuracy."""
    if curves is None or curves.is_empty():
        return []
    rows = curves.filter(pl.col("n") == curves["n"].max()).to_dicts()
    rows.sort(key=lambda row: (ORDER.index(row["method"]) if row["method"] in ORDER else 9, -row["accuracy"]))
    return [
        row | {"colour": colour(row["method"], names) if row["method"] in names else None} for row in rows
    ]


def _histograms(scores: pl.DataFrame | None) -> list[Markup]:
    if scores is None:
        return []
    known = scores.filter(pl.col("label").is_not_null())
    found = []
    for model in sorted(known["model"].unique()):
        mine = known.filter(pl.col("model") == model)
        right, wrong = (mine.filter(pl.col("label") == side)["reward"].to_numpy() for side in (True, False))
        found.append(Markup(histogram(right, wrong, model)))
    return found


def _pairs(run: Run) -> list[dict[str, Any]]:
    """Pairs of different prompts, in the order of their ids, which are hashes."""
    splits = run.datasets.get("preference") or {}
    if "train" not in splits:
        return []
    return splits["train"].unique("prompt_id", keep="first", maintain_order=True).head(MAX_PAIRS).to_dicts()
