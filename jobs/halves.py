"""Folders for files that are not whole yet: gone with whoever fills them, or else with the next one."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = ".passbell-"


@contextmanager
def half_folder(parent: Path) -> Iterator[Path]:
    """An empty folder (0700) under `parent`, gone in the end. Raises OSError.

    It is locked as long as its process lives, so that what a killed one left is known, and taken away here.
    """
    _sweep(parent)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        held = _locked(folder)
        if held is not None and folder.exists():
            break
        _release(held)  # somebody swept before it was locked
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _release(held)


def _sweep(parent: Path) -> None:
    """Take away the folders of those who were killed."""
    for folder in parent.glob(f"{PREFIX}*"):
        if folder.is_dir() and not folder.is_symlink() and (held := _locked(folder)) is not None:
            shutil.rmtree(folder, ignore_errors=True)
            _release(held)


def _locked(folder: Path) -> int | None:
    """A handle that locks the folder; None where another process has it, or where it is not ours."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _release(handle: int | None) -> None:
    if handle is not None:
        os.close(handle)
