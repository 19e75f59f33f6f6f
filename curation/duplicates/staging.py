"""Files that appear in a folder together, once all of them are written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from store.errors import InputError
from store.files import write_error

FOLDER = ".unfinished"


@contextmanager
def appear_together(out: Path, names: Sequence[str], inputs: Sequence[Path]) -> Iterator[Path]:
    """An empty folder in `out`: what is written there under `names` is moved to `out` at the end.

    What a killed run left there is removed, and what it had moved already is replaced. Raises InputError
    where two names are one, a file of that name is in `out` already, or the folder cannot be made.
    """
    folder = out / FOLDER
    for k, name in enumerate(names):
        if name in names[:k]:
            raise InputError(f"{out}: two files to write are called {name}; rename one")
        is_input = any(path.resolve() == (out / name).resolve() for path in inputs)
        if (out / name).exists() and (is_input or not folder.exists()):
            raise InputError(f"{out / name}: exists; choose another folder")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    except OSError as error:
        raise write_error(out, error) from error
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder)
        raise
    for name in names:
        (out / name).parent.mkdir(exist_ok=True)
        os.replace(folder / name, out / name)
    shutil.rmtree(folder)
