"""Pushing to a Hub on a real socket: what arrives, who may see it, and everything that is refused before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_hub import TOKEN, FakeHub

from flows.push import plan_upload, push
from store.errors import InputError
from store.ledger import Ledger
from store.manifest import Manifest

ROOT = Path(__file__).resolve().parents[2]
CARD = """---
license: {licence}
configs:
- config_name: preference
  data_files:
  - {{split: train, path: datasets/preference/train.parquet}}
  - {{split: test, path: datasets/preference/test.parquet}}
---
# Preferences

![accuracy](report/accuracy.png)
"""
FILES = [
    "README.md",
    "datasets/preference/test.parquet",
    "datasets/preference/train.parquet",
    "report/accuracy.png",
]
PUSH = "import sys; from flows.__main__ import main; sys.exit(main(['push', *sys.argv[1:]]))"
LOAD = """
import json, sys
from datasets import load_dataset
data = load_dataset(sys.argv[1], "preference", revision=sys.argv[2])
print(json.dumps({split: rows.to_list() for split, rows in data.items()}))
"""


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A finished run with one set, a plot, and things that must stay at home."""
    run = tmp_path / "run"
    for split, rows in {"train": [1, 2, 3], "test": [4]}.items():
        write_rows(run / f"datasets/preference/{split}.parquet", rows)
    (run / "report").mkdir()
    (run / "report/accuracy.png").write_bytes(b"\x89PNG")
    (run / "README.md").write_text(CARD.format(licence="apache-2.0"))
    (run / "recipe.yaml").write_text("name: demo\n")
    with Ledger(run / "ledger") as ledger:
        ledger.append("0" * 32, {"text": "what the model said"})
    finish(run, ["README.md", "datasets/preference/train.parquet", "datasets/preference/test.parquet"])
    return run


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as server:
        yield server


def write_rows(path: Path, rows: list[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"row": rows}), path)


def finish(run: Path, outputs: list[str]) -> None:
    manifest = Manifest.open(run)
    manifest.start("card", {}, {})
    manifest.finish("card", dict.fromkeys(outputs))


def edit_card(run: Path, text: str) -> None:
    (run / "README.md").write_text(text)
    finish(run, ["README.md"])


def python(hub_url: str, code: str, *arguments: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own: huggingface_hub reads its address when it is imported."""
    env = {
        **os.environ,
        "HF_ENDPOINT": hub_url,
        "HF_TOKEN": token,
        "HF_HUB_OFFLINE": "0",
        "PYTHONPATH": str(ROOT),
    }
    env |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=env, capture_output=True, text=True, check=False
    )


def pushed(hub_url: str, run: Path, repo: str, *options: str, token: str = TOKEN) -> str:
    done = python(hub_url, PUSH, str(run), repo, *options, token=token)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refusal(hub_url: str, run: Path, repo: str, *options: str, token: str = TOKEN) -> str:
    done = python(hub_url, PUSH, str(run), repo, *options, token=token)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_pushed_dataset_is_private_and_loads_back(hub: FakeHub, run_dir: Path) -> None:
    said = pushed(hub.url, run_dir, "tester/demo")
    assert "push 4 files" in said and "licence apache-2.0, to private dataset tester/demo" in said
    assert said.splitlines()[-1] == f"{hub.url}/datasets/tester/demo"
    repo = hub.repo("tester/demo")
    assert repo.private
    assert len(repo.commits) == 2, "one commit beside the initial one"
    assert sorted(repo.files()) == FILES
    loaded = python(hub.url, LOAD, "tester/demo", "main")
    assert loaded.returncode == 0, loaded.stderr
    assert json.loads(loaded.stdout) == {"train": [{"row": 1}, {"row": 2}, {"row": 3}], "test": [{"row": 4}]}


def test_a_second_push_replaces_the_data_and_drops_old_sets(hub: FakeHub, run_dir: Path) -> None:
    pushed(hub.url, run_dir, "tester/demo")
    hub.repo("tester/demo").files()["datasets/ranking/train.parquet"] = b"of an older run"
    own = {"NOTES.md": b"written by hand", "extra/mine.parquet": b"the owner's own data"}
    hub.repo("tester/demo").files().update(own)
    write_rows(run_dir / "datasets/preference/train.parquet", [7])
    finish(run_dir, ["datasets/preference/train.parquet"])
    pushed(hub.url, run_dir, "tester/demo")
    assert sorted(hub.repo("tester/demo").files()) == sorted([*FILES, *own])
    loaded = python(hub.url, LOAD, "tester/demo", "main")
    assert json.loads(loaded.stdout)["train"] == [{"row": 7}]


def test_a_model_is_pushed_with_its_card_to_a_branch(hub: FakeHub, run_dir: Path) -> None:
    folder = run_dir / "models/bt"
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).write_text("{}")
    (folder / "optimizer.pt").write_text("state")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# A reward model\n")
    said = pushed(hub.url, run_dir, "tester/rm", "--model", "bt", "--public", "--revision", "v1")
    assert said.splitlines()[-1] == f"{hub.url}/tester/rm/tree/v1"
    repo = hub.repo("tester/rm", "models")
    assert not repo.private
    assert sorted(repo.files("v1")) == ["README.md", "config.json", "model.safetensors", "tokenizer.json"]
    assert repo.files("main") == {}


def test_a_private_push_never_lands_in_a_public_repository(hub: FakeHub, run_dir: Path) -> None:
    pushed(hub.url, run_dir, "tester/open", "--public")
    commits = len(hub.repo("tester/open").commits)
    assert "tester/open exists and is public: push with --public" in refusal(hub.url, run_dir, "tester/open")
    assert len(hub.repo("tester/open").commits) == commits


def test_a_bad_token_a_foreign_owner_and_a_dead_hub_are_named(hub: FakeHub, run_dir: Path) -> None:
    assert "does not accept the token (401)" in refusal(hub.url, run_dir, "tester/demo", token="hf_expired")
    assert "may not write to someone/demo (403)" in refusal(hub.url, run_dir, "someone/demo")
    assert "cannot be reached" in refusal("http://127.0.0.1:9", run_dir, "tester/demo")


def test_without_a_token_nothing_is_tried(run_dir: Path) -> None:
    with pytest.raises(InputError, match="no Hub token: set HF_TOKEN"):
        push(run_dir, "tester/demo")


def test_a_repository_name_needs_its_owner(run_dir: Path) -> None:
    with pytest.raises(InputError, match="OWNER/NAME"):
        push(run_dir, "demo")


@pytest.mark.parametrize("licence", ["", "unknown", "null"])
def test_no_licence_no_push(run_dir: Path, licence: str) -> None:
    edit_card(run_dir, CARD.format(licence=licence))
    with pytest.raises(InputError, match="names no licence: set `licence` in the recipe"):
        plan_upload(run_dir)


def test_an_unfinished_run_is_refused(run_dir: Path) -> None:
    Manifest.open(run_dir).start("build", {}, {})
    with pytest.raises(InputError, match=r"not finished \(stage build: running\)"):
        plan_upload(run_dir)


def test_a_file_that_was_changed_since_is_refused(run_dir: Path) -> None:
    write_rows(run_dir / "datasets/preference/train.parquet", [666])
    with pytest.raises(InputError, match=r"train\.parquet was changed by something else"):
        plan_upload(run_dir)


def test_a_card_older_than_its_data_is_refused(run_dir: Path) -> None:
    manifest = Manifest.open(run_dir)
    manifest.start("card", {}, {"datasets/preference/train.parquet": "an older hash"})
    manifest.finish("card", {"README.md": None})
    with pytest.raises(InputError, match=r"stage card: datasets/preference/train\.parquet changed"):
        plan_upload(run_dir)


def test_a_card_must_describe_exactly_the_files(run_dir: Path) -> None:
    write_rows(run_dir / "datasets/outcome/train.parquet", [1])
    with pytest.raises(InputError, match=r"does not describe datasets/outcome/train\.parquet"):
        plan_upload(run_dir)
    (run_dir / "datasets/outcome/train.parquet").unlink()
    edit_card(run_dir, CARD.format(licence="mit").replace("preference/test", "preference/dev"))
    with pytest.raises(InputError, match=r"missing: datasets/preference/dev\.parquet"):
        plan_upload(run_dir)


def test_a_card_without_a_header_or_with_a_plot_from_elsewhere_is_refused(run_dir: Path) -> None:
    edit_card(run_dir, "# No header\n")
    with pytest.raises(InputError, match="does not begin with a YAML header"):
        plan_upload(run_dir)
    edit_card(run_dir, CARD.format(licence="mit") + "![x](../secret.png)\n")
    with pytest.raises(InputError, match=r"shows \.\./secret\.png"):
        plan_upload(run_dir)


def test_a_secret_in_the_card_is_never_published(run_dir: Path) -> None:
    edit_card(run_dir, CARD.format(licence="mit") + "judge: https://me:hunter2@judge.example/v1\n")
    with pytest.raises(InputError, match="seems to hold a token or a password"):
        plan_upload(run_dir)


def test_a_folder_that_is_no_run_and_an_untrained_model_are_named(run_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no manifest\.json"):
        plan_upload(tmp_path)
    with pytest.raises(InputError, match=r"models/orm/README\.md is missing"):
        plan_upload(run_dir, "model:orm")
