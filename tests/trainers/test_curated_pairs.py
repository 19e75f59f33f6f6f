"""Pairs as the curation makes them for this trainer's tokenisation."""

from __future__ import annotations

from pathlib import Path

from small_tables import completions, labels, prompts
from tiny_models import byte_tokenizer
from tokenizers.normalizers import NFC

from curation.pairing import PairRule, Trainer
from curation.pairs import Paired, preference
from trainers.config import TrainConfig
from trainers.data import read_examples
from trainers.tokenize import Codec
from trainers.units import make_units


def test_pairs_that_training_would_drop_for_their_tokens_are_already_gone(tmp_path: Path) -> None:
    """A tokenizer that normalises Unicode makes a composed and a decomposed accent one text."""
    tokenizer = byte_tokenizer()
    tokenizer.backend_tokenizer.normalizer = NFC()
    codec = Codec(tokenizer, "here")
    trainer = Trainer(lambda messages: codec.encode(messages[:-1], [messages[-1]["content"]]).ids)
    said = completions(p=["caf\u00e9", "cafe\u0301", "tea"], q=["yes", "no"])
    tables = prompts("p", "q"), said, labels(p="+--", q="+-")

    def counted_in_training(paired: Paired) -> dict[str, int]:
        paired.table.write_parquet(tmp_path / "pairs.parquet")
        config = TrainConfig(objective="bt", model="m", data=[tmp_path], output=tmp_path / "out")
        return make_units(read_examples([tmp_path], config), codec, config, 4096)[1]

    assert counted_in_training(preference(*tables)) == {"rows": 3, "used": 2, "same_tokens": 1}
    paired = preference(*tables, PairRule(), trainer=trainer)
    assert paired.pairs.rejected == {"same_tokens": 1}
    assert counted_in_training(paired) == {"rows": 2, "used": 2}
