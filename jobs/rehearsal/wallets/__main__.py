"""The stand-ins and phones in the background of a home: `python -m jobs.rehearsal.wallets --home DIR ...`.

It returns once they listen, which then live in a process and a session of their own.
"""

from __future__ import annotations

import argparse
import gc
from pathlib import Path

from jobs.rehearsal import background, standing
from jobs.rehearsal.wallets.server import run


def main() -> None:
    """Exit 0 once they listen, 1 where they could not start."""
    parser = argparse.ArgumentParser(prog="jobs.rehearsal.wallets")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True, help="of APNs; the others take free ones")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--idle-exit", type=float, required=True)
    given = parser.parse_args()
    listening = background.detach()

    def ready(addresses: dict[str, str]) -> None:
        standing.leave_note(given.home, standing.WALLETS, **addresses)
        listening()

    def serve(port: int) -> None:
        run(given.home, port=port, seed=given.seed, ready=ready, idle_exit=given.idle_exit)

    gc.freeze()
    background.keep(serve, given.port, given.home, standing.WALLETS)


if __name__ == "__main__":
    main()
