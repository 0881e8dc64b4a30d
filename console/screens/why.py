"""Why a member was messaged or not: the decision on top, and below it every step that led there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from console.actions import bindings
from console.keymap import keyed
from console.plain import inert, inert_lines
from console.screens.base import ConsoleScreen
from console.why_words import Line, Section, heading, sections
from console.widgets.cells import wrapped
from jobs.why.holder import Why, why
from store.errors import PassbellError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from jobs.why.decision import Decision

WIDEST = 120
BACK = "Press <why.back> to go back: it is asked anew when you come again."
MARK, NAME = 13, 13
"""Cells of the columns before what is told."""

MARKS = {
    "passes": ("✓ passes", "$text-success"),
    "fails": ("✗ FAILS", "bold $text-error"),
    "waits": ("… WAITS", "bold $text-warning"),
    "passed_over": ("» passed over", "$quiet"),
    "not_reached": ("· not reached", "$quiet"),
    "not_asked": ("· not asked", "$quiet"),
    "yes": ("✓ yes", "$text-success"),
    "no": ("✗ NO", "bold $text-error"),
    "unknown": ("? not known", "$text-warning"),
}
"""Sign and word say the same without colours."""


class WhyScreen(ConsoleScreen):
    """Of one blast, or, without one, of a message that would be sent now."""

    BINDINGS = bindings("why")
    AUTO_FOCUS = "#why"
    CSS = """
    WhyScreen {
        & > #why { width: 1fr; height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
    }
    """

    def __init__(self, program_id: str, external_id: str, blast_id: int | None = None) -> None:
        super().__init__()
        self._program_id, self._external_id, self._blast_id = program_id, external_id, blast_id
        self._purpose = "marketing"
        self._found: Why | None = None

    def compose(self) -> ComposeResult:
        """Under the tab of the screen that it was asked from."""
        self.mode = self.app.current_mode
        yield from super().compose()

    def body(self) -> Iterable[Widget]:
        """One page."""
        with VerticalScroll(id="why"):
            yield Static("Reading …", id="steps", markup=False)

    def look_again(self) -> None:
        """Ask anew."""
        self._look()

    @work(group="look", exclusive=True)
    async def _look(self) -> None:
        settings = self.app.desk.settings

        def read(connection: sa.Connection) -> Why:
            wanted = (self._program_id, self._external_id, self._blast_id)
            return why(connection, settings, *wanted, purpose=self._purpose)

        try:
            self._found = await self.app.read(read)
        except PassbellError as error:
            self._found = None
            self.query_one("#steps", Static).update(inert_lines(f"{error}.\n\n{keyed(BACK)}"))
            return
        self._draw()

    def on_resize(self) -> None:
        """Break the lines anew."""
        self._draw()

    def _draw(self) -> None:
        if self._found is not None:
            width = min(self.size.width - 3, WIDEST)
            self.query_one("#steps", Static).update(in_words(self._found, width))

    def needs_no_blast(self) -> str:
        """Whether the purpose can be chosen."""
        return "" if self._blast_id is None else "A blast has a purpose of its own."

    def action_purpose(self) -> None:
        """The other purpose."""
        self._purpose = "service" if self._purpose == "marketing" else "marketing"
        self._look()

    def action_back(self) -> None:
        """Back to where it was asked."""
        self.dismiss()


def in_words(found: Why, width: int) -> Content:
    """The whole page, broken at so many cells."""
    sign, style = _sign(found.decision)
    told = _hanging(Content.styled(f"{sign} ", style), 2, found.decision.sentence, width, style)
    lines = [*told, *_hanging(Content(""), 0, heading(found), width, "$quiet")]
    for section in sections(found):
        lines += [Content(""), Content.styled(inert(section.title), "bold $text-primary")]
        lines += _lines(section, width)
    return Content("\n").join(lines)


def _sign(decision: Decision) -> tuple[str, str]:
    if not decision.sends:
        return "✗", "bold $text-error"
    return ("…", "bold $text-warning") if decision.until else ("✓", "bold $text-success")


def _lines(section: Section, width: int) -> Iterator[Content]:
    marked = any(line.mark for line in section.lines)
    for line in section.lines:
        yield from _hanging(_lead(line, marked), NAME + (MARK + 1) * marked, line.told, width)


def _lead(line: Line, marked: bool) -> Content:
    name = (f"{line.name:<{NAME}}", "$quiet")
    if not marked:
        return Content.assemble(name)
    word, style = MARKS.get(line.mark, ("", ""))
    return Content.assemble((f"{word:<{MARK + 1}}", style), name)


def _hanging(lead: Content, indent: int, told: str, width: int, style: str = "") -> Iterator[Content]:
    """What is told behind its lead, broken under itself."""
    for place, line in enumerate(wrapped(inert(told), max(width - indent, 20))):
        yield Content.assemble(lead if place == 0 else " " * indent, (line, style))
