"""What the tests' hands do: wait until a console has nothing left to do, and read what it shows."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, Future
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from textual._context import active_app
from textual.app import App
from textual.pilot import Pilot
from textual.worker import WorkerCancelled, WorkerFailed

from console.widgets.table import VirtualTable

ASKING = frozenset({"leave", "delete", "save", "plan", "ask", "clause"})
"""Workers that wait for a person's answer."""
LONG = 1.0
"""Seconds: a screen that pauses for less, in case another key comes, is waited for."""
HANGS = 1.0
"""Seconds after which a thread is taken for one that a test makes hang."""
WAITING = (
    "_layout_required",
    "_scroll_required",
    "_repaint_required",
    "_recompose_required",
    "_dirty_widgets",
    "_callbacks",
)
"""What a screen draws, and whom it calls after that, the next time that it looks."""

COVER = "delay_update"
"""Textual's timer that holds pictures back."""

_in_threads: set[Future[Any]] = set()
"""What threads do for a loop, until the loop has heard that it is done."""


@contextmanager
def watched_threads() -> Iterator[None]:
    """Keep track of what threads do for the loops, so that `at_rest` can wait for it."""
    start = asyncio.BaseEventLoop.run_in_executor

    def run(loop: AbstractEventLoop, *given: Any) -> Future[Any]:
        future = start(loop, *given)  # type: ignore[arg-type]
        _in_threads.add(future)
        future.add_done_callback(_in_threads.discard)
        return future

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.BaseEventLoop, "run_in_executor", run)
        yield


async def at_rest(min_sleep: float = 0.0, max_sleep: float = 0.0) -> None:
    """In place of Textual's wait for an idle process: until no task can go on, no thread works, all is drawn.

    What then is still under way waits for a clock, for the network or for a person. However busy the
    machine is, the answer is the same.
    """
    loop = asyncio.get_running_loop()
    quiet = 0
    while quiet < 2:
        await asyncio.sleep(0)  # one turn of the loop, which also takes in what has come from outside
        quiet = 0 if loop._ready else quiet + 1  # type: ignore[attr-defined]
        if quiet == 2 and (await _threads_are_done(loop) or _drawn()):
            quiet = 0


async def _threads_are_done(loop: AbstractEventLoop) -> bool:
    """Wait for the threads; whether any of them has got done."""
    working = [future for future in _in_threads if future.get_loop() is loop]
    return bool(working and (await asyncio.wait(working, timeout=HANGS))[0])


def _drawn() -> bool:
    """Draw what would be drawn within the next twentieth of a second; whether there was anything."""
    app = active_app.get(None)
    if app is None or not app._running or not app._screen_stack:
        return False
    if app._resize_event is not None:
        app._check_resize()
        return True
    if _uncovered(app):
        return True
    screen = app.screen
    if app._batch_count or not screen.is_mounted or not any(getattr(screen, one) for one in WAITING):
        return False
    screen._on_timer_update()
    return True


def _uncovered(app: App[Any]) -> bool:
    """End the moment in which Textual draws nothing, since another screen has come; whether there was one."""
    covers = [one for one in app._timers if one.name == COVER and one._task and not one._task.done()]
    for cover in covers:
        cover.stop()
        app.call_later(cover._callback)  # type: ignore[arg-type]
    return bool(covers)


async def settled(pilot: Pilot[Any], pause: Callable[[], Awaitable[None]] = at_rest) -> None:
    """Wait until all workers but those that ask a person are done, and short pauses, and all is drawn."""
    while True:
        await pause()
        busy = [one for one in pilot.app.workers if not one.is_finished and one.group not in ASKING]
        for worker in busy:
            with suppress(WorkerCancelled, WorkerFailed):
                await asyncio.wait_for(worker.wait(), 20)
        if not await paused(pilot) and not busy:
            return


async def paused(pilot: Pilot[Any]) -> bool:
    """Wait until the short pauses of the screen in front are over; whether there were any.

    A list only waits before it says that it is being read.
    """
    nodes = [
        one for one in pilot.app.screen.walk_children(with_self=True) if not isinstance(one, VirtualTable)
    ]
    timers = [one for node in nodes for one in node._timers if one._repeat == 0 and one._interval < LONG]
    running = [one._task for one in timers if one._task is not None and not one._task.done()]
    if running:
        await asyncio.wait(running, timeout=LONG)
    return bool(running)


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
