"""Small files of the home, which anybody may have put anything in the place of."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

LARGEST = 8 * 1024**2
"""Bytes; nothing that is written there by a person, or remembered of one, comes near it."""


def read_small(path: Path) -> bytes:
    """The whole of an ordinary file. Raises OSError for all that cannot be read at once, a FIFO for one."""
    with open(path, "rb", opener=_at_once) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not an ordinary file", str(path))
        if found.st_size > LARGEST:
            raise OSError(errno.EFBIG, f"it is larger than {LARGEST // 1024**2} MiB", str(path))
        return file.read()


def _at_once(path: str, flags: int) -> int:
    """Opens without waiting for whoever might write into a FIFO."""
    return os.open(path, flags | os.O_NONBLOCK)
