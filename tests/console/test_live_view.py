"""A blast watched live: its speed, why messages failed, its batches as a strip, and the report of it all."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Digits

from console.app import Console
from console.desk import Desk
from console.screens.blast import BlastScreen
from console.screens.delivery import DeliveryScreen
from console.screens.incident import IncidentScreen
from console.screens.why import WhyScreen
from console.widgets.pace import PaceView
from console.widgets.reasons import Reasons
from console.widgets.strip import HEAD, Strip
from console.widgets.undo import Undo
from store.schema import workers as workers_table
from tests.console.hands import rows, settled, shown, text_of
from tests.console.seed import Clock
from tests.console.steps import blast, counts, open_blast, press, said
from tests.console.test_blast_control import fail_some, put

pytestmark = pytest.mark.anyio

Make = Callable[[Desk], Console]
Compare = Callable[..., bool]
FINISHED, HELD, CANCELLED, PAUSED, RUNNING, PLANNED = range(1, 7)


# How it looks


@pytest.mark.parametrize("key", ["s", "w", "i"])
def test_a_part_on_a_small_terminal_looks_so(
    snap_compare: Compare, desk: Desk, console: Make, key: str
) -> None:
    fail_some(desk)

    async def steps(pilot: Pilot[Any]) -> None:
        await open_blast(pilot, RUNNING)
        await press(pilot, key)

    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=steps)


def test_all_of_it_on_a_large_terminal_looks_so(snap_compare: Compare, desk: Desk, console: Make) -> None:
    fail_some(desk)

    async def steps(pilot: Pilot[Any]) -> None:
        await open_blast(pilot, RUNNING)

    assert snap_compare(console(desk), terminal_size=(200, 50), run_before=steps)


def test_the_undo_window_looks_so(snap_compare: Compare, desk: Desk, console: Make, clock: Clock) -> None:
    put(desk, PLANNED, state="running", started_at=clock.at, sends_from=clock.move(seconds=10))
    clock.move(seconds=-10)

    async def steps(pilot: Pilot[Any]) -> None:
        await open_blast(pilot, PLANNED)

    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=steps)


# What it tells, and where that leads


async def test_from_a_reason_to_its_deliveries_to_one_holder_to_why(desk: Desk, console: Make) -> None:
    fail_some(desk)
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_blast(pilot, RUNNING)
        await press(pilot, "s")
        told = str(app.screen.query_one(PaceView).render())
        assert "at most 20.0 passes a second" in told
        assert "p95 0.0 s" in told
        assert "13:25:05 CET" in told
        await press(pilot, "w")
        assert isinstance(app.focused, Reasons)
        first, *_ = [line for line in shown(pilot) if "━" in line and "internal error" in line]
        assert first.split()[1] == "11"
        await press(pilot, "down", "t")
        assert str(app.screen.query_one("#yes", Button).label) == "Retry 3"
        await press(pilot, "escape", "enter")
        assert said(pilot, "#section").startswith("Deliveries: failed: PassKit said: [bold]no")
        assert len(rows(pilot, "#deliveries")) == 3
        await press(pilot, "enter")
        assert isinstance(app.screen, DeliveryScreen)
        await press(pilot, "w")
        assert isinstance(app.screen, WhyScreen)
        await press(pilot, "escape", "escape", "escape")
        assert isinstance(app.screen, BlastScreen)
        assert app.screen.part == "batches"


async def test_a_mouse_finds_the_parts_and_the_worst_batches(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(200, 50)) as pilot:
        await open_blast(pilot, RUNNING)
        assert "3 claimed, 3 passes failed" in str(app.screen.query_one(Strip).render())
        await pilot.click(Strip, offset=(2 + len(HEAD) + 1, 0))
        await settled(pilot)
        assert said(pilot, "#section").startswith("Deliveries: batch 3")
        await pilot.click(Strip, offset=(150, 0))  # beside the cells there is no batch
        await pilot.click("Parts", offset=(5, 0))
        await settled(pilot)
        assert said(pilot, "#section").startswith("Batches")
        await pilot.click("Parts", offset=(28, 0))
        await settled(pilot)
        assert said(pilot, "#section").startswith("Why failed")
        assert app.screen.query_one(PaceView).region.height > 5  # a large terminal shows both


async def test_a_blast_that_was_never_claimed_says_so(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_blast(pilot, PLANNED)
        await press(pilot, "s")
        assert "the plot begins with the first batch" in text_of(pilot)
        await press(pilot, "w")
        assert "Nothing has failed." in text_of(pilot)
        assert not app.screen.query_one(Strip).display


# The undo window


async def test_the_window_ticks_by_itself_and_one_click_stops_it(
    desk: Desk, console: Make, clock: Clock
) -> None:
    ends = clock.move(seconds=10)
    clock.move(seconds=-10)
    put(desk, PLANNED, state="running", started_at=clock.at, sends_from=ends)
    app = console(desk)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await open_blast(pilot, PLANNED)
        assert app.screen.query_one(Digits).value == "10"
        clock.move(seconds=3)
        app.screen.query_one(Undo)._tick()  # what its timer does, without a look at the store
        assert app.screen.query_one(Digits).value == "7"
        await pilot.click("#stop")
        await settled(pilot)
        assert blast(desk, PLANNED).state == "cancelled"
        assert [toast.message for toast in app._notifications] == ["Stopped. Nobody was messaged."]
        assert not app.screen.query_one(Undo).display
    assert counts(desk, PLANNED)["accepted"] == 0


async def test_x_stops_it_before_the_screen_has_read_anything(
    desk: Desk, console: Make, clock: Clock
) -> None:
    ends = clock.move(seconds=10)
    clock.move(seconds=-10)
    put(desk, PLANNED, state="running", started_at=clock.at, sends_from=ends)
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await app.open_blast(PLANNED)
        assert isinstance(app.screen, BlastScreen)
        app.screen.standing = None
        assert app.screen.needs_sending() == "The blast is being read: press the key again in a moment."
        await pilot.press("x")
        await settled(pilot)
    assert blast(desk, PLANNED).state == "cancelled"


# The report


async def test_the_report_is_copied_and_written(desk: Desk, console: Make) -> None:
    fail_some(desk)
    app = console(desk)
    async with app.run_test(size=(120, 40)) as pilot:
        await open_blast(pilot, RUNNING)
        await press(pilot, "i")
        assert isinstance(app.screen, IncidentScreen)
        written: list[str] = []
        assert app._driver is not None
        app._driver.write = written.append  # type: ignore[method-assign, assignment]
        await press(pilot, "c")
        (sent,) = [one for one in written if one.startswith("\x1b]52;c;")]
        copied = base64.b64decode(sent.removeprefix("\x1b]52;c;").rstrip("\a\x1b\\")).decode()
        assert copied.startswith("# Blast 5: `Happy hour")
        assert "Copied" in said(pilot, "#told")
        await press(pilot, "s")
        (file,) = desk.settings.home.glob("blast-5-*.md")
        assert file.read_text(encoding="utf-8") == copied
        assert file.stat().st_mode & 0o777 == 0o600
        assert str(file.name) in said(pilot, "#told").replace("\n", "")
        await press(pilot, "escape")
        assert isinstance(app.screen, BlastScreen)


# The launch, by a mouse alone, and with digits typed at once


async def test_a_mouse_alone_names_the_count_and_launches(desk: Desk, console: Make) -> None:
    app = console(desk)
    desk.settings.console.type_count_from = 10
    count = counts(desk, PLANNED)["pending"]
    async with app.run_test(size=(80, 24)) as pilot:
        await open_blast(pilot, PLANNED)
        await press(pilot, "l")
        launch = app.screen.query_one("#launch", Button)
        await pilot.click("#launch")
        assert launch.disabled
        for digit in (*str(count), "9"):
            await pilot.click("#keypad", offset=(4 * "1234567890".index(digit) + 1, 0))
        assert launch.disabled
        await pilot.click("#keypad", offset=(3, 0))  # between two digits there is none
        await pilot.click("#keypad", offset=(41, 0))
        assert not launch.disabled
        assert blast(desk, PLANNED).state == "planned"
        await pilot.click("#launch")
        await settled(pilot)
        assert isinstance(app.screen, BlastScreen)
    assert blast(desk, PLANNED).state == "running"


async def test_digits_typed_at_once_go_to_the_count_and_a_hasty_enter_cancels(
    desk: Desk, console: Make
) -> None:
    app = console(desk)
    desk.settings.console.type_count_from = 10
    count = str(counts(desk, PLANNED)["pending"])
    async with app.run_test(size=(80, 24)) as pilot:
        await open_blast(pilot, PLANNED)
        await press(pilot, "l", "enter", "enter")
        assert isinstance(app.screen, BlastScreen)
        await press(pilot, "l", *count, "enter")
        assert blast(desk, PLANNED).state == "planned"
        assert app.focused is app.screen.query_one("#launch")
        await press(pilot, "enter")
        assert blast(desk, PLANNED).state == "running"


async def test_marked_deliveries_are_tried_again_and_no_others(desk: Desk, console: Make) -> None:
    fail_some(desk)
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_blast(pilot, RUNNING)
        await press(pilot, "w", "enter", "space", "down", "space", "t")
        assert str(app.screen.query_one("#yes", Button).label) == "Retry 2"
        await press(pilot, "tab", "enter")
    assert counts(desk, RUNNING)["failed"] == 14


def test_what_stands_in_the_way_looks_so(snap_compare: Compare, desk: Desk, console: Make) -> None:
    desk.settings.console.type_count_from = 10
    with desk.database.write() as connection:
        connection.execute(workers_table.delete())

    async def steps(pilot: Pilot[Any]) -> None:
        await open_blast(pilot, PLANNED)
        await press(pilot, "l", "7")

    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=steps)
