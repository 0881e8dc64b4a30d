"""Audit: who did what to what, and when; and whether the chain of entries holds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from console.actions import bindings
from console.keymap import keyed
from console.plain import inert
from console.screens.base import ConsoleScreen
from console.screens.drawn import Window
from console.widgets.table import Column, FunctionSource, Row, VirtualTable, in_hand
from console.widgets.table.held import Holding
from jobs import exports
from store import audit

if TYPE_CHECKING:
    from store.audit import Entry

COLUMNS = (
    Column("id", "ENTRY", 7, "right"),
    Column("at", "WHEN (UTC)", 19),
    Column("actor", "WHO", 18),
    Column("act", "DID", 16),
    Column("subject", "TO", 10),
    Column("details", "DETAILS", from_width=96),
)
LONGEST = 4_000
HINT = "Each entry holds the hash of the one before it. Press <audit.verify> to check them all."


class AuditScreen(ConsoleScreen):
    """The newest entries first."""

    CSS_PATH = "../styles/audit.tcss"
    BINDINGS = bindings("audit")
    AUTO_FOCUS = "#entries"
    mode = "audit"
    look_seconds = 2.0

    def body(self) -> Iterable[Widget]:
        """The verdict over the entries."""
        yield Static(keyed(HINT), id="verdict", markup=False)
        yield VirtualTable(
            COLUMNS,
            id="entries",
            remembered="audit",
            empty=keyed(
                "Nothing was done yet. Each plan, launch and sync leaves an entry: <app.home> says how to "
                "begin."
            ),
        )

    def begin(self) -> None:
        """Show the entries."""
        holding = Holding()
        source = FunctionSource(
            self.app.read,
            lambda connection, view: audit.count(connection, view=view, held=holding.of(view)),
            lambda connection, view, offset, limit: [
                _row(entry)
                for entry in audit.page(
                    connection, offset=offset, limit=limit, view=view, held=holding.of(view)
                )
            ],
            audit.COLUMNS,
            exports.of_audit,
        )
        self.query_one(VirtualTable).show(source)

    def look_again(self) -> None:
        """New entries come in on top."""
        self.query_one(VirtualTable).refresh_rows()

    def needs_filter(self) -> str:
        """Whether the list can be filtered by its column in hand."""
        return in_hand(self).needs_filter()

    def action_filter(self) -> None:
        """Type what the list's column in hand has to hold."""
        in_hand(self).action_filter()

    def action_verify(self) -> None:
        """Check the chain."""
        self.query_one("#verdict", Static).update("Checking every entry …")
        self._verify()

    @work(group="verify", exclusive=True)
    async def _verify(self) -> None:
        verdict = self.query_one("#verdict", Static)
        verdict.update(keyed(HINT))
        count, broken = await self.app.read(audit.verify)
        if broken is None:
            verdict.update(
                Content.assemble(
                    ("● ", "$text-success"),
                    f"{count:,} entries hold together: none was changed or taken out of the middle.",
                    (" Entries cut off its end leave no trace: export the audit now and then.", "$quiet"),
                )
            )
        else:
            verdict.update(
                Content.assemble(
                    ("○ The chain is broken: ", "bold $text-error"),
                    inert(broken, 200),
                    f". The {count:,} entries before it hold together.",
                )
            )

    @on(VirtualTable.Selected)
    def _open(self, event: VirtualTable.Selected) -> None:
        self.app.push_screen(EntryScreen(event.key))


class EntryScreen(Window[None]):
    """One entry with its details and hashes."""

    BINDINGS = bindings("entry")
    CSS = """
    EntryScreen {
        & > #entry {
            width: 84; max-width: 94%; height: auto; max-height: 90%;
            padding: 1 2; background: $surface; border: round $primary; scrollbar-size-vertical: 1;
        }
    }
    """

    def __init__(self, entry_id: int) -> None:
        super().__init__()
        self._entry_id = entry_id

    def compose(self) -> ComposeResult:
        """One column of text."""
        with VerticalScroll(id="entry"):
            yield Static("Reading …", markup=False)

    def on_mount(self) -> None:
        """Read the entry."""
        self.query_one("#entry").focus()
        self._read()

    @work
    async def _read(self) -> None:
        find = partial(audit.page, before=self._entry_id + 1, limit=1)
        for entry in await self.app.read(find):
            self.query_one(Static).update(_in_words(entry))

    def action_close(self) -> None:
        """Back to the list."""
        self.dismiss()


def _row(entry: Entry) -> Row:
    details = ", ".join(f"{name} {_short(value)}" for name, value in entry.details.items())
    when = f"{entry.at:%Y-%m-%d %H:%M:%S}"
    return entry.id, (str(entry.id), when, entry.actor, entry.act, entry.subject, details)


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _in_words(entry: Entry) -> Content:
    facts = (
        ("entry", str(entry.id)),
        ("when", f"{entry.at:%Y-%m-%d %H:%M:%S.%f} UTC"),
        ("who", entry.actor),
        ("did", entry.act),
        ("to", entry.subject),
        ("hash", entry.hash),
        ("follows", entry.previous_hash),
    )
    lines = [Content.assemble((f"{name:<8} ", "$quiet"), inert(value, 300)) for name, value in facts]
    details = json.dumps(entry.details, ensure_ascii=False, indent=2)[:LONGEST]
    lines += [Content(""), *(Content(inert(line, 600)) for line in details.split("\n"))]
    return Content("\n").join(lines)
