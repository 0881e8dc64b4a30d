"""Names that the system gives, as the store can keep them: they may be bytes that are no text."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def file_name(path: Path) -> str:
    """A file's name without its folder."""
    return _as_text(path.name)


def host_name() -> str:
    """This machine's name. It stands in logs, too: nothing in it moves a cursor there."""
    name = _as_text(socket.gethostname())
    return "".join(character if character.isprintable() else "\ufffd" for character in name)


def _as_text(name: str) -> str:
    return os.fsencode(name).decode(errors="replace")
