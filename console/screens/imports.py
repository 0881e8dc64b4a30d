"""Imports of a program: the way to a new one, and those that were done, each of which can be undone."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on, work
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Label, Select, Static

from console import import_words as words
from console.actions import bindings
from console.keymap import keyed
from console.plain import inert, inert_lines
from console.screens.base import ConsoleScreen
from console.threads import in_thread
from console.widgets.figures import fact_lines
from console.widgets.job_bar import JobBar, Progress, Stopped
from console.widgets.paths import Paths, path_of
from console.widgets.table import Column, Row, VirtualTable, in_hand
from jobs import exports
from jobs.intake import flights
from store import imports, programs
from store.errors import PassbellError
from store.view import View

if TYPE_CHECKING:
    import sqlalchemy as sa

    from jobs.intake.undo import Undone
    from store.imports import Import

COLUMNS = (
    Column("id", "IMPORT", 6, "right"),
    Column("file", "FILE"),
    Column("at", "WHEN (UTC)", 16),
    Column("created", "CREATED", 8, "right", from_width=96),
    Column("new", "NEW", 8, "right"),
    Column("changed", "CHANGED", 8, "right"),
    Column("unchanged", "UNCHANGED", 9, "right", from_width=96),
    Column("rejected", "REJECTED", 8, "right"),
    Column("undone_at", "", 6),
    Column("actor", "BY", 20, from_width=120),
)
COUNTED = ("created", "new", "changed", "unchanged", "rejected")
EMPTY = "Nothing was imported yet. Name a file above and press Enter: it is shown before anything changes."
NO_PROGRAM = (
    "No programs yet: <app.programs>, then <programs.sync>, reads them from PassKit. Flights need none."
)
LEFT = "Undoing was left under way, and is stopped: the list of imports says whether it was done."
WIDTH = 76
"""Cells of what is said of an import, while its place is not laid out yet."""


class PastImports:
    """The imports of one program; there are as many as somebody had files."""

    def __init__(self, screen: ImportsScreen, program_id: str) -> None:
        self._screen, self._program_id = screen, program_id
        self.found: dict[int, Import] = {}
        self.asked = frozenset(imports.FACTS)
        self.exported = partial(exports.of_imports, program_id)
        self.exported_whole = True  # which counts there are is not the same for all of them

    async def count(self, view: View) -> int:
        """Read them all."""
        program_id = self._program_id
        listed = await self._screen.app.read(
            lambda connection: imports.list_all(connection, program_id, view=view)
        )
        self.found = {one.id: one for one in listed}
        return len(self.found)

    async def page(self, view: View, offset: int, limit: int) -> list[Row]:
        """Those just read."""
        return [_row(one) for one in list(self.found.values())[offset : offset + limit]]


class ImportsScreen(ConsoleScreen):
    """A file to read, over the imports that were done."""

    CSS_PATH = "../styles/imports.tcss"
    BINDINGS = bindings("imports")
    AUTO_FOCUS = "#path"
    mode = "programs"

    def __init__(self, program_id: str | None) -> None:
        super().__init__()
        self._wanted = program_id
        self._names: dict[str, str] = {}
        self._source: PastImports | None = None
        self._shown: Import | None = None

    def body(self) -> Iterable[Widget]:
        """What is to be imported into what, and what was."""
        with Vertical(id="form"):
            with Horizontal(classes="line"):
                yield Label("Into")
                yield Select[str]([], id="program", compact=True, prompt="choose a program")
            with Horizontal(classes="line"):
                yield Label("File")
                yield Input(
                    id="path",
                    compact=True,
                    suggester=Paths(),
                    placeholder="path of a CSV, TSV, JSON or NDJSON file; Enter reads it",
                )
            yield Static(id="trouble", markup=False)
        yield VirtualTable(COLUMNS, id="imports", remembered="imports", empty=EMPTY)
        yield JobBar()
        yield Static(id="told", markup=False)

    def on_mount(self) -> None:
        """Offer the programs, and the one that is not there before its first import."""
        self._read_programs()

    def look_again(self) -> None:
        """An import may have been added."""
        self._imports.refresh_rows()

    @property
    def _imports(self) -> VirtualTable:
        return self.query_one("#imports", VirtualTable)

    @property
    def _program_id(self) -> str | None:
        select = self.query_one("#program", Select)
        return None if select.is_blank() else str(select.value)

    @work(group="programs", exclusive=True)
    async def _read_programs(self) -> None:
        account = self.app.desk.settings.account
        found = await self.app.read(lambda connection: programs.names(connection, account))
        names = self._names = {flights.PROGRAM: "Flights (boarding records)"} | found
        select = self.query_one("#program", Select)
        select.set_options([(Content(inert(name, 60)), id_) for id_, name in names.items()])
        if self._wanted in names:
            select.value = self._wanted
        elif len(names) == 1:
            self.query_one("#trouble", Static).update(keyed(NO_PROGRAM))

    @on(Select.Changed, "#program")
    def _program_chosen(self) -> None:
        if (program_id := self._program_id) is not None:
            self._source = PastImports(self, program_id)
            self._imports.show(self._source)

    # A new one

    @on(Input.Submitted, "#path")
    def _named(self) -> None:
        path = self.query_one("#path", Input).value.strip()
        if self._program_id is None:
            self._say("Choose the program first.")
        elif path:
            self._open(self._program_id, path)

    @work(group="open", exclusive=True)
    async def _open(self, program_id: str, path: str) -> None:
        from console.screens.import_file import ImportFileScreen
        from jobs.intake.rows import open_table

        self._say("")
        try:
            table = await in_thread(lambda: open_table(path_of(path)))
        except PassbellError as error:
            self._say(str(error))
            return
        await self.app.push_screen(ImportFileScreen(program_id, self._names[program_id], table))

    def _say(self, sentence: str) -> None:
        self.query_one("#trouble", Static).update(inert_lines(sentence))

    # Those that were done

    @on(VirtualTable.Highlighted, "#imports")
    def _highlighted(self, event: VirtualTable.Highlighted) -> None:
        self._tell(event.key)

    @on(VirtualTable.Counted, "#imports")
    def _counted(self) -> None:
        self._tell(self._imports.cursor_key)

    def _tell(self, import_id: int | None) -> None:
        """What is to be known of the import under the cursor beside its line."""
        self._shown = self._source.found.get(import_id or 0) if self._source else None
        self.refresh_bindings()
        told = self.query_one("#told", Static)
        lines: list[Content] = []
        if (one := self._shown) is not None:
            undone = f", undone {words.minute(one.undone_at)}" if one.undone_at else ""
            facts = {"by": f"{one.actor}{undone}", "columns": words.mapping(one.mapping)}
            lines = fact_lines(facts, max(told.size.width, WIDTH) - 2)
        told.update(Content("\n").join(lines))

    # The keys

    def needs_filter(self) -> str:
        """Whether the list can be filtered by its column in hand."""
        return in_hand(self).needs_filter()

    def action_filter(self) -> None:
        """Type what the list's column in hand has to hold."""
        in_hand(self).action_filter()

    def needs_import(self) -> str:
        """Whether the import under the cursor can be undone."""
        if self.query_one(JobBar).running:
            return "An undo is under way."
        if self._shown is None:
            return "Nothing was imported yet."
        return "" if self._shown.undone_at is None else "It was undone already."

    def action_new(self) -> None:
        """Name a file."""
        self.query_one("#path", Input).focus()

    def action_back(self) -> None:
        """Out of the field, then back to the programs; an undo that is under way is stopped instead."""
        if self.query_one(JobBar).running:
            self.query_one(JobBar).stop()
        elif self.query_one("#path", Input).has_focus and self._imports.row_count:
            self._imports.focus()
        else:
            self.dismiss()

    def action_undo(self) -> None:
        """Take the import back, after asking."""
        if self._shown is not None:
            self._ask(self._shown.id)

    @work(group="ask", exclusive=True)
    async def _ask(self, import_id: int) -> None:
        from console.screens.ask import Ask
        from jobs.intake import undo

        account = self.app.desk.settings.account

        def check(connection: sa.Connection) -> Import:
            return undo.check(connection, import_id, account)

        done = await self.app.read(check)
        question = Ask(
            f"Undo import {import_id} of {done.file}?", words.undoing(done.counts), yes="Undo", danger=True
        )
        if await self.app.push_screen_wait(question) and not self.query_one(JobBar).running:
            self._undo(import_id)

    @work(group="undo")
    async def _undo(self, import_id: int) -> None:
        from jobs.intake.undo import undo

        desk = self.app.desk
        account, actor = desk.settings.account, desk.actor

        def take_back(progress: Progress) -> Undone:
            secret = desk.settings.consent_secret
            return undo(
                desk.database, import_id, account=account, actor=actor, secret=secret, progress=progress
            )

        try:
            report = await self.query_one(JobBar).run(take_back, left=LEFT)
        except Stopped:
            self.app.notify(f"Stopped: import {import_id} stands as it was.", markup=False)
        else:
            self.app.notify(words.undone(report), title=f"Import {import_id} is undone", markup=False)
        self.look_again()


def _row(one: Import) -> Row:
    counts = {word: f"{one.counts.get(word, 0):,}" for word in COUNTED}
    state = Text("undone" if one.undone_at else "", "$quiet")
    cells: dict[str, str | Text] = {"id": str(one.id), "file": one.file, "at": words.minute(one.at), **counts}
    cells |= {"undone_at": state, "actor": one.actor}
    return one.id, tuple(cells[column.key] for column in COLUMNS)
