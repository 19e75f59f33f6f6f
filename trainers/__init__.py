"""Labelled sets → reward models (Bradley-Terry, outcome, process, attributes): pack, train, save, score.

Needs torch, transformers, pyarrow, numpy, pydantic and yaml; nothing of the pipeline's own dependencies.
"""

from .config import TrainConfig as TrainConfig
from .loop import TrainResult as TrainResult
from .loop import train as train
from .score import Item as Item
from .score import Score as Score
from .score import score as score
