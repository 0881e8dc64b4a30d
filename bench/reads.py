"""How long the console waits for a page while a worker runs flat out on the same SQLite file.

    python -m bench.reads [--passes 200000] [--seconds 20]

The worker sends into a static sink (nginx) at a rate that never binds. Twenty times a second this process
reads what a blast's screen reads: a page of its deliveries, a page of its batches, and its figures.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from bench.engine import ready
from bench.house import House, fill, private, wait, workers
from bench.sink import sink
from store import deliveries, ledger

EVERY = 0.05


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--passes", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=20)
    given = parser.parse_args()
    with sink() as static, ready(static, "pyreqwest", "") as home:
        fill(home, given.passes)
        blast_id = home.launch(home.plan("Two for one"))
        with workers(home.settings) as crew:
            wait("it runs", lambda: home.states(blast_id)["accepted"] > 1_000, crew)
            before = home.states(blast_id)["accepted"]
            times = measure(home, blast_id, given.seconds)
            sent = home.states(blast_id)["accepted"] - before
            assert home.state(blast_id) == "running"
    print(f"{given.passes:,} deliveries, {sent / given.seconds:,.0f} accepted/s meanwhile")
    for name, values in times.items():
        values.sort()
        p50, p99 = values[len(values) // 2], values[int(len(values) * 0.99)]
        told = ", ".join(f"{word} {value:.1f}" for word, value in (("p50", p50), ("p99", p99)))
        print(f"{name}: {told}, most {values[-1]:.1f} ms ({len(values)} reads)")


def measure(home: House, blast_id: int, seconds: float) -> dict[str, list[float]]:
    """Milliseconds of each read."""
    reads: dict[str, Callable[[Any], Any]] = {
        "page of deliveries": lambda c: deliveries.page(c, blast_id, limit=50),
        "page of batches": lambda c: deliveries.batch_page(c, blast_id, limit=50),
        "figures": lambda c: ledger.progress(c, blast_id),
    }
    times: dict[str, list[float]] = {name: [] for name in reads}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name, read in reads.items():
            began = time.perf_counter()
            with home.database.read() as connection:
                read(connection)
            times[name].append((time.perf_counter() - began) * 1_000)
        time.sleep(EVERY)
    return times


if __name__ == "__main__":
    private()
    main()
