"""How a stand-in goes into the background of a home."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from jobs.rehearsal import standing
from store.errors import PassbellError


def detach() -> Callable[[], None]:
    """Go on in a process and a session of its own; what this gives is to be called once that one listens.

    The process that was here ends then with 0, or with 1 where the other has ended before.
    """
    heard, said = os.pipe()
    if os.fork():
        os.close(said)
        sys.exit(0 if os.read(heard, 1) else 1)
    os.close(heard)
    os.setsid()

    def listening() -> None:
        os.write(said, b"1")

    return listening


def keep(serve: Callable[[int], None], port: int, home: Path, note: str) -> None:
    """Serve on the wished port, or on any free one where it is in use, and take the note away at the end."""
    try:
        serve(port)
    except PassbellError:
        serve(0)
    finally:
        standing.remove_note(home, note)
