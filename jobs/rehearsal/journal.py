"""The journal of a stand-in: what was changed in its world, so that a killed one comes back the same."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from store.errors import PassbellError


class Entry(NamedTuple):
    """A change. `door` is a path of PassKit's, or a word for one behind the scenes; `at` the clock then."""

    at: float
    door: str
    body: str


class Journal:
    """A file with a line for each change. A line is with the kernel before the change is answered, so that
    a SIGKILL loses none; counts of requests are not kept."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            self._found = path.read_bytes()
        except OSError as error:
            raise PassbellError(f"the journal {path} cannot be used: {error.strerror}") from error
        # What a kill cut off in mid-line was not answered.
        os.ftruncate(self._file, self._found.rfind(b"\n") + 1)

    def entries(self) -> Iterator[Entry]:
        """What was noted before, in its order."""
        lines, self._found = self._found.split(b"\n")[:-1], b""
        for line in lines:
            yield Entry(*json.loads(line))

    def note(self, door: str, body: str, *, at: float) -> None:
        """Keep a change that was made."""
        os.write(self._file, json.dumps([at, door, body]).encode() + b"\n")

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)
