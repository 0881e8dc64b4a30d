"""What happened to a blast, as Markdown: to be copied into a ticket, or written to a file."""

from __future__ import annotations

from pathlib import Path

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Static

from console.actions import bindings
from console.keymap import keyed
from console.plain import inert, inert_lines
from console.screens.drawn import Window
from jobs import incident
from jobs.incident import Incident

NEEDS = "The report is being read: try again in a moment."


class IncidentScreen(Window[None]):
    """The report of one blast, read once: what is copied is what is seen."""

    BINDINGS = bindings("incident")
    CSS = """
    IncidentScreen {
        & > #report {
            width: 110; max-width: 96%; height: 90%; padding: 0 2;
            background: $surface; border: round $primary;
        }
        & #page { height: 1fr; scrollbar-size-vertical: 1; }
        & #told { height: auto; color: $text-success; }
        & #answers { height: 3; align-horizontal: right; }
        & Button { margin-left: 2; min-width: 12; }
    }
    """
    AUTO_FOCUS = "#page"

    def __init__(self, blast_id: int) -> None:
        super().__init__()
        self.blast_id = blast_id
        self._found: Incident | None = None
        self._text = ""

    def compose(self) -> ComposeResult:
        """The page, what was done with it, and the buttons."""
        with Vertical(id="report"):
            with VerticalScroll(id="page"):
                yield Static("Reading …", id="text", markup=False)
            yield Static(id="told", markup=False)
            with Horizontal(id="answers"):
                yield Button(keyed("Copy (<incident.copy>)"), id="copy", variant="primary")
                yield Button(keyed("Save (<incident.save>)"), id="save")
                yield Button("Close", id="close")

    def on_mount(self) -> None:
        """Read what happened."""
        self._read()

    @work(group="report")
    async def _read(self) -> None:
        account = self.app.desk.settings.account
        self._found = await self.app.read(
            lambda connection: incident.look(connection, account, self.blast_id)
        )
        self._text = incident.markdown(self._found)
        self.query_one("#text", Static).update(inert_lines(self._text))

    @on(Button.Pressed, "#copy")
    def action_copy(self) -> None:
        """Hand it to the terminal, which puts it on the clipboard; some do not, and say nothing."""
        if self._text:
            self.app.copy_to_clipboard(self._text)
        count = self._text.count("\n")
        done = f"Copied {count} lines. Where nothing can be pasted the terminal takes no copies: save it."
        self._tell(done if self._text else NEEDS)

    @on(Button.Pressed, "#save")
    def action_save(self) -> None:
        """Write it to a file of its own beside the store."""
        if self._found is not None:
            self._save(
                self.app.desk.settings.home / f"blast-{self.blast_id}-{self._found.at:%Y%m%d-%H%M%S}.md"
            )
        else:
            self._tell(NEEDS)

    @work(group="report")
    async def _save(self, path: Path) -> None:
        text = self._text
        if await self.app.act(lambda: incident.save(text, path)):
            self._tell(f"Wrote {inert(str(path))}")

    def _tell(self, sentence: str) -> None:
        self.query_one("#told", Static).update(sentence)

    @on(Button.Pressed, "#close")
    def action_close(self) -> None:
        """Back to the blast."""
        self.dismiss()
