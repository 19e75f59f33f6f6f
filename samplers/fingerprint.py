"""What exactly is this model? A revision that changes when, and only when, its answers could.

A folder's revision is the content id of its weights, configuration and tokenizer files: their names and
BLAKE2b digests. Cards, logs and optimizer states in the same folder do not count. The digest of a large file
is remembered under its path, size and time of change, so a 15 GB model is read once and not at every start.
A Hub model's revision is the commit it resolves to.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from fnmatch import fnmatch
from pathlib import Path

from store.errors import InputError
from store.ids import ID_BYTES, content_id

WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
OTHERS = (
    "config.json",
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
    "vocab.*",
    "merges.txt",
    "*.model",
    "*.safetensors.index.json",
    "pytorch_model*.index.json",
)
REMEMBERED_BYTES = 64 << 20  # a smaller file is hashed in less than a tenth of a second


def folder_revision(folder: Path) -> str:
    """16 hex characters; InputError where the folder does not hold a whole model."""
    _check_whole(folder)
    remembered = _Remembered()
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    parts = [(name, remembered.digest(folder / name)) for name in names if _matches(name, WEIGHTS + OTHERS)]
    remembered.save()
    return content_id("model", parts)[:16]


def hub_revision(model: str, revision: str | None) -> str:
    """The commit that `revision` (default: the main branch) of a Hub repository stands for."""
    import httpx2
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        return HfApi().model_info(model, revision=revision).sha or revision or "main"
    except (OfflineModeIsEnabled, httpx2.HTTPError, HfHubHTTPError, HFValidationError, OSError) as error:
        try:
            found = try_to_load_from_cache(model, "config.json", revision=revision)
        except HFValidationError:
            found = None
        if isinstance(found, str):
            return Path(found).parent.name  # .../snapshots/<commit>/config.json
        raise InputError(
            f"model {model}: it is neither a folder here, nor in the local Hub cache, nor could the Hub be "
            f"asked ({type(error).__name__}: {_first_line(error)}). Give a folder, or a name the Hub knows."
        ) from error


def weight_bytes(folder: Path) -> int:
    """Size of the weights in a model folder; 0 when there are none."""
    return sum(path.stat().st_size for path in folder.iterdir() if _matches(path.name, WEIGHTS))


def _check_whole(folder: Path) -> None:
    """A folder that no engine could load is reported here, before anything is spent."""
    config = folder / "config.json"
    try:
        json.loads(config.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"model {folder}: there is no config.json, so this is not a model folder") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{config}: cannot be read as JSON: {error}") from error
    if not weight_bytes(folder):
        raise InputError(f"model {folder}: there are no weights (*.safetensors or pytorch_model*.bin)")
    for path in sorted(folder.glob("*.safetensors")):
        _check_safetensors(path)
    for index in folder.glob("*.index.json"):
        named = set(json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values())
        if absent := sorted(name for name in named if not (folder / name).is_file()):
            raise InputError(f"model {folder}: {absent[0]} is missing ({len(absent)} weight files in all)")


def _check_safetensors(path: Path) -> None:
    """The header says how long the file must be, so a download that was cut off is seen at once."""
    size = path.stat().st_size
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, size)))
        end = max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
    except (OSError, ValueError, AttributeError, TypeError, KeyError) as error:
        raise InputError(f"{path}: not a safetensors file, or cut off") from error
    if size != 8 + length + end:
        raise InputError(f"{path}: {size} bytes where its header promises {8 + length + end}: cut off")


class _Remembered:
    """Digests of large files, kept in the user's cache folder between runs."""

    def __init__(self) -> None:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self.path = cache / "rewardsmith" / "digests.json"
        self.known: dict[str, str] | None = None
        self.changed = False

    def digest(self, path: Path) -> str:
        stat = path.stat()
        if stat.st_size < REMEMBERED_BYTES:
            return _digest(path)
        name = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ino}"
        if self.known is None:
            self.known = self._read()
        if name not in self.known:
            self.known[name] = _digest(path)
            self.changed = True
        return self.known[name]

    def _read(self) -> dict[str, str]:
        try:
            return dict(json.loads(self.path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}

    def save(self) -> None:
        """A cache that cannot be written is only slower next time."""
        if not self.changed:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.path.parent)
            with open(handle, "w", encoding="utf-8") as file:
                json.dump(self.known, file)
            os.replace(temporary, self.path)
        except OSError:
            return


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=ID_BYTES)).hexdigest()


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0]
