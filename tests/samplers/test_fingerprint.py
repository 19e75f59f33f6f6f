"""A model's revision: the same for the same answers, another for any file that could change them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from samplers import fingerprint
from samplers.fingerprint import folder_revision, hub_revision
from store.errors import InputError


@pytest.fixture
def folder(chat_model: Path, tmp_path: Path) -> Path:
    return shutil.copytree(chat_model, tmp_path / "copy")


def test_a_copy_under_another_name_has_the_same_revision(folder: Path, chat_model: Path) -> None:
    assert folder_revision(folder) == folder_revision(chat_model)


def test_files_that_change_no_answer_do_not_count(folder: Path) -> None:
    before = folder_revision(folder)
    (folder / "README.md").write_text("a card")
    (folder / "training_args.bin").write_bytes(b"x")
    assert folder_revision(folder) == before


@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer.json", "chat_template.jinja", "generation_config.json"]
)
def test_any_other_file_counts(folder: Path, name: str) -> None:
    before = folder_revision(folder)
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    assert folder_revision(folder) != before


def test_one_flipped_bit_in_the_weights_counts(folder: Path) -> None:
    before = folder_revision(folder)
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert folder_revision(folder) != before


def test_large_files_are_read_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "REMEMBERED_BYTES", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = folder_revision(folder)
    monkeypatch.setattr(fingerprint, "_digest", lambda path: pytest.fail(f"{path} was read again"))
    assert folder_revision(folder) == before
    (tmp_path / "cache" / "rewardsmith" / "digests.json").write_text("torn {")
    monkeypatch.undo()
    assert folder_revision(folder) == before


def test_a_download_that_was_cut_off_is_reported_before_anything_is_spent(folder: Path) -> None:
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    for cut in (whole[:-10], whole[:50], b"", b"not weights at all, but long enough"):
        weights.write_bytes(cut)
        with pytest.raises(InputError, match="cut off|no weights"):
            folder_revision(folder)


def test_a_folder_that_is_no_model_says_what_is_missing(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no config.json"):
        folder_revision(tmp_path)
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors"}})
    )
    with pytest.raises(InputError, match="model-00001-of-00002.safetensors is missing"):
        folder_revision(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match="no weights"):
        folder_revision(folder)


def test_an_unknown_hub_name_without_a_network_says_what_was_tried() -> None:
    with pytest.raises(
        InputError, match="nobody/nothing: it is neither a folder here, nor in the local Hub cache"
    ):
        hub_revision("nobody/nothing", None)
