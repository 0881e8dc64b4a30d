"""Little memory, and no pause while somebody types: garbage is collected while the console is left alone."""

from __future__ import annotations

import ctypes
import gc
import time
from functools import partial
from typing import TYPE_CHECKING

from console.ahead import QUIET_SECONDS

if TYPE_CHECKING:
    from console.app import Console

LOOK_SECONDS = 2.0
"""How often there may be something to collect."""
MUCH = 2
"""Python's middle collections, about 7,000 new objects each, after which all garbage is worth a look."""
RARELY = 700, 10, 50
"""When Python itself collects garbage: all of it five times as seldom as by default."""
STORE_BYTES = 4_000_000
"""What all connections to a SQLite store may keep in memory."""


def begin(app: Console) -> None:
    """What is loaded by now stays: from here on less is looked at, and it is looked at in time."""
    keep_loaded()
    app.run_worker(app.act(lambda: app.open_store().keep_small(STORE_BYTES)), group="thrift")
    app.set_interval(LOOK_SECONDS, partial(_tidy, app))


def keep_loaded() -> None:
    """What is loaded by now stays: collections, which stop all threads, need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*RARELY)


def _tidy(app: Console) -> None:
    """Collect what a screen left behind when it was made: the next one is made in the same memory."""
    quiet = time.monotonic() - app.touched_at >= QUIET_SECONDS
    if quiet and gc.get_count()[2] >= MUCH:
        gc.collect()
        if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # of glibc, which keeps free pages
            trim(0)
