"""Opening an engine: `auto`, and every wrong setting reported before anything is loaded."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from samplers import engines
from samplers.engines import EngineConfig, open_engine, resolve_kind
from store.errors import InputError


def test_auto_is_vllm_where_installed_and_transformers_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: object())
    assert resolve_kind(EngineConfig()) == "vllm"
    assert resolve_kind(EngineConfig(kind="transformers")) == "transformers"
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    assert resolve_kind(EngineConfig()) == "transformers"
    assert resolve_kind(EngineConfig(base_urls=("http://h/v1",), model="m")) == "openai"
    with pytest.raises(InputError, match=r"vllm is not installed here. Install rewardsmith\[gpu\]"):
        resolve_kind(EngineConfig(kind="vllm"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "openai", "model": "m"}, "needs at least one"),
        ({"kind": "openai", "base_urls": ("http://h/v1",)}, "the name by which the server knows"),
        ({"kind": "transformers", "base_urls": ("http://h/v1",)}, "only the openai engine has servers"),
        ({"kind": "transformers", "model": "/no/such/folder"}, "there is no folder /no/such/folder"),
        ({"kind": "transformers", "model": "./folder"}, "there is no folder ./folder"),
        ({"kind": "transformers", "model": "nobody/nothing"}, "neither a folder here"),
        (
            {"base_urls": ("http://h/v1",), "model": "m", "api_key_env": "NO_SUCH_KEY"},
            "NO_SUCH_KEY is not set",
        ),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_engine(EngineConfig(**settings))


def test_weights_that_do_not_fit_the_config_are_an_input_error(chat_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(chat_model, tmp_path / "odd")
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(
        config.replace('"model_type": "llama"', '"model_type": "no_such_type"')
    )
    with pytest.raises(InputError, match="no_such_type"):
        open_engine(EngineConfig(kind="transformers", model=str(folder))).start()


def test_a_model_is_known_by_its_name_and_content_and_never_by_its_path(chat_model: Path) -> None:
    engine = open_engine(EngineConfig(kind="transformers", model=str(chat_model)))
    exact = open_engine(EngineConfig(kind="transformers", model=str(chat_model), dtype="float32"))
    assert engine.model == chat_model.name
    assert str(chat_model.parent) not in engine.revision
    assert exact.revision == f"{engine.revision}-float32"


def test_every_setting_is_described() -> None:
    properties = EngineConfig.model_json_schema()["properties"]
    assert [name for name, field in properties.items() if not field.get("description")] == []
