"""`python -m trainers.score MODEL... DATA --output scores.parquet`: the score table of a labelled set.

Several models are an ensemble. A killed command goes on where it stopped when it is repeated."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch

from store.errors import InputError
from store.ids import content_id

from ..loading import open_trained, pick_device
from ..model import RewardModel
from .forward import Reading
from .probe import probe
from .scores import join, member_folders, open_readers
from .table import Candidate, Readings, read_candidates, write_outputs, write_scores

_EVERY = 2.0  # seconds between progress lines
_REVISION = 12  # characters of the weights' fingerprint


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        if options.threads:
            torch.set_num_threads(options.threads)
        candidates = read_candidates([options.data], options.split)
        if options.probe:
            _probe(options, candidates[: options.probe])
        else:
            _score(options, candidates)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; repeat the command to go on", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.score", description="Score every completion of a labelled set."
    )
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="folder of a trained model, or of one a seed; several: an ensemble",
    )
    parser.add_argument(
        "data", type=Path, help="parquet file, or folder of them: any set that holds completions"
    )
    parser.add_argument("--output", type=Path, help="score table to write (parquet)")
    parser.add_argument(
        "--probe", type=int, metavar="N", help="instead: how far rewards of N completions move with the batch"
    )
    parser.add_argument("--split", help=r"prm: a step of a whole text ends behind this, e.g. $'\n'")
    parser.add_argument(
        "--aggregate", choices=["mean", "min", "mean-std"], help="of an ensemble; default: the model's own"
    )
    parser.add_argument("--token-budget", type=int, default=4096, help="tokens of a packed row")
    parser.add_argument("--max-tokens", type=int, help="longer conversations are cut and marked as truncated")
    parser.add_argument(
        "--padded", action="store_true", help="padded rows instead of packed ones: slow, to compare with"
    )
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument(
        "--attention", choices=["auto", "dense", "segments", "flex", "varlen"], default="auto"
    )
    parser.add_argument("--threads", type=int, help="CPU threads; default: as torch finds it")
    parser.add_argument("--name", help="the table's `model`; default: the folders' names")
    parser.add_argument("--dataset", help="the table's `dataset`; default: the file's name")
    parser.add_argument("--subset", default="", help="the table's `subset`")
    return parser


def _probe(options: argparse.Namespace, candidates: list[Candidate]) -> None:
    for folder in member_folders(options.models):
        model = _open(options, folder)
        found = probe(model, [one.item for one in candidates], options.token_budget, options.max_tokens)
        for name, difference in found.items():
            print(f"{folder}: {name}: largest difference {difference:.3g}")


def _score(options: argparse.Namespace, candidates: list[Candidate]) -> None:
    if options.output is None:
        raise InputError("--output: give the file to write the score table to, or --probe N")
    folders = member_folders(options.models)
    readers = open_readers(folders)
    head, is_prm = readers[0].head, readers[0].objective == "prm"
    if is_prm and not any(len(one.steps) > 1 for one in candidates):
        raise InputError(f"{options.data}: holds whole texts, and a PRM scores steps; use --split")
    said = Readings(options.output, candidates)
    readings, revisions = zip(*(_read(options, folder, said) for folder in folders), strict=True)
    scores = join(readers, readings, options.aggregate)
    names = {
        "model": options.name or "+".join(Path(folder).name for folder in options.models),
        "revision": revisions[0] if len(revisions) == 1 else content_id(revisions)[:_REVISION],
        "dataset": options.dataset or options.data.stem,
        "subset": options.subset,
    }
    write_scores(options.output, candidates, scores, names, with_steps=is_prm)
    attributes = head.labels if head.kind == "attributes" else []
    beside = write_outputs(options.output, candidates, scores, attributes)
    said.remove()
    cut = sum(score.truncated for score in scores)
    print(
        f"{options.output}: {len(scores):,} completions, {cut:,} truncated{f'; {beside}' if beside else ''}"
    )


def _read(options: argparse.Namespace, folder: Path | str, said: Readings) -> tuple[list[Reading], str]:
    """What one model says, and the name of its weights; the next one is opened when this one is gone."""
    model = _open(options, folder)
    revision = model.weights_fingerprint()[:_REVISION]
    lines = _Lines(str(folder))
    return said.of(model, options.token_budget, options.max_tokens, options.padded, lines), revision


def _open(options: argparse.Namespace, folder: Path | str) -> RewardModel:
    device = pick_device(options.device)
    return open_trained(Path(folder), device, options.attention, options.dtype, options.token_budget)


class _Lines:
    """One greppable line every two seconds."""

    def __init__(self, name: str) -> None:
        self.name, self.shown = name, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self.shown >= _EVERY or done == total:
            self.shown = time.monotonic()
            print(f"{self.name}: {done:,} of {total:,} completions", flush=True)


if __name__ == "__main__":
    sys.exit(main())
