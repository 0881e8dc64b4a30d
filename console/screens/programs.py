"""Programs: the list, what keeps a program's phones from alerting, and the members of the chosen one.

The first screen is drawn before the store is loaded, so what needs the store is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual import on, work
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Static

from console.actions import bindings
from console.keymap import key_of, keyed
from console.screens.base import ConsoleScreen
from console.widgets.program_members import ProgramMembers
from console.widgets.sync_bar import SyncBar
from console.widgets.table import Column, Row, VirtualTable
from store.view import View

if TYPE_CHECKING:
    import sqlalchemy as sa

    from jobs.exports import Listed
    from store.programs import ProgramRow
    from store.rules import Rules

OWN_SECONDS = 10.0
"""How often figures are read again where a program is our own: phones add and remove passes by themselves."""

COLUMNS = (
    Column("name", "PROGRAM"),
    Column("kind", "KIND", 10, from_width=64),
    Column("members", "MEMBERS", 9, "right"),
    Column("reachable", "REACHABLE", 9, "right"),
    Column("synced_at", "SYNCED", 10),
    Column("message_field_state", "PHONES", 13),
)

EMPTY = {
    "OWN": "No programs yet: `passbell programs create` makes one.",
    "LIVE": "No programs yet. Press <programs.sync> to read them from PassKit.",
    "REHEARSAL": (
        "No programs yet. Press <programs.sync> to read them from the stand-in PassKit that plays the part "
        "while no key is set: nothing reaches a real phone."
    ),
}


class ProgramSource:
    """The account's programs; kept, since there are few and the screen needs their facts."""

    def __init__(self, screen: ProgramsScreen) -> None:
        self._screen = screen
        self.rows: list[ProgramRow] = []
        self.shown: list[ProgramRow] = []
        self.asked: frozenset[str] = frozenset()

    async def count(self, view: View) -> int:
        """Read them all, and which of them the view shows."""
        app = self._screen.app
        account = app.desk.settings.account

        def read(connection: sa.Connection) -> None:
            from store.programs import FACTS, list_programs  # loads SQLAlchemy: off the UI's thread
            from store.views import pick

            rows = list_programs(connection, account)
            shown = pick(connection, FACTS, rows, view)
            self.rows, self.shown, self.asked = rows, shown, frozenset(FACTS)

        await app.read(read)
        return len(self.shown)

    def exported(self, view: View) -> Listed:
        """What an export writes."""
        from jobs import exports

        return exports.of_programs(self._screen.app.desk.settings.account, view)

    async def page(self, view: View, offset: int, limit: int) -> list[Row]:
        """Those just read."""
        return [_row(row) for row in self.shown[offset : offset + limit]]

    def find(self, program_id: str) -> ProgramRow | None:
        """A program, whether the list shows it or not."""
        return next((row for row in self.rows if row.program.id == program_id), None)

    def place(self, program_id: str) -> int | None:
        """Its place in the list."""
        return next((n for n, row in enumerate(self.shown) if row.program.id == program_id), None)


class ProgramsScreen(ConsoleScreen):
    """The console's first screen."""

    CSS_PATH = "../styles/programs.tcss"
    BINDINGS = bindings("programs")
    AUTO_FOCUS = "#programs"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (160, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (14, "-short"), (24, "-tall")]
    mode = "programs"

    def __init__(self) -> None:
        super().__init__()
        self.program_id: str | None = None
        self._source = ProgramSource(self)
        self._wanted: str | None = None

    def body(self) -> Iterable[Widget]:
        """List and facts beside or over the members."""
        settings = self.app.desk.settings
        with Vertical(id="left"):
            empty = keyed(EMPTY[settings.mode if self._syncs else "OWN"])
            yield VirtualTable(COLUMNS, id="programs", remembered="programs", empty=empty)
            yield SyncBar()
            yield Static(id="facts", markup=False)
        yield ProgramMembers(self._source.find)

    def on_mount(self) -> None:
        """Look after figures that change by themselves."""
        self.watch(self.app, "weak", self._warned, init=False)
        self.set_interval(OWN_SECONDS, self._look_at_own)

    def begin(self) -> None:
        """Begin with the list."""
        self.call_after_refresh(self._programs.show, self._source)

    def look_again(self) -> None:
        """Figures may have changed while another screen was seen."""
        self._programs.refresh_rows()
        self._members.table.refresh_rows()

    def _look_at_own(self) -> None:
        if self.is_current and any(row.program.own for row in self._source.rows):
            self.look_again()

    def place(self) -> dict[str, Any]:
        """This screen, and the program under the cursor."""
        return {"mode": self.mode, "program": self.program_id}

    def choose(self, program_id: str) -> None:
        """Put the cursor on a program, now or as soon as the list is read."""
        self._wanted = program_id
        place = self._source.place(program_id)
        if place is not None:
            if place < self._programs.row_count:  # the list may be read, and not be shown yet
                self._programs.cursor_row = place
                self._wanted = None
        elif self._source.find(program_id):
            self._programs.action_all()  # a filter hides it

    @property
    def _syncs(self) -> bool:
        """Whether there is a PassKit to read from: a key, or the rehearsal's stand-in."""
        settings = self.app.desk.settings
        return bool(settings.passkit.api_key) or not settings.live

    @property
    def _programs(self) -> VirtualTable:
        return self.query_one("#programs", VirtualTable)

    @property
    def _members(self) -> ProgramMembers:
        return self.query_one(ProgramMembers)

    # The list and its facts

    @on(VirtualTable.Counted, "#programs")
    def _listed(self) -> None:
        if self._wanted is not None:
            self.choose(self._wanted)
        self.set_class(not self._source.rows, "-none")
        self.refresh_bindings()
        self._read_facts()

    @on(VirtualTable.Highlighted, "#programs")
    def _highlighted(self, event: VirtualTable.Highlighted) -> None:
        if event.key != self.program_id:
            self.program_id = event.key
            self._read_facts()
            self._members.show(self.program_id)
            self.refresh_bindings()

    @on(VirtualTable.Selected, "#programs")
    def _opened(self) -> None:
        self._members.table.focus()

    def _warned(self) -> None:
        self._read_facts()

    @work(group="facts", exclusive=True)
    async def _read_facts(self) -> None:
        from console.widgets.program_facts import facts, read

        found = self._source.find(self.program_id or "")
        if found is None:
            self.query_one("#facts", Static).update("")
            return
        program, settings = found.program, self.app.desk.settings
        known = await self.app.read(lambda connection: read(connection, settings, program))
        self.query_one("#facts", Static).update(facts(program, known, settings, self.app.weak))

    @on(VirtualTable.Selected, "#members")
    def _open_member(self, event: VirtualTable.Selected) -> None:
        from console.screens.member import MemberScreen

        if self.program_id is not None:
            self.app.push_screen(MemberScreen(self.program_id, event.key))

    # The keys

    def needs_program(self) -> str:
        """Whether a program is chosen."""
        return "" if self.program_id is not None else "There is no program yet."

    def needs_member(self) -> str:
        """Whether the cursor is on a member."""
        told = f"Go to a member first: {key_of('table.select')} leads to the members."
        return "" if self._members.table.has_focus else told

    def needs_passkit(self) -> str:
        """Whether there is a PassKit to read, and no sync under way."""
        if not self._syncs:
            return "No PassKit key is set, so there is nothing to read: see passkit.api_key."
        return "A sync is under way." if self._syncing else ""

    def needs_passkit_program(self) -> str:
        """Whether the chosen program is one that PassKit knows."""
        found = self._source.find(self.program_id or "")
        if found is not None and found.program.own:
            return "This program is our own: PassKit does not know it."
        return self.needs_passkit()

    def needs_sync(self) -> str:
        """Whether there is a sync to stop."""
        return "" if self._syncing else "No sync is under way."

    @property
    def _syncing(self) -> bool:
        return self.is_mounted and self.query_one(SyncBar).running

    def action_why(self) -> None:
        """Why the member under the cursor is messaged or not."""
        from console.screens.why import WhyScreen

        external_id = self._members.table.cursor_key
        if self.program_id is not None and external_id is not None:
            self.app.push_screen(WhyScreen(self.program_id, external_id))

    def action_filter(self) -> None:
        """Type into the filter."""
        self._members.filter.focus()

    def action_back(self) -> None:
        """One step back: out of the filter, then without it, then to the list."""
        if not self._members.step_back():
            self._programs.focus()

    @work
    async def action_message(self) -> None:
        """Write to this program."""
        if self.program_id is not None:
            await self.app.open_compose(self.program_id)

    def action_fields(self) -> None:
        """What is known of the program's members."""
        from console.screens.fields import FieldsScreen

        if found := self._source.find(self.program_id or ""):
            self.app.push_screen(FieldsScreen(found.program))

    @work(group="rules", exclusive=True)
    async def action_rules(self) -> None:
        """Change what the program allows."""
        from console.screens.rules import form

        if found := self._source.find(self.program_id or ""):
            self.app.push_screen(await form(self.app, found.program), self._ruled)

    def _ruled(self, changed: Rules | None) -> None:
        if changed is not None:
            self._read_facts()

    def action_imports(self) -> None:
        """Import a file into the chosen program, or undo an import."""
        from console.screens.imports import ImportsScreen

        self.app.push_screen(ImportsScreen(self.program_id))

    def action_sync(self) -> None:
        """Read the chosen program again; all, where there is none yet."""
        self.query_one(SyncBar).start(self.program_id)

    def action_sync_all(self) -> None:
        """Read every program again."""
        self.query_one(SyncBar).start(None)

    def action_stop(self) -> None:
        """Stop the sync."""
        self.query_one(SyncBar).stop()

    @on(SyncBar.Changed)
    def _synced(self, event: SyncBar.Changed) -> None:
        self.refresh_bindings()
        if not event.running:
            self.look_again()


def _row(row: ProgramRow) -> Row:
    from console.widgets.program_facts import ALERTS, since

    program = row.program
    word, colour = ALERTS[row.message_field_state]
    cells: tuple[Any, ...] = (
        program.name,
        program.kind,
        f"{row.members:,}",
        f"{row.reachable:,}",
        "-" if program.own else since(program.synced_at),
        Text(word, colour),
    )
    return program.id, cells
