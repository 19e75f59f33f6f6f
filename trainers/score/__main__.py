"""`python -m trainers.score MODEL... DATA --output scores.parquet`: the score table of a labelled set.

Several models are an ensemble. A killed command goes on where it stopped when it is repeated."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from store.errors import InputError
from store.ids import content_id

from ..loading import open_trained, pick_device, public_name
from ..model import RewardModel
from .forward import Reading
from .probe import probe
from .scores import Reader, join, member_folders, member_names, open_readers
from .table import Candidate, Readings, outputs_file, read_candidates, write_outputs, write_scores

_EVERY = 2.0  # seconds between progress lines
_REVISION = 12  # characters of the weights' fingerprint


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        if options.threads:
            torch.set_num_threads(options.threads)
        folders = member_folders(options.models)
        readers = open_readers(folders)
        is_prm = readers[0].objective == "prm"
        if options.split and not is_prm:
            raise InputError(f"--split: {folders[0]} is no PRM and reads whole texts; leave it out")
        if not options.probe:
            _check_output(options)
        candidates = read_candidates([options.data], is_prm, options.split)
        if options.probe:
            _probe(options, folders, candidates[: options.probe])
        else:
            _score(options, folders, readers, candidates)
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
        "--probe",
        type=_positive,
        metavar="N",
        help="instead: how far rewards of N completions move with the batch",
    )
    parser.add_argument("--split", help=r"prm: a step of a whole text ends behind this, e.g. $'\n'")
    parser.add_argument(
        "--aggregate", choices=["mean", "min", "mean-std"], help="of an ensemble; default: the model's own"
    )
    parser.add_argument("--token-budget", type=_positive, default=4096, help="tokens of a packed row")
    parser.add_argument(
        "--max-tokens", type=_positive, help="longer conversations are cut and marked as truncated"
    )
    parser.add_argument(
        "--padded", action="store_true", help="padded rows instead of packed ones: slow, to compare with"
    )
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument(
        "--attention", choices=["auto", "dense", "segments", "flex", "varlen"], default="auto"
    )
    parser.add_argument("--threads", type=_positive, help="CPU threads; default: as torch finds it")
    parser.add_argument("--name", help="the table's `model`; default: the folders' names")
    parser.add_argument("--dataset", help="the table's `dataset`; default: the file's name")
    parser.add_argument("--subset", default="", help="the table's `subset`")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value


def _check_output(options: argparse.Namespace) -> None:
    """Before hours of scoring: can the table be written there without harm?"""
    if options.output is None:
        raise InputError("--output: give the file to write the score table to, or --probe N")
    if options.output.is_dir():
        raise InputError(f"--output: {options.output} is a folder; give a file, e.g. scores.parquet")
    output, data = options.output.resolve(), options.data.resolve()
    if data in (output, output.parent, outputs_file(output)):
        raise InputError(f"--output: {options.output} is among the data to score; write it somewhere else")


def _probe(
    options: argparse.Namespace, folders: Sequence[Path | str], candidates: Sequence[Candidate]
) -> None:
    for folder in folders:
        model = _open(options, folder)
        found = probe(model, [one.item for one in candidates], options.token_budget, options.max_tokens)
        for name, difference in found.items():
            print(f"{folder}: {name}: largest difference {difference:.3g}")


def _score(
    options: argparse.Namespace,
    folders: Sequence[Path | str],
    readers: Sequence[Reader],
    candidates: Sequence[Candidate],
) -> None:
    head, is_prm = readers[0].head, readers[0].objective == "prm"
    said = Readings(options.output, candidates)
    readings, revisions = zip(*(_read(options, folder, said) for folder in folders), strict=True)
    scores = join(readers, readings, options.aggregate)
    names = {
        "model": options.name or "+".join(map(public_name, options.models)),
        "revision": revisions[0] if len(revisions) == 1 else content_id(revisions)[:_REVISION],
        "dataset": options.dataset or options.data.stem,
        "subset": options.subset,
    }
    write_scores(options.output, candidates, scores, names, with_steps=is_prm)
    attributes = head.labels if head.kind == "attributes" else []
    beside = write_outputs(options.output, candidates, scores, attributes, member_names(readers))
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
