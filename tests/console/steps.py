"""Keys pressed on a screen at rest, and what a widget says then."""

from __future__ import annotations

from typing import Any

from textual.pilot import Pilot
from textual.widgets import Static

from tests.console.hands import settled


async def press(pilot: Pilot[Any], *keys: str) -> None:
    """Press keys one by one, each on a screen at rest."""
    await settled(pilot)
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


def said(pilot: Pilot[Any], selector: str) -> str:
    """The words of a widget on the screen in front."""
    return str(pilot.app.screen.query_one(selector, Static).content)
