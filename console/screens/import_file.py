"""One file on its way in: what its columns become, what its rows would do, and the import itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on, work
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from console import import_words as words
from console.actions import bindings
from console.keymap import keyed
from console.plain import inert, inert_lines
from console.screens.base import ConsoleScreen
from console.screens.import_lists import COLUMNS, ROW_COLUMNS, Listed, RowLines, samples
from console.threads import in_thread
from console.widgets.job_bar import JobBar, Progress, Stopped
from console.widgets.table import Row, VirtualTable
from jobs.intake.mapping import NOTHING
from store.errors import PassbellError

if TYPE_CHECKING:
    from jobs.intake.imports import ImportReport, Reading
    from jobs.intake.rows import Table

LEFT = "The import was left under way, and is stopped: the list of imports says whether it was done."
WHOLE = 400
"""Characters of a line that may be cut in its row."""


DRY = "Dry run: nothing is changed yet. <table.select> changes a column, <import_file.run> imports."


class ImportFileScreen(ConsoleScreen):
    """The mapping over the rows. Each change is tried at once, in a dry run; `i` is what writes."""

    CSS_PATH = "../styles/import_file.tcss"
    BINDINGS = bindings("import_file")
    AUTO_FOCUS = "#columns"
    VERTICAL_BREAKPOINTS = [(0, "-low"), (36, "-tall")]
    mode = "programs"

    def __init__(self, program_id: str, into: str, table: Table) -> None:
        super().__init__()
        self._program_id, self._into, self._table = program_id, into, table
        self._chosen: dict[str, str] = {}
        self._forget = False
        self._reading: Reading | None = None
        self._holds: dict[str, list[str]] = {}
        self._report: ImportReport | None = None
        """What the dry run found for the columns as they are; after the import, what that did."""
        self._importing = False

    def body(self) -> Iterable[Widget]:
        """The columns, how it stands, and the rows."""
        table = self._table
        kind = f"{table.format}, {table.encoding}, {table.length:,} lines"
        told = Content.assemble(
            (inert(table.path.name, 40), "bold"),
            "  into  ",
            (inert(self._into, 40), "bold"),
            (f"  {kind}", "$quiet"),
        )
        yield Static(told, id="file", markup=False)
        yield VirtualTable(COLUMNS, id="columns", empty=" ")
        yield JobBar()
        yield Static(id="outcome", markup=False)
        yield VirtualTable(ROW_COLUMNS, id="rows", empty=" ")
        yield Static(id="whole", markup=False)

    def on_mount(self) -> None:
        """Begin with a guess."""
        self._look()

    # What it would do

    @work(group="look", exclusive=True)
    async def _look(self) -> None:
        """Read the columns as they are chosen, and try them."""
        self._report = self._reading = None
        self.refresh_bindings()
        try:
            if not self._holds:
                self._holds = await in_thread(samples, self._table)
            self._reading = await in_thread(self._read_columns, self._chosen)
            self._show_columns()
            self._outcome("Dry run under way: nothing is changed by it.")
            self._report = await self.query_one(JobBar).run(partial(self._bring, dry_run=True))
        except PassbellError as error:
            self._show_columns()
            self._rows.show(Listed([]))
            self._outcome(str(error), style="$text-error")
        else:
            self._show_report(self._report)
        self.refresh_bindings()

    def _read_columns(self, chosen: Mapping[str, str]) -> Reading:
        from jobs.intake.imports import read_columns

        database = self.app.desk.database
        return read_columns(
            database, self._program_id, self._table, chosen=chosen, forget_mapping=self._forget
        )

    def _bring(self, progress: Progress, *, dry_run: bool) -> ImportReport:
        from jobs.intake.imports import import_members

        desk = self.app.desk
        return import_members(
            desk.database,
            self._program_id,
            self._table.path,
            account=desk.settings.account,
            home=desk.settings.home,
            dry_run=dry_run,
            actor=desk.actor,
            chosen=self._chosen,
            forget_mapping=self._forget,
            secret=desk.settings.consent_secret,
            progress=progress,
        )

    # What is shown

    @property
    def _columns(self) -> VirtualTable:
        return self.query_one("#columns", VirtualTable)

    @property
    def _rows(self) -> VirtualTable:
        return self.query_one("#rows", VirtualTable)

    def _show_columns(self) -> None:
        place = self._columns.cursor_row
        self._columns.show(Listed([self._column_row(column) for column in self._table.columns]))
        self._columns.call_after_refresh(setattr, self._columns, "cursor_row", place)

    def _column_row(self, column: str) -> Row:
        targets = self._reading.columns.targets if self._reading else self._chosen
        target = targets.get(column)
        style = "$quiet" if target in (NOTHING, None) else "bold"
        becomes = Text(words.target(target) if target else "not decided", style)
        holds = ", ".join(self._holds.get(column, ())) or "nothing"
        return column, (column, holds, becomes, self._because(column))

    def _because(self, column: str) -> Text:
        if column in self._chosen:
            return Text("you said so", "$accent")
        if self._reading is None:
            return Text("")
        last = self._reading.remembered.get(column)
        same = last is not None and last == self._reading.columns.targets[column]
        return Text("as last time" if same else "guessed", "$quiet")

    def _show_report(self, report: ImportReport) -> None:
        """What was found, and what became of each kind of row."""
        told = words.counts(report.counts())
        if report.import_id is None:
            self._outcome(told, keyed(DRY))
        else:
            self._outcome(told, f"Imported, as import {report.import_id}.")
        self._rows.show(RowLines(report))

    def _outcome(self, first: str, then: str = "", style: str = "bold") -> None:
        told = Content.assemble((inert_lines(first), style), f"\n{then}" if then else "")
        self.query_one("#outcome", Static).update(told)

    @on(VirtualTable.Highlighted, "#rows")
    def _highlighted(self, event: VirtualTable.Highlighted) -> None:
        """The whole of a line that may be cut."""
        row = self._rows.row_at(self._rows.cursor_row) if event.key is not None else None
        told = ": ".join(str(cell) for cell in row[1][2:] if str(cell)) if row else ""
        self.query_one("#whole", Static).update(inert(told, WHOLE))

    # The keys

    def needs_choice(self) -> str:
        """Whether the columns can still be changed."""
        return "" if self._changeable else "The file is imported already, or being imported."

    def needs_reading(self) -> str:
        """Whether the file was read to its end."""
        return self.needs_choice() or ("" if self._report is not None else "The file is being read.")

    def needs_rejects(self) -> str:
        """Whether there are lines that were rejected."""
        return "" if self._report is not None and self._report.rejects else "No line was rejected."

    @property
    def _changeable(self) -> bool:
        """Whether the columns can still be changed."""
        return not self._importing and (self._report is None or self._report.import_id is None)

    @on(VirtualTable.Selected, "#columns")
    def _change(self, event: VirtualTable.Selected) -> None:
        if self._changeable and self._holds:
            self._ask_target(event.key)

    @work(group="ask", exclusive=True)
    async def _ask_target(self, column: str) -> None:
        """Ask what the column becomes; what cannot be is said there."""
        from console.screens.target import TargetScreen
        from store import catalogue

        reading = self._reading
        now = reading.columns.targets[column] if reading else ""
        entries = await self.app.read(lambda connection: catalogue.of(connection, self._program_id))

        async def attempt(target: str) -> None:
            await in_thread(self._read_columns, moved(self._chosen, column, target))

        question = TargetScreen(column, self._holds.get(column, []), now, entries, attempt)
        if (target := await self.app.push_screen_wait(question)) is not None:
            self._chosen = moved(self._chosen, column, target)
            self._look()

    def action_forget(self) -> None:
        """Begin anew, without what was chosen and what is remembered."""
        self._chosen, self._forget = {}, True
        self._look()

    def action_run(self) -> None:
        """Import it, after asking."""
        if self._report is not None:
            self._ask(self._report)

    @work(group="ask", exclusive=True)
    async def _ask(self, report: ImportReport) -> None:
        from console.screens.ask import Ask

        title = f"Import {self._table.path.name} into {self._into}?"
        sure = await self.app.push_screen_wait(Ask(title, words.importing(report.counts()), yes="Import"))
        if sure and self._changeable:
            self._importing = True
            self._run()

    @work(group="import")
    async def _run(self) -> None:
        self.refresh_bindings()
        try:
            report = await self.query_one(JobBar).run(partial(self._bring, dry_run=False), left=LEFT)
        except Stopped:
            self.app.notify("Stopped: nothing was changed.", markup=False)
        else:
            self._report = report
            self._show_report(report)
            self.app.notify(words.counts(report.counts()), title=f"Import {report.import_id}", markup=False)
        finally:
            self._importing = False
            self.refresh_bindings()

    def action_rejects(self) -> None:
        """Write the rejected lines into a file beside the one that was read, after asking."""
        if self._report is not None:
            self._ask_rejects(self._report)

    @work(group="ask", exclusive=True)
    async def _ask_rejects(self, report: ImportReport) -> None:
        from console.screens.ask import Ask

        path = self._table.path.with_suffix(".rejects.csv")
        sentence = f"{report.rejected:,} lines with their reasons, into {path}"
        if await self.app.push_screen_wait(Ask("Write the rejected lines?", sentence, yes="Write")):
            await self.app.act(partial(report.write_rejects, path))

    def action_back(self) -> None:
        """Stop an import that is under way; else back to the imports."""
        if self._importing:
            self.query_one(JobBar).stop()
        else:
            self.dismiss()


def moved(chosen: Mapping[str, str], column: str, target: str) -> dict[str, str]:
    """The choices with one more; another column that was to become the same is left to the guess again."""
    kept = {name: word for name, word in chosen.items() if word != target or target == NOTHING}
    return kept | {column: target}
