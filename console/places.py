"""Where the console begins, and where it was left.

`console.start` names the first screen. With `last` it is the one that was left, down to the blast or the
program; on the first day, home.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from store.errors import PassbellError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from console.app import Console
    from console.memory import Memory

KEY = "screen"
"""What the console remembers it by."""
MOST_BLASTS = 2**63
"""No store can even be asked for a blast from this on."""


def note(app: Console) -> None:
    """Remember the screen that is seen, or the one under a question."""
    from console.screens.base import ConsoleScreen

    for screen in reversed(app.screen_stack):
        if isinstance(screen, ConsoleScreen) and screen.mode:
            app.memory.put(KEY, screen.place())
            return


def keep(app: Console) -> None:
    """Write down where we are and whatever else is to be remembered."""
    if app.desk.opened:
        note(app)
        if app.memory.changed:
            app.run_worker(app.act(app.memory.save), group="memory")


async def open_first(app: Console) -> None:
    """Show the blast that was asked for, else the screen that the settings name."""
    if app.opens_at is not None:
        try:
            await _open_blast(app, app.opens_at)
        except PassbellError as error:
            app.end_with(error)
        return
    start = app.desk.settings.console.start
    place: dict[str, Any] = {"mode": start}
    if start == "last":
        place = _left(app.memory, [mode for mode in app.MODES if mode != "opening"])
    await app.switch_mode(place.get("mode", "home"))
    if "blast" in place:
        with suppress(PassbellError):  # another store by now: the list, seen already, says what there is
            await _open_blast(app, place["blast"])
    elif "program" in place:
        await app.open_program(place["program"])


async def _open_blast(app: Console, blast_id: int) -> None:
    """Raises PassbellError where there is no such blast, or it is the other account's."""
    settings = app.desk.settings

    def look_up(connection: sa.Connection) -> None:
        from jobs.plans import same_account
        from store import ledger

        same_account(ledger.get(connection, blast_id), settings)

    await app.read(look_up)
    await app.open_blast(blast_id)


def _left(memory: Memory, modes: Sequence[str]) -> dict[str, Any]:
    """What was remembered, as far as it still makes sense; {} on the first day."""
    found = memory.get(KEY)
    if not isinstance(found, dict) or found.get("mode") not in modes:
        return {}
    kinds = {"mode": str, "program": str, "blast": int}
    place = {name: found[name] for name, kind in kinds.items() if type(found.get(name)) is kind}
    if not 0 < place.get("blast", 1) < MOST_BLASTS:
        del place["blast"]
    return place
