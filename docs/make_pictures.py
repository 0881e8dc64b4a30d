"""Draw the README's picture from the real app: `python docs/make_pictures.py`.

It plays the demo by its keys: writes a text, confirms the count, launches, and takes the picture when the
blast is half done.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import TextArea

from console.app import Console
from console.desk import Desk
from jobs import demo, stage
from store import ledger
from store.database import Database

FOLDER = Path(__file__).parent / "pictures"
SIZE = (104, 30)
TEXT = "Two coffees for the price of one, today until six"
PATIENCE = 60.0


def main() -> None:
    """Write all pictures."""
    house = stage.set_up(members=demo.MEMBERS, rate=demo.WATCHABLE_RATE, engine__undo_seconds="0")
    with house as settings, stage.worker(settings):
        desk = Desk(lambda: settings)
        stage.sync(desk.database, settings, progress=lambda at: None)
        demo.switch_faults(settings)
        asyncio.run(play(Console(desk), desk.database))


async def play(app: Console, database: Database) -> None:
    """From the first screen to a blast that is half done."""
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "4,056" in shown(app))
        await pilot.press("3")
        await until(pilot, lambda: "will get it" in shown(app))
        app.screen.query_one(TextArea).text = TEXT
        await until(pilot, lambda: "until six" in shown(app))
        save(app, "compose")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "Type 4,056" in shown(app))
        save(app, "launch")
        await pilot.press("shift+tab", *"4056", "enter", "enter")
        await until(pilot, lambda: "RUNNING" in shown(app))
        await until(pilot, lambda: accepted(database) > 1_800)
        save(app, "console")


async def until(pilot: Pilot[None], seen: object) -> None:
    """Wait until something is so; it fails loudly if that takes too long."""
    assert callable(seen)
    async with asyncio.timeout(PATIENCE):
        while not seen():
            await pilot.pause(0.1)


def shown(app: Console) -> str:
    """All words on the screen."""
    return "\n".join(
        "".join(segment.text for segment in line) for line in app.screen._compositor.render_strips()
    )


def accepted(database: Database) -> int:
    with database.read() as connection:
        return ledger.tally(connection, 1).states["accepted"]


def save(app: Console, name: str) -> None:
    """Write the screen as an SVG that asks nobody for a font."""
    svg = re.sub(r"@font-face \{.*?\}", "", app.export_screenshot(simplify=True), flags=re.S)
    svg = svg.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")
    (FOLDER / f"{name}.svg").write_text(svg)


if __name__ == "__main__":
    main()
