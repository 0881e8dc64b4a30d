"""The screen shows through under a window, and the words of help can be marked with the mouse."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.geometry import Offset
from textual.selection import Selection

from console.app import Console
from console.desk import Desk
from console.widgets.lines import Lines
from tests.console.hands import settled, text_of
from tests.console.steps import press

pytestmark = pytest.mark.anyio


async def test_a_screen_shows_through_under_help_and_its_words_can_be_copied(
    desk: Desk, console: Callable[[Desk], Console]
) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "question_mark")
        seen = text_of(pilot)
        assert "╭─ Help" in seen
        assert "passbell" in seen.split("Help")[0]
        lines = app.screen.query_one(Lines)
        app.screen.selections = {lines: Selection(Offset(0, 0), Offset(4, 1))}
        assert app.screen.get_selected_text() == "Programs\n  / "
        await settled(pilot)
