"""Keep a candidate program away from the machine, as far as this kernel allows. Standard library only.

Two processes use it: the judge, which runs the tests, and the candidate, which runs the model's program.

    judge       `enter`: own namespaces of processes, network, mounts and IPC. The judge becomes process 1 of
                its process namespace, so whatever the candidate leaves behind dies with it. Everything but
                the working folder, a fresh tmpfs, is read-only.
    candidate   `confine`: another user than the judge (as root an unused uid without capabilities, else a
                user namespace of its own), so that it can neither signal nor trace it; no new privileges;
                RLIMITs on memory, CPU, processes, file size and open files.

Where namespaces are not to be had (macOS, most containers) the judge adopts orphans and kills all its
descendants at the end. `Isolation` says which of these hold. This is a guard, not a security boundary: the
candidate reads whatever the user who runs it can read, and a bug of the kernel is a way out.
"""

from __future__ import annotations

import ctypes
import functools
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any, NamedTuple

LINUX = sys.platform == "linux"
MB = 2**20
UIDS = range(50_000, 60_000)  # neither accounts nor service managers take ids from here

# linux/sched.h, linux/prctl.h, linux/mount.h, linux/capability.h
NEWNS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
SPACES = NEWNS | NEWIPC | NEWPID | NEWNET
PDEATHSIG, KEEPCAPS, CHILD_SUBREAPER, NO_NEW_PRIVS, CAP_AMBIENT, AMBIENT_RAISE = 1, 8, 36, 38, 47, 2
MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE = 0x2, 0x4, 0x4000, 0x40000
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, ATTR_RDONLY = 442, -100, 0x8000, 1
DAC_OVERRIDE, DAC_READ_SEARCH = 1, 2
CAPABILITY_VERSION_3 = 0x20080522


class Limits(NamedTuple):
    """Of one candidate program; seconds are wall time, of one test and of all its tests."""

    seconds: float = 4.0
    deadline: float = 20.0
    memory_mb: int = 1024
    processes: int = 16
    file_mb: int = 16
    output_kb: int = 1024


class Isolation(NamedTuple):
    """What the kernel granted."""

    processes: bool = False  # a process namespace: nothing outlives the judge
    network: bool = False  # cut off, the loopback interface included
    files: bool = False  # read-only outside the working folder
    user: bool = False  # the candidate is not the judge's user


def enter(folder: str, limits: Limits) -> Isolation:
    """Put this single-threaded process behind what walls there are; what returns may be a child of it."""
    _limit("RLIMIT_AS", (limits.memory_mb + 1024) * MB)  # the judge holds copies of what candidates answer
    if not LINUX:
        return Isolation()
    _prctl(PDEATHSIG, signal.SIGKILL)
    uid, gid = os.geteuid(), os.getegid()
    whole = uid == 0 and _unshare(SPACES)
    if not whole and not _unshare(SPACES | NEWUSER):
        _prctl(CHILD_SUBREAPER, 1)
        return Isolation(user=uid == 0)
    named = whole or _keep_ids(uid, gid)
    _go_on_as_process_one()
    return Isolation(True, True, named and _only_writable(folder, limits), True)


def confine(limits: Limits) -> None:
    """Between fork and exec of the candidate."""
    os.setsid()
    alone = LINUX and ((os.geteuid() == 0 and _become_nobody()) or _unshare(NEWUSER))
    if LINUX:
        _prctl(PDEATHSIG, signal.SIGKILL)  # a change of user clears it
        _prctl(NO_NEW_PRIVS, 1)
    # Without a user of its own the candidate shares the count of all that this user runs.
    _limit("RLIMIT_NPROC", limits.processes + (0 if alone else _tasks_of_user()))
    _limit("RLIMIT_AS", limits.memory_mb * MB)
    _limit("RLIMIT_CPU", int(limits.deadline) + 1)
    _limit("RLIMIT_FSIZE", limits.file_mb * MB)
    _limit("RLIMIT_NOFILE", 64)
    _limit("RLIMIT_CORE", 0)


def kill_descendants(pid: int) -> None:
    """SIGKILL everything below process `pid`, again until nothing new has been born."""
    while found := _descendants(pid):
        for child in found:
            _kill(child)


def _descendants(pid: int) -> list[int]:
    """Living processes below `pid`; zombies are done with."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text(errors="replace").rpartition(")")[2].split()[:2]
        except OSError:  # gone meanwhile
            continue
        if state not in "ZX":
            children.setdefault(int(parent), []).append(int(stat.parent.name))
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _go_on_as_process_one() -> None:
    """Fork; the parent waits for the child, which returns, and ends as it ended."""
    child = os.fork()
    if child:
        os.closerange(3, 256)  # or readers of the results would wait for this process too
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    _prctl(PDEATHSIG, signal.SIGKILL)


def _keep_ids(uid: int, gid: int) -> bool:
    """In a new user namespace, map this user to itself."""
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    except OSError:  # a security module says no: this user then has no name, which harms nothing
        return False
    return True


def _only_writable(folder: str, limits: Limits) -> bool:
    """A small tmpfs over `folder`, every other mount read-only; False before Linux 5.12."""
    options = f"size={4 * limits.file_mb}m,nr_inodes=4096,mode=1777".encode()
    if _libc().mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        return False
    if _libc().mount(b"tmpfs", os.fsencode(folder), b"tmpfs", MS_NOSUID | MS_NODEV, options):
        return False
    os.chdir(folder)
    return _set_mount(b"/", AT_RECURSIVE, ATTR_RDONLY, 0) and _set_mount(
        os.fsencode(folder), 0, 0, ATTR_RDONLY
    )


def _set_mount(path: bytes, flags: int, add: int, remove: int) -> bool:
    attributes = (ctypes.c_uint64 * 4)(add, remove)  # struct mount_attr: set, clear, propagation, namespace
    size = ctypes.sizeof(attributes)
    return _libc().syscall(MOUNT_SETATTR, AT_FDCWD, path, flags, ctypes.byref(attributes), size) == 0


def _become_nobody() -> bool:
    """Root gives up its user, and all rights but to read where the interpreter lies in a private folder."""
    uid = UIDS[int.from_bytes(os.urandom(4), "big") % len(UIDS)]
    keep = 0 if _all_may_read(sys.prefix, sys.base_prefix) else _reading_capability()
    try:
        os.setgroups([])
        _prctl(KEEPCAPS, 1)
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    except OSError:  # a container whose user ids end earlier
        return False
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    _libc().capset(
        header, (ctypes.c_uint32 * 6)(keep, keep, keep, 0, 0, 0)
    )  # effective, permitted, inheritable
    if keep:
        _prctl(CAP_AMBIENT, AMBIENT_RAISE, keep.bit_length() - 1)
    return True


def _all_may_read(*folders: str) -> bool:
    paths = {path for folder in map(Path, folders) for path in (folder, *folder.parents)}
    return all(path.stat().st_mode & 0o005 == 0o005 for path in paths)


def _reading_capability() -> int:
    """The bit of the weakest capability this process has that lets it read every file, or 0."""
    status = Path("/proc/self/status").read_text()
    permitted = int(status.partition("CapPrm:")[2].split()[0], 16)
    bits = (1 << DAC_READ_SEARCH, 1 << DAC_OVERRIDE)
    return next((bit for bit in bits if permitted & bit), 0)


def _tasks_of_user() -> int:
    """Threads that run under this user: what RLIMIT_NPROC counts."""
    uid, count = os.getuid(), 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            count += len(os.listdir(folder / "task")) if folder.stat().st_uid == uid else 0
        except OSError:  # gone meanwhile
            continue
    return count


def _limit(name: str, value: int) -> None:
    """Lower a limit, never raise it; where a system lacks or refuses it, the others still hold."""
    which = getattr(resource, name, None)
    if which is None:
        return
    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(which, (value, value))
    except (ValueError, OSError):
        pass


def _unshare(spaces: int) -> bool:
    return _libc().unshare(spaces) == 0


def _prctl(option: int, *values: int) -> None:
    arguments = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    _libc().prctl(ctypes.c_int(option), *arguments)


@functools.cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)
