"""What the command palette finds: the keys' actions, programs, blasts and themes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from console.actions import Action, of_scope
from console.plain import inert
from console.screens.help import scopes_of
from store import ledger, programs

if TYPE_CHECKING:
    import sqlalchemy as sa

    from console.app import Console

LISTED = 500
"""Programs and blasts that are looked through: matching more on the screen's thread would be felt."""

Found = tuple[str, str, Callable[[], Any]]
"""What is matched and shown, what it means, and what it does."""


class Commands(Provider):
    """Everything in one place, whatever screen is seen."""

    _stored: tuple[Found, ...] = ()

    async def startup(self) -> None:
        """Read programs and blasts once for each time the palette opens."""
        app = cast("Console", self.app)
        account = app.desk.settings.account

        def read(connection: sa.Connection) -> tuple[list[Found], list[Found]]:
            known = programs.list_programs(connection, account)[:LISTED]
            blasts = ledger.list_blasts(connection, account, limit=LISTED)
            return (
                [
                    (
                        f"program: {inert(row.program.name, 60)}",
                        f"{row.program.kind}, {row.members:,} members",
                        _later(app, partial(app.open_program, row.program.id)),
                    )
                    for row in known
                ],
                [
                    (
                        f"blast: {blast.id} {inert(blast.name, 60)}",
                        blast.state,
                        _later(app, partial(app.open_blast, blast.id)),
                    )
                    for blast in blasts
                ],
            )

        found = await app.read(read)
        self._stored = (*found[0], *found[1])

    async def discover(self) -> Hits:
        """Before anything is typed: what this screen and the console can do."""
        for words, meaning, act in self._actions():
            yield DiscoveryHit(Content(words), act, text=words, help=meaning)

    async def search(self, query: str) -> Hits:
        """What matches."""
        matcher = self.matcher(query)
        async for words, meaning, act in self._all():
            if (score := matcher.match(words)) > 0:
                yield Hit(score, Content(words), act, text=words, help=meaning)

    async def _all(self) -> AsyncIterator[Found]:
        for found in (*self._actions(), *self._stored, *self._themes()):
            yield found

    def _actions(self) -> list[Found]:
        """What may be done on this screen as it stands, and everywhere."""
        scopes = [scope for scope in scopes_of(self.screen) if scope not in ("table", "app")]
        here = [action for scope in scopes for action in of_scope(scope)]
        found = [self._of(one, "screen") for one in here if self.screen.check_action(one.verb, ())]
        everywhere = [action for action in of_scope("app") if action.verb != "command_palette"]
        return found + [self._of(action, "app") for action in everywhere]

    def _of(self, action: Action, where: str) -> Found:
        group = "go to" if action.key.isdigit() else action.scope if where == "screen" else "console"
        words = f"{group}: {action.words.lower()}"
        run = partial(self.screen.run_action, f"{where}.{action.verb}")
        return words, f"{action.meaning} ({action.key.replace('question_mark', '?').split(',')[0]})", run

    def _themes(self) -> list[Found]:
        app, meaning = self.app, "Until the console is left; the setting console.theme keeps it"
        return [
            (f"theme: {name}", meaning, partial(setattr, app, "theme", name))
            for name in sorted(app.available_themes)
        ]


def _later(app: Console, act: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """The palette closes first; what opens a screen runs beside it."""

    def start() -> None:
        app.run_worker(act())

    return start
