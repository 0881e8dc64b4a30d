"""Compose and launch: the keys of a person, and what the store holds afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input, Select, TextArea

from console.app import Console
from console.desk import Desk
from console.screens import compose
from console.screens.blast import BlastScreen
from console.screens.compose import ComposeScreen
from console.screens.launch import LaunchScreen
from store import audiences, audit, ledger
from tests.console.hands import settled, text_of
from tests.console.seed import CAFE, HOSTILE
from tests.console.steps import press, said

pytestmark = pytest.mark.anyio

Make = Callable[[Desk], Console]
Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is asked without a pause for thought."""
    monkeypatch.setattr(compose, "PAUSE_SECONDS", 0.001)


async def write(pilot: Pilot[Any], text: str, *, audience: str | None = None) -> None:
    """Open Compose with a text for the café's members."""
    await pilot.app.open_compose(CAFE, audience)  # type: ignore[attr-defined]
    await settled(pilot)
    pilot.app.screen.query_one(TextArea).text = text
    await settled(pilot)


def drafted(text: str, *keys: str, audience: str | None = None) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """For a snapshot: write, then press keys."""

    async def steps(pilot: Pilot[Any]) -> None:
        await write(pilot, text, audience=audience)
        await press(pilot, *keys)

    return steps


def counts(desk: Desk, blast_id: int) -> dict[str, int]:
    with desk.database.read() as connection:
        return ledger.tally(connection, blast_id).counts


def state(desk: Desk, blast_id: int) -> str:
    with desk.database.read() as connection:
        return ledger.get(connection, blast_id).state


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_compose_looks_so(snap_compare: Compare, desk: Desk, console: Make, size: tuple[int, int]) -> None:
    steps = drafted("Hi {first_name|friend}, two cakes for one today 🎉", "escape", "n")
    assert snap_compare(console(desk), terminal_size=size, run_before=steps)


def test_a_wrong_text_looks_so(snap_compare: Compare, desk: Desk, console: Make) -> None:
    assert snap_compare(console(desk), run_before=drafted("Hi {frist_name}, [bold]come[/] by"))


def test_the_first_day_looks_so(snap_compare: Compare, bare_desk: Desk, console: Make) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await press(pilot, "3")

    assert snap_compare(console(bare_desk), run_before=steps)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_the_launch_looks_so(snap_compare: Compare, desk: Desk, console: Make, size: tuple[int, int]) -> None:
    steps = drafted("Two cakes for one", "ctrl+r")
    assert snap_compare(console(desk), terminal_size=size, run_before=steps)


def test_a_live_launch_looks_so(snap_compare: Compare, console: Make, live_desk: Desk) -> None:
    assert snap_compare(console(live_desk), run_before=drafted("Two cakes for one", "ctrl+r"))


async def test_typing_shows_the_lock_screen_and_the_counts(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(120, 40)) as pilot:
        await write(pilot, "Two cakes for one\nfor {first_name|you}")
        assert said(pilot, "#whose") == "For Ann [/foo] Lee  M-0000"
        assert said(pilot, "#said") == "Two cakes for one\nfor Ann"
        assert "158  at most get it, taking about 6 s" in said(pilot, "#figures")
        assert "9  opted out of messages" in said(pilot, "#figures")
        pilot.app.screen.query_one(TextArea).text = "Two cakes for one"
        await settled(pilot)
        assert "158  will get it, taking" in said(pilot, "#figures")
        assert said(pilot, "#length").startswith("17 of 500 characters")


async def test_stepping_through_members_stays_among_them(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await write(pilot, "Hi {name}", audience="gold")
        await press(pilot, "escape")
        first = said(pilot, "#whose")
        await press(pilot, "n")
        assert said(pilot, "#whose") != first
        await press(pilot, "p", "p")
        assert said(pilot, "#whose") == first
        await pilot.press(*["n"] * 20)
        await settled(pilot)
        assert said(pilot, "#whose").startswith("For ")


async def test_keys_are_letters_while_one_writes(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await write(pilot, "")
        await press(pilot, "n", "o", "4")
        assert pilot.app.screen.query_one(TextArea).text == "no4"
        await press(pilot, "escape", "4")
        assert not isinstance(pilot.app.screen, ComposeScreen)


async def test_a_predicate_is_counted_as_it_is_written(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(120, 40)) as pilot:
        await write(pilot, "Hello")
        pilot.app.screen.query_one("#audience", Select).value = "where"
        await settled(pilot)
        assert said(pilot, "#trouble").startswith("write who is meant")
        pilot.app.screen.query_one("#predicate", Input).value = "tier = 'gold' AND points >"
        await settled(pilot)
        assert said(pilot, "#trouble")
        assert pilot.app.screen.query_one("#plan", Button).disabled
        pilot.app.screen.query_one("#predicate", Input).value = "tier = 'gold'"
        await settled(pilot)
        assert said(pilot, "#trouble") == ""
        assert "will get it" in said(pilot, "#figures")


async def test_an_audience_that_is_gone_is_never_widened_to_all(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(120, 40)) as pilot:
        await write(pilot, "Hello", audience="gold")
        with desk.database.write() as connection:
            audiences.delete(connection, CAFE, "gold")
        await press(pilot, "escape", "4", "3")
        assert said(pilot, "#told") == "Choose an audience."
        assert pilot.app.screen.query_one("#plan", Button).disabled
        await press(pilot, "ctrl+r")
        assert isinstance(app.screen, ComposeScreen)


async def test_nothing_is_written_before_the_plan(desk: Desk, console: Make) -> None:
    with desk.database.read() as connection:
        before = len(ledger.list_blasts(connection, "rehearsal"))
    app = console(desk)
    async with app.run_test() as pilot:
        await write(pilot, "Hello")
        await press(pilot, "escape", "n", "n")
    with desk.database.read() as connection:
        assert len(ledger.list_blasts(connection, "rehearsal")) == before


async def test_enter_and_enter_again_sends_nothing(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await write(pilot, "Two cakes for one", audience="gold")
        await press(pilot, "ctrl+r")
        assert isinstance(app.screen, LaunchScreen)
        await press(pilot, "enter", "enter")
        assert not isinstance(app.screen, BlastScreen)
    assert state(desk, 7) == "planned"


async def test_a_large_count_has_to_be_typed(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await write(pilot, "Two cakes for one")
        await press(pilot, "ctrl+r")
        launch = app.screen.query_one("#launch", Button)
        assert launch.disabled
        assert "Type 158 to make sure (shift+tab to the field):  ___ " in text_of(pilot)
        await press(pilot, "shift+tab", "1", "5", "7")
        assert launch.disabled
        await press(pilot, "enter", "enter")
        assert state(desk, 7) == "planned"
        await press(pilot, "backspace", "8")
        assert not launch.disabled
        await press(pilot, "enter")
        assert state(desk, 7) == "planned"
        await press(pilot, "enter")
        assert isinstance(app.screen, BlastScreen)
        assert app.screen.blast_id == 7
    assert state(desk, 7) == "running"
    assert counts(desk, 7) | {"pending": 158} == counts(desk, 7)
    with desk.database.read() as connection:
        (newest, *_) = audit.page(connection, limit=1)
    assert (newest.act, newest.subject, newest.details["expect"]) == ("blast.launch", "7", 158)


async def test_no_toast_covers_the_question(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await write(pilot, "Two cakes for one")
        app.notify("The sync is done.", timeout=600)
        await settled(pilot)
        assert "The sync is done." in text_of(pilot)
        await press(pilot, "ctrl+r")
        assert isinstance(app.screen, LaunchScreen)
        assert "The sync is done." not in text_of(pilot)


async def test_a_small_one_needs_the_button_and_the_text_is_gone_after_it(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await write(pilot, "Two cakes for one", audience="gold")
        await press(pilot, "ctrl+r", "tab", "enter")
        assert state(desk, 7) == "running"
        await press(pilot, "3")
        assert pilot.app.screen.query_one(TextArea).text == ""


async def test_what_changed_since_the_question_is_not_launched(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await write(pilot, "Two cakes for one", audience="gold")
        await press(pilot, "ctrl+r")
        with desk.database.write() as connection:
            ledger.step(connection, 7, "cancelled", at=ledger.get(connection, 7).planned_at)
        await press(pilot, "tab", "enter")
        assert isinstance(app.screen, ComposeScreen)
    assert state(desk, 7) == "cancelled"


async def test_a_plan_that_is_refused_says_why_and_keeps_the_text(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(notifications=True) as pilot:
        await write(pilot, "   ")
        await press(pilot, "ctrl+r")
        assert isinstance(app.screen, ComposeScreen)
        assert any("the text is empty" in toast.message for toast in app._notifications)


async def test_hostile_names_and_texts_do_nothing_but_show(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        for text in (" ".join(HOSTILE), "[@click=app.quit]leave[/] [/foo]", "x" * 10_000, "\u202eabc"):
            await write(pilot, text)
            assert app.is_running
            assert isinstance(pilot.app.screen, ComposeScreen)
        await write(pilot, "[/foo] {name|[/]} [@click=app.quit]x[/]")
        await press(pilot, "escape", *["n"] * len(HOSTILE))
        await press(pilot, "ctrl+r")
        assert isinstance(pilot.app.screen, LaunchScreen)
        await press(pilot, "escape")
        pilot.app.screen.query_one("#program", Select).value = "5coupon00000000000000"
        await settled(pilot)
        assert "Winter [bold]coupons[/] [/x]" in said(pilot, "#sender")
