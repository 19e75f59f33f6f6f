"""The exact export of a step model to vLLM's Qwen2ForProcessRewardModel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from saved_models import CPU, save_random
from tiny_models import user

from store.errors import InputError
from trainers.export import export_qwen_prm, main
from trainers.loading import open_trained
from trainers.score.forward import Item, read

STEPS = ["Add.\n", "1+2=3\n", "So 3."]


def test_two_layers_say_exactly_what_one_said(tmp_path: Path, base: Path) -> None:
    from safetensors.torch import load_file
    from transformers import Qwen2Model

    prm = save_random(tmp_path / "prm", base, "prm")
    assert main([str(prm), str(tmp_path / "out")]) == 0
    model = open_trained(prm, CPU)
    encoded = model.codec.encode(user("What is 1+2?"), STEPS)
    (reading,) = read(model, [Item(user("What is 1+2?"), STEPS)], 4096)

    weights = load_file(tmp_path / "out" / "model.safetensors")
    backbone = Qwen2Model.from_pretrained(tmp_path / "out").eval()
    width = backbone.config.hidden_size
    score = torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.ReLU(), torch.nn.Linear(width, 2))
    score.load_state_dict({k.removeprefix("score."): v for k, v in weights.items() if k.startswith("score.")})
    with torch.no_grad():
        hidden = backbone(torch.tensor([encoded.ids.tolist()])).last_hidden_state[0]
        two, one = score(hidden), model.hf.score(hidden)
        torch.testing.assert_close(two, one, rtol=0, atol=1e-6)
    odds = (two[:, 1] - two[:, 0])[[*encoded.ends, -1]]
    torch.testing.assert_close(odds, torch.from_numpy(reading.outputs[:, 0, 0]), rtol=1e-4, atol=1e-5)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == ["Qwen2ForProcessRewardModel"]
    assert "rewardsmith" not in config  # it describes the linear head
    assert (tmp_path / "out" / "chat_template.jinja").exists()
    card = (tmp_path / "out" / "README.md").read_text().replace("PATH", str(tmp_path / "out"))
    assert "| accuracy | 0.75 |" in card and "Data: made.parquet" in card
    code = card.split("```python\n")[1].partition("llm = ")[0]
    names: dict[str, object] = {}
    exec("\n".join(line for line in code.splitlines() if not line.startswith("from vllm")), names)
    encoded = model.codec.encode(names["prompt"], names["steps"])  # type: ignore[arg-type]
    assert names["ids"] == encoded.ids.tolist() and names["ends"].tolist() == encoded.ends.tolist()  # type: ignore[attr-defined]


def test_a_killed_export_leaves_nothing_in_the_way(tmp_path: Path, base: Path) -> None:
    prm = save_random(tmp_path / "prm", base, "prm")
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "half").touch()
    export_qwen_prm(prm, tmp_path / "out")
    assert not (tmp_path / "out.partial").exists() and not (tmp_path / "out" / "half").exists()


def test_what_has_no_such_form_is_refused(
    tmp_path: Path, bases: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    ratings = save_random(tmp_path / "ratings", bases["qwen2"], "prm", prm_target="ratings")
    with pytest.raises(InputError, match="one head of two classes"):
        export_qwen_prm(ratings, tmp_path / "out")
    llama = save_random(tmp_path / "llama", bases["llama"], "prm")
    assert main([str(llama), str(tmp_path / "out")]) == 2
    assert "a llama backbone; Qwen2ForProcessRewardModel has qwen2" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="exists; choose another output"):
        export_qwen_prm(llama, tmp_path)
