"""What the command palette finds: the keys' actions, programs, members, audiences, blasts and themes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from console import themes
from console.actions import Acting, Action, at_hand, of_scope
from console.plain import inert
from console.screens.drawn import Window
from console.screens.help import keys_of
from store import audiences, ledger, members, programs
from store.errors import UsageError
from store.members import Member

if TYPE_CHECKING:
    import sqlalchemy as sa

    from console.app import Console

LISTED = 500
"""Of programs, audiences and blasts each: matching more on the screen's thread would be felt."""
FOUND = 8
"""Members that are shown of each program: the store finds them, as the filter of the members does."""
SHORTEST = 2
"""Characters from which on members are looked for."""
PAUSE = 0.15
"""Seconds without a key press after which the store is asked for members."""
MODES = ("home", "programs", "audiences", "compose", "blasts", "audit")
"""The app's actions that go somewhere."""
THEME = "Kept for the next time, until the setting console.theme is changed"


class Found(NamedTuple):
    """One line: what is matched and shown, what it means, what it does, and whether it can be done now."""

    words: str
    meaning: str
    act: Callable[[], Any]
    able: bool = True

    @property
    def explained(self) -> str:
        """The meaning. Textual would read a plain text as markup, and takes a Content as it is."""
        return cast(str, Content(self.meaning))

    @property
    def shown(self) -> Content:
        """The words; paler where it cannot be done."""
        return Content(self.words) if self.able else Content.styled(self.words, "$quiet italic")


class Commands(Provider):
    """Everything in one place, whatever screen is seen."""

    _stored: tuple[Found, ...] = ()
    _programs: tuple[tuple[str, str], ...] = ()

    async def startup(self) -> None:
        """Read programs, audiences and blasts once for each time the palette opens."""
        app = cast("Console", self.app)
        self._programs, self._stored = await app.read(partial(_read, app))

    async def discover(self) -> Hits:
        """Before anything is typed: what this screen and the console can do."""
        for found in self._actions():
            yield DiscoveryHit(found.shown, found.act, text=found.words, help=found.explained)

    async def search(self, query: str) -> Hits:
        """What matches, and then the members that the store finds."""
        matcher = self.matcher(query)
        for found in (*self._actions(lists=True), *self._stored, *self._themes()):
            if (score := matcher.match(found.words)) > 0:
                score = score if found.able else score / 2  # what can be done goes first
                yield Hit(score, found.shown, found.act, text=found.words, help=found.explained)
        if len(wanted := query.strip().removeprefix("member").lstrip(": ")) >= SHORTEST:
            await asyncio.sleep(PAUSE)
            for found in await self._members(wanted):
                yield Hit(0.1, found.shown, found.act, text=found.words, help=found.explained)

    async def _members(self, wanted: str) -> list[Found]:
        app, known = cast("Console", self.app), self._programs

        def read(connection: sa.Connection) -> list[tuple[str, str, Member]]:
            return [
                (id_, name, member)
                for id_, name in known
                for member in members.page(connection, id_, limit=FOUND, search=wanted)
            ]

        try:
            found = await app.read(read)
        except UsageError:
            return []  # half a condition is no name, and nobody is called so
        return [
            Found(
                f"member: {inert(member.name or member.external_id, 60)}",
                f"{inert(member.external_id, 40)} in {inert(name, 40)}",
                _later(app, partial(_open_member, app, id_, member.external_id)),
            )
            for id_, name, member in found
        ]

    def _actions(self, *, lists: bool = False) -> Iterator[Found]:
        """What belongs to this screen as it stands, what any list can if that is asked for, and the rest."""
        everywhere: list[Found] = []
        for scope, owner in at_hand(self.screen).items():
            for action in of_scope(scope) if scope != "table" or lists else ():
                if scope != "app":
                    yield self._of(action, owner, "list" if scope == "table" else scope)
                elif action.verb != "command_palette":
                    everywhere.append(self._of(action, owner, "go to" if action.verb in MODES else "console"))
        yield from everywhere

    def _of(self, action: Action, owner: Acting, group: str) -> Found:
        app = cast("Console", self.app)
        why = owner.why_not(action.verb)
        meaning = f"Not now: {inert(why)}" if why else f"{action.meaning} ({keys_of(app, action)})"
        run = partial(app.run_action, action.verb, cast(Any, owner))
        return Found(f"{group}: {action.words.lower()}", meaning, run, not why)

    def _themes(self) -> Iterator[Found]:
        app = cast("Console", self.app)
        for name in sorted(app.available_themes):
            yield Found(f"theme: {name}", THEME, partial(themes.choose, app, name))


class Palette(CommandPalette, Window[None]):
    """Textual's, drawn as our windows are."""

    def __init__(self) -> None:
        super().__init__(providers=[Commands], id="--command-palette")


def _read(app: Console, connection: sa.Connection) -> tuple[tuple[tuple[str, str], ...], tuple[Found, ...]]:
    account = app.desk.settings.account
    known = programs.list_programs(connection, account)[:LISTED]
    names = {row.program.id: row.program.name for row in known}
    found = [
        Found(
            f"program: {inert(row.program.name, 60)}",
            f"{row.program.kind}, {row.members:,} members",
            _later(app, partial(app.open_program, row.program.id)),
        )
        for row in known
    ]
    found += [
        Found(
            f"audience: {inert(one.name, 60)}",
            f"Write to it; {inert(audiences.in_words(one), 60)} in {inert(names[one.program_id], 40)}",
            _later(app, partial(app.open_compose, one.program_id, one.name)),
        )
        for one in audiences.list_all(connection)[:LISTED]
        if one.program_id in names
    ]
    found += [
        Found(
            f"blast: {blast.id} {inert(blast.name, 60)}",
            blast.state,
            _later(app, partial(app.open_blast, blast.id)),
        )
        for blast in ledger.list_blasts(connection, account, limit=LISTED)
    ]
    return tuple(names.items()), tuple(found)


async def _open_member(app: Console, program_id: str, external_id: str) -> None:
    from console.screens.member import MemberScreen

    await app.open_program(program_id)
    await app.push_screen(MemberScreen(program_id, external_id))


def _later(app: Console, act: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """The palette closes first; what opens a screen runs beside it."""

    def start() -> None:
        app.run_worker(act())

    return start
