"""The stand-ins and phones in the background of a home: `python -m jobs.rehearsal.wallets --home DIR ...`.

It returns once they listen, which then live in a process and a session of their own.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path

from jobs.rehearsal import standing
from jobs.rehearsal.wallets.server import run
from store.errors import PassbellError


def main() -> None:
    """Exit 0 once they listen, 1 where they could not start."""
    parser = argparse.ArgumentParser(prog="jobs.rehearsal.wallets")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True, help="of APNs; the others take free ones")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--idle-exit", type=float, required=True)
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

    def ready(addresses: dict[str, str]) -> None:
        standing.leave_note(given.home, standing.WALLETS, **addresses)
        tell()

    def serve(port: int) -> None:
        run(given.home, port=port, seed=given.seed, ready=ready, idle_exit=given.idle_exit)

    gc.freeze()
    try:
        serve(given.port)
    except PassbellError:
        serve(0)
    finally:
        standing.remove_note(given.home, standing.WALLETS)


if __name__ == "__main__":
    main()
