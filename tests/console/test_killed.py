"""The console killed at any moment, and two at once: no blast is harmed, and what is shown is the truth."""

from __future__ import annotations

import csv
import select
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from console.desk import Desk
from console.memory import Memory
from console.screens.draft import Draft
from jobs import audiences, blasts, plans
from store import audit, claims, ledger
from store.audiences import Selection
from store.database import Database
from store.migrations import migrate
from store.schema import deliveries, imports, members, workers
from store.settings import Settings, load
from store.times import now
from tests.console.seed import CAFE, Clock, add_members, add_programs, send
from tests.console.terminal import CTRL_R, CTRL_U, ENTER, ESCAPE, PATIENCE, TAB, Terminal


@pytest.mark.slow
def test_a_killed_console_harms_no_blast_and_the_next_shows_the_truth(
    tmp_path: Path, terminals: list[Terminal]
) -> None:
    (tmp_path / "passbell.toml").write_text("[console]\nstart_worker = false\n")
    settings = load(tmp_path, {"engine.undo_seconds": "0"})
    database, clock = Database(settings.store_url), Clock()
    clock.at = now()
    migrate(database)
    with database.write() as connection:
        add_programs(connection, settings.account)
    add_members(database, CAFE, 60)
    plan = plans.plan(
        database, settings, program=CAFE, chosen=Selection("all"), text="Cake for all", actor="ann"
    )
    expect = plan.tally.counts["pending"]

    def start() -> Terminal:
        terminals.append(Terminal(tmp_path))
        return terminals[-1]

    # On the first day it begins at home; killed there, with the blast launched behind its back.
    first = start()
    first.wait_for("NEEDS YOU", "REHEARSAL")
    blasts.launch(database, settings, plan.blast.id, expect=expect, actor="ann", ring=lambda _: None)
    first.wait_for("No worker is alive", "Cake for all")
    first.press("4")
    first.wait_for("ACCEPTED  FAILED")
    first.press("\r")
    first.wait_for(f"{expect:,} pending")
    until = time.monotonic() + PATIENCE
    while Memory(memory_of(tmp_path)).get("screen") != {"mode": "blasts", "blast": 1}:
        assert time.monotonic() < until
        select.select([], [], [], 0.05)
    first.kill()

    # A worker was in the middle of a batch: what it holds is neither lost nor sent by the console.
    clock.at = now()
    send(database, 1, clock, size=10)
    with database.write() as connection:
        claims.claim(
            connection, 1, worker="desk:1:abc", limit=5, lease_until=now(), at=now(), look=lambda *_: {}
        )
    with database.read() as connection:
        before = ledger.tally(connection, 1).counts
        assert before["planned"] == plan.tally.counts["planned"]
        assert audit.verify(connection)[1] is None
    assert before["sending"] == 5

    # It comes back on the very blast, with the figures of now; killed again while it draws.
    second = start()
    second.wait_for("Cake for all", f"{before['accepted']:,} accepted", "5 sending")
    second.kill()

    # Garbage where it remembered is told, and it begins at home with the truth.
    memory = memory_of(tmp_path)
    memory.write_bytes(memory.read_bytes()[:9])
    third = start()
    third.wait_for("forgotten", "NEEDS YOU", "! no worker", "Cake for all")
    third.kill()
    with database.read() as connection:
        assert ledger.tally(connection, 1).counts == before
        assert connection.execute(sa.select(sa.func.count()).select_from(workers)).scalar() == 0
        twice = sa.select(sa.func.count(), sa.func.count(sa.distinct(deliveries.c.pass_id)))
        assert len(set(connection.execute(twice).one())) == 1
    database.close()


def memory_of(home: Path) -> Path:
    """The memory of whoever runs the tests."""
    settings = load(home)
    return Desk(lambda: settings).memory_file


@dataclass
class Home:
    """A store without a worker; its consoles ask for every count, and wait before they send."""

    path: Path
    database: Database
    settings: Settings
    terminals: list[Terminal]

    def open(self, *words: str) -> Terminal:
        """One more console."""
        self.terminals.append(Terminal(self.path, *words))
        return self.terminals[-1]

    def remember(self, **kept: Any) -> None:
        """What the next console begins with."""
        memory = Memory(memory_of(self.path))
        for key, value in kept.items():
            memory.put(key.replace("_", "."), value)
        memory.save()

    def holds(self) -> dict[int, tuple[str, int, int]]:
        """The state of each blast, with how many wait and how many do not; the audit has to be whole."""
        with self.database.read() as connection:
            assert audit.verify(connection)[1] is None
            found = {}
            for one in ledger.list_blasts(connection, self.settings.account):
                counts = ledger.tally(connection, one.id).counts
                rest = counts["sending"] + counts["accepted"] + counts["failed"]
                assert counts["planned"] == counts["pending"] + counts["skipped"] + rest
                found[one.id] = one.state, counts["pending"], rest
            return found


@pytest.fixture
def home(tmp_path: Path, terminals: list[Terminal]) -> Iterator[Home]:
    (tmp_path / "passbell.toml").write_text(
        "[console]\nstart_worker = false\ntype_count_from = 1\n[engine]\nundo_seconds = 60\n"
    )
    settings = load(tmp_path, {})
    database = Database(settings.store_url)
    migrate(database)
    with database.write() as connection:
        add_programs(connection, settings.account)
    add_members(database, CAFE, 60)
    yield Home(tmp_path, database, settings, terminals)
    database.close()


def count_members(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(members)).scalar_one())


ENDS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)
LONG = (
    "WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted LIMIT 2000000) "
    "SELECT max(n) AS n FROM counted"
)
SLOW = {
    "deliveries": "NEW.pass_id = 30",
    "audit": "NEW.act = 'list.export'",
    "import_changes": "NEW.member_id = 30",
}
"""Rows that take a second to be written, so that a few members are enough to be caught in the middle: a plan
has half of its deliveries then, an export's file is whole and has no name yet, and an import has changed its
members and noted half of them."""


@contextmanager
def slow_store(home: Home) -> Iterator[sqlite3.Connection]:
    """A connection that never waits, to a store that is slow meanwhile."""
    connection = sqlite3.connect(home.database.url.database or "", timeout=0, isolation_level=None)
    connection.execute(f"CREATE VIEW long AS {LONG}")
    for table, when in SLOW.items():
        does = f"BEFORE INSERT ON {table} WHEN {when} BEGIN SELECT n FROM long; END"
        connection.execute(f"CREATE TRIGGER slow_{table} {does}")
    yield connection
    for table in SLOW:
        connection.execute(f"DROP TRIGGER slow_{table}")
    connection.execute("DROP VIEW long")
    connection.close()


def is_written(connection: sqlite3.Connection) -> bool:
    """Whether somebody is in the middle of a transaction that writes."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return True
    connection.execute("ROLLBACK")
    return False


@pytest.mark.slow
def test_killed_on_the_way_to_a_blast(home: Home) -> None:
    """While it plans, with the launch asked for, within the undo window: each end, and what is there then."""
    draft = Draft(CAFE, "all", "", "Hello {first_name|friend}", "marketing", "").as_json()
    home.remember(screen={"mode": "compose"}, compose_draft=draft)
    with slow_store(home) as store:
        for number in (signal.SIGKILL, signal.SIGTERM):
            planning = start_plan(home, store)
            end(planning, number)
            assert home.holds() == {}
        asked = start_plan(home, store)
        asked.send(ESCAPE)
        asked.wait_for("Stopped: nothing was planned.")
        assert home.holds() == {}
    asked.press(CTRL_R)
    asked.wait_for("to make sure")
    asked.hang_up()
    ((state, count, gone),) = home.holds().values()
    assert (state, gone) == ("planned", 0)

    undo = home.open("console", "--blast", "1")
    undo.wait_for("PLANNED", f"{count:,} pending")
    undo.press("l")
    undo.wait_for("to make sure")
    undo.press(*str(count), ENTER, ENTER)
    undo.wait_for("seconds until the first message leaves", "RUNNING")
    undo.kill()
    assert home.holds() == {1: ("running", count, 0)}

    again = home.open("console", "--blast", "1")
    again.wait_for("RUNNING", "seconds until the first message leaves", f"{count:,} pending")
    again.press("x")
    again.wait_for("Stopped. Nobody was messaged.", "CANCELLED")
    again.kill(signal.SIGINT)
    assert again.child.returncode == 0
    assert home.holds() == {1: ("cancelled", 0, 0)}


def start_plan(home: Home, store: sqlite3.Connection) -> Terminal:
    """A console in the middle of a plan."""
    planning = home.open()
    planning.wait_for("Plan and launch", "alert", "Hello")
    planning.send(CTRL_R)
    planning.wait_for("Asking the gate: ")
    planning.until("it writes", partial(is_written, store))
    return planning


@pytest.mark.slow
def test_two_consoles_at_once_do_opposite_things(home: Home) -> None:
    """The same plan launched twice is one launch; the last word counts; and each sees what the other did."""
    gold = audiences.save(home.database, CAFE, "gold", Selection("where", "tier = 'gold'"), actor="ann")
    plan = plans.plan(home.database, home.settings, program=CAFE, chosen=gold, text="Cake", actor="ann")
    count = plan.tally.counts["pending"]
    home.remember(compose_draft=Draft(CAFE, "saved:gold", "", "Tea", "marketing", "").as_json())
    one, other = both = [home.open("console", "--blast", "1") for _ in range(2)]
    for each in both:
        each.wait_for("PLANNED", f"{count:,} pending")
        each.press("l")
        each.wait_for("to make sure")
        each.press(*str(count), ENTER)
    for each in both:
        each.send(ENTER)
    for each in both:
        each.wait_for("RUNNING", "seconds until the first message leaves")
    assert acts(home).count("blast.launch") == 1

    one.press("p")
    other.wait_for("PAUSED")
    one.send("r")
    other.send("r")
    for each in both:
        each.wait_for("RUNNING")
    assert acts(home).count("blast.running") == 1
    other.send("p")
    one.send("x")
    one.until("it is cancelled, or asks", lambda: "CANCELLED" in one.shown or "for good?" in one.shown)
    if "for good?" in one.shown:  # the pause came first, and what is paused is not cancelled at a key
        one.press(TAB, ENTER)
    for each in both:
        each.wait_for("CANCELLED")
    assert home.holds() == {1: ("cancelled", 0, 0)}
    other.press("p")
    other.wait_for("it is cancelled")

    one.press("3")
    one.wait_for("Plan and launch", "gold", "alert")
    audiences.delete(home.database, CAFE, "gold", actor="bob")
    one.press(CTRL_R)
    one.wait_for("there is no audience gold in this program", "Tea")
    assert list(home.holds()) == [1]
    for each in both:
        each.kill(signal.SIGTERM)


def acts(home: Home) -> list[str]:
    """What the audit holds, the newest first."""
    with home.database.read() as connection:
        return [entry.act for entry in audit.page(connection, limit=100)]


@pytest.mark.slow
def test_killed_in_the_middle_of_an_export(home: Home) -> None:
    """There is a whole file, told in the audit, or there is none; and the next one takes the rest away."""
    folder = home.path / "out"
    folder.mkdir()
    with slow_store(home) as store:
        for number in ENDS:
            exporting = open_members(home)
            exporting.press("E", CTRL_U, str(folder / f"{number.name}.csv"))
            exporting.send(ENTER)
            exporting.until("it writes", partial(is_written, store))
            assert list(folder.glob(".*/*.csv")), "its rows are not there yet"
            assert not (folder / f"{number.name}.csv").exists(), "it has its name too early"
            end(exporting, number)
            check_files(home, folder)

    whole = open_members(home)
    whole.press("E", CTRL_U, str(folder / "whole.csv"), ENTER)
    whole.wait_for(f"{count_members(home.database):,} rows are in")
    whole.kill()
    check_files(home, folder)
    assert (folder / "whole.csv").exists()
    assert not list(folder.glob(".*")), "what the killed ones left"


def check_files(home: Home, folder: Path) -> None:
    """Each file has all members and stands in the audit, and nothing else does."""
    with home.database.read() as connection:
        entries = [one for one in audit.page(connection, limit=100) if one.act == "list.export"]
    assert {one.details["file"] for one in entries} == {file.name for file in folder.glob("*.csv")}
    for file in folder.glob("*.csv"):
        with file.open(encoding="utf-8", newline="") as lines:
            assert sum(1 for _ in csv.reader(lines)) == count_members(home.database) + 1


@pytest.mark.slow
def test_killed_in_the_middle_of_an_import(home: Home) -> None:
    """All of it or nothing: an import that stands in the list gave every member what the file says."""
    file = home.path / "shops.csv"
    with home.database.read() as connection:
        ids = connection.execute(sa.select(members.c.external_id)).scalars().all()
    file.write_text("external_id,shop\n" + "".join(f"{id_},Graz\n" for id_ in ids))
    with slow_store(home) as store:
        for number in ENDS:
            importing = open_members(home)
            importing.press("i")
            open_file(importing, file)
            importing.send(ENTER)
            importing.wait_for("Writing: ")
            assert is_written(store)
            end(importing, number)
            check_imports(home)

    again = open_members(home)
    again.press("i")
    again.wait_for("IMPORT")
    assert ("shops.csv" in again.shown) == bool(imported(home))
    open_file(again, file)
    again.send(ENTER)
    again.wait_for("Imported, as import")
    again.kill()
    assert imported(home)
    check_imports(home)


def open_members(home: Home) -> Terminal:
    """A console on the café's members."""
    home.remember(screen={"mode": "programs"})
    opened = home.open()
    opened.wait_for("Café Central")
    opened.press(ENTER)
    opened.wait_for("M-0002")
    return opened


def open_file(terminal: Terminal, file: Path) -> None:
    """Open a file to be imported, let it be read, and ask for the import: Enter begins it."""
    terminal.click("path of a CSV")
    terminal.press(str(file), ENTER)
    terminal.wait_for("Dry run")
    terminal.press("i")
    terminal.wait_for("All of it or nothing")
    terminal.press(TAB)


def end(terminal: Terminal, number: signal.Signals) -> None:
    """A signal; for a hang-up the terminal under it is closed."""
    if number is signal.SIGHUP:
        terminal.hang_up()
    else:
        terminal.kill(number)


def imported(home: Home) -> list[int]:
    """The imports that stand in the list."""
    with home.database.read() as connection:
        return list(connection.execute(sa.select(imports.c.id)).scalars())


def check_imports(home: Home) -> None:
    """Everybody has what the file says, or nobody has; the audit has an entry for each import."""
    with home.database.read() as connection:
        given = connection.execute(sa.select(members.c.attributes)).scalars()
        count = sum(1 for attributes in given if attributes.get("shop") == "Graz")
        entries = [one for one in audit.page(connection, limit=100) if one.act == "members.import"]
        assert audit.verify(connection)[1] is None
    assert count == (count_members(home.database) if imported(home) else 0)
    assert len(entries) == len(imported(home))
    assert not list(home.path.glob("intake-*"))


def test_who_is_not_told_of_the_hang_up_ends_all_the_same(tmp_path: Path, terminals: list[Terminal]) -> None:
    # As under `make` or `sudo`: they are told, and keep it to themselves.
    (tmp_path / "passbell.toml").write_text("[console]\nstart_worker = false\n")
    settings = load(tmp_path, {"engine.undo_seconds": "300"})
    database = Database(settings.store_url)
    migrate(database)
    with database.write() as connection:
        add_programs(connection, settings.account)
    add_members(database, CAFE, 5)
    plan = plans.plan(database, settings, program=CAFE, chosen=Selection("all"), text="Cake", actor="ann")
    expect = plan.tally.counts["pending"]
    blasts.launch(database, settings, plan.blast.id, expect=expect, actor="ann", ring=lambda _: None)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        terminals.append(Terminal(tmp_path, "console", "--blast", str(plan.blast.id)))
    finally:
        signal.signal(signal.SIGHUP, before)
    terminals[-1].wait_for("seconds until the first message leaves")  # drawn anew each second
    terminals[-1].hang_up()
    assert terminals[-1].child.returncode == 0
