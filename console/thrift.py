"""Little memory, and no pause while somebody types: garbage is collected while the console is left alone."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import time
from typing import TYPE_CHECKING

from console.ahead import QUIET_SECONDS

if TYPE_CHECKING:
    from console.app import Console

LOOK_SECONDS = 2.0
"""How often there may be something to collect."""
MUCH = 2
"""Python's middle collections, about 7,000 new objects each, after which all garbage is worth a look."""
PATIENCE = 50
"""So many times as long as the last collection took nobody presses a key before the next: a tenth of a second
waits for five quiet ones."""
RARELY = 700, 10, 50
"""When Python itself collects garbage: all of it five times as seldom as by default."""
STORE_BYTES = 4_000_000
"""What all connections to a SQLite store may keep in memory."""


def begin(app: Console) -> None:
    """What is loaded by now stays: from here on less is looked at, and it is looked at in time."""
    keep_loaded()
    app.run_worker(app.act(lambda: app.open_store().keep_small(STORE_BYTES)), group="thrift")
    app.run_worker(_tidy(app), group="thrift")


def keep_loaded() -> None:
    """What is loaded by now stays: collections, which stop all threads, need not look at it again.

    Nor do they look before: of 100,000 objects a hundredth is garbage then, and to find it takes 65 ms.
    """
    gc.freeze()
    gc.set_threshold(*RARELY)


async def _tidy(app: Console) -> None:
    """Collect what a screen left behind when it was made: the next one is made in the same memory."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc, which keeps free pages
    took = 0.0
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        quiet = time.monotonic() - app.touched_at
        if quiet >= max(QUIET_SECONDS, PATIENCE * took) and gc.get_count()[2] >= MUCH:
            began = time.thread_time()
            gc.collect()
            took = time.thread_time() - began
            if trim:
                await asyncio.to_thread(trim, 0)
