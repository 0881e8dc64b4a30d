"""Where the console begins: at a blast, at the screen that was left, or at home on the first day."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from console import places
from console.app import Console
from console.desk import Desk
from console.memory import Memory
from console.screens.blast import BlastScreen
from console.widgets.table import VirtualTable
from store.errors import Refused, UsageError
from store.schema import blasts
from tests.console.conftest import seat
from tests.console.hands import settled, text_of
from tests.console.seed import COUPONS
from tests.console.steps import press

pytestmark = pytest.mark.anyio

MakeConsole = Callable[[Desk], Console]


def at_last(desk: Desk, **flags: str) -> Desk:
    """The same desk, where the console begins as it was left."""
    again = seat(desk.settings.home, **{"console.start": "last", **flags})
    again.__dict__["database"] = desk.database
    return again


async def leave_and_return(desk: Desk, console: MakeConsole, *keys: str) -> tuple[str, Any]:
    """Press keys, leave, and sit down again; the mode then, and the screen."""
    app = console(at_last(desk))
    async with app.run_test(size=(100, 30)) as pilot:
        await press(pilot, *keys, "q")
    assert app.return_code == 0
    app = console(at_last(desk))
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        return app.current_mode, app.screen


async def test_the_first_day_begins_at_home(bare_desk: Desk, console: MakeConsole) -> None:
    app = console(at_last(bare_desk))
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        assert app.current_mode == "home"


async def test_the_screen_that_was_left_is_there_again(desk: Desk, console: MakeConsole) -> None:
    assert (await leave_and_return(desk, console, "5"))[0] == "audit"
    mode, screen = await leave_and_return(desk, console, "1", "down")
    assert (mode, screen.program_id) == ("programs", "7ticket00000000000000")
    mode, screen = await leave_and_return(desk, console, "4", "down", "enter", "question_mark", "escape")
    assert (mode, screen.blast_id) == ("blasts", 5)
    assert Memory(desk.memory_file).get("screen") == {"mode": "blasts", "blast": 5}


@pytest.mark.parametrize(
    ("left", "mode"),
    [
        ({"mode": "blasts", "blast": 99}, "blasts"),
        ({"mode": "blasts", "blast": "5"}, "blasts"),
        ({"mode": "blasts", "blast": 2**63}, "blasts"),
        ({"mode": "programs", "program": "gone"}, "programs"),
        ({"mode": "opening"}, "home"),
        ({"mode": ["x"]}, "home"),
        ([], "home"),
    ],
)
async def test_what_makes_no_sense_any_more_does_no_harm(
    desk: Desk, console: MakeConsole, left: Any, mode: str
) -> None:
    memory = Memory(desk.memory_file)
    memory.put("screen", left)
    memory.save()
    app = console(at_last(desk))
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settled(pilot)
        assert app.current_mode == mode
        assert len(app.screen_stack) == 1
        assert app.failure is None


async def test_a_screen_that_the_settings_name_goes_over_the_last_one(
    desk: Desk, console: MakeConsole
) -> None:
    app = console(at_last(desk, **{"console.start": "audiences"}))
    async with app.run_test(size=(100, 30)) as pilot:
        await press(pilot, "5")
        places.keep(app)
        await settled(pilot)
    app = console(at_last(desk, **{"console.start": "audiences"}))
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        assert app.current_mode == "audiences"
        assert app.memory.get("screen") == {"mode": "audiences"}


async def test_a_program_is_chosen_again(desk: Desk, console: MakeConsole) -> None:
    memory = Memory(desk.memory_file)
    memory.put("screen", {"mode": "programs", "program": COUPONS})
    memory.save()
    app = console(at_last(desk))
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        assert app.screen.program_id == COUPONS  # type: ignore[attr-defined]


async def test_a_blast_opens_at_once_with_its_failed_batches_first(desk: Desk) -> None:
    app = Console(desk, blast=5)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        assert isinstance(app.screen, BlastScreen)
        table = app.screen.query_one("#batches", VirtualTable)
        assert app.focused is table
        row = table.row_at(table.cursor_row)
        assert row is not None
        assert "! 1" in str(row[1][3])
        await press(pilot, "escape")
        assert app.current_mode == "blasts"


async def test_a_blast_that_there_is_not_ends_the_console_with_a_sentence(desk: Desk) -> None:
    app = Console(desk, blast=99)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
    assert isinstance(app.failure, UsageError)
    assert "there is no blast 99" in str(app.failure)
    assert app.return_code == 2


async def test_the_other_accounts_blast_is_not_opened(desk: Desk) -> None:
    with desk.database.write() as connection:
        connection.execute(blasts.update().where(blasts.c.id == 5).values(account="live"))
    app = Console(desk, blast=5)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
    assert isinstance(app.failure, Refused)
    assert "REHEARSAL" in str(app.failure)


async def test_the_settings_say_who_sits_here(desk: Desk, console: MakeConsole) -> None:
    for flags, word in (
        ({"access.read_only": "true"}, "read-only"),
        ({"access.role": "operator"}, "operator"),
        ({"access.role": "admin"}, ""),
    ):
        app = console(seat(desk.settings.home, **flags))
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(pilot)
            first = text_of(pilot).partition("\n")[0].split()
            assert (word in first) == bool(word)
            assert ("operator" in first or "read-only" in first) == bool(word)
        app.desk.database.close()
