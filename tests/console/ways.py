"""Ways to get to a screen from wherever a console stands, whatever is open over it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textual.command import CommandList, CommandPalette
from textual.events import Paste
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Select, TextArea

from console.actions import Action
from console.app import Console
from console.desk import Desk
from console.screens.build import BuildScreen
from console.screens.import_file import ImportFileScreen
from console.screens.imports import ImportsScreen
from console.screens.member import MemberScreen
from console.widgets.table import VirtualTable
from jobs.intake.rows import open_table
from store import programs
from store.programs import Program
from store.view import View
from tests.console.hands import at_rest, settled
from tests.console.own import FINISHED as OWN_FINISHED
from tests.console.seed import CAFE, Clock
from tests.console.steps import open_blast
from tests.console.test_blast_control import put

FINISHED, HELD, CANCELLED, PAUSED, RUNNING, PLANNED = range(1, 7)
GROUPS = {"table": "list", "app": "console"}
"""What the palette calls a scope, where that is not its own name."""
GO_TO = frozenset(("home", "programs", "audiences", "compose", "blasts", "audit"))


Go = Callable[["Hand"], Awaitable[None]]


@dataclass
class Hand:
    """A person at a console.

    told    what was said in toasts, the last one last
    folder  where files may be written
    """

    pilot: Pilot[Any]
    app: Console
    desk: Desk
    clock: Clock
    folder: Path
    told: list[str] = field(default_factory=list)
    _came: tuple[Go, list[Any]] | None = None
    """The way that was gone last, and the screens that lay there."""

    @property
    def screen(self) -> Any:
        """The screen in front."""
        return self.app.screen

    @property
    def name(self) -> str:
        """What the screen in front is."""
        return type(self.screen).__name__

    @property
    def focus(self) -> str | None:
        """The id of what has the focus."""
        return self.app.focused.id if self.app.focused is not None else None

    def table(self, selector: str = "VirtualTable") -> VirtualTable:
        """A list of the screen in front."""
        return self.screen.query_one(selector, VirtualTable)  # type: ignore[no-any-return]

    async def rest(self) -> None:
        """Until nothing is left to do."""
        await settled(self.pilot, at_rest)

    async def press(self, *keys: str) -> None:
        """Keys, each on a screen at rest."""
        for key in keys:
            await self.pilot.press(key)
            await self.rest()

    async def by_key(self, action: Action) -> None:
        """Press the action's first key."""
        await self.pilot.press(action.keys[0])

    async def find(self, action: Action) -> str:
        """Look for the action in the palette and put the cursor on it; what the palette says of it."""
        group = "go to" if action.scope == "app" and action.verb in GO_TO else action.scope
        words = f"{GROUPS.get(group, group)}: {action.words.lower()}"
        await self.pilot.press("ctrl+p")
        await self.pilot.pause()
        assert isinstance(self.screen, CommandPalette), f"{action.id}: ctrl+p opens no palette on {self.name}"
        self.app.focused.post_message(Paste(words))  # type: ignore[union-attr]
        await self.rest()
        found = self.screen.query_one(CommandList)
        lines = [str(one.prompt) for one in found.options]
        places = [place for place, line in enumerate(lines) if line.partition("\n")[0] == words]
        assert places, f"{action.id}: the palette has no {words!r}, but {lines}"
        found.highlighted = places[0]
        return lines[places[0]]

    async def by_palette(self, action: Action) -> None:
        """Look for the action in the palette, and take it."""
        await self.find(action)
        await self.pilot.press("enter")
        await self.pilot.pause()

    async def leave_all(self, left: int = 1) -> None:
        """Close whatever is open over so many screens of the mode, as if each was left with its answer no."""
        while len(self.app.screen_stack) > left:
            await self.app.screen.dismiss()

    async def go(self, way: Go) -> None:
        """Go somewhere; where that is just under what was opened since, close that."""
        if self._came is not None:
            came, there = self._came
            now = list(self.app.screen_stack)
            if came is way and len(now) > len(there) and now[: len(there)] == there:
                await self.leave_all(len(there))
                await self.rest()
                return
        await way(self)
        self._came = way, list(self.app.screen_stack)


def at(mode: str, focus: str = "") -> Go:
    """A mode's own screen, with the focus on a widget of it."""

    async def go(hand: Hand) -> None:
        await hand.leave_all()
        if hand.app.current_mode != mode:
            await hand.app.switch_mode(mode)
            await hand.leave_all()
        if focus:
            hand.screen.query_one(focus).focus()
        await hand.rest()

    return go


def then(first: Go, *keys: str) -> Go:
    """From there on by keys."""

    async def go(hand: Hand) -> None:
        await first(hand)
        await hand.press(*keys)

    return go


def opened(make: Callable[[Hand], Any], mode: str = "programs", focus: str = "") -> Go:
    """A screen over a mode's own."""

    async def go(hand: Hand) -> None:
        await at(mode)(hand)
        await hand.app.push_screen(make(hand))
        await hand.rest()
        if focus:
            hand.screen.query_one(focus).focus()
            await hand.rest()

    return go


def program(hand: Hand, program_id: str) -> Program:
    """A program as the store has it."""
    with hand.desk.database.read() as connection:
        return programs.get(connection, program_id, hand.desk.settings.account)


async def cafe(hand: Hand) -> None:
    """The programs, with the cursor on the café, which PassKit knows."""
    await at("programs", "#programs")(hand)
    if hand.screen.program_id != CAFE:
        hand.screen.choose(CAFE)
        await hand.rest()


def members(row: int = 50, column: int = 1, view: View = View()) -> Go:  # noqa: B008 (it never changes)
    """The café's members, with the cursor on one of them and a column in hand."""

    async def go(hand: Hand) -> None:
        await cafe(hand)
        table = hand.table("#members")
        table.focus()
        if table.view != view:
            await table.look(view)
            await hand.rest()
        table.cursor_row, table._column = row, column
        await hand.rest()

    return go


member = opened(lambda hand: MemberScreen(CAFE, "M-0012"))
nobody = opened(lambda hand: MemberScreen(CAFE, "nobody"))


def in_imports(program_id: str = CAFE) -> Go:
    """The imports of a program."""
    return opened(lambda hand: ImportsScreen(program_id), focus="#imports")


def import_file(text: str) -> Go:
    """A file that is to be imported into the café."""

    def make(hand: Hand) -> ImportFileScreen:
        file = hand.folder / "file.csv"
        file.write_text(text, encoding="utf-8")
        return ImportFileScreen(CAFE, "Café Central", open_table(file))

    return opened(make, focus="#columns")


def audience(focus: str = "#audiences") -> Go:
    """The audiences, with the cursor on the first."""
    return at("audiences", focus)


def build(words: str = "", focus: str = "#name") -> Go:
    """An audience that is being built."""

    async def go(hand: Hand) -> None:
        await opened(lambda hand: BuildScreen(CAFE), "audiences")(hand)
        if words:
            hand.screen.query_one("#way", Select).value = "where"
            await hand.rest()
            hand.screen.query_one("#words", TextArea).text = words
            await hand.rest()
        hand.screen.query_one(focus).focus()
        if focus == "#clauses":
            hand.screen.query_one(focus, OptionList).highlighted = 1
        await hand.rest()

    return go


def compose(text: str = "Two cakes for one", focus: str = "", program_id: str = CAFE) -> Go:
    """A message to all members of a program."""

    async def go(hand: Hand) -> None:
        await at("compose")(hand)
        hand.screen.choose(program_id, predicate=None)
        await hand.rest()
        hand.screen.query_one("#audience", Select).value = "all"
        hand.screen.query_one("#text", TextArea).text = text
        await hand.rest()
        hand.screen.set_focus(hand.screen.query_one(focus) if focus else None)
        await hand.rest()

    return go


def blast(blast_id: int, *keys: str, **values: Any) -> Go:
    """A blast, put into a state first, and from there on by keys."""

    async def go(hand: Hand) -> None:
        await at("blasts")(hand)
        if values:
            put(hand.desk, blast_id, **values)
        await open_blast(hand.pilot, blast_id)
        await hand.press(*keys)

    return go


own_blast = blast(OWN_FINISHED)


async def typed_into(hand: Hand, selector: str, text: str) -> None:
    """A field of the screen in front gets a text."""
    hand.screen.query_one(selector, Input).value = text
    await hand.rest()
