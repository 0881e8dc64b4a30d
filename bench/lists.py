"""How long a list of a million rows takes: its first page, one far down, and its length, by order and filter.

    python -m bench.lists [--rows 1000000] [--store sqlite | postgres]

One program of generated members, each with a pass, and one blast with a delivery to each. A line has
milliseconds, the better of two: the first page in that order; the first page far down, for which the order of
all rows is read and held; and the last page after that. Then for each filter: the count, and the first page.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from bench.house import fresh_store, private
from store import deliveries, members
from store.blast_lists import DELIVERY_COLUMNS
from store.database import Database
from store.member_list import COLUMNS
from store.schema import batches, blasts, passes
from store.schema import deliveries as table
from store.views import Held, View
from tests.store.crowd import NOW, fill_many, many

PAGE = 100
MEMBER_FILTERS = (
    *(("name", "ann"), ("tier", "gold"), ("tier", "=gold"), ("points", ">990"), ("points", "-")),
    *(
        ("pass", "issued"),
        ("wallet", "google"),
        ("updated_at", "<-30d"),
        ("email", "m77@"),
        ("status", "enr"),
    ),
)
DELIVERY_FILTERS = (
    *(("state", "failed"), ("reason", "time"), ("batch", "77"), ("attempts", ">1")),
    *(("member", "77"), ("accepted_at", "2026-11-21"), ("why", "answer")),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    given = parser.parse_args()
    with fresh_store(given.store) as database:
        fill_many(database, many(given.rows))
        blast_id = send(database)
        database.analyze(blasts, batches, table, passes)
        print(f"{given.rows:,} members on {given.store}, ms")
        measure(database, COLUMNS, MEMBER_FILTERS, members.page, members.count, "P1", given.rows)
        print(f"{given.rows:,} deliveries on {given.store}, ms")
        measure(
            database,
            DELIVERY_COLUMNS,
            DELIVERY_FILTERS,
            deliveries.page,
            deliveries.count,
            blast_id,
            given.rows,
        )


def send(database: Database) -> int:
    """A blast to every pass that is over: of a hundred deliveries one failed, of fifty one took two tries."""
    values: dict[str, Any] = {
        "account": "rehearsal",
        "program_id": "P1",
        "name": "all",
        "text": "Two for one",
    }
    values |= {"message_key": "news", "audience": "all", "state": "finished", "plan_hash": ""}
    rest = passes.c.id % 100
    with database.write() as connection:
        new = blasts.insert().values(id=2, **values, planned_at=NOW, started_at=NOW).returning(blasts.c.id)
        blast_id = int(connection.execute(new).scalar_one())
        columns = {
            "blast_id": sa.literal(blast_id),
            "pass_id": passes.c.id,
            "state": sa.case((rest == 0, "failed"), else_="accepted"),
            "reason": sa.case((rest == 0, "timeout")),
            "detail": sa.case((rest == 0, "no answer")),
            "verdict": sa.literal("alert"),
            "attempts": sa.case((rest % 50 == 0, 2), else_=1),
            "batch_id": passes.c.id // 200,
            "accepted_at": sa.case((rest != 0, sa.literal(NOW, table.c.accepted_at.type))),
        }
        connection.execute(table.insert().from_select(list(columns), sa.select(*columns.values())))
    return blast_id


def measure(
    database: Database,
    columns: Mapping[str, Any],
    filters: tuple[tuple[str, str], ...],
    page: Callable[..., Any],
    count: Callable[..., int],
    of: Any,
    rows: int,
) -> None:
    """A line for each order, and for each filter."""

    def took(ask: Callable[[sa.Connection], Any], times: int = 2) -> float:
        best = float("inf")
        for _ in range(times):
            with database.read() as connection:
                began = time.perf_counter()
                ask(connection)
                best = min(best, (time.perf_counter() - began) * 1_000)
        return best

    for key in ("", *columns):
        view, held = View(key), Held()
        first = took(lambda c, view=view: page(c, of, view=view))  # type: ignore[misc]
        far = took(
            lambda c, view=view, held=held: page(c, of, view=view, held=held, offset=rows // 2),  # type: ignore[misc]
            1,
        )
        last = took(
            lambda c, view=view, held=held: page(c, of, view=view, held=held, offset=rows - PAGE)  # type: ignore[misc]
        )
        print(f"{first:7.0f} {far:7.0f} {last:7.1f}  by {key or 'its own order'}")
    for key, typed in filters:
        view = View(filters=((key, typed),))
        with database.read() as connection:
            found = count(connection, of, view=view)
        counted = took(lambda c, view=view: count(c, of, view=view))  # type: ignore[misc]
        first = took(lambda c, view=view: page(c, of, view=view))  # type: ignore[misc]
        print(f"{counted:7.0f} {first:7.0f}          {key}={typed} ({found:,} rows)")


if __name__ == "__main__":
    private()
    main()
