"""What asks a person, in a terminal of 40 columns and 10 rows: each answer is seen, and can be clicked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input

from console.app import Console
from console.desk import Desk
from console.screens.ask import Ask
from console.screens.asking import Asking
from console.screens.blast import BlastScreen
from console.screens.blast_questions import MissedScreen, RateScreen, RetryScreen
from console.screens.form import Form
from console.screens.launch import LaunchScreen
from store.ledger import Blast
from tests.console.hands import text_of
from tests.console.seed import Clock
from tests.console.steps import blast, counts, open_blast, press
from tests.console.test_blast_control import PAUSED, PLANNED, RUNNING, put

pytestmark = pytest.mark.anyio

SMALL = (40, 10)


def is_seen(pilot: Pilot[Any], selector: str) -> bool:
    """Whether it lies on the screen with all of its rows, under nothing else."""
    screen = pilot.app.screen
    widget = screen.query_one(selector)
    corners = widget.region.offset, widget.region.bottom_right - (1, 1)
    return screen.region.contains_region(widget.region) and all(
        widget in screen.get_widget_at(*corner)[0].ancestors_with_self for corner in corners
    )


async def open_it(pilot: Pilot[Any], window: type[Asking[Any]], *keys: str) -> None:
    """Press the keys that open a window; all of its buttons are seen then, each with its words."""
    await press(pilot, *keys)
    screen = pilot.app.screen
    assert isinstance(screen, window)
    for button in screen.query(Button):
        if button.display:
            assert is_seen(pilot, f"#{button.id}"), text_of(pilot)
            assert str(button.label) in text_of(pilot)


async def click(pilot: Pilot[Any], selector: str) -> None:
    """Click it, and wait until all rests."""
    assert await pilot.click(selector)
    await press(pilot)


async def test_questions_are_answered_by_a_mouse_in_a_small_terminal(
    desk: Desk, console: Callable[[Desk], Console], clock: Clock
) -> None:
    put(desk, PAUSED, state="missed", send_at=clock.at - timedelta(hours=2))
    app = console(desk)
    async with app.run_test(size=SMALL) as pilot:
        await press(pilot, "1", "enter")
        await open_it(pilot, Form, "r")
        assert is_seen(pilot, "#consent")
        await press(pilot, *["tab"] * 5)
        field = app.focused
        assert isinstance(field, Input)
        assert is_seen(pilot, f"#{field.id}")
        assert field.size.width > 20
        await click(pilot, "#no")

        await open_blast(pilot, RUNNING)
        await open_it(pilot, RetryScreen, "t")
        await click(pilot, "#no")
        await open_it(pilot, RateScreen, "e")
        assert is_seen(pilot, "#rate")
        await press(pilot, "7")
        await click(pilot, "#yes")
        assert blast(desk, RUNNING).rate_per_second == 7
        await open_it(pilot, Ask, "x")
        await press(pilot, "tab", "tab", "end")  # what it says can be scrolled by keys, too
        assert app.focused is app.screen.query_one("#question")
        await click(pilot, "#yes")
        assert blast(desk, RUNNING).state == "cancelled"

        await open_blast(pilot, PAUSED)
        await open_it(pilot, MissedScreen, "l")
        await click(pilot, "#cancel")
        assert isinstance(app.screen, Ask)
        await click(pilot, "#yes")
        assert blast(desk, PAUSED).state == "cancelled"


async def test_a_count_is_clicked_and_launched_in_a_small_terminal(
    desk: Desk, console: Callable[[Desk], Console]
) -> None:
    desk.settings.console.type_count_from = 1
    count = counts(desk, PLANNED)["pending"]
    app = console(desk)
    async with app.run_test(size=SMALL) as pilot:
        await open_blast(pilot, PLANNED)
        await open_it(pilot, LaunchScreen, "l")
        assert is_seen(pilot, "#typed")
        assert is_seen(pilot, "#keypad")
        top = text_of(pilot)
        await press(pilot, "pagedown")
        assert text_of(pilot) != top, "what stands above scrolls"
        for digit in (*str(count), "9"):
            await pilot.click("#keypad", offset=(3 * "1234567890".index(digit), 0))
        await pilot.click("#keypad", offset=(30, 0))
        await press(pilot)
        assert app.screen.query_one("#typed", Input).value == str(count)
        await press(pilot, "tab", "tab", "tab")
        assert app.focused is app.screen.query_one("#at")
        assert is_seen(pilot, "#at")
        await click(pilot, "#launch")
        assert isinstance(app.screen, BlastScreen)
        launched: Blast = blast(desk, PLANNED)
        assert launched.state == "running"
