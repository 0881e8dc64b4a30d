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
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not an ordinary file", str(path))
        if found.st_size > LARGEST:
            raise OSError(errno.EFBIG, f"it is larger than {LARGEST // 1024**2} MiB", str(path))
        return file.read()
