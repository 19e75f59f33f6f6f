"""Token classifiers made for architectures that have none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_models import make_base
from transformers import AutoConfig, AutoModelForTokenClassification, LlamaConfig, LlamaForTokenClassification

from trainers.token_classes import ensure_token_class


@pytest.mark.parametrize(
    ("architecture", "name"),
    [("olmo", "OlmoForTokenClassification"), ("olmo2", "Olmo2ForTokenClassification")],
)
def test_olmo_gets_a_token_classifier_that_keeps_its_weights(
    tmp_path: Path, architecture: str, name: str
) -> None:
    config = AutoConfig.from_pretrained(make_base(tmp_path / "base", architecture))
    config.token_classification_bias = False
    ensure_token_class(config)
    model, info = AutoModelForTokenClassification.from_pretrained(
        tmp_path / "base", config=config, output_loading_info=True
    )
    assert type(model).__name__ == name
    assert set(info["missing_keys"]) == {"score.weight"}  # the whole backbone came from the causal model
    model.save_pretrained(tmp_path / "saved")
    ensure_token_class(config)  # a second time changes nothing
    again = AutoModelForTokenClassification.from_pretrained(tmp_path / "saved").eval()
    assert again.config.architectures == [name]
    ids = torch.arange(3, 20)[None]
    with torch.no_grad():
        torch.testing.assert_close(again(ids).logits, model.eval()(ids).logits, rtol=0, atol=0)


def test_an_architecture_with_a_token_classifier_keeps_its_own() -> None:
    ensure_token_class(LlamaConfig())
    assert AutoModelForTokenClassification._model_mapping[LlamaConfig] is LlamaForTokenClassification
