"""The stand-in in the background of a home: `python -m jobs.rehearsal --home DIR ...`."""

from __future__ import annotations

import argparse
from pathlib import Path

from jobs.rehearsal import REHEARSAL_KEY, REHEARSAL_SECRET, standing
from jobs.rehearsal.server import run
from jobs.rehearsal.world import World
from store.errors import PassbellError


def main() -> None:
    """Take the wished port, or any free one where it is in use."""
    parser = argparse.ArgumentParser(prog="jobs.rehearsal")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--members", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--idle-exit", type=float, required=True)
    given = parser.parse_args()
    world = World(given.seed, given.members)

    def serve(port: int) -> None:
        run(
            world,
            port=port,
            api_key=REHEARSAL_KEY,
            api_secret=REHEARSAL_SECRET,
            ready=lambda url: standing.write_note(given.home, url),
            idle_exit=given.idle_exit,
        )

    try:
        serve(given.port)
    except PassbellError:
        serve(0)
    finally:
        standing.remove_note(given.home)


if __name__ == "__main__":
    main()
