"""The fields of a program: how many members have each, and the values that many share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from rich.text import Text
from textual import on, work
from textual.containers import Container
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from console import words
from console.actions import bindings
from console.keymap import keyed
from console.plain import inert
from console.screens.base import ConsoleScreen
from console.widgets.program_facts import since
from console.widgets.table import Column, Row, VirtualTable, in_hand
from console.widgets.table.rows import Read
from jobs import exports
from store import catalogue
from store.catalogue import Entry
from store.programs import Program
from store.view import View
from store.views import pick

BAR = 10
"""Cells of a bar that is full."""
LONGEST = 40
COLUMNS = (
    Column("name", "FIELD"),
    Column("type", "TYPE", 8),
    Column("source", "OF", 9, from_width=60),
    Column("share", "FILLED", 15),
    Column("top", "VALUES"),
)
EMPTY = "No fields yet: <fields.count> counts them as soon as there are members."
UNREAD = "Nothing could be read. Press <fields.count> to try again."
NO_VALUES = "No values are shown: they are personal, too many, or no two members share one."
NOT_COUNTED = "Computed from what happened to a member when a condition asks for it, and not counted here."


class FieldSource:
    """The catalogue, read once."""

    def __init__(self, program_id: str, entries: Sequence[Entry], read: Read) -> None:
        self.entries = {one.name: one for one in sorted(entries, key=_place)}
        self.asked = frozenset(catalogue.FACTS)
        self.exported = partial(exports.of_fields, program_id)
        self._read, self._shown = read, list[Entry]()

    async def count(self, view: View) -> int:
        """Those that the view shows."""
        entries = self.entries.values()
        self._shown = await self._read(lambda connection: pick(connection, catalogue.FACTS, entries, view))
        return len(self._shown)

    async def page(self, view: View, offset: int, limit: int) -> list[Row]:
        """From one on."""
        return [_row(one) for one in self._shown[offset : offset + limit]]


class FieldsScreen(ConsoleScreen):
    """Over the programs. The counts are those of the last sync or import until they are asked for anew."""

    CSS_PATH = "../styles/fields.tcss"
    BINDINGS = bindings("fields")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]
    AUTO_FOCUS = "#fields"
    mode = "programs"

    def __init__(self, program: Program) -> None:
        super().__init__()
        self._program = program
        self._source: FieldSource | None = None

    def body(self) -> Iterable[Widget]:
        """Whose fields, all of them, and the one under the cursor."""
        yield Static(id="whose", markup=False)
        with Container(id="catalogue"):
            yield VirtualTable(COLUMNS, id="fields", remembered="fields", empty=keyed(EMPTY))
            yield Static(id="field", markup=False)

    def on_mount(self) -> None:
        """Begin with what was counted last."""
        self._read()

    @work(group="read", exclusive=True)
    async def _read(self, *, anew: bool = False) -> None:
        self._say("counting …" if anew else "reading …")
        database, program_id = self.app.desk.database, self._program.id

        def read() -> list[Entry]:
            if anew:
                with database.write() as connection:
                    catalogue.refresh(connection, program_id)
            return catalogue.fresh(database, program_id)

        entries = await self.app.act(read)
        if entries is not None:
            self._source = FieldSource(program_id, entries, self.app.read)
            looked_at = max((one.members for one in entries), default=0)
            at = since(entries[0].at if entries else None)
            self._say(f"{len(entries)} fields, counted over {looked_at:,} members {at}")
            self.query_one(VirtualTable).show(self._source, same=True)
        elif self._source is None:
            self._say("")
            self.query_one(VirtualTable).show_nothing(keyed(UNREAD))

    def _say(self, sentence: str) -> None:
        name = (inert(self._program.name, 60), "bold")
        self.query_one("#whose", Static).update(Content.assemble(name, (f"  {sentence}", "$quiet")))

    @on(VirtualTable.Highlighted)
    def _highlighted(self, event: VirtualTable.Highlighted) -> None:
        found = self._source.entries.get(event.key) if self._source else None
        self.query_one("#field", Static).update(in_words(found) if found else "")

    def needs_filter(self) -> str:
        """Whether the list can be filtered by its column in hand."""
        return in_hand(self).needs_filter()

    def action_filter(self) -> None:
        """Type what the list's column in hand has to hold."""
        in_hand(self).action_filter()

    def action_count(self) -> None:
        """Count again."""
        self._read(anew=True)

    def action_back(self) -> None:
        """Back to the programs."""
        self.dismiss()


def in_words(one: Entry) -> Content:
    """One field with its common values."""
    head = Content.assemble((inert(one.name, 60), "bold"), f"  {one.type}, of {_OF[one.source]}")
    if one.share is None:
        return Content("\n").join([head, Content.styled(NOT_COUNTED, "$quiet")])
    filled = Content(f"{one.filled:,} of {one.members:,} members have a value ({percent(one.share)})")
    shared = [
        Content.assemble(
            f"{count:>9,}  ",
            (f"{bar(count / one.members):<{BAR}}", "$text-primary"),
            f"  {inert(words.value(value), LONGEST)}",
        )
        for value, count in one.top
    ]
    return Content("\n").join([head, filled, *(shared or [Content.styled(NO_VALUES, "$quiet")])])


def bar(share: float) -> str:
    """A part of a whole in eighths of a cell; what is not nothing is seen."""
    eighths = max(round(share * BAR * 8), 1 if share else 0)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def percent(share: float) -> str:
    """`34%`; `<1%` and `>99%` where rounding would say nobody or all."""
    if 0 < share < 0.01:
        return "<1%"
    return ">99%" if 0.99 < share < 1 else f"{share:.0%}"


_OF = {"member": "members", "pass": "passes", "attribute": "the passes' data and files", "past": "the past"}


def _place(one: Entry) -> tuple[bool, int, bool, str]:
    """Those that most members have come first, among them what is this program's own."""
    return one.share is None, -one.filled, one.source != "attribute", one.name


def _row(one: Entry) -> Row:
    share = Text("")
    if one.share is not None:
        share = Text(f"{bar(one.share):<{BAR}} {percent(one.share):>4}")
        share.stylize("$text-primary", 0, BAR)
    told = ", ".join(inert(words.value(value), LONGEST) for value, _ in one.top)
    return one.name, (one.name, one.type, one.source, share, told)
