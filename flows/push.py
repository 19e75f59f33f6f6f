"""Push a run's datasets, or one of its reward models, with the card to the Hugging Face Hub.

Only what is on a short list leaves the machine: the card, the plots it shows, and the Parquet
files of `datasets/` or the files of one model folder. The ledger, the tables, the logs and the
manifest never do. Everything that can be refused is refused before the network is touched: an
unfinished run, no licence, a card that does not describe the files, a secret in a text file.
One commit makes the repository show this run. HF_ENDPOINT and HF_TOKEN (or `hf auth login`) are
honoured.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from store.errors import InputError
from store.files import file_hash
from store.manifest import Manifest
from store.redact import redact

if TYPE_CHECKING:
    from huggingface_hub import HfApi

CARD = "README.md"
MODEL_SUFFIXES = (".json", ".safetensors", ".jinja", ".txt", ".model")
TEXT_SUFFIXES = (".md", ".json", ".txt", ".jinja", ".svg")
NO_LICENCE = ("", "unknown", "none")
IMAGE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)|<img[^>]+src=[\"']([^\"']+)[\"']")


@dataclass(frozen=True)
class Upload:
    """What a push would send: path in the repository -> local file."""

    repo_type: Literal["dataset", "model"]
    files: dict[str, Path]
    licence: str

    def lines(self, repo_id: str, private: bool, revision: str | None) -> list[str]:
        total = sum(path.stat().st_size for path in self.files.values())
        where = f"{'private' if private else 'public'} {self.repo_type} {repo_id}"
        branch = f", branch {revision}" if revision else ""
        head = f"push {len(self.files)} files, {total:,} bytes, licence {self.licence}, to {where}{branch}:"
        return [head, *(f"  {path.stat().st_size:>13,}  {name}" for name, path in self.files.items())]


def push_command(args: argparse.Namespace) -> int:
    """`flows push RUN REPO`: RUN is a folder, or a name under runs/."""
    run_dir = next((path for path in (Path(args.run), Path("runs") / args.run) if path.is_dir()), None)
    if run_dir is None:
        raise InputError(f"no run folder {args.run!r}, nor runs/{args.run}")
    kind = f"model:{args.model}" if args.model else "dataset"
    print(push(run_dir, args.repo, kind, private=not args.public, revision=args.revision))
    return 0


def push(
    run_dir: Path,
    repo_id: str,
    kind: str = "dataset",
    *,
    private: bool = True,
    revision: str | None = None,
    say: Callable[[str], None] = print,
) -> str:
    """Upload what `kind` ("dataset" or "model:bt", "model:orm", "model:prm") names; returns its address."""
    upload = plan_upload(run_dir, kind)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo_id):
        raise InputError(f"{repo_id!r} is no repository name: write OWNER/NAME")
    api = _hub()
    with _explained(repo_id, api.endpoint):
        is_private = _ensure_repo(api, upload.repo_type, repo_id, private, revision)
        for line in upload.lines(repo_id, is_private, revision):
            say(line)
        _commit(api, upload, repo_id, revision)
    folder = "datasets/" if upload.repo_type == "dataset" else ""
    return f"{api.endpoint}/{folder}{repo_id}{f'/tree/{revision}' if revision else ''}"


def plan_upload(run_dir: Path, kind: str = "dataset") -> Upload:
    """The files a push of `kind` would send; raises InputError when the run is not fit to publish."""
    _require_finished(run_dir)
    what, _, model = kind.partition(":")
    folder = run_dir / "models" / model if what == "model" else run_dir
    card_path = folder / CARD
    if not card_path.is_file():
        raise InputError(f"{card_path} is missing: finish the run with `flows run`, which writes the cards")
    card = card_path.read_text(encoding="utf-8")
    header = _front_matter(card, card_path)
    licence = str(header.get("license") or "").strip()
    if licence.lower() in NO_LICENCE:
        raise InputError(
            f"{card_path} names no licence: set `licence` in the recipe (e.g. --set licence=apache-2.0), "
            "run it again, then push"
        )
    data = _model_files(folder) if what == "model" else _dataset_files(folder, header, card_path)
    files = {CARD: card_path, **_images(card, folder), **data}
    _refuse_secrets(files)
    return Upload("model" if what == "model" else "dataset", files, licence)


def _require_finished(run_dir: Path) -> None:
    if not (run_dir / "manifest.json").is_file():
        raise InputError(f"{run_dir} is no run folder: it has no manifest.json")
    manifest = Manifest.open(run_dir)
    reasons = [reason for name in manifest.stages for reason in _unfinished(manifest, name)]
    if reasons or not manifest.stages:
        reason = reasons[0] if reasons else "no stage was run"
        raise InputError(f"{run_dir} is not finished ({reason}): continue it with `flows run`, then push")


def _unfinished(manifest: Manifest, name: str) -> list[str]:
    """Why the stage does not stand: cut short, a file changed, or made from an input that is newer now."""
    record = manifest.stages[name]
    if record.status != "done":
        return [f"stage {name}: {record.status}"]
    inputs = [(manifest.run_dir / path, path, was) for path, was in record.inputs.items()]
    newer = [path for file, path, was in inputs if file.is_file() and file_hash(file) != was]
    problems = manifest.changed_outputs(name) + [f"{path} changed" for path in newer]
    return [f"stage {name}: {problem}" for problem in problems]


def _front_matter(card: str, path: Path) -> dict[str, Any]:
    match = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    header = yaml.safe_load(match[1]) if match else None
    if not isinstance(header, dict):
        raise InputError(f"{path} does not begin with a YAML header between two `---` lines")
    return header


def _dataset_files(run_dir: Path, header: dict[str, Any], card: Path) -> dict[str, Path]:
    """Every Parquet file of `datasets/`; the card's `configs` must name exactly these."""
    files = {
        path.relative_to(run_dir).as_posix(): path
        for path in sorted((run_dir / "datasets").glob("*/*.parquet"))
    }
    if not files:
        raise InputError(f"{run_dir}/datasets holds no Parquet files: there is nothing to push")
    described = {
        data["path"] for config in header.get("configs") or [] for data in config.get("data_files") or []
    }
    if wrong := sorted(described ^ set(files)):
        state = "does not describe" if wrong[0] in files else "describes a file that is missing:"
        raise InputError(f"{card} {state} {wrong[0]}: run the recipe again, which writes a new card")
    return files


def _model_files(folder: Path) -> dict[str, Path]:
    files = {path.name: path for path in sorted(folder.iterdir()) if path.suffix in MODEL_SUFFIXES}
    if not any(name.endswith(".safetensors") for name in files):
        raise InputError(f"{folder} holds no .safetensors weights: there is no model to push")
    return files


def _images(card: str, folder: Path) -> dict[str, Path]:
    """Plots that the card shows by relative path."""
    names = {match[1] or match[2] for match in IMAGE.finditer(card)}
    local = sorted(name for name in names if "://" not in name and not name.startswith(("data:", "/")))
    if outside := [name for name in local if ".." in Path(name).parts or not (folder / name).is_file()]:
        raise InputError(f"{folder / CARD} shows {outside[0]}, which is not in {folder}")
    return {name: folder / name for name in local}


def _refuse_secrets(files: dict[str, Path]) -> None:
    for path in files.values():
        if path.suffix not in TEXT_SUFFIXES:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if redact(text) != text:
            raise InputError(f"{path} seems to hold a token or a password: remove it; nothing was sent")


def _hub() -> HfApi:
    from huggingface_hub import HfApi, get_token

    token = get_token()
    if not token:
        raise InputError("no Hub token: set HF_TOKEN to a token with write access, or run `hf auth login`")
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, token=token)


def _ensure_repo(api: HfApi, repo_type: str, repo_id: str, private: bool, revision: str | None) -> bool:
    """Make the repository and the branch if need be; returns whether the repository is private."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.repo_info(repo_id, repo_type=repo_type)
    except RepositoryNotFoundError:
        api.create_repo(repo_id, repo_type=repo_type, private=private)
    else:
        if private and not info.private:  # the Hub would silently publish into it
            raise InputError(
                f"{repo_id} exists and is public: push with --public, or name another repository"
            )
    if revision:
        api.create_branch(repo_id, branch=revision, repo_type=repo_type, exist_ok=True)
    return private


def _commit(api: HfApi, upload: Upload, repo_id: str, revision: str | None) -> None:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    remote = api.list_repo_files(repo_id, repo_type=upload.repo_type, revision=revision)
    stale = [name for name in remote if _is_ours(upload.repo_type, name) and name not in upload.files]
    api.create_commit(
        repo_id,
        operations=[
            *(CommitOperationAdd(name, path) for name, path in upload.files.items()),
            *(CommitOperationDelete(name) for name in stale),
        ],
        commit_message=f"Upload {upload.repo_type} with its card",
        repo_type=upload.repo_type,
        revision=revision,
    )


def _is_ours(repo_type: str, name: str) -> bool:
    """A file that only a push puts there: one that this run lacks is left over from an older push."""
    if repo_type == "dataset":
        return re.fullmatch(r"datasets/[^/]+/[^/]+\.parquet", name) is not None
    return "/" not in name and name.endswith(".safetensors")


@contextmanager
def _explained(repo_id: str, endpoint: str) -> Iterator[None]:
    """The Hub's failures, in one line that says what to do."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled as error:
        raise InputError("HF_HUB_OFFLINE is set: unset it to push") from error
    except HfHubHTTPError as error:
        raise InputError(_http_reason(error.response.status_code, repo_id, str(error))) from error
    except (httpx2.TransportError, ConnectionError) as error:
        raise InputError(
            f"{endpoint} cannot be reached ({error}); push again when the network is back"
        ) from error


def _http_reason(status: int, repo_id: str, text: str) -> str:
    reasons = {
        401: "the Hub does not accept the token (401): renew it with `hf auth login`, or set HF_TOKEN",
        403: f"the token may not write to {repo_id} (403): use one with write access, or another owner",
        404: f"{repo_id} is not on the Hub, or the token may not see it (404)",
    }
    return reasons.get(status) or f"the Hub refused the push ({status}): {text.strip().splitlines()[0]}"
