"""What is known of a program: its fields with their common values, and the rules it goes by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Select, Static

from console.app import Console
from console.desk import Desk
from console.screens.fields import FieldsScreen, bar, percent
from console.screens.form import Form
from console.screens.programs import ProgramsScreen
from console.widgets.table import VirtualTable
from jobs import rules as verbs
from store import rules
from store.schema import members
from tests.console.hands import rows, settled, shown, text_of
from tests.console.seed import ACTOR, CAFE
from tests.console.steps import last_act, press, said

pytestmark = pytest.mark.anyio
MakeConsole = Callable[[Desk], Console]


def own(desk: Desk) -> dict[str, Any]:
    """The rules that the program has of its own."""
    with desk.database.read() as connection:
        return {name: value for name, value in rules.own(connection, CAFE).items() if value is not None}


def answer(pilot: Pilot[Any], **answers: str) -> None:
    """Put texts into the fields of the page in front."""
    for name, text in answers.items():
        pilot.app.screen.query_one(f"#{name}", Input).value = text


def facts(pilot: Pilot[Any]) -> str:
    """What the programs say of the chosen one."""
    return str(pilot.app.screen.query_one("#facts", Static).content)


def test_a_bar_shows_what_is_not_nothing() -> None:
    assert (bar(0), bar(0.0001), bar(0.5), bar(0.56), bar(1)) == ("", "▏", "█" * 5, "█" * 5 + "▋", "█" * 10)
    assert [percent(share) for share in (0, 0.004, 0.34, 0.999, 1)] == [
        "0%",
        "<1%",
        "34%",
        ">99%",
        "100%",
    ]


async def test_fields_show_how_many_have_them_and_common_values(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(100, 30)) as pilot:
        await press(pilot, "f")
        assert isinstance(app.screen, FieldsScreen)
        assert "Café Central  25 fields, counted over 300 members just now" in text_of(pilot)
        assert rows(pilot, "#fields")[0] == "city"
        assert "300 of 300 members have a value (100%)" in said(pilot, "#field")
        assert "[bold]Roma[/]" in said(pilot, "#field")
        (city,) = (line for line in shown(pilot) if " attribute " in line)
        assert "██████████ 100% Köln, Wien, [bo" in city
        await press(pilot, "end")
        assert "Computed from what happened" in said(pilot, "#field")
        with desk.database.write() as connection:
            hostile = {"[/x]": "[@click=app.quit]", "long": "y" * 10_000, "ok": True}
            connection.execute(members.update().values(attributes=hostile))
        await press(pilot, "c")
        assert "27 fields, counted" in text_of(pilot)
        assert rows(pilot, "#fields")[:3] == ["[/x]", "long", "ok"]
        assert "300  ██████████  [@click=app.quit]" in said(pilot, "#field")
        await press(pilot, "down")
        assert "No values are shown" in said(pilot, "#field")
        await press(pilot, "down")
        assert "  yes" in said(pilot, "#field")
        await press(pilot, "escape")
        assert isinstance(app.screen, ProgramsScreen)


async def test_a_field_is_chosen_by_mouse(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(130, 40)) as pilot:
        await press(pilot, "f")
        place = rows(pilot, "#fields").index("tier")
        await pilot.click(VirtualTable, offset=(4, place + 1))
        await settled(pilot)
        assert "tier  text, of members" in said(pilot, "#field")
        assert "100" in said(pilot, "#field")


async def test_rules_of_a_program_are_shown_changed_and_taken_back(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settled(pilot)
        assert "Rules of the settings: unless withdrawn · no quiet hours · 15 min apart" in facts(pilot)
        await press(pilot, "r")
        answer(pilot, quiet_hours="21 to 8", most_a_week="2")
        await press(pilot, "ctrl+s")
        assert "quiet hours are written 21:00-08:00, none or default" in said(pilot, "#trouble")
        answer(pilot, quiet_hours="21:00-08:00", most_a_week="2000")
        await press(pilot, "ctrl+s")
        assert "most_a_week lies between 0 and 1000, not at 2000" in said(pilot, "#trouble")
        assert own(desk) == {}
        answer(pilot, most_a_week="2")
        app.screen.query_one("#consent", Select).value = "given"
        await press(pilot, "ctrl+s")
        assert own(desk) == {
            "consent": "given",
            "quiet_from": "21:00",
            "quiet_to": "08:00",
            "most_a_week": 2,
        }
        assert last_act(desk) == ("program.rules", CAFE)
        assert "Rules, 3 of its own: only with consent · quiet 21:00-08:00 · 2 a week" in facts(pilot)
        await press(pilot, "r")
        answer(pilot, quiet_hours="", most_a_week="default", pass_interval_minutes="0")
        await pilot.click("#yes")
        await settled(pilot)
        assert own(desk) == {"consent": "given", "pass_interval_minutes": 0}
        await press(pilot, "r", "escape")
        assert isinstance(app.screen, ProgramsScreen)
        await press(pilot, "end", "r")
        assert "REHEARSAL: what Winter [bold]coupons[/] [/x] allows" in text_of(pilot)


async def test_rules_need_a_program(bare_desk: Desk, console: MakeConsole) -> None:
    app = console(bare_desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "r", "f")
        assert isinstance(app.screen, ProgramsScreen)


def test_fields_look_so(desk: Desk, console: MakeConsole, snap_compare: Any) -> None:
    async def ask(pilot: Pilot[Any]) -> None:
        await press(pilot, "f")

    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=ask)


def test_rules_look_so(desk: Desk, console: MakeConsole, snap_compare: Any) -> None:
    changes = {"consent": "given", "quiet_from": "00:00", "quiet_to": "00:00", "most_a_day": 3}
    verbs.change(desk.database, desk.settings, CAFE, changes, actor=ACTOR)

    async def ask(pilot: Pilot[Any]) -> None:
        await press(pilot, "r")
        answer(pilot, most_a_week="[/x]")
        await press(pilot, "ctrl+s")
        assert isinstance(pilot.app.screen, Form)

    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=ask)
