"""The console with a probe inside: what each key costs the UI's thread, and what else holds that thread.

    python -m bench.probe FILE      in a terminal; bench/lag.py runs it and reads the file

A key costs what the thread works from taking it up until it rests again after the next picture; where none
is painted within three tenths of a second, until it first rests. What runs besides in that time counts, too.
Seconds are CPU of that thread alone, so that other processes of the machine do not count.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from asyncio.events import Handle
from pathlib import Path
from typing import Any, ClassVar

from textual.events import Event, Key

from console import app as console

BEAT = 0.02
"""Seconds between two beats; by how much one comes late, others are kept waiting."""
SOON = 0.3
LONG = 0.012
"""Seconds without a break from which on it is written down what was done."""


class Probed(console.Console):
    """The console; its keys, its longest stretches without a break, late beats and collections are noted.

    `at` and the first of each tuple are moments of the monotonic clock, which processes share.
    """

    CSS_PATH = str(Path(console.__file__).parent / "styles/console.tcss")

    keys: ClassVar[list[dict[str, Any]]] = []
    stretches: ClassVar[list[tuple[float, float, str]]] = []
    beats: ClassVar[list[tuple[float, float]]] = []
    collections: ClassVar[list[tuple[float, float, bool]]] = []
    _began = 0.0
    _painted = False

    def begin(self) -> None:
        """Begin to watch, too."""
        super().begin()
        selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
        select, run = selector.select, Handle._run

        def rest(timeout: float | None = None) -> Any:
            if timeout is None or timeout > 0:
                self._rests()
            return select(timeout)

        def timed(handle: Handle) -> None:
            began = time.thread_time()
            run(handle)
            if (took := time.thread_time() - began) > LONG:
                self.stretches.append((time.monotonic(), took, _named(handle)))

        selector.select = rest
        Handle._run = timed  # type: ignore[method-assign, assignment]
        gc.callbacks.append(self._collects)
        self.run_worker(self._beat(), group="probe")

    async def on_event(self, event: Event) -> None:
        """A key comes in."""
        if isinstance(event, Key) and not event.is_forwarded:
            self._rests()
            self._began, self._painted = time.thread_time(), False
            screen = type(self.screen).__name__
            self.keys.append({"at": time.monotonic(), "key": event.key, "screen": screen, "seconds": 0.0})
        await super().on_event(event)

    def _display(self, screen: Any, renderable: Any) -> None:
        super()._display(screen, renderable)
        self._painted = self._painted or not self._batch_count  # else it is held back

    def _rests(self) -> None:
        if self._began:
            key = self.keys[-1]
            late = time.monotonic() - key["at"] > SOON and key["seconds"]
            if not late:
                key["seconds"] = time.thread_time() - self._began
            if self._painted or late:
                self._began = 0.0

    async def _beat(self) -> None:
        while True:
            due = time.monotonic() + BEAT
            await asyncio.sleep(BEAT)
            self.beats.append((due, time.monotonic() - due))

    def _collects(self, phase: str, found: dict[str, int]) -> None:
        """A collection stops all threads, whichever it runs in: its CPU is that thread's."""
        if phase == "start":
            self._collecting = time.thread_time()
        else:
            took = time.thread_time() - self._collecting
            self.collections.append((time.monotonic(), took, found["generation"] == 2))


def _named(handle: Handle) -> str:
    """The task that a step is of, and where it waits now."""
    callback = handle._callback  # type: ignore[attr-defined]
    owned = [getattr(callback, "__self__", None), *gc.get_referents(callback)]
    task = next((one for one in owned if isinstance(one, asyncio.Task)), None)
    return f"{task.get_name()}: {task.get_coro()}" if task is not None else repr(callback)


def main() -> None:
    """Show the console; write down what was seen when it is left."""
    file = Path(sys.argv[1])
    console.Console = Probed  # type: ignore[misc]
    from console.cli import main as passbell

    try:
        passbell(sys.argv[2:])
    finally:
        names = ("keys", "stretches", "beats", "collections")
        file.write_text(json.dumps({name: getattr(Probed, name) for name in names}))


if __name__ == "__main__":
    main()
