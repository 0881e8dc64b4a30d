"""Keys pressed on a screen at rest, what a widget says then, and what the store holds."""

from __future__ import annotations

from typing import Any

from textual.pilot import Pilot
from textual.widgets import Static

from console.desk import Desk
from store import audit, ledger
from store.ledger import Blast
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


async def open_blast(pilot: Pilot[Any], blast_id: int) -> None:
    """Open a blast's screen and let it look."""
    await settled(pilot)
    await pilot.app.open_blast(blast_id)  # type: ignore[attr-defined]
    await settled(pilot)


def blast(desk: Desk, blast_id: int) -> Blast:
    """The blast as the store has it."""
    with desk.database.read() as connection:
        return ledger.get(connection, blast_id)


def counts(desk: Desk, blast_id: int) -> dict[str, int]:
    """Its deliveries by state, and `planned`."""
    with desk.database.read() as connection:
        return ledger.tally(connection, blast_id).counts


def last_act(desk: Desk) -> tuple[str, str]:
    """What the audit has last, and of what."""
    with desk.database.read() as connection:
        (newest, *_) = audit.page(connection, limit=1)
    return newest.act, newest.subject
