"""The stand-in in the background of a home: `python -m jobs.rehearsal --home DIR ...`.

It returns once the stand-in listens, which then lives in a process and a session of its own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from jobs.rehearsal import REHEARSAL_KEY, REHEARSAL_SECRET, background, standing
from jobs.rehearsal.server import run
from jobs.rehearsal.world import World


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
    listening = background.detach()
    world = World(given.seed, given.members)

    def ready(url: str) -> None:
        standing.write_note(given.home, url)
        listening()

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

    background.keep(serve, given.port, given.home, standing.PASSKIT)


if __name__ == "__main__":
    main()
