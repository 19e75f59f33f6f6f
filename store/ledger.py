"""The ledger: what a model or a judge said, kept for ever under its content key.

A ledger is a folder of segment files. A writer makes its own segment, appends to it and
never opens it again, so threads, processes and hosts share a folder without locks, and
readers take the union. One record is one line,

    <crc32 of the rest, 8 hex> <key> <record as JSON>

written by a single `write`, so it is in the page cache (safe from SIGKILL) when `append`
returns, and on the disk (safe from a power cut) at most about SYNC_SECONDS later.

A last line without its newline is a torn tail: a writer was cut off there, or is writing
there now. It is skipped, and looked at again by `refresh`; nobody cuts it off, because
the file may belong to a live writer, and a dead one's is never appended to.
A whole line whose checksum is wrong is damage: it is skipped, counted in `damaged` and
logged as a warning, and its call will be made again.

Of two records with one key, written at once by two writers that had not seen each other,
whoever opens the folder afterwards takes the one in the older segment. Only keys and places
stay in memory; records are read when asked for.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from store.errors import InputError
from store.files import host_name, sync_folder, write_error

SYNC_SECONDS = 1.0
OPEN_SEGMENTS = 64  # read handles held at once; a long-lived ledger has far more segments than that
SCAN_BUFFER = 1 << 20
OFFSET_BITS, LENGTH_BITS = 44, 32  # a place packed into one small integer: segment, offset, length

encode_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

log = logging.getLogger(__name__)


class Ledger:
    """A folder of records by key. Thread-safe; survives a fork; any number may be open on one folder."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.damaged = 0
        self._places: dict[str, int] = {}
        self._segments: list[str] = []
        self._scanned: dict[str, int] = {}  # segment -> bytes up to the end of its last whole line
        self._handles: OrderedDict[int, int] = OrderedDict()
        self._writer: _Writer | None = None
        self._writer_index = -1
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self.refresh()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def keys(self) -> list[str]:
        with self._own_lock():
            return list(self._places)

    def get(self, key: str) -> dict[str, Any] | None:
        """The record as JSON gives it back (tuples are lists), or None."""
        place = self._places.get(key)
        if place is None:
            return None
        line = self._read(place)
        if _key_of(line) != key:
            segment, offset, _ = _unpack(place)
            raise InputError(
                f"{self.root / self._segments[segment]}: the record at byte {offset} changed or vanished "
                "during the run. Start it again: only calls that are really lost are made again."
            )
        return json.loads(line[line.index(b" ", 9) + 1 :])

    def append(self, key: str, record: dict[str, Any]) -> bool:
        """Keep `record` under `key`; a key that is there already keeps its record (returns False)."""
        return self.append_many([(key, record)]) == 1

    def append_many(self, records: Iterable[tuple[str, dict[str, Any]]]) -> int:
        """`append` for several, in one write; returns how many were new."""
        with self._own_lock():
            lines: dict[str, bytes] = {}
            for key, record in records:
                if key not in self._places and key not in lines:
                    lines[key] = _line(key, record)
            if not lines:
                return 0
            offset = self._write(b"".join(lines.values()))
            for key, line in lines.items():
                self._places[key] = _pack(self._writer_index, offset, len(line))
                offset += len(line)
            return len(lines)

    def refresh(self) -> int:
        """Take in what other writers added since; returns the number of new keys."""
        with self._own_lock():
            before = len(self._places)
            if self.root.is_dir():
                for entry in sorted(os.scandir(self.root), key=lambda entry: entry.name):
                    self._take_in(entry)
            return len(self._places) - before

    def close(self) -> None:
        """Put everything appended so far on the disk; a later append starts a new segment."""
        with self._own_lock():
            while self._handles:
                os.close(self._handles.popitem()[1])
            self._close_writer()

    def _own_lock(self) -> threading.RLock:
        """The lock; a forked child, which has neither its owner nor the syncing thread, gets its own."""
        if self._pid != os.getpid():
            self._pid, self._lock, self._writer = os.getpid(), threading.RLock(), None
        return self._lock

    def _write(self, data: bytes) -> int:
        """Append `data` to this writer's segment; returns the offset where it begins."""
        path = self.root
        try:
            if self._writer is None:
                writer = _Writer(self.root)
                self._writer_index = len(self._segments)
                self._segments.append(writer.path.name)
                self._writer = writer
            path = self._writer.path
            return self._writer.write(data)
        except BaseException as error:
            # What stands after a failed or interrupted write is unknown: this segment is never touched again.
            abandoned, self._writer = self._writer, None
            if abandoned is not None:
                abandoned.abandon()
            if isinstance(error, OSError):
                raise write_error(path, error) from error
            raise

    def _close_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            writer.close()
        except OSError as error:
            raise write_error(writer.path, error) from error

    def _take_in(self, entry: os.DirEntry[str]) -> None:
        if not entry.name.endswith(".jsonl") or entry.name.startswith("."):
            return
        if self._writer is not None and entry.name == self._writer.path.name:
            return
        if entry.stat().st_size > self._scanned.get(entry.name, 0):
            self._scan(entry.name)

    def _scan(self, name: str) -> None:
        if name not in self._segments:
            self._segments.append(name)
        segment = self._segments.index(name)
        offset = self._scanned.get(name, 0)
        damaged: list[int] = []
        with open(self.root / name, "rb", buffering=SCAN_BUFFER) as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                key = _key_of(line)
                if key is None:
                    damaged.append(offset)
                else:
                    self._places.setdefault(key, _pack(segment, offset, len(line)))
                offset += len(line)
        self._scanned[name] = offset
        self._report_damage(name, damaged)

    def _report_damage(self, name: str, offsets: list[int]) -> None:
        if offsets:
            self.damaged += len(offsets)
            log.warning(
                "%s: %d damaged records skipped, the first at byte %d; their calls will be made again",
                self.root / name, len(offsets), offsets[0],
            )  # fmt: skip

    def _read(self, place: int) -> bytes:
        segment, offset, length = _unpack(place)
        with self._own_lock():
            try:
                return os.pread(self._handle(segment), length, offset)
            except FileNotFoundError:
                return b""

    def _handle(self, segment: int) -> int:
        handle = self._handles.pop(segment, None)
        if handle is None:
            handle = os.open(self.root / self._segments[segment], os.O_RDONLY)
        self._handles[segment] = handle
        if len(self._handles) > OPEN_SEGMENTS:
            os.close(self._handles.popitem(last=False)[1])
        return handle


class _Writer:
    """One segment file and the thread that puts it on the disk."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        # The time comes first, so that the order of names is the order of age.
        now = time.time_ns()
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now // 10**9)) + f".{now % 10**9:09d}"
        self.path = root / f"{stamp}-{host_name()}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
        sync_folder(root)
        self._error: OSError | None = None
        self._dirty = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sync_loop, name="ledger-sync", daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> int:
        if self._error is not None:
            raise self._error
        written = os.write(self._file, data)
        while written < len(data):  # a nearly full disk, or more than 2 GiB
            written += os.write(self._file, data[written:])
        if not self._dirty.is_set():
            self._dirty.set()
        return os.lseek(self._file, 0, os.SEEK_CUR) - len(data)

    def close(self) -> None:
        self.abandon()
        if self._error is not None:
            raise self._error

    def abandon(self) -> None:
        self._stop.set()
        self._dirty.set()
        self._thread.join()
        os.close(self._file)

    def _sync_loop(self) -> None:
        stopping = False
        while not stopping:
            self._dirty.wait()
            # Cleared before `_stop` is read; cleared after, it could swallow the wake-up of `abandon`.
            self._dirty.clear()
            stopping = self._stop.wait(SYNC_SECONDS)
            try:
                os.fsync(self._file)
            except OSError as error:
                self._error = error
                return


def _line(key: str, record: dict[str, Any]) -> bytes:
    if key.split() != [key]:
        raise ValueError(f"ledger key {key!r}: must be one word")
    body = f"{key} {encode_json(record)}\n".encode("utf-8", "surrogatepass")
    return b"%08x " % zlib.crc32(body) + body


def _key_of(line: bytes) -> str | None:
    """The key of a whole, undamaged line; None for any other."""
    try:
        if not line.endswith(b"\n") or int(line[:8], 16) != zlib.crc32(memoryview(line)[9:]):
            return None
        return line[9 : line.index(b" ", 9)].decode()
    except ValueError:
        return None


def _pack(segment: int, offset: int, length: int) -> int:
    return (segment << OFFSET_BITS | offset) << LENGTH_BITS | length


def _unpack(place: int) -> tuple[int, int, int]:
    rest, length = place >> LENGTH_BITS, place & ((1 << LENGTH_BITS) - 1)
    return rest >> OFFSET_BITS, rest & ((1 << OFFSET_BITS) - 1), length
