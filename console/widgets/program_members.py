"""A program's members, and the filter over them.

It is part of a screen that is drawn before the store is loaded: what needs the store is imported late.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import getters, on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Static

from console.app import Console
from console.audience_words import how_many
from console.keymap import keyed
from console.plain import inert_lines
from console.widgets.columns import MEMBER_COLUMNS
from console.widgets.table import VirtualTable
from store.errors import PassbellError

if TYPE_CHECKING:
    from textual.timer import Timer

    from store.programs import ProgramRow

DEBOUNCE = 0.08
"""Seconds without a key press after which the filter asks the store."""

NO_MEMBERS = "No members yet. Press <programs.sync> to read them from PassKit."
NO_OWN_MEMBERS = "No members yet: press <programs.imports> to add them from a file."
NO_MATCH = "No member matches. <programs.back> takes the filter away."


class ProgramMembers(Vertical):
    """Those of one program whom the filter means, under how many they are of all."""

    app = getters.app(Console)

    def __init__(self, find: Callable[[str], ProgramRow | None]) -> None:
        """`find` gives a program as it was last read."""
        super().__init__(id="right")
        self._find = find
        self._program_id: str | None = None
        self._shown: str | None = None
        """The program whose members the rows are."""
        self._typing: Timer | None = None

    def compose(self) -> ComposeResult:
        """The filter, what is wrong with it, and the rows."""
        yield Input(
            id="filter",
            compact=True,
            placeholder=keyed(
                "<programs.filter>  filter: a name, id, e-mail or phone; or  where points > 500"
            ),
        )
        yield Static(id="trouble", markup=False)
        yield VirtualTable(MEMBER_COLUMNS, id="members", remembered="members", empty=" ")

    @property
    def filter(self) -> Input:
        """Where the filter is typed."""
        return self.query_one("#filter", Input)

    @property
    def table(self) -> VirtualTable:
        """The rows."""
        return self.query_one("#members", VirtualTable)

    def show(self, program_id: str | None) -> None:
        """Show all members of a program; None where there is none."""
        self._program_id = program_id
        self.filter.clear()
        self._show()

    def step_back(self) -> bool:
        """Out of the filter, then without it; False where there is nothing to leave."""
        if self.filter.has_focus:
            self.table.focus()
        elif self.filter.value:
            self.filter.clear()
        else:
            return False
        return True

    @on(Input.Changed, "#filter")
    def _typed(self) -> None:
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(DEBOUNCE, self._show)

    @on(Input.Submitted, "#filter")
    def _to_the_rows(self) -> None:
        if self._typing is not None:
            self._typing.stop()
            self._show()
        self.table.focus()

    def _show(self) -> None:
        self._typing = None
        if self._program_id is not None:
            self._look_for(self._program_id, self.filter.value)
        else:
            self.table.show_nothing("No program is chosen. Choose one in the list of programs.")

    @work(group="find", exclusive=True)
    async def _look_for(self, program_id: str, wanted: str) -> None:
        """Show who matches. A predicate that is wrong is told, and the rows stay as they were."""
        from console.widgets.members import filtered

        source = filtered(self.app, program_id, wanted)
        trouble = self.query_one("#trouble", Static)
        try:
            await source.check()
        except PassbellError as error:
            trouble.update(inert_lines(str(error)))
            trouble.display = True
            self._say_no_count()
            return
        trouble.display = False
        found = self._find(program_id)
        nobody = NO_OWN_MEMBERS if found and found.program.own else NO_MEMBERS
        same, self._shown = program_id == self._shown, program_id
        self.table.show(source, empty=keyed(NO_MATCH if wanted.strip() else nobody), same=same)

    def _say_no_count(self) -> None:
        """The rows are not what the filter says: neither a count nor a reason for none would be true."""
        self.border_title = None
        self.table.empty = " "
        self.table.refresh()

    @on(VirtualTable.Counted, "#members")
    def _counted(self, event: VirtualTable.Counted) -> None:
        if self.query_one("#trouble").display:
            return
        found = self._find(self._program_id or "")
        total = found.members if found else 0
        shown = how_many(event.count)
        if found and (self.filter.value.strip() or self.table.view.filters):
            shown = f"{event.count:,} of {total:,} members"
        self.border_title = shown if self._program_id else None
