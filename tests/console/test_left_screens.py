"""Answers that come when whoever asked for them is being left: nothing falls over, and nothing is told."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Event
from typing import Any

import pytest
import sqlalchemy as sa
from textual.screen import Screen
from textual.widgets import Static
from textual.worker import WorkerCancelled, WorkerFailed

from console.app import Console
from console.desk import Desk
from console.screens.blast import BlastScreen
from console.screens.earlier import EarlierScreen
from console.screens.home import HomeScreen
from console.screens.imports import ImportsScreen
from console.screens.incident import IncidentScreen
from console.screens.member import MemberScreen
from console.screens.why import WhyScreen
from tests.console.hands import settled
from tests.console.seed import CAFE

pytestmark = pytest.mark.anyio

MakeConsole = Callable[[Desk], Console]

SCREENS: dict[str, Callable[[], Screen[Any]]] = {
    "a blast": lambda: BlastScreen(1),
    "a report": lambda: IncidentScreen(1),
    "a member": lambda: MemberScreen(CAFE, "M-0001"),
    "why": lambda: WhyScreen(CAFE, "M-0001"),
    "imports": lambda: ImportsScreen(None),
    "earlier texts": EarlierScreen,
    "home": HomeScreen,
}


class Gate:
    """Holds a console's reads back until a word is given."""

    def __init__(self, app: Console) -> None:
        self._read = app._read
        self.open = Event()
        self.asked = 0

    def __call__(self, act: Callable[[sa.Connection], Any]) -> Any:
        self.asked += 1
        try:
            return self._read(act)
        finally:
            assert self.open.wait(20)


class Lingering(Static):
    """Goes only when its screen's answers are there: all that stood before it has gone by then."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self.gate = gate

    async def on_unmount(self) -> None:
        """Let the answers come, and be taken."""
        asking = [one for one in self.app.workers if one.node is self.screen and not one.is_finished]
        self.gate.open.set()
        for worker in asking:
            with suppress(WorkerCancelled, WorkerFailed):
                await worker.wait()


async def test_answers_to_a_screen_that_is_left_are_dropped(
    desk: Desk, console: MakeConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = console(desk)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settled(pilot)
        for what, make in SCREENS.items():
            gate = Gate(app)
            with monkeypatch.context() as patch:
                patch.setattr(app, "_read", gate)
                await app.push_screen(make())
                while not gate.asked:
                    await pilot.pause()
                await app.screen.mount(Lingering(gate))
                await app.pop_screen()
                await settled(pilot)
            assert app.failure is None, what
            assert not app._notifications, what
