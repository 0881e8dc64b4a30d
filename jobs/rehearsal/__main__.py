"""The stand-in in the background of a home: `python -m jobs.rehearsal --home DIR ...`.

It returns once the stand-in listens, which then lives in a process and a session of its own.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from jobs.rehearsal import REHEARSAL_KEY, REHEARSAL_SECRET, standing
from jobs.rehearsal.server import run
from jobs.rehearsal.world import World
from store.errors import PassbellError


def main() -> None:
    """Exit 0 once it listens, 1 where it could not start."""
    parser = argparse.ArgumentParser(prog="jobs.rehearsal")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--members", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--idle-exit", type=float, required=True)
    parser.add_argument("--journal", type=Path, help="keep all changes there, for one that is killed")
    given = parser.parse_args()
    heard, said = os.pipe()
    if os.fork():
        os.close(said)
        sys.exit(0 if os.read(heard, 1) else 1)
    os.close(heard)
    os.setsid()
    _stand_in(given, lambda: os.write(said, b"1"))


def _stand_in(given: argparse.Namespace, tell: Callable[[], object]) -> None:
    """Serve on the wished port, or on any free one where it is in use."""
    world = World(given.seed, given.members)

    def ready(url: str) -> None:
        standing.write_note(given.home, url)
        tell()

    def serve(port: int) -> None:
        run(
            world,
            port=port,
            api_key=REHEARSAL_KEY,
            api_secret=REHEARSAL_SECRET,
            ready=ready,
            idle_exit=given.idle_exit,
            journal=given.journal,
        )

    try:
        serve(given.port)
    except PassbellError:
        serve(0)
    finally:
        standing.remove_note(given.home)


if __name__ == "__main__":
    main()
