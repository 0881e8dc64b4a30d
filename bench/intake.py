"""Seconds that an import of members takes, and its undo.

    python -m bench.intake [--rows 200000] [--bad 1] [--postgres]

The file has an id, four attributes and a time zone; of each hundred rows `--bad` name nobody. The bare figure
is Python's csv reader and one executemany into a fresh SQLite table: what the machine gives at the least.
"""

from __future__ import annotations

import argparse
import csv
import resource
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from bench.house import House, fill, house, postgres_url, private
from jobs.intake.imports import import_members
from jobs.intake.undo import undo

COLUMNS = ("external_id", "zip", "city", "segment", "visits", "time_zone")
ZONES = ("Europe/Vienna", "Europe/Berlin", "America/New_York")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--bad", type=int, default=1, help="of each hundred rows")
    parser.add_argument("--postgres", action="store_true")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(postgres_url()) if given.postgres else ""
        home = stack.enter_context(house(url))
        fill(home, given.rows)
        first, second = folder / "first.csv", folder / "second.csv"
        write(first, given.rows, given.bad, "a")
        write(second, given.rows, given.bad, "b")
        print(f"{given.rows:,} rows, {given.bad} % bad, on {home.database.dialect}")
        bare = timed("csv and executemany alone", lambda: copy(first, folder / "bare.db"))
        before = memory()
        for name, file in (("import of new values", first), ("import of changed values", second)):
            taken = timed(name, lambda file=file: bring(home, file))  # type: ignore[misc]
            print(f"  {taken / bare:.1f} times the bare figure")
        timed("dry run of the same", lambda: bring(home, second, dry_run=True))
        for number in (2, 1):
            timed(f"undo of import {number}", lambda number=number: take_back(home, number))  # type: ignore[misc]
        print(f"memory: {before:,.0f} MB before, {memory():,.0f} MB at the most")


def bring(home: House, file: Path, dry_run: bool = False) -> None:
    """Import a file, and look that all of it was taken."""
    settings = home.settings
    report = import_members(
        home.database, "P", file, account=settings.account, home=settings.home, dry_run=dry_run, actor="bench"
    )
    assert report.rows == report.new + report.changed + report.unchanged + report.rejected


def take_back(home: House, number: int) -> None:
    """Undo an import."""
    undo(home.database, number, account=home.settings.account, actor="bench")


def write(path: Path, rows: int, bad: int, mark: str) -> None:
    """A file as shops export them."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(_rows(rows, bad, mark))


def _rows(rows: int, bad: int, mark: str) -> Iterator[tuple[str, ...]]:
    for number in range(rows):
        name = f"M{number:07}" if number % 100 >= bad else f"X{number:07}"
        zone = ZONES[number % len(ZONES)]
        yield name, f"{number % 99999:05}", f"Graz {mark}", f"{mark}{number % 7}", str(number % 40), zone


def copy(source: Path, target: Path) -> None:
    """What cannot be undercut: read the file and write its cells."""
    connection = sqlite3.connect(target)
    connection.execute(f"CREATE TABLE rows ({', '.join(f'{name} TEXT' for name in COLUMNS)})")
    with source.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        connection.executemany(f"INSERT INTO rows VALUES ({', '.join('?' * len(COLUMNS))})", reader)
    connection.commit()
    connection.close()


def timed(name: str, act: Callable[[], None]) -> float:
    """Do it, print the seconds, and give them back."""
    began, worked = time.perf_counter(), time.process_time()
    act()
    taken, worked = time.perf_counter() - began, time.process_time() - worked
    print(f"{name}: {taken:.2f} s, of which {worked:.2f} s at work in this process", flush=True)
    return taken


def memory() -> float:
    """The most memory this process has had so far, in MB (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


if __name__ == "__main__":
    private()
    main()
