"""What the tests' hands do: wait until a console has nothing left to do, and read what it shows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic, process_time
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.worker import WorkerCancelled, WorkerFailed

from console.widgets.table import VirtualTable

STEP = 0.005
"""Seconds: a process that does next to nothing for so long has dealt with a key."""
ASKING = frozenset({"leave", "delete", "save", "plan", "ask", "clause"})
"""Workers that wait for a person's answer."""
LONG = 1.0
"""Seconds: a screen that pauses for less, in case another key comes, is waited for."""


async def settled(pilot: Pilot[Any], pause: Callable[[], Awaitable[None]] | None = None) -> None:
    """Wait until all workers but those that ask a person are done, and short pauses, and all is drawn.

    `pause` waits for the process; by default, and that takes longer, for each widget to say that it rests.
    """
    quiet = 0
    while quiet < 3:
        await (pause or pilot.pause)()
        busy = [one for one in pilot.app.workers if not one.is_finished and one.group not in ASKING]
        pauses = [one._task for one in pilot.app.screen._timers if one._repeat == 0 and one._interval < LONG]
        running = [task for task in pauses if task is not None and not task.done()]
        quiet = 0 if busy or running else quiet + 1
        for worker in busy:
            with suppress(WorkerCancelled, WorkerFailed):
                await asyncio.wait_for(worker.wait(), 20)
        if running:
            await asyncio.wait(running, timeout=LONG)


async def at_rest(min_sleep: float = 0.0, max_sleep: float = 1.0) -> None:
    """Textual's own wait for a process that has dealt with a key, in steps a quarter as long."""
    deadline = monotonic() + max_sleep
    while monotonic() < deadline:
        before = process_time()
        await asyncio.sleep(STEP)
        if process_time() - before < STEP / 20:
            return


async def typed(pilot: Pilot[Any], text: str) -> None:
    """Type a text into what has the focus, quicker than the screen follows; Enter waits for it."""
    line, enter, rest = text.partition("\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("textual.app.wait_for_idle", asyncio.sleep)
        await pilot.press(*("space" if character == " " else character for character in line))
    await pilot.pause()
    if enter:
        await pilot.press("enter")
        await typed(pilot, rest)


def shown(pilot: Pilot[Any]) -> list[str]:
    """The lines on the screen."""
    width, height = pilot.app.size
    lines = pilot.app.screen._compositor.render_strips(pilot.app.size)
    assert all(line.cell_length == width for line in lines)
    assert len(lines) == height
    return [line.text for line in lines]


def text_of(pilot: Pilot[Any]) -> str:
    """All that is on the screen."""
    return "\n".join(shown(pilot))


def rows(pilot: Pilot[Any], selector: str) -> list[Any]:
    """The keys of a table's rows, those that were fetched."""
    table = pilot.app.screen.query_one(selector, VirtualTable)
    found = (table.row_at(index) for index in range(table.row_count))
    return [row[0] for row in found if row is not None]
