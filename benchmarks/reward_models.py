"""Do the trainers make good reward models? Learning curves, flipped labels, epochs; ORM against PRM.

    python benchmarks/reward_models.py [--quick] [--work FOLDER] [--out FOLDER]

The sets are the quickstart's, made by `flows run` once: the embedded policy's samples for 640 problems,
verified, their steps labelled by rollouts. Measured is on its samples for 200 other problems, 16 each, whose
answers and steps are checked exactly. The main setting is the quickstart's; a learning curve takes fewer
problems, and two parts flip labels and vary the epochs at a smaller size. What is measured are the last
weights: nothing is chosen on held-out problems.

One thread. Every finished training is kept in the work folder as a score table, named by settings, data and
the trainer's code, so a killed run goes on where it stood. Writes reward_models.md and reward_models.json
after each part.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported

import argparse  # noqa: E402
import json  # noqa: E402
import platform  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from pathlib import Path  # noqa: E402
from textwrap import fill  # noqa: E402
from typing import Any, Literal, NamedTuple  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402
from reward_model_metrics import (  # noqa: E402
    AUC,
    BASELINES,
    BEST,
    CUT,
    F1,
    GAIN,
    STEP_AUC,
    STEPS,
    Figure,
    HeldOut,
    Values,
    figure,
    held_out,
    measured,
)

import trainers  # noqa: E402
from evaluators.score_table import score_table  # noqa: E402
from labelers.segment import split_steps  # noqa: E402
from samplers.fingerprint import folder_revision  # noqa: E402
from samplers.policy import MODEL_DIR  # noqa: E402
from store.files import file_hash, read_json, write_json, write_text  # noqa: E402
from store.ids import content_id, derived_seed  # noqa: E402
from store.shards import read_table, write_table  # noqa: E402
from store.tables import SCORES  # noqa: E402

Model = Literal["bt", "orm", "prm"]

MODELS: tuple[Model, ...] = ("bt", "orm", "prm")
SET_OF = {"bt": "preference", "orm": "outcome", "prm": "stepwise"}
NOT_NEEDED = ("judge", "train", "evaluate")  # sections of the quickstart
SETTINGS: dict[str, Any] = {"lr": 3e-4, "batch_prompts": 4, "row_tokens": 2048}  # the quickstart's
PROBLEMS, EPOCHS = 640, 2


class Sizes(NamedTuple):
    main: int  # problems
    main_seeds: int  # of the learning curve too
    curve: tuple[int, ...]  # problems
    part: int  # problems of the parts below
    flips: tuple[int, ...]  # percent of the labels
    half_seeds: int  # with half of the labels flipped: there the seed decides everything
    epochs: tuple[int, ...]
    seeds: int


FULL = Sizes(PROBLEMS, 5, (10, 40, 160), 160, (0, 10, 20, 40, 50, 100), 8, (1, 2, 3), 3)
QUICK = Sizes(40, 2, (10,), 40, (0, 50, 100), 3, (1, 2), 2)


class Training(NamedTuple):
    model: Model
    seed: int
    problems: int
    flipped: int = 0
    epochs: int = EPOCHS


class Bench(NamedTuple):
    run: Path  # of the pipeline
    work: Path
    code: str  # the base model and the trainer, as content
    held: HeldOut


class Trained(NamedTuple):
    values: Values
    numbers: dict[str, float]
    facts: dict[str, Any]


class Claim(NamedTuple):
    text: str
    measured: str
    holds: bool


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sets: does it run?")
    parser.add_argument("--work", type=Path, default=ROOT / "build/reward_models")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results")
    args = parser.parse_args()
    bench, sizes = open_bench(args.work), QUICK if args.quick else FULL
    done: dict[Training, Trained] = {}
    for part, trainings in parts(sizes).items():
        for training in trainings:
            done[training] = trained(bench, training)
            print(part, line(training, done[training]), flush=True)
        write(args.out, bench, sizes, done)
    print((args.out / "reward_models.md").read_text())


def parts(sizes: Sizes) -> dict[str, list[Training]]:
    """What is trained, the most wanted first."""

    def each(seeds: int, *setting: int) -> list[Training]:
        return [Training(model, seed, *setting) for seed in range(seeds) for model in MODELS]

    seeds = {flip: sizes.half_seeds if flip == 50 else sizes.seeds for flip in sizes.flips}
    return {
        "main": each(sizes.main_seeds, sizes.main),
        "curve": [t for n in sizes.curve for t in each(sizes.main_seeds, n)],
        "flipped": [t for flip in sizes.flips for t in each(seeds[flip], sizes.part, flip)],
        "epochs": [t for n in sizes.epochs for t in each(sizes.seeds, sizes.part, 0, n)],
    }


def open_bench(work: Path) -> Bench:
    """With the pipeline's tables, made by `flows run` as far as they are missing."""
    run = work.resolve() / "run"
    sets = [*(f"{name}=null" for name in NOT_NEEDED), "build.heldout_fraction=0"]
    words = [word for one in sets for word in ("--set", one)]
    command = [sys.executable, "-m", "flows", "run", "quickstart", *words, "--out", str(run)]
    subprocess.run(command, cwd=ROOT, check=True)
    code = [file_hash(path) for path in sorted((ROOT / "trainers").rglob("*.py"))]
    return Bench(run, work, content_id(folder_revision(MODEL_DIR), code), held_out(run))


def trained(bench: Bench, training: Training) -> Trained:
    """Train and score, or read the scores that an earlier run kept."""
    source = bench.run / f"datasets/{SET_OF[training.model]}/train.parquet"
    key = content_id(training, SETTINGS, bench.code, file_hash(source))[:12]
    place = bench.work / "trainings" / f"{'-'.join(map(str, training))}-{key}"
    kept, facts = place.with_suffix(".parquet"), place.with_suffix(".json")
    if not facts.exists():
        began = time.process_time()
        table, labels = training_set(pl.read_parquet(source), training)
        result = fit(training, table, place)
        write_table(scored(bench.held, training.model, place), kept, SCORES)
        found = {"labels": labels, "steps": result.steps, "tokens": result.n_tokens}
        write_json(facts, found | {"seconds": round(time.process_time() - began, 1)})
        shutil.rmtree(place)
    return Trained(*measured(bench.held, read_table(kept, SCORES)), read_json(facts))


def fit(training: Training, table: pl.DataFrame, output: Path) -> trainers.TrainResult:
    data = output.with_suffix(".set")
    data.parent.mkdir(parents=True, exist_ok=True)
    table.write_parquet(data)
    config = trainers.TrainConfig(
        objective=training.model,
        model=str(MODEL_DIR),
        data=[data],
        eval_fraction=0,
        output=output,
        epochs=training.epochs,
        seed=training.seed,
        threads=1,
        **SETTINGS,
    )
    result = trainers.train(config)
    data.unlink()
    return result


def training_set(table: pl.DataFrame, training: Training) -> tuple[pl.DataFrame, int]:
    """The rows of a share of the problems, and how many labels they have, of which a share is flipped.

    More problems hold the fewer ones of the same seed, more flips the fewer.
    """
    ids = sorted(table["prompt_id"].unique(), key=lambda name: content_id("subset", training.seed, name))
    wanted = round(training.problems / PROBLEMS * len(ids))
    table = table.filter(pl.col("prompt_id").is_in(ids[:wanted]))
    labels = len(table["labels"].explode()) if training.model == "prm" else table.height
    flip = np.zeros(labels, bool)
    order = np.random.default_rng(derived_seed("flip", training.seed)).permutation(labels)
    flip[order[: round(training.flipped / 100 * labels)]] = True
    return flipped(table, training.model, pl.Series(flip)), labels


def flipped(table: pl.DataFrame, model: Model, flip: pl.Series) -> pl.DataFrame:
    """`flip` has an entry for each pair, solution or step, in the order of the table."""
    if model == "orm":
        return table.with_columns(label=pl.col("label") ^ flip)
    if model == "prm":
        steps = table.with_row_index("row").select("row", "labels").explode("labels")
        turned = (
            steps.with_columns(pl.col("labels") ^ flip).group_by("row", maintain_order=True).agg("labels")
        )
        return table.with_columns(turned["labels"])
    sides = {"chosen": "rejected", "chosen_id": "rejected_id"}
    other = sides | {b: a for a, b in sides.items()}
    return table.with_columns(
        pl.when(flip).then(pl.col(b)).otherwise(pl.col(a)).alias(a) for a, b in other.items()
    )


def scored(held: HeldOut, model: Model, folder: Path) -> pl.DataFrame:
    """SCORES of all held-out completions; equal texts of a problem are read once."""
    wanted = held.completions.select("prompt_id", "text")
    texts = wanted.unique().sort("prompt_id", "text").rows()
    items = [trainers.Item(held.messages[prompt_id], split_steps(text)) for prompt_id, text in texts]
    known = dict(zip(texts, trainers.score(folder, items, threads=1), strict=True))
    return score_table(
        held.completions["completion_id"].to_list(),
        [known[row] for row in wanted.iter_rows()],
        held.completions,
        held.verdicts,
        model=model,
        revision=folder.name,
        dataset="embedded",
    )


class Found:
    """Figures of the trainings that are done; those that differ in the seed alone are one `setting`."""

    def __init__(self, done: dict[Training, Trained]) -> None:
        self.groups: dict[Training, dict[int, Trained]] = {}
        for training, result in sorted(done.items()):
            self.groups.setdefault(training._replace(seed=0), {})[training.seed] = result

    def __contains__(self, setting: Training) -> bool:
        return setting in self.groups

    def of(self, setting: Training, measure: str) -> Figure:
        return figure([result.values[measure] for result in self.groups[setting].values()])

    def difference(self, setting: Training, base: Training, measure: str) -> Figure:
        """By how much `setting` exceeds `base`, on the seeds that both have."""
        ours, theirs = self.groups[setting], self.groups[base]
        both = sorted(ours.keys() & theirs.keys())
        return figure([ours[seed].values[measure] - theirs[seed].values[measure] for seed in both])

    def mean(self, setting: Training, name: str) -> float:
        """Of a number or fact that has no value for each problem."""
        return float(np.mean([(r.numbers | r.facts)[name] for r in self.groups[setting].values()]))


def claims(found: Found, sizes: Sizes) -> list[Claim]:
    """One-sided claims hold if both intervals, over problems and over seeds, lie on that side."""
    _, orm, prm = tops = [Training(model, 0, sizes.main) for model in MODELS]
    made = [
        _above("PRM above ORM in step accuracy, cut at 1/2", found.difference(prm, orm, STEPS)),
        _above("PRM above ORM in step accuracy, each at its best cut", found.difference(prm, orm, CUT)),
        _above("PRM above ORM in AUROC of steps within a problem", found.difference(prm, orm, STEP_AUC)),
        _first_errors(found, prm, orm),
    ]
    made += [_above(f"{_name(top)} above majority, best of 16", found.of(top, GAIN)) for top in tops]
    for top in tops:
        for few in sizes.curve[:1]:
            if (small := top._replace(problems=few)) in found:
                text = f"{_name(top)}, AUROC within a problem: {sizes.main} problems above {few}"
                made.append(_above(text, found.difference(top, small, AUC)))
    parts = [top._replace(problems=sizes.part) for top in tops]
    return made + [claim for part in parts for claim in _of_part(found, part, sizes)]


def _first_errors(found: Found, prm: Training, orm: Training) -> Claim:
    """F1 is of all problems together, so there is nothing to resample but seeds."""
    pairs = zip(found.groups[prm].values(), found.groups[orm].values(), strict=True)
    gains = [a.numbers[F1] - b.numbers[F1] for a, b in pairs]
    span = f"{np.mean(gains):+.1f}; single seeds {min(gains):+.1f} to {max(gains):+.1f}"
    return Claim(
        "PRM above ORM in first error F1, each at its best cut, with every seed", span, min(gains) > 0
    )


def _of_part(found: Found, part: Training, sizes: Sizes) -> list[Claim]:
    """Of one model with flipped labels, or more epochs."""
    made = []
    for flip in (20, 40):
        if (noisy := part._replace(flipped=flip)) in found:
            text = f"{_name(part)} with {flip} % of the labels flipped above majority, best of 16"
            made.append(_above(text, found.of(noisy, GAIN)))
    # The worst step of a model that was taught the opposite is the one it likes least, not the worst.
    measure, what = (STEP_AUC, "AUROC of steps") if part.model == "prm" else (AUC, "AUROC")
    half, whole = (part._replace(flipped=flip) for flip in (50, 100))
    if half in found:
        value = found.of(half, measure)
        chance = value.seeds[0] <= 50 <= value.seeds[1]
        span = f"{_span(value)}; single seeds {min(value.by_seed):.1f} to {max(value.by_seed):.1f}"
        made.append(Claim(f"{_name(part)} with half of the labels flipped: {what} is chance", span, chance))
    if whole in found:
        value = found.of(whole, measure)
        below = max(value.seeds[1], value.problems[1]) < 50
        text = f"{_name(part)} with all labels flipped: {what} below chance"
        made.append(Claim(text, _span(value), bool(below)))
    for before, after in zip(sizes.epochs, sizes.epochs[1:], strict=False):
        one, two = (part._replace(epochs=n) for n in (before, after))
        if one in found and two in found:
            text = f"{_name(part)}, AUROC within a problem: {after} epochs above {before}"
            made.append(_above(text, found.difference(two, one, AUC)))
    return made


def _name(setting: Training) -> str:
    return setting.model.upper()


def _above(text: str, gain: Figure) -> Claim:
    return Claim(text, _span(gain, "+"), bool(min(gain.problems[0], gain.seeds[0]) > 0))


def _span(value: Figure, sign: str = "") -> str:
    (a, b), (c, d) = value.problems, value.seeds
    mean, *ends = (f"{x:{sign}.1f}" for x in (value.mean, a, b, c, d))
    return "{} [{}, {}] over problems, [{}, {}] over seeds".format(mean, *ends)


def main_table(found: Found, sizes: Sizes) -> list[str]:
    columns = (AUC, BEST, GAIN, STEPS, CUT, STEP_AUC)
    lines = [_row("", *columns, F1), _row(*["---"] * (len(columns) + 2))]
    first, *_ = settings = [Training(model, 0, sizes.main) for model in MODELS]
    for name in BASELINES:
        lines.append(_row(name, "", _cell(found.of(first, name)), *[""] * (len(columns) - 1)))
    for setting in settings:
        known = next(iter(found.groups[setting].values()))
        cells = [_cell(found.of(setting, name)) if name in known.values else "" for name in columns]
        f1 = f"{found.mean(setting, F1):.1f}" if F1 in known.numbers else ""
        lines.append(_row(_name(setting), *cells, f1))
    return lines


def part_table(found: Found, head: str, settings: Sequence[tuple[str, Training]]) -> list[str]:
    """A row for each setting, as far as it is done; intervals over problems are in the JSON."""
    shown = [(measure, model) for measure in (AUC, BEST, CUT, STEP_AUC) for model in MODELS
             if model != "bt" or measure in (AUC, BEST)]  # fmt: skip
    columns = [f"{measure} {model.upper()}" for measure, model in shown]
    lines = [_row(head, "seeds", "labels BT, ORM, PRM", *columns), _row(*["---"] * (len(columns) + 3))]
    for name, setting in settings:
        each = {model: setting._replace(model=model) for model in MODELS}
        if all(one in found for one in each.values()):
            values = [found.of(each[model], measure) for measure, model in shown]
            cells = [f"{value.mean:.1f} ± {value.seeds[1] - value.mean:.1f}" for value in values]
            labels = ", ".join(f"{found.mean(one, 'labels'):,.0f}" for one in each.values())
            lines.append(_row(name, str(len(found.groups[setting])), labels, *cells))
    return lines


def _cell(value: Figure) -> str:
    low, high = value.problems
    return f"{value.mean:.1f} [{low:.1f}, {high:.1f}] ± {value.seeds[1] - value.mean:.1f}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


READING = """
All numbers are percent or points, on the held-out problems: mean over seeds [95 % bootstrap interval over
problems] ± half of the 95 % Student interval over seeds. A seed draws the head, the order of the data, which
problems and which flipped labels.

- auroc: within a problem, a right solution scores above a wrong one; of the BT it is the accuracy on held-out
  pairs, each problem counting once. The PRM's reward is its worst step.
- step accuracy: P(right) at the end of a step is on the right side of 1/2; a step is right if nothing up to
  it is wrong. Best cut: not 1/2 but what suits the other half of the problems best. Step auroc: right steps
  of a problem score above wrong ones. The ORM learns on every token, so it has a P(right) at each step too.
- first error F1: harmonic mean of the share of wrong solutions whose first wrong step is found exactly and
  of right ones in which none is found; best cut.
- labels: pairs, solutions, steps. The PRM's cost rollouts besides, the others' a verdict.

The embedded policy's weights were prepared to see its own faults, so little data goes a long way and numbers
elsewhere will be lower. With half of the labels flipped there is nothing to learn, but one direction of the
weights still separates right from wrong, and chance gives it a sign: a single seed may rank well or badly,
and only the mean over seeds can be at chance. With all of them flipped the PRM's steps are reversed, and its
worst step is merely the one it likes least: its controls are read from its steps.
""".strip()


def write(out: Path, bench: Bench, sizes: Sizes, done: dict[Training, Trained]) -> None:
    found = Found(done)
    made, seconds = claims(found, sizes), sum(result.facts["seconds"] for result in done.values())
    head = (
        f"{platform.machine()}, one core, Python {platform.python_version()}; {len(done)} trainings with "
        f"their scoring, {seconds:,.0f} s of processor time; {bench.held.completions.height:,} held-out "
        f"completions of {len(bench.held.messages)} problems, {bench.held.truth.height:,} of them distinct; "
        f"{sizes}; settings {SETTINGS}; `python benchmarks/reward_models.py`."
    )
    part = Training("bt", 0, sizes.part)
    curve = [(str(n), part._replace(problems=n)) for n in (*sizes.curve, sizes.main)]
    flips = [(f"{flip} %", part._replace(flipped=flip)) for flip in sizes.flips]
    epochs = [(str(n), part._replace(epochs=n)) for n in sizes.epochs]
    marks = {True: "holds", False: "DOES NOT HOLD"}
    blocks = [
        ["# Reward models"],
        [fill(head, 110)],
        [READING],
        ["## Claims"],
        [f"- {marks[claim.holds]}: {claim.text}: {claim.measured}" for claim in made],
        [f"## Main setting: {sizes.main} problems, {EPOCHS} epochs, {sizes.main_seeds} seeds"],
        main_table(found, sizes),
        [f"## Learning curve, {EPOCHS} epochs"],
        part_table(found, "problems", curve),
        [f"## Flipped labels, {sizes.part} problems, {EPOCHS} epochs"],
        part_table(found, "flipped", flips),
        [f"## Epochs, {sizes.part} problems"],
        part_table(found, "epochs", epochs),
    ]
    write_text(out / "reward_models.md", "\n\n".join("\n".join(block) for block in blocks) + "\n")
    rows = [as_json(found, setting) for setting in found.groups]
    report = {"run": head, "claims": [claim._asdict() for claim in made], "trainings": rows}
    write_text(out / "reward_models.json", json.dumps(report, indent=1) + "\n")


def as_json(found: Found, setting: Training) -> dict[str, Any]:
    group = found.groups[setting]
    one = next(iter(group.values()))
    return {
        **{name: value for name, value in setting._asdict().items() if name != "seed"},
        "seeds": list(group),
        "measures": {name: found.of(setting, name)._asdict() for name in one.values},
        "means": {name: round(found.mean(setting, name), 2) for name in (*one.numbers, *one.facts)},
    }


def line(training: Training, result: Trained) -> str:
    shown = [f"{name} {100 * result.values[name].mean():.1f}" for name in (AUC, BEST, STEPS, CUT, STEP_AUC)
             if name in result.values]  # fmt: skip
    setting = " ".join(f"{name}={value}" for name, value in training._asdict().items())
    return f"{setting}: {', '.join(shown)}, time={result.facts['seconds']:.0f}s"


if __name__ == "__main__":
    main()
