"""A list as it is seen goes into a file: by its filters and order, what is marked, in the columns shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Checkbox, Input, Label, Static

from console.actions import bindings
from console.plain import inert, inert_lines
from console.screens.drawn import Window
from console.widgets.job_bar import JobBar, Progress, Stopped
from console.widgets.paths import Paths, path_of
from console.widgets.table import VirtualTable, views
from console.widgets.tick import Tick
from jobs import exports
from store.errors import PassbellError, UsageError

if TYPE_CHECKING:
    from jobs.exports import Listed

HINT = (
    f"Enter writes it. The name's ending says what it becomes: {exports.ENDINGS}. Nothing is overwritten, "
    "and the audit keeps who exported what."
)

FIELDS = {
    False: "only the columns shown; Space here: every field that is known",
    True: "every field that is known; Space here: only the columns shown",
}
"""What is written of a row, by whether all of it is."""


class ExportScreen(Window[None]):
    """Asks for a file and writes it. Escape stops that, and leaves nothing half."""

    BINDINGS = bindings("export")
    AUTO_FOCUS = "#path"
    CSS = """
    ExportScreen {
        align: center middle;
        & > #export {
            width: 76; max-width: 96%; height: auto; max-height: 96%;
            padding: 1 2; background: $surface; border: round $primary;
        }
        & Label { text-style: bold; }
        & #path { width: 1fr; margin: 1 0 0 0; padding: 0 1; background: $boost; }
        & Tick { margin: 1 0 0 0; }
        & #rows, & #hint, & #told { height: auto; }
        & #hint { margin: 1 0 0 0; color: $quiet; }
        & #told { color: $text-error; }
        & JobBar { padding: 0; }
    }
    """

    def __init__(self, table: VirtualTable, listed: Listed) -> None:
        super().__init__()
        self._table, self._listed, self._only = table, listed, table.marked

    def compose(self) -> ComposeResult:
        """What is written, and where to."""
        with Vertical(id="export"):
            yield Label(f"Export {self._listed.name}", markup=False)
            yield Static(self._what(), id="rows", markup=False)
            yield Input(f"{self._listed.name}.csv", id="path", compact=True, suggester=Paths())
            if not self._table.exported_whole:
                yield Tick(FIELDS[False], compact=True)
            yield Static(HINT, id="hint", markup=False)
            yield Static(id="told", markup=False)
            yield JobBar()

    def _what(self) -> str:
        """`1,204 rows: only TIER gold, by NAME, ascending`."""
        table = self._table
        count = len(self._only) or table.row_count
        rows = f"{count:,} {'marked ' if self._only else ''}{'row' if count == 1 else 'rows'}"
        seen = views.in_words(table.view, table.columns)
        hidden = (
            f" {table.marks_away:,} marked rows are hidden by the filter and left out."
            if table.marks_away
            else ""
        )
        return inert(f"{rows}{': ' if seen else ''}{seen}.{hidden}")

    @on(Checkbox.Changed)
    def _chosen(self, event: Checkbox.Changed) -> None:
        event.checkbox.label = FIELDS[event.value]

    @on(Input.Submitted, "#path")
    def _named(self, event: Input.Submitted) -> None:
        if event.value.strip() and not self.query_one(JobBar).running:
            try:
                self._write(path_of(event.value.strip()))
            except UsageError as error:
                self._tell(str(error))

    @work(group="export", exclusive=True)
    async def _write(self, path: Path) -> None:
        every = self._table.exported_whole or self.query_one(Checkbox).value
        columns = () if every else self._table.fields
        desk, listed, only = self.app.desk, self._listed, self._only

        def write(progress: Progress) -> int:
            progress("writing", 0, 0)
            return exports.write(
                desk.database,
                path,
                listed,
                columns=columns,
                only=only,
                actor=desk.actor,
                progress=lambda done, total: progress("writing", done, total),
            )

        self._tell("")
        try:
            count = await self.query_one(JobBar).run(write)
        except Stopped:
            self._tell("Stopped: nothing was written.")
        except PassbellError as error:
            self._tell(str(error))
        else:
            self.app.notify(
                f"{count:,} {'row is' if count == 1 else 'rows are'} in {inert(str(path))}.", markup=False
            )
            self.dismiss()

    def _tell(self, sentence: str) -> None:
        self.query_one("#told", Static).update(inert_lines(sentence))

    def action_close(self) -> None:
        """Stop what is being written; else back to the list."""
        if self.query_one(JobBar).running:
            self.query_one(JobBar).stop()
        else:
            self.dismiss()
