"""Whole files that appear at once or not at all, and their hashes.

A file is written beside its final name, flushed to the disk and renamed over it, so a
kill, a power cut or a full disk leaves either the old file or the new one. Temporary
files start with a dot, which every reader skips; those of dead writers are removed by
the next write of the same file.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import socket
from math import isfinite
from pathlib import Path
from typing import Any

from store.errors import InputError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)


def write_bytes(path: Path | str, data: bytes) -> None:
    """Replace `path` by `data` in one step; missing folders are made."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        temporary = path.parent / f".{path.name}.{host_name()}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
        try:
            _write_durably(temporary, data)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise write_error(path, error) from error


def write_text(path: Path | str, text: str) -> None:
    write_bytes(path, text.encode("utf-8", "surrogatepass"))


def write_json(path: Path | str, value: Any) -> None:
    """Strict JSON, which has no NaN: a number that is not finite is written as null."""
    write_text(path, json.dumps(_finite(value), ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    try:
        return json.loads(Path(path).read_bytes())
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not valid JSON ({error.msg})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from error


def file_hash(path: Path | str) -> str:
    """32 hex characters of BLAKE2b over the bytes of the file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def write_error(path: Path | str, error: OSError) -> Exception:
    """What to raise for a failed write: an InputError where the user can mend it, else the error itself."""
    if error.errno in DISK_FULL:
        return InputError(
            f"{path}: cannot be written, the disk is full. Nothing made so far is lost: "
            "free some space and start the run again, and it goes on from here."
        )
    if error.errno in NOT_WRITABLE:
        return InputError(f"{path}: cannot be written ({error.strerror}). Nothing made so far is lost.")
    return error


def sync_folder(folder: Path) -> None:
    """Make new and renamed entries of `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def host_name() -> str:
    """This host's name with nothing in it that a file name cannot hold."""
    return "".join(c if c.isalnum() or c == "-" else "-" for c in socket.gethostname()) or "host"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _write_durably(path: Path, data: bytes) -> None:
    with open(path, "xb", buffering=0) as file:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file.fileno(), rest) :]
        os.fsync(file.fileno())


def _remove_leftovers(path: Path) -> None:
    for leftover in path.parent.glob(f".{_escape(path.name)}.{host_name()}.*.tmp"):
        writer = leftover.name.split(".")[-3]
        if writer.isdigit() and not _alive(int(writer)):
            leftover.unlink(missing_ok=True)


def _escape(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
