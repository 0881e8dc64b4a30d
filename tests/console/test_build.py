"""Building a condition: rows and text that follow each other, rows written by keys and by mouse, presets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input, OptionList, Select, Static, TextArea

from console import clause_words
from console.app import Console
from console.desk import Desk
from console.screens.audiences import AudiencesScreen
from console.screens.build import BuildScreen
from console.screens.clause import ClauseScreen
from console.widgets.clauses import Clauses
from console.widgets.members import MemberSource
from jobs import audiences as verbs
from store import audiences, members
from store.audiences import Selection
from store.outline import Row, read, spell
from tests.console.hands import settled, text_of, typed
from tests.console.seed import ACTOR, CAFE
from tests.console.steps import said

pytestmark = pytest.mark.anyio
MakeConsole = Callable[[Desk], Console]

GROUPED = "points > 1000 AND (tier = 'gold' OR city IN ('Wien', 'Köln'))"
KEYS = {"enter", "tab", "down", "up", "home", "end", "shift+home", "shift+end", "delete", "escape"}


async def press(pilot: Pilot[Any], *steps: str) -> None:
    """Press keys on a screen at rest, and type words into what has the focus."""
    await settled(pilot)
    for step in steps:
        await (pilot.press(step) if step in KEYS or "ctrl+" in step else typed(pilot, step))
        await settled(pilot)


async def build(pilot: Pilot[Any], text: str = "") -> None:
    """Open the builder on a condition, with the rows in hand."""
    await press(pilot, "2", "n")
    pilot.app.screen.query_one("#way", Select).value = "where"
    await write(pilot, text)
    pilot.app.screen.query_one(Clauses).focus()
    await settled(pilot)


async def write(pilot: Pilot[Any], text: str) -> None:
    """Put a text in the place of what was written."""
    pilot.app.screen.query_one(TextArea).text = text
    await settled(pilot)


def text(pilot: Pilot[Any]) -> str:
    """The condition as the text has it."""
    return pilot.app.screen.query_one(TextArea).text


def lines(pilot: Pilot[Any]) -> list[str]:
    """The condition as the rows have it, with single spaces between their parts."""
    found = pilot.app.screen.query_one(Clauses)
    told = [str(found.get_option_at_index(place).prompt) for place in range(found.option_count)]
    return [one[: len(one) - len(one.lstrip())] + " ".join(one.split()) for one in told]


def title(pilot: Pilot[Any]) -> str:
    """How many members are said to be meant."""
    return str(pilot.app.screen.query_one("#members").border_title)


async def test_rows_and_text_follow_each_other(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(110, 30)) as pilot:
        await build(
            pilot,
            "points>1000 and (tier='gold' or not city='Wien') and updated_at < now() - interval '3 days'",
        )
        assert lines(pilot) == [
            "all of these",
            "  points is more than 1000",
            "  any of these",
            "    tier is gold",
            "    city not: = Wien",
            "  updated_at is before 3 days ago",
            "+ add a row",
        ]
        before = title(pilot)
        assert before.endswith(" members")
        assert text(pilot).startswith("points>1000 and (tier='gold'")  # typing stays as it was typed
        await press(pilot, "down", "down", "o")
        assert text(pilot) == (
            "points > 1000 AND (tier = 'gold' AND NOT city = 'Wien') "
            "AND updated_at < NOW() - INTERVAL '3 days'"
        )
        assert title(pilot) not in (before, "None")
        await press(pilot, "n", "down", "n", "down", "delete", "x")
        assert text(pilot) == "points > 1000 AND tier = 'gold'"
        assert lines(pilot) == [
            "all of these",
            "  points is more than 1000",
            "  tier is gold",
            "+ add a row",
        ]
        await press(pilot, "home", "enter")
        assert text(pilot) == "points > 1000 OR tier = 'gold'"
        await press(pilot, "x")
        assert (text(pilot), lines(pilot)) == ("", ["+ add a row"])
        assert "Nobody yet: write a condition." in text_of(pilot)
        await write(pilot, "points = -(-1400)")
        assert "this part can only be edited as text" in lines(pilot)[0]
        assert title(pilot) == "1 member"
        await write(pilot, "points >")
        assert app.screen.query_one(Clauses).disabled
        assert "^" in said(pilot, "#hint")
        await write(pilot, "points > 1000")
        assert not app.screen.query_one(Clauses).disabled
        assert lines(pilot)[1:] == ["  points is more than 1000", "+ add a row"]
    assert app.failure is None


async def test_a_row_is_written_by_keys(desk: Desk, console: MakeConsole) -> None:
    hostile = "[/foo] [@click=app.quit]"
    verbs.save(desk.database, CAFE, hostile, Selection("where", "points > 100"), actor=ACTOR)
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await build(pilot)
        await press(pilot, "a", "tie", "enter")
        assert app.screen.query_one("#field", Input).value == "tier"
        await press(pilot, "tab", "gol", "down", "enter", "enter")
        assert isinstance(app.screen, BuildScreen)
        assert text(pilot) == "tier = 'gold'"
        await press(pilot, "b", "points", "enter", "tab", "enter")
        assert said(pilot, "#trouble") == "Write a value: a number."
        await press(pilot, "abc", "enter")
        assert isinstance(app.screen, ClauseScreen)
        assert "cannot compare a number with a text" not in text_of(pilot)
        assert "^" in said(pilot, "#trouble")
        await press(pilot, "shift+home", "1400", "ctrl+s")
        assert text(pilot) == "tier = 'gold' OR points > 1400"
        await press(pilot, "end", "enter", "audience", "enter", "tab")
        assert hostile in text_of(pilot)
        await press(pilot, "[/f", "down", "enter", "enter")
        assert text(pilot) == f"tier = 'gold' OR points > 1400 OR in_audience('{hostile}')"
        await press(pilot, "home", "down", "enter")
        assert app.screen.query_one("#value", Input).value == "gold"
        app.screen.query_one("#choice", Select).value = 2
        await press(pilot, "end", ", silver", "enter")
        assert text(pilot).startswith("tier IN ('gold', 'silver') OR ")
        await press(pilot, "enter", "escape")
        assert text(pilot).startswith("tier IN ('gold', 'silver') OR ")
        count = title(pilot)
        app.screen.query_one("#name").focus()
        await typed(pilot, "made")
        await press(pilot, "tab", "for what", "ctrl+s")
        assert isinstance(app.screen, AudiencesScreen)
    with desk.database.read() as connection:
        kept = audiences.by_name(connection, CAFE, "made")
        assert f"{audiences.count(connection, CAFE, kept):,} members" == count
    assert (kept.description, spell(read(kept.expression or ""))) == ("for what", kept.expression)


async def test_a_row_is_written_by_mouse(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(120, 40)) as pilot:
        await build(pilot)
        await pilot.click(Clauses, offset=(3, 0))
        await settled(pilot)
        app.screen.query_one("#field", Input).value = "tier"
        await settled(pilot)
        app.screen.query_one("#value").focus()
        await settled(pilot)
        await pilot.click(OptionList, offset=(2, 2))
        await settled(pilot)
        await pilot.click("#use")
        await settled(pilot)
        assert text(pilot) == "tier = 'silver'"
        await pilot.click(Clauses, offset=(5, 1))
        await settled(pilot)
        assert app.screen.query_one("#value", Input).value == "silver"
        await pilot.click("#cancel")
        await settled(pilot)
        await write(pilot, "points > 5 AND tier = 'gold'")
        await pilot.click(Clauses, offset=(5, 0))
        await settled(pilot)
        assert lines(pilot)[0] == "any of these"
        assert isinstance(app.screen, BuildScreen)
        assert not app.screen.query(Button)


async def test_presets_and_an_audience_that_is_changed(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(110, 30)) as pilot:
        await press(pilot, "2", "n", "ctrl+t")
        assert "thank them" in text_of(pilot)
        await press(pilot, "down", "enter")
        assert text(pilot) == "points_balance > 500"
        await press(pilot, "ctrl+t", "down", "down", "enter")
        await press(pilot, "90210", "enter")
        assert "There is no field zip here." in said(pilot, "#trouble")
        await press(pilot, "escape", "ctrl+t", "end", "enter")
        assert text(pilot) == "points_balance > 500 AND last_message_at IS NULL"
        await write(pilot, "points >")
        await press(pilot, "ctrl+t", "enter")
        assert text(pilot) == "points >"
        assert "put it right before you add to it" in said(pilot, "#hint")
        await press(pilot, "escape")
        assert isinstance(app.screen, AudiencesScreen)
        await press(pilot, "down", "e")
        assert app.screen.query_one("#name", Input).value == "gold"
        assert lines(pilot)[1:3] == ["  tier is gold", "  points is more than 100"]
        app.screen.query_one("#about", Input).value = "the best [/x]"
        await write(pilot, "tier = 'gold'")
        await press(pilot, "ctrl+s", "tab", "enter")
        assert isinstance(app.screen, AudiencesScreen)
        await press(pilot, "down")
        assert "the best [/x]" in text_of(pilot)
    with desk.database.read() as connection:
        assert audiences.by_name(connection, CAFE, "gold").expression == "tier = 'gold'"


@pytest.fixture
def held_count(monkeypatch: pytest.MonkeyPatch) -> Event:
    """Counts of conditions with a price above 1,000 points wait for this."""
    go_on, count = Event(), members.count

    def slowly(*arguments: Any, condition: Any = None, **more: Any) -> int:
        if condition is not None and "1200.0" in str(
            condition.compile(compile_kwargs={"literal_binds": True})
        ):
            assert go_on.wait(20)
        return count(*arguments, condition=condition, **more)

    monkeypatch.setattr(members, "count", slowly)
    return go_on


async def until(pilot: Pilot[Any], words: str) -> None:
    """Wait until this is how the members are titled."""
    while words not in title(pilot):
        await pilot.pause()


async def test_a_count_that_takes_its_time_is_said_and_a_stale_one_dropped(
    desk: Desk, console: MakeConsole, held_count: Event
) -> None:
    app = console(desk)
    async with app.run_test(size=(110, 30)) as pilot:
        await build(pilot, "points > 1400")
        assert title(pilot) == "19 members"
        app.screen.query_one(TextArea).text = "points > 1200"
        await until(pilot, "counting … (19 before)")
        app.screen.query_one(TextArea).text = "points > 1450"
        await until(pilot, "9 members")
        held_count.set()
        await settled(pilot)
        assert title(pilot) == "9 members"


def test_words_of_a_row() -> None:
    for expression, kind, words, values in (
        ("tier = 'it''s'", "text", "is", "it's"),
        ("points <= 5", "number", "is at most", "5"),
        ("created_at >= NOW() + INTERVAL '14 days'", "moment", "is not before", "in 14 days"),
        ("zip IS NOT NULL", "any", "has a value", ""),
        ("vip = FALSE", "boolean", "is false", ""),
        ("vip IS NOT TRUE", "boolean", "not: is true", ""),
        ("NOT points > 5", "number", "not: >", "5"),
    ):
        (row,) = read(expression).parts
        assert isinstance(row, Row)
        choice = clause_words.choice_of(row, kind)
        assert choice.words == words
        if choice.takes:
            assert clause_words.shown(row.values[0]) == values
    spelled = clause_words.spelled
    assert spelled("it's", "text", "=") == "'it''s'"
    assert spelled("01234", "any", "=") == "'01234'"
    assert spelled("5", "any", ">") == "5"
    assert spelled("5", "any", "=", before="5") == "5"
    assert spelled("2 Weeks ago", "moment", "<") == "NOW() - INTERVAL '2 weeks'"
    assert spelled("in 1 day", "date", "<") == "NOW() + INTERVAL '1 days'"
    assert spelled("now", "moment", "<") == "NOW()"
    assert spelled("2026-01-31", "date", "=") == "'2026-01-31'"
    assert spelled("' or 1=1 --", "number", "=") == "' or 1=1 --"  # as wrong as it is, and said so
    assert clause_words.spelled_list("a, 'b, c',d''", "text") == ("'a'", "'b, c'", "'d'''''")
    lists: tuple[tuple[str, ...], ...] = (("'a'", "'b, c'"), ("' x'", "''"), ("1", "2"), ("'it''s'",))
    for one in lists:
        assert clause_words.spelled_list(clause_words.shown_list(one), "text", one) == one


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_rows_look_as_they_did(
    desk: Desk, console: MakeConsole, snap_compare: Any, size: tuple[int, int]
) -> None:
    async def open_(pilot: Pilot[Any]) -> None:
        await build(pilot, GROUPED)

    assert snap_compare(console(desk), terminal_size=size, run_before=open_)


def test_an_empty_builder_looks_as_it_did(desk: Desk, console: MakeConsole, snap_compare: Any) -> None:
    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=build)


def test_counting_looks_as_it_did(
    desk: Desk, console: MakeConsole, snap_compare: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def for_ever(source: MemberSource, *_: object) -> int:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def open_(pilot: Pilot[Any]) -> None:
        await build(pilot, "points > 1400")
        monkeypatch.setattr(MemberSource, "count", for_ever)
        pilot.app.screen.query_one(TextArea).text = "points > 1200"
        await until(pilot, "counting")
        while not str(pilot.app.screen.query_one("#said", Static).content):
            await pilot.pause()

    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=open_)


def test_writing_a_row_looks_as_it_did(desk: Desk, console: MakeConsole, snap_compare: Any) -> None:
    async def open_(pilot: Pilot[Any]) -> None:
        await build(pilot, GROUPED)
        await press(pilot, "down", "down", "down", "enter", "home", "shift+end", "delete")

    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=open_)
