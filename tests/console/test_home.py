"""Home: what it says of a store, where its lines lead, and how it begins with nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from textual.pilot import Pilot

from console.app import Console
from console.desk import Desk
from console.expiry import Weak
from console.screens.blast import BlastScreen
from console.screens.imports import ImportsScreen
from console.widgets.table import VirtualTable
from jobs import overview
from jobs.overview import URGENT, Overview
from store import audit, imports, ledger, programs
from store.database import Database
from store.programs import Program
from store.schema import batches, blasts, pacers, workers
from store.settings import load
from tests.cli.conftest import run
from tests.console.conftest import seat
from tests.console.hands import rows, settled, text_of
from tests.console.seed import ACTOR, CAFE, COUPONS, TICKETS, Clock, fill, stopped
from tests.console.steps import press, said

MakeConsole = Callable[[Desk], Console]

anyio = pytest.mark.anyio


def home(desk: Desk, **flags: str) -> Desk:
    """The same desk, where the console begins at home."""
    again = seat(desk.settings.home, **{"console.start": "home", **flags})
    again.__dict__["database"] = desk.database
    return again


def look(desk: Desk, **more: Any) -> Overview:
    with desk.database.read() as connection:
        return overview.look(connection, desk.settings, **more)


# What it says


def test_the_overview_says_what_the_ledger_says(
    current_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PASSBELL_PASSKIT__API_KEY", raising=False)
    settings = load(tmp_path, {"engine.undo_seconds": "0", "store.url": current_url})
    database, clock = Database(settings.store_url), Clock()
    with stopped(clock):
        fill(database, settings, clock)
        with database.read() as connection:
            found = overview.look(connection, settings)
            states = {one: ledger.tally(connection, one).states for one in range(1, 7)}
            newest = connection.execute(sa.select(sa.func.max(batches.c.settled_at))).scalar()
            assert newest is not None
    assert (found.mode, found.role, found.programs, found.blasts) == ("REHEARSAL", "admin", 3, 6)
    assert [(one.id, one.state) for one in found.running] == [(5, "running"), (4, "paused"), (2, "held")]
    assert {one.id: one.states for one in found.running} == {one: states[one] for one in (5, 4, 2)}
    assert found.today == states[1]["accepted"] + states[5]["accepted"]
    assert len(found.days) == 8
    assert [(one.kind, one.blast, one.program) for one in found.needs] == [
        ("held", 2, None),
        ("failed", 5, None),
        ("failed", 1, None),
        ("paused", 4, None),
        ("silent", None, CAFE),
        ("silent", None, COUPONS),
    ]
    (account,) = found.accounts
    assert (account.channel, account.whose, account.taken) == ("passkit", "stand-in", 0)
    assert account.last_accepted is not None
    assert account.last_accepted <= clock.at
    assert account.held.startswith("PassKit refused the key")
    json.dumps(found.as_json())
    database.close()


def test_today_is_compared_with_the_days_before(desk: Desk, clock: Clock) -> None:
    known: dict[Any, int] = {}
    today = look(desk, known=known).today
    assert today > 0
    clock.move(days=2)
    later = look(desk, known=known)
    assert (later.today, [day.accepted for day in later.days[-3:]]) == (0, [today, 0, 0])
    assert later.usual == today / 7
    assert len(known) >= 7  # days that are over are not asked again
    with desk.database.write() as connection:
        connection.execute(batches.update().values(accepted=0))
    assert look(desk, known=known).days[-3].accepted == today
    clock.move(days=7)
    assert look(desk).usual == 0


def test_pace_and_who_sends_are_those_of_the_last_batches(desk: Desk, clock: Clock) -> None:
    with desk.database.write() as connection:
        newest = connection.execute(sa.select(sa.func.max(batches.c.id))).scalar_one()
        one = sa.update(batches).where(batches.c.id == newest)
        at = clock.at - timedelta(seconds=10)
        connection.execute(one.values(claimed_at=at, settled_at=None, accepted=15, failed=5))
    found = look(desk)
    running = found.running[0]
    assert (running.id, running.per_second) == (5, 2.0)
    left = running.states["pending"] + running.states["sending"]
    assert running.seconds_left == left / 2
    assert found.workers[0].sends == (5,)
    clock.move(minutes=2)
    assert look(desk).running[0].per_second is None


def test_the_rate_that_is_taken_is_that_of_the_pacer(desk: Desk) -> None:
    with desk.database.write() as connection:
        from store.database import clock as store_clock

        at = store_clock(connection)
        state = {
            "free": [[at - 1, 20], [at + 0.9, 10]],
            "held": {"w": [[at + 9, 20]]},
            "debt": 0,
            "closed": 0.0,
        }
        connection.execute(pacers.insert().values(name="account:rehearsal", state=state))
    (account,) = look(desk).accounts
    assert (account.rate, account.taken, account.rests) == (50, 30, 0.0)


def test_what_needs_a_person_comes_by_urgency(desk: Desk, clock: Clock) -> None:
    with desk.database.write() as connection:
        connection.execute(sa.delete(workers))
        for id_, state in ((3, "missed"), (4, "scheduled")):
            values = {"state": state, "send_at": clock.at + timedelta(minutes=5)}
            connection.execute(blasts.update().where(blasts.c.id == id_).values(**values))
        import_id = imports.begin(connection, CAFE, "[/x] members.csv", {}, ACTOR)
        imports.finish(connection, import_id, {"rows": 20, "rejected": 12})
    weak = [Weak("Apple: expired", "it has expired", True), Weak("Google: 3 days left", "3 days", False)]
    found = look(desk, weak=weak)
    kinds = [need.kind for need in found.needs]
    assert kinds == sorted(kinds, key=URGENT.index)
    assert set(kinds) == set(URGENT) - {"waits", "paused"}
    assert found.needs[0].sentence.startswith("No worker is alive, and 2 blasts are due")
    assert "Import 1 of [/x] members.csv: 12 rows were not used." in [need.sentence for need in found.needs]


def test_own_passes_have_accounts_of_their_own(own_desk: Desk) -> None:
    found = look(own_desk)
    assert [one.channel for one in found.accounts] == ["passkit", "apple", "google"]
    assert all(one.last_accepted is not None for one in found.accounts)


def test_the_command_says_the_same(
    seeded: tuple[Path, Clock], clock: Clock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(seeded[0], tmp_path / "passbell.db")
    desk = seat(tmp_path)
    assert run("--home", tmp_path, "overview", "--json") == 0
    assert json.loads(capsys.readouterr().out) == look(desk).as_json()
    assert run("--home", tmp_path, "--set", "access.read_only=true", "overview") == 0
    told = capsys.readouterr().out
    assert "66 accepted; 0 a day in the seven days before" in told
    assert "held: Blast 2" in told
    desk.database.close()


# The screen


@anyio
async def test_each_line_leads_to_its_spot(desk: Desk, console: MakeConsole) -> None:
    with desk.database.write() as connection:
        import_id = imports.begin(connection, CAFE, "members.csv", {}, ACTOR)
        imports.finish(connection, import_id, {"rows": 20, "rejected": 12})
    app = console(home(desk))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert app.focused is app.screen.query_one("#needs")
        await press(pilot, "enter")
        assert isinstance(app.screen, BlastScreen)
        assert app.screen.blast_id == 2
        await press(pilot, "0", "end", "enter")
        assert isinstance(app.screen, ImportsScreen)
        await press(pilot, "escape", "0", "up", "enter")
        assert app.current_mode == "programs"
        assert app.screen.program_id == COUPONS  # type: ignore[attr-defined]
        await press(pilot, "0", "shift+tab", "enter")
        assert isinstance(app.screen, BlastScreen)
        assert app.screen.blast_id == 5
        await press(pilot, "0", "n")
        assert app.current_mode == "compose"


@anyio
async def test_what_is_no_matter_of_a_screen_is_said_in_full(desk: Desk, console: MakeConsole) -> None:
    with desk.database.write() as connection:
        connection.execute(sa.delete(workers))
    app = console(home(desk))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await press(pilot, "enter")
        assert app.current_mode == "home"
        (told,) = app._notifications
        assert "start one with `passbell worker`" in told.message


@anyio
async def test_it_follows_the_store_and_keeps_the_cursor(
    desk: Desk, console: MakeConsole, clock: Clock
) -> None:
    app = console(home(desk))
    async with app.run_test(size=(100, 30)) as pilot:
        await press(pilot, "down", "down")
        table = app.screen.query_one("#needs", VirtualTable)
        assert table.cursor_key[:2] == ("failed", 1)
        with desk.database.write() as connection:
            ledger.step(connection, 2, "running", at=clock.at)
            connection.execute(sa.delete(workers))
        app.screen.look_again()  # type: ignore[attr-defined]
        await settled(pilot)
        kinds = [key[0] for key in rows(pilot, "#needs")]
        assert kinds == ["no_worker", "failed", "failed", "paused", "silent", "silent"]
        assert table.cursor_key[:2] == ("failed", 1)
        assert "none is alive: nothing is sent" in said(pilot, "#glance")


@anyio
async def test_the_first_day_teaches_three_steps(bare_desk: Desk, console: MakeConsole) -> None:
    app = console(home(bare_desk))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        text = text_of(pilot)
        for step in ("1  Press 1, then s", "2  Press 2", "3  Press 3"):
            assert step in text
        assert "REHEARSAL" in said(pilot, "#glance")
        with bare_desk.database.write() as connection:
            programs.upsert_program(
                connection, Program(TICKETS, "rehearsal", "ticket", "Jazz nights", (), None)
            )
        app.screen.look_again()  # type: ignore[attr-defined]
        await settled(pilot)
        assert "1  Press 1: your programs" in text_of(pilot)


@anyio
async def test_a_store_that_is_not_there_is_told_in_place(
    tmp_path: Path, console: MakeConsole, clock: Clock
) -> None:
    app = console(seat(tmp_path, **{"console.start": "home", "access.read_only": "true"}))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "there is no store" in " ".join(text_of(pilot).split())
        assert app.failure is None


@anyio
async def test_whose_accounts_they_are_is_said_where_it_is_live(
    live_desk: Desk, console: MakeConsole
) -> None:
    flags = {"passkit.api_key": "key", "passkit.api_secret": "s" * 32, "google.issuer": "3388000000022222222"}
    app = console(home(live_desk, **flags))
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot)
        text = said(pilot, "#glance")
        assert "LIVE  messages reach real phones: PassKit pub1, Google issuer 3388000000022222222" in text
        assert [key[0] for key in rows(pilot, "#needs")][:2] == ["held", "unusable"]
        with live_desk.database.read() as connection:
            assert audit.verify(connection)[1] is None


# How it looks


async def at_rest(pilot: Pilot[Any]) -> None:
    await settled(pilot)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_a_busy_home_looks_as_it_did(
    desk: Desk, console: MakeConsole, snap_compare: Any, size: tuple[int, int]
) -> None:
    assert snap_compare(console(home(desk)), terminal_size=size, run_before=at_rest)


def test_an_empty_home_looks_as_it_did(bare_desk: Desk, console: MakeConsole, snap_compare: Any) -> None:
    assert snap_compare(console(home(bare_desk)), terminal_size=(80, 24), run_before=at_rest)


def test_a_live_home_looks_as_it_did(live_desk: Desk, console: MakeConsole, snap_compare: Any) -> None:
    flags = {"passkit.api_key": "key", "passkit.api_secret": "s" * 32, "google.issuer": "3388000000022222222"}
    app = console(home(live_desk, **flags))
    assert snap_compare(app, terminal_size=(100, 30), run_before=at_rest)


def test_a_read_only_home_looks_as_it_did(desk: Desk, console: MakeConsole, snap_compare: Any) -> None:
    flags = {"access.read_only": "true", "console.ascii": "true", "console.theme": "textual-light"}
    assert snap_compare(console(home(desk, **flags)), terminal_size=(80, 24), run_before=at_rest)
