"""How long the members that a predicate means take to be counted, and the first of them to be found.

    python -m bench.segments [--members 1000000] [--store sqlite | postgres]

One program of generated members, each with a pass, a third of them messaged once. Each expression is asked
five times, as the console asks: it is read, its fields are learned, and the store is asked. A line has the
medians of count and sample, in milliseconds, and the count.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import sqlalchemy as sa

from bench.house import fresh_store, private
from store import audiences
from store.audiences import Selection
from store.database import Database
from tests.store.crowd import NOW, fill_many, many

TIMES = 5
EXPRESSIONS = (
    "last_updated < NOW() - INTERVAL '30 days' AND points_balance > 500 AND tier = 'gold'",
    "last_updated < NOW() - INTERVAL '30 days' AND points > 900 AND opted_out = FALSE",
    "points > 500 AND tier <> 'gold' AND birthday < '1970-01-01'",
    "points > 500 AND tier = 'gold' AND zip = '90210'",
    "points > 900 AND (tier = 'gold' OR zip = '90210') AND NOT opted_out",
    "points > 500 AND tier = 'gold' AND messages_30d = 0",
    "tier = 'gold' AND birthday_today() AND NOT opted_out",
    "points > 990 AND tier = 'gold' AND last_activity < NOW() - INTERVAL '90 days'",
    "last_updated < NOW() - INTERVAL '30 days'",
    "points_balance > 500",
    "zip = '90210'",
    "messages_30d = 0",
    "last_activity < NOW() - INTERVAL '90 days'",
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    given = parser.parse_args()
    with fresh_store(given.store) as database:
        fill_many(database, many(given.members))
        if given.store == "postgres":
            with database.write() as connection:
                connection.execute(sa.text("ANALYZE"))
        print(f"{given.members:,} members on {given.store}: count, sample in ms; members")
        for expression in EXPRESSIONS:
            count, sample, found = ask(database, Selection("where", expression))
            print(f"{count:7.0f} {sample:7.0f}  {found:9,}  {expression}")


def ask(database: Database, chosen: Selection) -> tuple[float, float, int]:
    """Milliseconds of a count and of a sample, and the count."""
    found = 0

    def count() -> None:
        nonlocal found
        with database.read() as connection:
            found = audiences.count(connection, "P1", chosen, NOW)

    def sample() -> None:
        with database.read() as connection:
            audiences.sample(connection, "P1", chosen, now=NOW)

    return median(count), median(sample), found


def median(work: Callable[[], None]) -> float:
    """Milliseconds."""
    times = []
    for _ in range(TIMES):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1_000)
    return statistics.median(times)


if __name__ == "__main__":
    private()
    main()
