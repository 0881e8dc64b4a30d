"""What must hold while the engine runs: the rate over several workers, and a pause.

    python -m bench.control [limit] [pause] [--workers 4] [--seconds 60]

limit  several worker processes at 100 requests a second against the stand-in: the fullest window of one
       second, wherever it begins, and the average
pause  one worker at 1,000 messages a second against a static sink (nginx, whose log has the moment of each
       request): how long after the command the last request left
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

from bench.engine import middle, ready
from bench.house import House, fill, house, private, wait, workers
from bench.sink import Sink, sink
from jobs import blasts, plans, stage
from jobs.rehearsal import standing
from store import programs
from store.audiences import Selection

LIMIT = 100
MESSAGES = 1_000
REQUESTS_PER_MESSAGE = 2


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=["limit", "pause", []])
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    parts = given.parts or ["limit", "pause"]
    if "limit" in parts:
        limit(given.workers, given.seconds)
    if "pause" in parts:
        with sink() as static:
            times = [pause(static) for _ in range(given.rounds)]
        print(f"last request after a pause: {middle([one.after for one in times])} s")
        print(f"rate before it: {middle([one.rate for one in times], ',.0f')} messages/s")


def limit(count: int, seconds: int) -> None:
    """So many workers for so long, each as fast as it may."""
    with house(passkit__rate_per_second=LIMIT, rehearsal__members=LIMIT * seconds) as home:
        database, settings = home.database, home.settings
        stage.sync(database, settings, lambda _: None)
        blast_id = _everybody(home)
        stage.control(settings, "POST", "reset-stats")
        with workers(settings, count) as crew:
            wait("requests leave", lambda: _requests(home) > 0, crew)
            began = time.monotonic()
            wait("the time is over", lambda: time.monotonic() > began + seconds, crew)
            stats = stage.control(settings, "GET", "stats")
            took = time.monotonic() - began
            blasts.cancel(database, settings, blast_id, actor="bench")
        standing.stop(settings)
    print(f"{count} workers, {LIMIT}/s for {took:.0f} s: fullest second {stats['busiest_second']}, ", end="")
    print(f"average {stats['requests'] / took:.1f}/s")


def _everybody(home: House) -> int:
    with home.database.read() as connection:
        rows = programs.list_programs(connection, home.settings.account)
    biggest = max(rows, key=lambda row: row.members).program.id
    plan = plans.plan(
        home.database,
        home.settings,
        program=biggest,
        chosen=Selection("all"),
        text="Two for one",
        actor="bench",
    )
    return home.launch(plan)


def _requests(home: House) -> int:
    stats: dict[str, Any] = stage.control(home.settings, "GET", "stats")
    return int(stats["requests"])


@dataclass(frozen=True, slots=True)
class Pause:
    """How long after the command the last request was answered, and the rate in the second before it."""

    after: float
    rate: float


def pause(static: Sink) -> Pause:
    """Let it run at its rate for a while, and pause it."""
    with ready(static, "pyreqwest", "", rate=MESSAGES * REQUESTS_PER_MESSAGE) as home:
        fill(home, MESSAGES * 10)
        blast_id = home.launch(home.plan("Two for one"))
        with workers(home.settings) as crew:
            wait("it runs", lambda: home.states(blast_id)["accepted"] > 2 * MESSAGES, crew)
            at = time.time()
            blasts.pause(home.database, home.settings, blast_id, actor="bench")
            wait("all is settled", lambda: not home.states(blast_id)["sending"], crew)
        assert home.states(blast_id)["pending"] > 0
        moments = static.moments()
    before = sum(at - 1 < moment <= at for moment in moments)
    return Pause(max(moments) - at, before / REQUESTS_PER_MESSAGE)


if __name__ == "__main__":
    private()
    main()
