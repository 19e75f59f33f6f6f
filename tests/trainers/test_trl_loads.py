"""TRL loads our checkpoints: RewardTrainer gives the rewards that we give, GRPOTrainer takes them as reward.

In a process of its own, since TRL changes classes of transformers when it is imported."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from saved_models import save_random
from tiny_models import assistant, user

from trainers.score import Item, score

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("trl") is None, reason="TRL is not installed: pip install trl==1.16.0"
)
PAIRS = [(f"What is {i}+2?", f"{i}+2={i + 2}.", f"It is {i}, as anybody can see.") for i in range(3)]
SCRIPT = """
import json, sys, torch
torch.set_num_threads(1)
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer, RewardConfig, RewardTrainer

folder, base, rows, output = sys.argv[1:]
rows = json.loads(rows)
common = dict(output_dir=output, use_cpu=True, bf16=False, report_to="none", disable_tqdm=True)
trainer = RewardTrainer(
    model=folder,
    args=RewardConfig(per_device_eval_batch_size=3, **common),
    train_dataset=Dataset.from_list(rows),
    eval_dataset=Dataset.from_list(rows),
)
found = trainer.evaluate()
grpo = GRPOTrainer(
    model=base,
    reward_funcs=folder,
    args=GRPOConfig(num_generations=2, per_device_train_batch_size=2, **common),
    train_dataset=Dataset.from_list([{"prompt": row["prompt"]} for row in rows]),
)
reward = grpo.reward_funcs[0]
print(json.dumps([found, type(reward).__name__, reward.config.pad_token_id]))
"""


def test_trl_gives_our_rewards(tmp_path: Path, base: Path) -> None:
    folder = save_random(tmp_path / "bt", base)
    rows = [
        {"prompt": user(prompt), "chosen": assistant(chosen), "rejected": assistant(rejected)}
        for prompt, chosen, rejected in PAIRS
    ]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), str(base), json.dumps(rows), str(tmp_path / "trl")],
        capture_output=True,
        text=True,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found, name, pad = json.loads(done.stdout.splitlines()[-1])
    chosen, rejected = (
        [one.reward for one in score(folder, [Item(user(pair[0]), pair[side]) for pair in PAIRS])]
        for side in (1, 2)
    )
    every = chosen + rejected
    assert found["eval_max_reward"] == pytest.approx(max(every), abs=1e-4)
    assert found["eval_min_reward"] == pytest.approx(min(every), abs=1e-4)
    margins = [c - r for c, r in zip(chosen, rejected, strict=True)]
    assert found["eval_accuracy"] == pytest.approx(sum(m > 0 for m in margins) / 3, abs=1e-6)
    assert name == "Qwen2ForSequenceClassification"
    assert pad == 0
