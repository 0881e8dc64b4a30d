"""Imports on screen: what columns become, the dry run, the import, stopping it, and undoing it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import sqlalchemy as sa
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Select

from console import import_words as words
from console.app import Console
from console.desk import Desk
from console.screens.ask import Ask
from console.screens.import_file import ImportFileScreen
from console.screens.imports import ImportsScreen
from console.screens.programs import ProgramsScreen
from console.screens.target import TargetScreen
from console.widgets.job_bar import JobBar
from console.widgets.table import VirtualTable
from jobs.intake import imports as verbs
from jobs.intake.imports import ImportReport, import_members
from store import imports
from store.imports import Import
from store.schema import members
from tests.console.hands import rows, settled, text_of
from tests.console.seed import ACTOR, CAFE
from tests.console.steps import last_act, press, said

pytestmark = pytest.mark.anyio
MakeConsole = Callable[[Desk], Console]

FILE = """external id,Postal code,city,Time zone,Language,"[/x] notes\u202e",points
M-0000,01234,Graz,Europe/Vienna,de,"[@click=app.quit]me[/]",7
M-0001,00099,Linz,Europe/Vienna,de,,7
M-0002,1e5,Wels,,,,7
M-0001,1,Steyr,,,,
nobody [/x]\u202e,1,Graz,,,,
M-0070,1,Graz,Mars/Olympus,,,
M-0071
"""
EARLIER = "external id,zip\nM-0000,01000\nM-0001,00099\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where the person is, with a file that has a bit of everything."""
    here = tmp_path / "files"
    here.mkdir()
    (here / "customers.csv").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(here)
    return here


def bring(desk: Desk, text: str, name: str = "earlier.csv", **more: Any) -> ImportReport:
    """Import a file by the verb."""
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    settings = desk.settings
    given = {"account": settings.account, "home": settings.home, "dry_run": False, "actor": ACTOR} | more
    return import_members(desk.database, CAFE, path, **given)


def stored(desk: Desk) -> list[Any]:
    """All that files may change of the program's members."""
    columns = [members.c[name] for name in ("external_id", "imported", "attributes", "time_zone", "locale")]
    query = sa.select(*columns).where(members.c.program_id == CAFE).order_by(members.c.id)
    with desk.database.read() as connection:
        return [tuple(row) for row in connection.execute(query)]


def done(desk: Desk) -> list[Import]:
    """The imports of the program, the newest first."""
    with desk.database.read() as connection:
        return imports.list_all(connection, CAFE)


def columns(pilot: Pilot[Any]) -> dict[str, str]:
    """What each column becomes, and why, as the screen has it."""
    table = pilot.app.screen.query_one("#columns", VirtualTable)
    found = [table.row_at(place) for place in range(table.row_count)]
    return {row[0]: f"{row[1][2]}: {row[1][3]}" for row in found if row is not None}


async def open_file(pilot: Pilot[Any], name: str = "customers.csv") -> None:
    """From the programs to a file."""
    await press(pilot, "i")
    pilot.app.screen.query_one("#path", Input).value = name
    await press(pilot, "enter")


async def name(pilot: Pilot[Any], target: str) -> None:
    """Say what the column under the cursor becomes."""
    await press(pilot, "enter")
    assert isinstance(pilot.app.screen, TargetScreen)
    pilot.app.screen.query_one("#name", Input).value = target
    await press(pilot, "enter")


async def say_yes(pilot: Pilot[Any]) -> None:
    """Answer a question by keys."""
    assert isinstance(pilot.app.screen, Ask)
    await press(pilot, "tab", "enter")


async def test_a_home_that_nobody_has_is_told(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_file(pilot, "~no-such-user/customers.csv")
        assert "there is no such home" in said(pilot, "#trouble")


async def test_a_file_is_imported_and_undone_by_keys(desk: Desk, console: MakeConsole) -> None:
    before = stored(desk)
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_file(pilot)
        assert isinstance(app.screen, ImportFileScreen)
        assert columns(pilot)["external id"] == "the member's id: guessed"
        assert columns(pilot)["points"] == "nothing: guessed"
        assert "7 rows: 3 new, 4 rejected" in said(pilot, "#outcome")
        assert "nothing is changed yet" in said(pilot, "#outcome")
        assert stored(desk) == before
        await press(pilot, "tab", "end")
        assert "M-0071: 1 fields where the header has 7" in said(pilot, "#whole")
        await press(pilot, "up", "up")
        assert said(pilot, "#whole") == "nobody [/x]\\u202e: no member has this id"
        await press(pilot, "i")
        assert "3 members get other values." in text_of(pilot)
        await press(pilot, "enter")  # the harmless answer is in hand
        assert stored(desk) == before
        await press(pilot, "i")
        await say_yes(pilot)
        assert "Imported, as import 1." in said(pilot, "#outcome")
        assert stored(desk)[0][1]["Postal code"] == "01234"
        assert last_act(desk) == ("members.import", CAFE)
        await press(pilot, "i", "f", "enter")
        assert isinstance(app.screen, ImportFileScreen)  # it is done: nothing is to be changed any more
        await press(pilot, "escape")
        assert isinstance(app.screen, ImportsScreen)
        assert rows(pilot, "#imports") == [1]
        assert "Postal code; city; Time zone →\n" in said(pilot, "#told")
        await press(pilot, "escape", "u")
        assert "3 members become what they were before it." in text_of(pilot)
        await say_yes(pilot)
        assert stored(desk) == before
        assert last_act(desk) == ("members.undo", CAFE)
        assert "undone" in text_of(pilot)
        await press(pilot, "u")
        assert isinstance(app.screen, ImportsScreen)
        await press(pilot, "escape")
        assert isinstance(app.screen, ProgramsScreen)
    assert app.failure is None


async def test_a_column_becomes_what_is_said_and_that_is_remembered(desk: Desk, console: MakeConsole) -> None:
    bring(desk, EARLIER)
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_file(pilot)
        await press(pilot, "down")
        await name(pilot, "points")
        assert "holds 01234, 00099, 1e5, 1" in text_of(pilot)
        assert "the provider decides on that" in said(pilot, "#trouble")
        app.screen.query_one("#name", Input).value = ""
        await press(pilot, "z", "i", "down")
        offers = app.screen.query_one(OptionList)
        assert offers.option_count == 1
        assert "1% of the members have it" in str(offers.get_option_at_index(0).prompt)
        await press(pilot, "enter")
        assert columns(pilot)["Postal code"] == "attribute zip: you said so"
        assert "7 rows: 2 new, 1 changed, 4 rejected" in said(pilot, "#outcome")
        assert "zip: 01000 → 01234; " in text_of(pilot)
        await press(pilot, "down")
        await name(pilot, "zip")  # it moves from one column to the other
        assert columns(pilot)["city"] == "attribute zip: you said so"
        assert columns(pilot)["Postal code"] == "attribute Postal code: guessed"
        await name(pilot, "-")
        await press(pilot, "up")
        await name(pilot, "zip")
        assert columns(pilot)["city"] == "nothing: you said so"
        await press(pilot, "i")
        await say_yes(pilot)
        assert done(desk)[0].mapping["Postal code"] == "zip"
        await press(pilot, "escape")
        app.screen.query_one("#path", Input).focus()
        await press(pilot, "enter")
        assert columns(pilot)["Postal code"] == "attribute zip: as last time"
        assert "3 unchanged" in said(pilot, "#outcome")
        await press(pilot, "f")
        assert columns(pilot)["Postal code"] == "attribute Postal code: guessed"
    assert app.failure is None


async def test_what_cannot_be_read_is_said_and_can_be_put_right(
    desk: Desk, console: MakeConsole, folder: Path
) -> None:
    (folder / "odd\x1b[31m.csv").touch()
    (folder / "odd.csv").write_text("who,zip\n" + "".join(f"M-{n:04},{n}\n" for n in (1, 888, 999)))
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_file(pilot, "no[/x]where.csv")
        assert said(pilot, "#trouble") == "there is no file no[/x]where.csv"
        app.screen.query_one("#path", Input).value = ""
        await press(pilot, ".", "/", "o", "right")
        assert app.screen.query_one("#path", Input).value == "./odd.csv"
        await press(pilot, "enter")
        assert "no column holds ids of members" in said(pilot, "#outcome")
        assert columns(pilot)["who"] == "not decided: "
        await press(pilot, "i")
        assert isinstance(app.screen, ImportFileScreen)
        await name(pilot, "external_id")
        assert columns(pilot) == {"who": "the member's id: you said so", "zip": "attribute zip: guessed"}
        assert "3 rows: 1 new, 2 rejected" in said(pilot, "#outcome")
        await press(pilot, "w")
        await say_yes(pilot)
        assert (folder / "odd.rejects.csv").read_text().splitlines()[1] == "3,M-0888,no member has this id"
    assert app.failure is None


async def test_an_import_is_stopped_with_nothing_changed(
    desk: Desk, console: MakeConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By ctrl+c, and by leaving the screen; the real import waits at a report of its own."""
    before = stored(desk)
    at_report, go_on, ended = Event(), Event(), Event()

    def slowly(*given: Any, progress: Any, dry_run: bool, **named: Any) -> ImportReport:
        def report(doing: str, done: int, total: int) -> None:
            if doing == "writing" and not dry_run:
                at_report.set()
                assert go_on.wait(20)
            progress(doing, done, total)

        try:
            return import_members(*given, progress=report, dry_run=dry_run, **named)
        finally:
            if not dry_run:
                ended.set()

    monkeypatch.setattr(verbs, "import_members", slowly)
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_file(pilot)
        for leave in (True, False):
            for one in (at_report, go_on, ended):
                one.clear()
            await press(pilot, "i")
            await pilot.press("tab", "enter")
            assert await asyncio.to_thread(at_report.wait, 20)
            assert app.screen.query_one(JobBar).running
            if leave:
                await pilot.press("ctrl+c")
            else:
                await app.open_program(CAFE)
            go_on.set()
            assert await asyncio.to_thread(ended.wait, 20)
            await settled(pilot)
            assert (done(desk), stored(desk)) == ([], before)
            assert not list(desk.settings.home.glob("intake-*"))
            assert isinstance(app.screen, ImportFileScreen if leave else ProgramsScreen)
    assert app.failure is None


async def test_an_undo_that_has_to_wait_says_for_what(desk: Desk, console: MakeConsole) -> None:
    first, second = bring(desk, EARLIER), bring(desk, EARLIER.replace("01000", "02000"), "later.csv")
    assert (first.import_id, second.import_id) == (1, 2)
    app = console(desk)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await press(pilot, "i", "escape", "down", "u")
        assert isinstance(app.screen, ImportsScreen)
        assert "undo 2 first" in text_of(pilot)
    assert app.failure is None


async def test_all_of_it_by_mouse(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(100, 30)) as pilot:
        await open_file(pilot)
        await pilot.double_click("#columns", offset=(4, 2))
        await settled(pilot)
        assert isinstance(app.screen, TargetScreen)
        await pilot.click("#offers", offset=(3, 3))
        await settled(pilot)
        assert columns(pilot)["Postal code"] == "nothing: you said so"
        await press(pilot, "i")
        await pilot.click("#yes")
        await settled(pilot)
        assert [one.mapping["Postal code"] for one in done(desk)] == ["-"]
    assert app.failure is None


async def test_boarding_records_need_no_program(bare_desk: Desk, console: MakeConsole, folder: Path) -> None:
    header = "ticketNumber,ticketLeg,carrierCode,flightNumber,departureDate,boardingPoint,name,gate\n"
    (folder / "flight.csv").write_text(header + "125,1,BA,117,2026-12-01,LHR,Ada [/x],B4\n")
    app = console(bare_desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "i")
        assert "No programs yet" in text_of(pilot)
        app.screen.query_one("#path", Input).value = "flight.csv"
        await press(pilot, "enter")
        assert said(pilot, "#trouble") == "Choose the program first."
        app.screen.query_one("#program", Select).value = "flights"
        app.screen.query_one("#path", Input).focus()
        await press(pilot, "enter")
        assert columns(pilot)["name"] == "the name: guessed"
        assert "1 rows: 1 created" in said(pilot, "#outcome")
        await press(pilot, "i")
        assert "1 boarding records are made." in text_of(pilot)
        await say_yes(pilot)
        await press(pilot, "escape")
        assert rows(pilot, "#imports") == [1]
    assert app.failure is None


def test_a_long_mapping_is_told_in_part() -> None:
    told = words.mapping({"id": "external_id"} | {f"a{n}": "-" if n % 2 else f"b{n}" for n in range(40)})
    assert told.startswith("id → the member's id; a0 → b0; ")
    assert "; 11 more; left out: a1, a3, " in told
    assert told.endswith("a19, 10 more")


# How it looks


def test_imports_look_as_they_did(desk: Desk, console: MakeConsole, snap_compare: Any) -> None:
    bring(desk, EARLIER)
    bring(desk, FILE, "[bold] everything\u202e.csv")

    async def open_(pilot: Pilot[Any]) -> None:
        await press(pilot, "i", "escape")

    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=open_)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_a_file_looks_as_it_did(
    desk: Desk, console: MakeConsole, snap_compare: Any, size: tuple[int, int]
) -> None:
    bring(desk, EARLIER, chosen={"zip": "Postal code"})

    async def open_(pilot: Pilot[Any]) -> None:
        await open_file(pilot)
        await press(pilot, "down", "down")

    assert snap_compare(console(desk), terminal_size=size, run_before=open_)


def test_a_column_looks_as_it_did(desk: Desk, console: MakeConsole, snap_compare: Any) -> None:
    bring(desk, EARLIER)

    async def open_(pilot: Pilot[Any]) -> None:
        await open_file(pilot)
        await press(pilot, *(["down"] * 5), "enter")
        assert isinstance(pilot.app.screen, TargetScreen)

    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=open_)
