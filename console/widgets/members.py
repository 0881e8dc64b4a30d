"""Members as rows, and the query that a filter's words mean."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rich.text import Text

from console.widgets.table import Row
from console.widgets.table.held import Holding
from store import member_list, members
from store.audiences import Audience, Selection, condition
from store.members import Member
from store.programs import INACTIVE
from store.view import View

if TYPE_CHECKING:
    import sqlalchemy as sa

    from console.app import Console
    from jobs.exports import Listed

PREDICATE = "where"
NAME_CELLS = 200


class MemberSource:
    """The members of a program, or those of a choice, in whom a text is found."""

    def __init__(
        self, app: Console, program_id: str, chosen: Audience | Selection | None = None, search: str = ""
    ) -> None:
        self._app, self._program_id, self._chosen, self._search = app, program_id, chosen, search
        self._condition: sa.ColumnElement[bool] | None = None
        self._is_new = False
        self._holding = Holding()
        self.asked = frozenset(member_list.COLUMNS)

    async def check(self) -> None:
        """Raises UsageError for a predicate that is wrong."""
        await self._app.read(self._ask_anew)
        self._is_new = True

    async def count(self, view: View) -> int:
        """How many match. The pages that follow are of the same moment."""

        def read(connection: sa.Connection) -> int:
            if not self._is_new:
                self._ask_anew(connection)
            self._is_new = False
            return members.count(
                connection,
                self._program_id,
                condition=self._condition,
                search=self._search,
                view=view,
                held=self._holding.of(view),
            )

        return await self._app.read(read)

    async def page(self, view: View, offset: int, limit: int) -> list[Row]:
        """Those that match: by name where names were searched, else by id, since many have no name."""

        def read(connection: sa.Connection) -> list[Row]:
            if self._condition is None:  # nothing was counted yet, and no condition would mean everybody
                self._ask_anew(connection)
            found = members.page(
                connection,
                self._program_id,
                condition=self._condition,
                search=self._search,
                order="name" if self._search else "external_id",
                offset=offset,
                limit=limit,
                view=view,
                held=self._holding.of(view),
            )
            return [member_row(member) for member in found]

        return await self._app.read(read)

    def exported(self, view: View) -> Listed:
        """What an export writes."""
        from jobs import exports

        return exports.of_members(self._program_id, replace(view, search=self._search), self._chosen)

    def _ask_anew(self, connection: sa.Connection) -> None:
        if self._chosen is not None:
            self._condition = condition(connection, self._program_id, self._chosen)


def filtered(app: Console, program_id: str, wanted: str) -> MemberSource:
    """What a filter's words mean: a part of a name, id, e-mail or phone; after `where`, a predicate."""
    wanted = wanted.strip()
    first, rest = wanted[: len(PREDICATE)], wanted[len(PREDICATE) :]
    if first.lower() != PREDICATE or rest[:1] not in ("", " ", ":"):
        return MemberSource(app, program_id, search=wanted)
    chosen = Selection("where", rest[1:].strip()) if rest[1:].strip() else None
    return MemberSource(app, program_id, chosen)


def member_row(member: Member) -> Row:
    """A member's cells; the key is the external id."""
    wallets = sorted({wallet for one in member.passes for wallet in one.wallets})
    return member.external_id, (
        member.name[:NAME_CELLS] or Text("no name", "$quiet"),
        member.external_id,
        member.tier_id or "",
        "" if member.points is None else f"{member.points:,.10g}",
        pass_in_words(member),
        ", ".join(wallets),
        member.email or "",
    )


def pass_in_words(member: Member) -> Text:
    """Whether a message can get to the member, in a word or two."""
    if member.opted_out:
        return Text("opted out", "$text-warning")
    if member.status in INACTIVE:
        return Text(member.status.lower(), "$quiet")
    states = [one.status for one in member.passes]
    if "installed" in states:
        return Text("installed", "$text-success")
    return Text(states[0] if states else "no pass", "$quiet")
