"""The small policy that ships with the project: its world, tokenizer, training script and weights."""

from pathlib import Path

MODEL_DIR = Path(__file__).parent / "model"
