"""Programs: the list, its facts, the members under a live filter, one member, and a sync."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from console.app import Console
from console.desk import Desk
from console.screens.member import MemberScreen
from console.screens.programs import ProgramsScreen
from console.widgets.members import filtered
from console.widgets.sync_bar import SyncBar
from console.widgets.table import VirtualTable
from jobs.rehearsal import REHEARSAL_KEY, REHEARSAL_SECRET
from jobs.rehearsal.server import serve
from jobs.rehearsal.world import World
from store import audit, members, programs
from tests.console.conftest import seat
from tests.console.hands import rows, settled, shown, text_of, typed
from tests.console.seed import CAFE, add_members, add_programs, double_members
from tests.console.steps import press

pytestmark = pytest.mark.anyio
MakeConsole = Callable[[Desk], Console]


async def test_the_list_says_who_can_be_reached_and_what_keeps_phones_silent(
    desk: Desk, console: MakeConsole
) -> None:
    app = console(desk)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        text = text_of(pilot)
        assert "Café Central" in text
        assert "300       239 2 h ago" in text
        assert "Winter [bold]coupons[/] [/x]" in text
        assert "Base, Gold: can alert" in text
        assert "Silver [/s]: cannot alert: the lock-screen message lacks %@" in text
        assert "15 opted out" in text
        await pilot.press("down")
        await settled(pilot)
        assert "Never synced: press s to read its members." in text_of(pilot)
        await pilot.press("down")
        await settled(pilot)
        assert "Two for one: cannot alert: the message field is missing" in text_of(pilot)


async def test_the_filter_shows_only_who_matches(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await pilot.press("slash")
        await typed(pilot, "M-012\n")
        await settled(pilot)
        assert sorted(rows(pilot, "#members")) == [f"M-012{digit}" for digit in "0123456789"]
        assert "10 of 300 members" in text_of(pilot)
        await pilot.press("escape")
        await settled(pilot)
        await pilot.press("slash")
        await typed(pilot, "where tier = 'gold' AND points > 1400\n")
        await settled(pilot)
        assert sorted(rows(pilot, "#members")) == ["M-0282", "M-0285", "M-0288", "M-0291", "M-0294", "M-0297"]


async def test_a_wrong_condition_shows_its_place_and_leaves_the_rows(
    desk: Desk, console: MakeConsole
) -> None:
    app = console(desk)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        before = rows(pilot, "#members")
        await pilot.press("slash")
        app.screen.query_one("#filter", Input).value = "where pionts > 5"
        await pilot.press("enter")
        await settled(pilot)
        text = text_of(pilot)
        assert "there is no field pionts; did you mean points?" in text
        assert "^^^^^^" in text
        assert rows(pilot, "#members") == before
        assert app.screen.query_one("#right").border_title is None
        app.screen.query_one("#filter", Input).value = "[/foo]nobody"
        await pilot.press("slash", "enter")
        await settled(pilot)
        assert "No member matches." in text_of(pilot)
        app.screen.query_one("#filter", Input).value = "where pionts > 5"
        await pilot.press("slash", "enter")
        await settled(pilot)
        assert "No member matches." not in text_of(pilot)
        await pilot.press("escape")
        await settled(pilot)
        assert "300 members" in text_of(pilot)


async def test_nobody_matches_says_what_to_do(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await pilot.press("slash")
        await typed(pilot, "[/foo]nobody%_\n")
        await settled(pilot)
        assert "No member matches. Escape takes the filter away." in text_of(pilot)
        await pilot.press("escape")
        await settled(pilot)
        assert app.screen.query_one("#filter", Input).value == ""
        assert len(rows(pilot, "#members")) == 100


async def test_only_the_last_filter_is_asked_after_a_burst_of_keys(
    desk: Desk, console: MakeConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    ask = members.count

    def spy(connection: Any, program_id: str, **more: Any) -> int:
        asked.append(more["search"])
        return ask(connection, program_id, **more)

    app = console(desk)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        monkeypatch.setattr(members, "count", spy)
        # So long that a slow machine is no pause in typing; Enter does not wait for it.
        monkeypatch.setattr("console.widgets.program_members.DEBOUNCE", 600.0)
        await pilot.press("slash", *"bruno", "enter")
        await settled(pilot)
        assert asked == ["bruno"]


@pytest.mark.parametrize(
    ("words", "search", "predicate"),
    [
        ("ann", "ann", None),
        ("where points > 5", "", "points > 5"),
        ("WHERE: points > 5", "", "points > 5"),
        ("where", "", None),
        ("whereever", "whereever", None),
        ("  ", "", None),
    ],
)
def test_what_a_filters_words_mean(words: str, search: str, predicate: str | None, desk: Desk) -> None:
    source = filtered(Console(desk), CAFE, words)
    assert source._search == search
    assert (source._chosen.expression if source._chosen else None) == predicate


async def test_a_member_opens_with_all_that_is_known(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(200, 50)) as pilot:
        await settled(pilot)
        await pilot.press("slash", *"M-0002", "enter")
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(app.screen, MemberScreen)
        text = text_of(pilot)
        assert "bell\\x07 and \\x1b[31mred\\x1b]0;title\\x07" in text
        assert "[bold]Roma[/]" in text
        assert "m2@example.com" in text
        assert "Free refill today" in text
        await pilot.press("escape")
        assert isinstance(app.screen, ProgramsScreen)


async def test_hostile_members_and_programs_are_shown_inert(desk: Desk, console: MakeConsole) -> None:
    with desk.database.write() as connection:
        hostile = "[@click=app.quit]x[/] \x1b[31m\u202e" + "y" * 10_000
        program = programs.Program(CAFE, "rehearsal", "membership", hostile, ("x",))
        programs.upsert_program(connection, program)
        programs.replace_tiers(connection, CAFE, [programs.Tier("gold", hostile, None, "unknown")])
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for number in range(10):
            await pilot.press("slash", *f"M-{number:04}", "enter")
            await settled(pilot)
            await pilot.press("enter")
            await settled(pilot)
            assert not any(sign in "".join(shown(pilot)) for sign in "\x1b\x07\u202e")
            await pilot.press("escape", "escape")
            await settled(pilot)
        await pilot.press("ctrl+p", *"program", "enter")
        await settled(pilot)
    assert app.failure is None


async def test_the_first_day_says_what_to_do(bare_desk: Desk, console: MakeConsole) -> None:
    app = console(bare_desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "No programs yet. Press s to read them from the stand-in" in text_of(pilot)
        await pilot.press("slash", "m", "enter", "escape", "x")
        await settled(pilot)
        assert isinstance(app.screen, ProgramsScreen)


@pytest.mark.slow
async def test_a_hundred_thousand_members_are_filtered_a_page_at_a_time(
    bare_desk: Desk, console: MakeConsole
) -> None:
    with bare_desk.database.write() as connection:
        add_programs(connection, "rehearsal")
    add_members(bare_desk.database, CAFE, 6_250)
    for _ in range(4):
        double_members(bare_desk.database, CAFE)
    with bare_desk.database.read() as connection:
        assert members.count(connection, CAFE) == 100_000
    app = console(bare_desk)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await pilot.press("slash")
        await pilot.press(*"bruno", "enter")
        await settled(pilot)
        table = app.screen.query_one("#members", VirtualTable)
        assert table.row_count > 5_000
        assert len(table._pages) == 1


@asynccontextmanager
async def stand_in(home: Path, **faults: Any) -> AsyncIterator[Desk]:
    """A desk whose PassKit is a stand-in with a few members, on this loop."""
    found: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    serving = asyncio.create_task(
        serve(
            World(7, 40),
            port=0,
            api_key=REHEARSAL_KEY,
            api_secret=REHEARSAL_SECRET,
            ready=found.set_result,
            stop=stop,
        )
    )
    async with httpx.AsyncClient(trust_env=False) as control:
        (await control.put(f"{await found}/_rehearsal/faults", json=faults)).raise_for_status()
    desk = seat(home, **{"passkit.base_url": await found})
    try:
        yield desk
    finally:
        desk.database.close()
        stop.set()
        await serving


async def test_a_sync_reads_what_passkit_has(console: MakeConsole, tmp_path: Path) -> None:
    async with stand_in(tmp_path) as desk:
        app = console(desk)
        async with app.run_test(size=(100, 30), notifications=True) as pilot:
            await settled(pilot)
            await pilot.press("s")
            await settled(pilot)
            assert "Synced" in text_of(pilot)
            assert app.screen.query_one("#programs", VirtualTable).row_count >= 3
            assert rows(pilot, "#members")
            assert not app.screen.query_one(SyncBar).display
        with desk.database.read() as connection:
            assert [entry.act for entry in audit.page(connection)].count("sync") >= 3


async def test_a_sync_can_be_stopped_from_any_state_of_the_screen(
    console: MakeConsole, tmp_path: Path
) -> None:
    async with stand_in(tmp_path, hang=1.0) as desk:
        app = console(desk)
        async with app.run_test(size=(100, 30), notifications=True) as pilot:
            await settled(pilot)
            await pilot.press("s")
            await pilot.pause()
            bar = app.screen.query_one(SyncBar)
            assert bar.running
            assert "Asking PassKit" in text_of(pilot)
            await pilot.press("5", "1", "s", "x")
            await settled(pilot)
            assert not bar.running
            assert "Sync stopped" in text_of(pilot)


async def test_a_sync_that_fails_says_why(console: MakeConsole, tmp_path: Path) -> None:
    async with stand_in(tmp_path, revoked=True) as desk:
        app = console(desk)
        async with app.run_test(size=(100, 30), notifications=True) as pilot:
            await settled(pilot)
            await pilot.press("S")
            await settled(pilot)
            assert "PassKit refused the key" in text_of(pilot)
            assert not app.screen.query_one(SyncBar).display
            assert app.failure is None


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_programs_look_as_they_did(
    desk: Desk, console: MakeConsole, snap_compare: Any, size: tuple[int, int]
) -> None:
    assert snap_compare(console(desk), terminal_size=size, run_before=settled)


def test_the_first_day_looks_as_it_did(bare_desk: Desk, console: MakeConsole, snap_compare: Any) -> None:
    assert snap_compare(console(bare_desk), terminal_size=(80, 24), run_before=settled)


def test_a_wrong_condition_looks_as_it_did(desk: Desk, console: MakeConsole, snap_compare: Any) -> None:
    async def ask(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        pilot.app.screen.query_one("#filter", Input).value = "where points > gold"
        await pilot.press("slash", "enter")
        await settled(pilot)

    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=ask)


async def test_members_are_in_reach_on_a_low_screen(desk: Desk, console: Callable[[Desk], Console]) -> None:
    app = console(desk)
    async with app.run_test(size=(60, 16)) as pilot:
        for size in ((60, 16), (40, 10), (80, 24)):
            await pilot.resize_terminal(*size)
            await press(pilot, "enter", "end")
            table = app.screen.query_one("#members", VirtualTable)
            assert app.screen.region.contains_region(table.region), size
            assert "M-0299" in text_of(pilot), size
            await press(pilot, "escape")
