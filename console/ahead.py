"""What a key will ask for, opened while nobody presses one: then the key only has to show it.

A console that is never left alone opens each place with the first key that leads there. Nothing is read from
the store for a place that is not seen yet.
"""

from __future__ import annotations

import asyncio
import time
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from console.app import Console

QUIET_SECONDS = 0.5
"""So long no key was pressed and the mouse lay still."""
PLACES = ("home", "programs", "blasts")
"""The modes that are looked at most. Audiences and audit would take 2 MB more, compose 5 MB."""
MODULES = (
    *("widgets.members", "widgets.program_facts", "palette"),
    *("screens.help", "screens.jump", "screens.blast"),
)
"""What is loaded besides, as far as it takes little memory: compose, a member and why would take 3 MB."""


async def open_all(app: Console) -> None:
    """Load it all off the UI's thread, and open the places one after the other."""
    for module in (*MODULES, *(f"screens.{mode}" for mode in PLACES)):
        await asyncio.to_thread(import_module, f"console.{module}")
    for mode in PLACES:
        await quiet(app)
        if mode not in app._screen_stacks:
            await app._init_mode(mode)
            await quiet(app)
            screen = app._screen_stacks[mode][0]
            if not screen.is_current:
                screen._compositor.render_update(full=True)  # each widget keeps the lines that it draws


async def quiet(app: Console) -> None:
    """Wait until nobody has touched the console for a moment."""
    left = QUIET_SECONDS
    while left > 0:
        await asyncio.sleep(left)
        left = app.touched_at + QUIET_SECONDS - time.monotonic()
