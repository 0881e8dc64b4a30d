"""Exactly those members whose phones will do one thing with a draft, each with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual import on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from console import words
from console.actions import bindings
from console.keymap import keyed
from console.plain import inert
from console.screens.base import ConsoleScreen
from console.screens.draft import Draft
from console.screens.why import WhyScreen
from console.widgets.figures import COLOURS
from console.widgets.table import Column, FunctionSource, Row, VirtualTable
from jobs.preview import Seen, of_verdict
from store.programs import Program
from store.views import Held, View

if TYPE_CHECKING:
    import sqlalchemy as sa

COLUMNS = (
    Column("name", "NAME", 24),
    Column("member", "MEMBER", 14),
    Column("wallets", "WALLETS", 14, from_width=90),
    Column("why", "WHY"),
    Column("text", "TEXT", 44, from_width=130),
)
EMPTY = (
    "Nobody of this audience. Press <verdict.alert>, <verdict.silent>, <verdict.unproven> or "
    "<verdict.nothing> for the other verdicts."
)
TITLES = {
    "alert": "whose phone alerts",
    "silent": "whose phone stays silent",
    "unproven": "of whom nobody can tell",
    "nothing": "who get nothing",
}


class VerdictScreen(ConsoleScreen):
    """The members of one verdict; Enter tells step by step why."""

    BINDINGS = bindings("verdict")
    AUTO_FOCUS = "#members"
    CSS = """
    VerdictScreen {
        & > #title { height: auto; padding: 1 2; }
        & > #members { padding: 0 1; }
    }
    """
    mode = "compose"

    def __init__(self, draft: Draft, program: Program, counts: Mapping[str, int], verdict: str) -> None:
        """`counts` are those of the draft, by verdict: to count 1,000,000 members anew takes seconds."""
        super().__init__()
        self._draft, self._program, self._counts, self.verdict = draft, program, counts, verdict

    def body(self) -> Iterable[Widget]:
        """What they have in common, and the list."""
        yield Static(id="title", markup=False)
        yield VirtualTable(COLUMNS, empty=keyed(EMPTY), id="members")

    def on_mount(self) -> None:
        """Show the verdict that was asked for."""
        self._show(self.verdict)

    def look_again(self) -> None:
        """Ask again for what is seen."""
        self.query_one(VirtualTable).refresh_rows()

    def _show(self, verdict: str) -> None:
        self.verdict = verdict
        settings, draft, held = self.app.desk.settings, self._draft, Held()

        def how_many(connection: sa.Connection, view: View) -> int:
            return self._counts[verdict]

        def page(connection: sa.Connection, view: View, offset: int, limit: int) -> list[Row]:
            if not self._counts[verdict]:
                return []  # to look through all members for nobody takes as long
            asked = draft.asked(connection, settings)
            found = of_verdict(connection, asked, wanted=verdict, offset=offset, limit=limit, held=held)
            return [_row(seen) for seen in found]

        self.query_one(VirtualTable).show(FunctionSource(self.app.read, how_many, page))
        self._tell()

    @on(VirtualTable.Counted)
    def _tell(self) -> None:
        table = self.query_one(VirtualTable)
        told = f"{table.row_count:,} passes in {inert(self._program.name, 60)} {TITLES[self.verdict]}"
        meaning = f"{self.verdict}: {words.VERDICTS[self.verdict]}"
        lines = (Content.styled(told, "bold"), Content.styled(meaning, COLOURS[self.verdict]))
        self.query_one("#title", Static).update(Content("\n").join(lines))

    @on(VirtualTable.Selected)
    def _why(self, event: VirtualTable.Selected) -> None:
        self.app.push_screen(WhyScreen(self._draft.program_id, str(event.key)))

    def action_alert(self) -> None:
        """Those whose phone alerts."""
        self._show("alert")

    def action_silent(self) -> None:
        """Those whose phone stays silent."""
        self._show("silent")

    def action_unproven(self) -> None:
        """Those of whom nobody can tell."""
        self._show("unproven")

    def action_nothing(self) -> None:
        """Those who get nothing."""
        self._show("nothing")

    def action_back(self) -> None:
        """Back to the text."""
        self.dismiss()


def _row(seen: Seen) -> Row:
    """A member as a line; the key is the external id."""
    cells: tuple[Any, ...] = (
        seen.name[:200] or Text("no name", "$quiet"),
        seen.external_id,
        ", ".join(seen.wallets) or ("" if seen.channel == "passkit" else seen.channel),
        _why(seen),
        seen.text if seen.reason in (None, "same_text") else "",
    )
    return seen.external_id, cells


def _why(seen: Seen) -> str:
    """Why the phone will do what it does."""
    if seen.reason is not None:
        return words.reason(seen.reason)
    if seen.verdict == "unproven":
        told = "Google words its own alert" if seen.channel == "google" else "wallet or design is not known"
    elif seen.verdict == "alert":
        told = "in Apple Wallet, and its design alerts"
    else:
        told = "in Google Wallet, which gives no alert"
    return told if seen.waits is None else f"{told}; waits: {words.reason(seen.waits)}"
