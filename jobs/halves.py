"""Folders for files that are not whole yet: gone with whoever fills them, or else with the next one."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = ".passbell-half-"
OURS = re.compile(re.escape(PREFIX) + "[a-z0-9_]{8}")
"""As `mkdtemp` names them, and hardly anybody else."""


@contextmanager
def half_folder(parent: Path) -> Iterator[Path]:
    """An empty folder (0700) under `parent`, gone in the end. Raises OSError.

    It is locked as long as its process lives, so that what a killed one left is known, and taken away here.
    """
    _sweep(parent)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        try:
            held = _locked(folder)
        except OSError:  # no locks on this file system, such as NFS: so nobody sweeps there either
            held = None
            break
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
        if not OURS.fullmatch(folder.name):
            continue
        try:
            held = _locked(folder)
        except OSError:  # another user's, or no folder
            continue
        if held is not None:
            shutil.rmtree(folder, ignore_errors=True)
            _release(held)


def _locked(folder: Path) -> int | None:
    """A handle that locks the folder; None where another process has it, or took it away. Raises OSError."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError:
        os.close(handle)
        raise
    return handle


def _release(handle: int | None) -> None:
    if handle is not None:
        os.close(handle)
