"""`python -m trainers`: what it prints, and one model a seed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from trainers import TrainConfig
from trainers.__main__ import main


def config_file(folder: Path, config: TrainConfig) -> str:
    path = folder / "config.yaml"
    path.write_text(config.model_dump_json())  # JSON is YAML
    return str(path)


def test_progress_is_one_line_of_words_and_numbers(
    settings: Callable[..., TrainConfig], tmp_path: Path, capsys: Any
) -> None:
    assert main([config_file(tmp_path, settings("bt", epochs=2))]) == 0
    lines = capsys.readouterr().out.splitlines()
    steps = [
        line for line in lines if re.fullmatch(r"step \d+/\d+ loss [\d.]+ lr [\d.e-]+ [\d,]+ tokens/s", line)
    ]
    held_out = [line for line in lines if re.match(r"step \d+/\d+ held out: loss [\d.]+ .*accuracy", line)]
    assert steps and len(held_out) == 2
    assert lines[-2].startswith("saved ") and re.match(r"held out, \d+ of \d+ rows used: loss ", lines[-1])


def test_seeds_make_one_model_each_and_finished_ones_are_not_made_again(
    settings: Callable[..., TrainConfig], tmp_path: Path, capsys: Any
) -> None:
    config = settings("bt")
    path = config_file(tmp_path, config)
    assert main([path, "--seeds", "3", "5"]) == 0
    folders = [config.output / f"seed-{seed}" for seed in (3, 5)]
    heads = [load_file(folder / "model.safetensors")["score.weight"] for folder in folders]
    assert not torch.equal(*heads)
    logs = [(folder / "log.jsonl").read_bytes() for folder in folders]
    capsys.readouterr()
    assert main([path, "--seeds", "5", "3"]) == 0
    assert not [line for line in capsys.readouterr().out.splitlines() if line.startswith("step ")]
    assert logs == [(folder / "log.jsonl").read_bytes() for folder in folders]


@pytest.mark.parametrize("text", ["objective: prm\nmodle: x\n", "- a list\n"])
def test_a_bad_file_is_an_error_line_and_code_two(tmp_path: Path, capsys: Any, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    assert main([str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {path}: ")


@pytest.mark.parametrize("seeds", [["0", "-1"], ["4", "4"]])
def test_seeds_that_make_no_ensemble_are_refused(
    settings: Callable[..., TrainConfig], tmp_path: Path, capsys: Any, seeds: list[str]
) -> None:
    config = settings("bt")
    assert main([config_file(tmp_path, config), "--seeds", *seeds]) == 2
    assert capsys.readouterr().err.startswith("error: --seeds: ") and not config.output.exists()
