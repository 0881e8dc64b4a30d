"""Draw the guide's pictures from the real app: `make pictures`.

It plays the console by its keys, on the stand-in's members, with a clock that stands still: so the same code
draws the same pictures.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from console.app import Console
from console.desk import Desk
from console.screens import build
from jobs import blasts, plans, stage
from store import claims, ledger, programs, settlements, workers
from store.audiences import Selection
from store.claims import Answer
from store.database import Database
from store.programs import Program
from store.settings import Settings, load
from store.settlements import Settlement
from store.workers import WorkerRow
from tests.console.hands import settled
from tests.console.seed import NOW, Clock, stopped

FOLDER = Path(__file__).parent / "pictures"
MEMBERS = 5_000
PERSON = "ann@desk"
WORKER = "desk:1:abc"
WIDE, USUAL, SMALL = (124, 36), (104, 30), (80, 24)
EVERYBODY = "external_id IS NOT NULL"
DAYS = (
    ("Double points this week", EVERYBODY),
    ("Cake is on us, for gold members", "tier = 'gold'"),
    ("New: oat milk at no extra cost", "tier = 'silver'"),
    ("Open until ten tonight", EVERYBODY),
    ("Gold evening: two friends come free", "tier = 'gold'"),
    ("Your tenth cup is on us", "points > 300"),
    ("Sunday brunch has seats left", "tier <> 'bronze'"),
)
"""What was sent on the days before, the longest ago first."""
TEXT = "Two coffees for the price of one, until six. See you, {first_name|friend}!"
WHO = "points > 500 AND (tier = 'gold' OR last_activity < NOW() - INTERVAL '30 days')"

SPEED = ((80, 0), (140, 0), (180, 0), (195, 0), (190, 14), (120, 3), (170, 0), *((200, 0),) * 6)
"""What is claimed in each second, and how many of it fail."""

Scene = Callable[["Hand"], Awaitable[None]]


class Hand:
    """A person's hands on a console, and the house's clock."""

    def __init__(self, pilot: Pilot[None], clock: Clock, database: Database) -> None:
        self.pilot = pilot
        self.clock = clock
        self.database = database

    async def press(self, *keys: str) -> None:
        """Press keys one by one, each on a screen at rest."""
        await settled(self.pilot)
        for key in keys:
            await self.pilot.press(key)
            await settled(self.pilot)

    async def write(self, text: str) -> None:
        """Write into the screen's long field, as an editor does."""
        await settled(self.pilot)
        self.pilot.app.screen.query_one(TextArea).text = text
        await settled(self.pilot)

    async def look(self) -> None:
        """Let the screen look again."""
        self.pilot.app.screen.look_again()  # type: ignore[attr-defined]
        await settled(self.pilot)


# The house


@contextmanager
def house(clock: Clock) -> Iterator[tuple[Settings, Database]]:
    """The stand-in's members, a week of blasts behind them, and one that is held."""
    with stage.set_up(members=MEMBERS, rate=2_000, engine__undo_seconds="0") as settings:
        database = Desk(lambda: settings).database
        clock.move(days=-len(DAYS))
        stage.sync(database, settings, progress=lambda at: None)
        with database.write() as connection:
            seen = NOW + timedelta(days=1)
            workers.sign_on(connection, WorkerRow(WORKER, settings.account, "desk", 1, "0", NOW, seen))
            rows = programs.list_programs(connection, settings.account)
        program = max(rows, key=lambda row: row.members).program
        for text, where in DAYS:
            _sent(database, settings, program, clock, text, where)
            clock.at += timedelta(days=1) - (clock.at - NOW) % timedelta(days=1)
        _sent(database, settings, program, clock, "Fresh rolls from seven", "tier = 'gold'", failing=9)
        held = _launched(database, settings, program, clock, "Terrace opens at noon", "tier = 'silver'")
        _batch(database, held, clock, 200)
        clock.move(minutes=16)
        with database.write() as connection:
            reason = "the provider is down: PassKit answered HTTP 503 twenty times in a row"
            probe = clock.at + timedelta(seconds=4)
            ledger.step(connection, held, "held", at=clock.at, hold_reason=reason, probe_at=probe)
        yield settings, database
        database.close()


def _launched(
    database: Database, settings: Settings, program: Program, clock: Clock, text: str, where: str
) -> int:
    clock.move(minutes=20)
    chosen = Selection("where", where)
    plan = plans.plan(database, settings, program=program.id, chosen=chosen, text=text, actor=PERSON)
    expect = plan.tally.counts["pending"]
    blasts.launch(database, settings, plan.blast.id, expect=expect, actor=PERSON, ring=lambda _: None)
    return plan.blast.id


def _sent(
    database: Database,
    settings: Settings,
    program: Program,
    clock: Clock,
    text: str,
    where: str,
    failing: int = 0,
) -> None:
    blast_id = _launched(database, settings, program, clock, text, where)
    while _batch(database, blast_id, clock, 500, failing):
        failing = 0
    with database.write() as connection:
        ledger.finish_if_done(connection, blast_id, at=clock.at)


def _batch(database: Database, blast_id: int, clock: Clock, size: int, failing: int = 0) -> int:
    """Claim and settle one batch, in two seconds; the first `failing` of it fail. Returns its size."""
    lease = clock.at + timedelta(minutes=1)
    with database.write() as connection:
        batch_id, claimed = claims.claim(
            connection, blast_id, worker=WORKER, limit=size, lease_until=lease, at=clock.at, look=_nothing
        )
    clock.move(seconds=1)
    outcomes = [
        Settlement(one.id, one.pass_id, "accepted", "accepted")
        if place >= failing
        else Settlement(one.id, one.pass_id, "failed", *_WHY[place % 3])
        for place, one in enumerate(claimed)
    ]
    if outcomes:
        with database.write() as connection:
            settlements.settle(connection, blast_id, batch_id, outcomes, at=clock.at)
    return len(claimed)


def _nothing(*_: object) -> dict[int, Answer]:
    return {}


_TIMEOUT = ("later", "timeout", "PassKit gave no answer within 10 s")
_WHY = (_TIMEOUT, _TIMEOUT, ("later", "unavailable", "PassKit said: service unavailable, try again"))


# The scenes


async def home(hand: Hand) -> None:
    """What the console begins with."""
    await hand.look()


async def programs_(hand: Hand) -> None:
    """Members of the gold tier, those with most points first, three of them marked."""
    await hand.press("1", "tab", "tab", "right", "right", "F", *"gold", "enter")
    await hand.press("right", "O", "O", "down", "space", "space", "space")


async def audience(hand: Hand) -> None:
    """Rows and the text beside them."""
    await hand.press("2", "n", "ctrl+t", "enter")
    await hand.write(WHO)


async def compose(hand: Hand) -> None:
    """Both phones, dark."""
    await hand.press("3")
    await hand.write(TEXT)


async def light(hand: Hand) -> None:
    """Both phones, light, with the longest text of all."""
    await compose(hand)
    await hand.press("b", "greater_than_sign")


async def launch(hand: Hand) -> None:
    """The last question."""
    await compose(hand)
    await hand.press("ctrl+r")


async def undo(hand: Hand) -> None:
    """The seconds in which it can still be stopped."""
    await launch(hand)
    await hand.press("shift+tab", *"4056", "enter", "enter")


async def blast(hand: Hand) -> None:
    """A blast that is half done."""
    await undo(hand)
    hand.clock.move(seconds=11)
    with hand.database.read() as connection:
        newest = ledger.list_blasts(connection, "rehearsal", limit=1)[0].id
    for size, failing in SPEED:
        _batch(hand.database, newest, hand.clock, size, failing)
        await hand.look()


async def report(hand: Hand) -> None:
    """What happened, as Markdown."""
    await blast(hand)
    await hand.press("i")


async def help_(hand: Hand) -> None:
    """Its search."""
    await hand.press("4", "question_mark", *"launch")


async def palette(hand: Hand) -> None:
    """A member by a few letters."""
    await hand.press("1", "ctrl+p", *"gold")


async def jump(hand: Hand) -> None:
    """Letters over all that can have the focus."""
    await compose(hand)
    await hand.press("ctrl+o")


async def read_only(hand: Hand) -> None:
    """A key that may not act says why."""
    await hand.press("4", "enter", "x")


SCENES: dict[str, tuple[tuple[int, int], Scene]] = {
    "home": (USUAL, home),
    "programs": (WIDE, programs_),
    "audience": (USUAL, audience),
    "compose": (WIDE, compose),
    "light": (WIDE, light),
    "launch": (USUAL, launch),
    "undo": (USUAL, undo),
    "blast": (WIDE, blast),
    "narrow": (SMALL, blast),
    "report": (USUAL, report),
    "help": (USUAL, help_),
    "palette": (USUAL, palette),
    "jump": (USUAL, jump),
    "read-only": (USUAL, read_only),
}
"""Every picture: the size of its terminal in cells, and how one gets there."""


# The drawing


def main() -> None:
    """Draw all pictures, and take away what is none of them."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.svg"):
        if old.stem not in SCENES:
            old.unlink()
    with pytest.MonkeyPatch.context() as patch:
        _hold_still(patch)
        for name, (size, scene) in SCENES.items():
            (FOLDER / f"{name}.svg").write_text(draw(name, size, scene), encoding="utf-8")


def draw(name: str, size: tuple[int, int], scene: Scene) -> str:
    """One picture, in a house of its own."""
    clock = Clock()
    steady = SimpleNamespace(monotonic=lambda: clock.at.timestamp())
    with stopped(clock), pytest.MonkeyPatch.context() as patch, house(clock) as (settings, database):
        for module in ("console.widgets.progress", "console.screens.blast"):
            patch.setattr(f"{module}.time", steady)
        flags = {"access.read_only": "true"} if name == "read-only" else {}
        more = {"console.start": "home", "engine.undo_seconds": "10", "store.url": settings.store_url}
        seated = load(settings.home, {**settings._flags, **more, **flags})
        desk = StillDesk(lambda: seated)
        assert desk.settings is seated
        desk.__dict__["ring"] = lambda blast_id: None
        return asyncio.run(play(desk, size, scene, clock, database))


class StillDesk(Desk):
    """A desk whose person and place are always the same."""

    @property
    def actor(self) -> str:
        """Who acts."""
        return PERSON


async def play(desk: Desk, size: tuple[int, int], scene: Scene, clock: Clock, database: Database) -> str:
    """Play a scene and draw where it ends."""
    app = Console(desk)
    app.animation_level = "none"
    async with app.run_test(size=size, notifications=True) as pilot:
        await settled(pilot)
        await scene(Hand(pilot, clock, database))
        await settled(pilot)
        drawn = app.export_screenshot(simplify=True)
    desk.database.close()
    return local_fonts(drawn)


def local_fonts(svg: str) -> str:
    """A picture that asks nobody for a font."""
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.S)
    return svg.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")


def _hold_still(patch: pytest.MonkeyPatch) -> None:
    """No cursor that blinks; quick answers."""
    patch.setattr(build, "DEBOUNCE", 0.02)
    patch.setattr(Input, "_toggle_cursor", lambda self: None)
    patch.setattr(TextArea, "_toggle_cursor_blink_visible", lambda self: None)


if __name__ == "__main__":
    main()
