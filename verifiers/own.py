"""Functions of the user's own, named FILE.py:FUNCTION: found, imported and checked before a run begins.

It is the user's code: it runs in this process with no deadline. The hash of its file stands for what it does,
so that changed code makes its results again; the hashes of modules that it imports do not count.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple


class Own(NamedTuple):
    name: str  # file and function, without the folder
    function: Callable[..., Any]
    source: str  # hash of the file


class _Unusable(Exception):
    """The file cannot be imported."""


def is_own(use: str) -> bool:
    """`use` names a user's function, not an id."""
    return ":" in use or use.endswith(".py")


def load_own(use: str, role: str, error: type[Exception], **example: Any) -> Own:
    """The function that `use` names, which must take `example` in this order.

    Raises `error` with what is wrong; `role` says what the function was to be, "verifier".
    """
    path, name = _split(use, role, error)
    source = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    try:
        module = _imported(str(path), source)
    except _Unusable as problem:
        raise error(f"{role} {path}: {problem}") from problem
    function = getattr(module, name, None)
    if not callable(function):
        names = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f" (it has {', '.join(names) or 'none'})"
        raise error(f"{role} {path}: no function {name!r}{hint}")
    _check_signature(f"{role} {path}: {name}", function, error, example)
    return Own(f"{path.name}:{name}", function, source)


def _split(use: str, role: str, error: type[Exception]) -> tuple[Path, str]:
    file, _, name = use.rpartition(":")
    if not file or not name.isidentifier():
        raise error(f"{role} {use!r}: write FILE.py:FUNCTION")
    path = Path(file).absolute()
    if not path.is_file():
        raise error(f"{role} {use!r}: there is no file {file}")
    return path, name


@lru_cache(64)
def _imported(path: str, source: str) -> ModuleType:
    """The module in the file whose bytes have this hash."""
    spec = importlib.util.spec_from_file_location(f"own_{source}", path)
    if spec is None or spec.loader is None:
        raise _Unusable("not a Python file (.py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    try:
        with _importable(str(Path(path).parent)):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as failure:  # whatever the user's file raises
        raise _Unusable(f"importing it failed: {type(failure).__name__}: {failure}") from failure
    return module


@contextmanager
def _importable(folder: str) -> Iterator[None]:
    """Modules beside the user's file can be imported by it, as when it is run as a script."""
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _check_signature(
    what: str, function: Callable[..., Any], error: type[Exception], example: dict[str, Any]
) -> None:
    arguments = f"({', '.join(example)})"
    if isinstance(function, type):
        raise error(f"{what} is a class; name a function of {arguments}")
    try:
        signature = inspect.signature(function)
    except ValueError:  # one made in C does not tell
        return
    try:
        signature.bind(*example.values())
    except TypeError as problem:
        raise error(f"{what}{signature} cannot be called with {arguments}: {problem}") from problem
