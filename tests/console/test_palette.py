"""The palette: what is found by a few letters, and where it leads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.command import CommandList
from textual.pilot import Pilot
from textual.widgets import Select

from console.app import Console
from console.desk import Desk
from console.screens.blast import BlastScreen
from console.screens.compose import ComposeScreen
from console.screens.keys import KeysScreen
from console.screens.member import MemberScreen
from store.roles import why_not
from tests.console.conftest import seat
from tests.console.hands import settled, text_of, typed
from tests.console.steps import open_blast, press

pytestmark = pytest.mark.anyio

Make = Callable[[Desk], Console]
CANCELLED = 3


async def look_for(pilot: Pilot[Any], words: str) -> list[str]:
    """Type into the palette; what it offers, each with what it means."""
    await press(pilot, "ctrl+p")
    await typed(pilot, words)
    await settled(pilot)
    await pilot.app.workers.wait_for_complete()
    await settled(pilot)
    options = pilot.app.screen.query_one(CommandList).options
    return [str(option.prompt) for option in options]


async def take(pilot: Pilot[Any], words: str) -> None:
    """Type into the palette and take the first that it offers."""
    await look_for(pilot, words)
    await press(pilot, "enter")


async def test_it_leads_to_members_blasts_audiences_and_keys(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(100, 30)) as pilot:
        assert any("member: Ada Dupont" in one and "M-0010" in one for one in await look_for(pilot, "dupont"))
        await press(pilot, "escape")
        await take(pilot, "member: M-0010")
        assert isinstance(app.screen, MemberScreen)
        assert "Ada Dupont" in text_of(pilot)
        await press(pilot, "escape")
        await take(pilot, "mistake")
        assert isinstance(app.screen, BlastScreen)
        assert app.screen.blast_id == CANCELLED
        await take(pilot, "audience gold")
        assert isinstance(app.screen, ComposeScreen)
        assert "gold" in str(app.screen.query_one("#audience", Select).selection)
        await press(pilot, "escape")
        await take(pilot, "console keys")
        assert isinstance(app.screen, KeysScreen)


async def test_what_cannot_be_done_is_listed_with_its_reason(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await open_blast(pilot, CANCELLED)
        reason = app.screen.needs_sending()  # type: ignore[attr-defined]
        offered = await look_for(pilot, "blast pause")
        assert offered[0].startswith("blast: pause\n")
        assert f"Not now: {reason}" in offered[0]
        await press(pilot, "enter")
        assert [one.message for one in app._notifications] == [reason] != [""]


async def test_a_viewer_reads_why_the_palette_does_nothing(desk: Desk, console: Make) -> None:
    app = console(seat(desk.settings.home, **{"access.read_only": "true"}))
    async with app.run_test(size=(100, 30)) as pilot:
        offered = await look_for(pilot, "programs sync")
        assert f"Not now: {why_not('viewer', 'operator')}" in offered[0]


async def test_half_a_condition_finds_nobody_and_harms_nothing(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(100, 30)) as pilot:
        for words in ("where points >", "[/foo]"):
            await look_for(pilot, words)
            assert app.failure is None
            await press(pilot, "escape")
