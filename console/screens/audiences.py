"""Audiences: those that are saved, who is in each of them now, and the way to a message."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on, work
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from console.actions import bindings
from console.audience_words import how_many, sizes_in_words, sparkline, uses_in_words
from console.keymap import key_of, keyed
from console.plain import inert
from console.screens.base import ConsoleScreen
from console.widgets.columns import MEMBER_COLUMNS
from console.widgets.figures import fact_lines
from console.widgets.members import MemberSource
from console.widgets.table import Column, Row, VirtualTable, in_hand
from store import audiences, programs, sizes
from store.audiences import Audience
from store.sizes import Size
from store.times import now
from store.view import View
from store.views import Fact, pick

if TYPE_CHECKING:
    import sqlalchemy as sa

COLUMNS = (
    Column("name", "AUDIENCE", 20),
    Column("program", "PROGRAM", 14),
    Column("size", "SIZE", 9, align="right"),
    Column("sizes", "SO FAR", 12, from_width=72),
    Column("who", "WHO"),
    Column("created_at", "SAVED", 10, from_width=96),
)
WIDTH = 60
"""Cells of what is said of an audience, while its place is not laid out yet."""
LONGEST = 200
"""Characters of a condition beside the list; all of it is in the builder."""
EMPTY = (
    "No audiences yet. Press <audiences.build> to build one: everybody, a condition like points > 500, or a "
    "file of ids."
)
NOBODY = "Nobody is in this audience now. Press <audiences.edit> to change whom it means."


class AudienceSource:
    """All saved audiences of the account; people keep few of them."""

    def __init__(self, screen: AudiencesScreen) -> None:
        self._screen = screen
        self.found: dict[int, Audience] = {}
        self.programs: dict[str, str] = {}
        self.sizes: dict[int, list[Size]] = {}
        self.shown: list[Audience] = []
        self._facts = {
            "name": Fact("text", lambda one: one.name),
            "program": Fact("text", lambda one: self.programs[one.program_id]),
            "size": Fact("number", self._size),
            "who": Fact("text", _who),
            "created_at": Fact("moment", lambda one: one.created_at),
        }
        self.asked = frozenset(self._facts)

    async def count(self, view: View) -> int:
        """Read them all."""
        account = self._screen.app.desk.settings.account

        def read(connection: sa.Connection) -> None:
            self.programs = programs.names(connection, account)
            found = [one for one in audiences.list_all(connection) if one.program_id in self.programs]
            self.found = {one.id: one for one in found}
            self.sizes = {one.id: sizes.newest(connection, one.id) for one in found}
            self.shown = pick(connection, self._facts, found, view)

        await self._screen.app.read(read)
        return len(self.shown)

    async def page(self, view: View, offset: int, limit: int) -> list[Row]:
        """Those just read."""
        return [self._row(one) for one in self.shown[offset : offset + limit]]

    def _size(self, one: Audience) -> int | None:
        noted = self.sizes[one.id]
        return noted[-1].members if noted else None

    def _row(self, one: Audience) -> Row:
        noted = self.sizes[one.id]
        newest = f"{noted[-1].members:,}" if noted else Text("…", "$quiet")
        saved_on = f"{one.created_at:%Y-%m-%d}"
        name, program = one.name, self.programs[one.program_id]
        return one.id, (name, program, newest, Text(sparkline(noted), "$accent"), _who(one), saved_on)


def _who(one: Audience) -> str:
    who = {"all": "all active members", "where": f"where {one.expression}"}
    return who.get(one.kind, f"file {one.expression}")


class AudiencesScreen(ConsoleScreen):
    """The list over the members of the one under the cursor."""

    CSS_PATH = "../styles/audiences.tcss"
    BINDINGS = bindings("audiences")
    AUTO_FOCUS = "#audiences"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (160, "-wide")]
    mode = "audiences"

    def __init__(self) -> None:
        super().__init__()
        self._source = AudienceSource(self)
        self._shown: Audience | None = None

    def body(self) -> Iterable[Widget]:
        """Audiences, and who is meant."""
        yield VirtualTable(COLUMNS, id="audiences", remembered="audiences", empty=keyed(EMPTY))
        with Vertical(id="meant"):
            yield Static(id="who", markup=False)
            yield Static(id="uses", markup=False)
            yield VirtualTable(MEMBER_COLUMNS, id="members", remembered="members", empty=keyed(NOBODY))

    def begin(self) -> None:
        """Begin with the list."""
        self._audiences.show(self._source)

    def look_again(self) -> None:
        """Audiences are asked anew; so is who is in them."""
        self._audiences.refresh_rows()
        self.query_one("#members", VirtualTable).refresh_rows()

    @property
    def _audiences(self) -> VirtualTable:
        return self.query_one("#audiences", VirtualTable)

    @on(VirtualTable.Counted, "#audiences")
    def _listed(self, event: VirtualTable.Counted) -> None:
        self.set_class(not self._source.found, "-none")
        if self._shown is not None and self._source.found.get(self._shown.id) not in (None, self._shown):
            self._show(self._source.found[self._shown.id])  # it was changed under the cursor
        self.refresh_bindings()
        self._count_those_due()

    @work(group="sizes", exclusive=True)
    async def _count_those_due(self) -> None:
        """Count, one after the other, those whose size was not noted for an hour."""
        from jobs.audiences import count

        source, database = self._source, self.app.desk.database
        due = [one for id_, one in source.found.items() if sizes.is_due(source.sizes[id_], now())]
        for one in due:
            await self.app.act(partial(count, database, one.program_id, one))
        if due:
            self._audiences.refresh_rows()
            if self._shown is not None:
                self._read_uses(self._shown)

    @on(VirtualTable.Highlighted, "#audiences")
    def _highlighted(self, event: VirtualTable.Highlighted) -> None:
        self._show(self._source.found.get(event.key))

    def _show(self, shown: Audience | None) -> None:
        self._shown = shown
        self.refresh_bindings()
        members = self.query_one("#members", VirtualTable)
        self.query_one("#who", Static).update("Counting …" if shown else "")
        if shown is not None:
            self._read_uses(shown)
            members.show(MemberSource(self.app, shown.program_id, shown), empty=keyed(NOBODY))
        else:
            self.workers.cancel_group(self, "uses")
            self.query_one("#uses", Static).update("")
            members.show_nothing("No audience is chosen. Choose one in the list of audiences.")

    @on(VirtualTable.Counted, "#members")
    def _counted(self, event: VirtualTable.Counted) -> None:
        if (shown := self._shown) is not None:
            kept = ", as the file named them" if shown.kind == "file" else " now; asked anew at each use"
            if self.query_one("#members", VirtualTable).view.filters:
                kept = " of it are shown: a filter is on"
            told = Content.assemble(
                (inert(shown.name, 60), "bold"), (f"  {how_many(event.count)}{kept}", "$quiet")
            )
            self.query_one("#who", Static).update(told)

    @work(group="uses", exclusive=True)
    async def _read_uses(self, shown: Audience) -> None:
        uses, noted = await self.app.read(
            lambda connection: (audiences.uses(connection, shown), sizes.newest(connection, shown.id))
        )
        facts = {"about": shown.description, "who": inert(_who(shown), LONGEST)}
        facts["sizes"] = sizes_in_words(noted) if noted else ""
        facts["used by"] = uses_in_words(uses)
        told = self.query_one("#uses", Static)
        told.update(Content("\n").join(fact_lines(facts, max(told.size.width, WIDTH) - 2)))

    @on(VirtualTable.Selected, "#members")
    def _open_member(self, event: VirtualTable.Selected) -> None:
        from console.screens.member import MemberScreen

        if self._shown is not None:
            self.app.push_screen(MemberScreen(self._shown.program_id, event.key))

    @on(VirtualTable.Selected, "#audiences")
    def _look_into(self) -> None:
        self.query_one("#members").focus()

    def needs_filter(self) -> str:
        """Whether the list can be filtered by its column in hand."""
        return in_hand(self).needs_filter()

    def action_filter(self) -> None:
        """Type what the list's column in hand has to hold."""
        in_hand(self).action_filter()

    def needs_audience(self) -> str:
        """Whether an audience is chosen."""
        return "" if self._shown is not None else "There is no audience yet: n builds one."

    def needs_member(self) -> str:
        """Whether the cursor is on a member."""
        here = self.query_one("#members").has_focus
        return "" if here else f"Go to a member first: {key_of('table.select')} leads to the members."

    def action_build(self) -> None:
        """Build an audience."""
        from console.screens.build import BuildScreen

        self.app.push_screen(BuildScreen(self._shown.program_id if self._shown else None))

    def action_edit(self) -> None:
        """Change who is in it."""
        from console.screens.build import BuildScreen

        if (shown := self._shown) is not None:
            self.app.push_screen(BuildScreen(shown.program_id, shown))

    @work
    async def action_message(self) -> None:
        """Write to it."""
        if (shown := self._shown) is not None:
            await self.app.open_compose(shown.program_id, shown.name)

    def action_why(self) -> None:
        """Why the member under the cursor is messaged or not."""
        from console.screens.why import WhyScreen

        external_id = self.query_one("#members", VirtualTable).cursor_key
        if self._shown is not None and external_id is not None:
            self.app.push_screen(WhyScreen(self._shown.program_id, external_id))

    def action_back(self) -> None:
        """Back to the list."""
        self._audiences.focus()

    def action_delete(self) -> None:
        """Delete it, after asking."""
        if self._shown is not None:
            self._delete(self._shown)

    @work(group="delete", exclusive=True)
    async def _delete(self, audience: Audience) -> None:
        from console.screens.ask import Ask

        question = Ask(
            f"Delete the audience {audience.name}?",
            "Blasts that were planned with it keep their members. The members themselves are not touched.",
            yes="Delete",
            danger=True,
        )
        if await self.app.push_screen_wait(question):
            if await self.app.act(partial(self._forget, audience)) is not None:
                self._shown = None
            self.look_again()

    def _forget(self, audience: Audience) -> Audience:
        from jobs.audiences import delete

        desk = self.app.desk
        return delete(desk.database, audience.program_id, audience.name, actor=desk.actor)
