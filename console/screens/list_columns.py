"""Which columns of a list are shown."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from console.actions import bindings
from console.keymap import keyed
from console.plots import sign
from console.screens.drawn import Window
from console.widgets.table import VirtualTable
from console.widgets.table.rows import Column

HINT = "<columns.flip> or Enter takes a column out or back. The list follows at once and remembers it."
LAST = "One column has to stay: take another one back first."


class ColumnsScreen(Window[None]):
    """The columns in their order, each with whether it is shown."""

    BINDINGS = bindings("columns")
    AUTO_FOCUS = "#columns"
    CSS = """
    ColumnsScreen {
        align: center middle;
        & > #chooser {
            width: 60; max-width: 94%; height: auto; max-height: 90%;
            padding: 1 2; background: $surface; border: round $primary;
        }
        & #columns {
            height: auto; max-height: 100%; border: none; padding: 0; background: transparent;
            scrollbar-size-vertical: 1; text-wrap: nowrap; text-overflow: ellipsis;
        }
        & #hint { height: auto; margin: 1 0 0 0; color: $quiet; }
    }
    """

    def __init__(self, table: VirtualTable) -> None:
        super().__init__()
        self._table = table

    def compose(self) -> ComposeResult:
        """All columns, and how to take them out."""
        with Vertical(id="chooser"):
            yield OptionList(
                *map(self._option, self._table.columns), id="columns", compact=True, markup=False
            )
            yield Static(keyed(HINT), id="hint", markup=False)

    def on_mount(self) -> None:
        """Begin with the column in hand."""
        self.query_one(OptionList).highlighted = self._table.columns.index(self._table.column)

    def _option(self, column: Column) -> Option:
        shown = column.key not in self._table.hidden
        told = [
            f"{sign('yes' if shown else 'no')} {'shown' if shown else 'out  '}  ",
            column.title or column.key,
        ]
        narrow = self._table.size.width < column.from_width
        return Option(
            Content.assemble(*told, (f"  from {column.from_width} cells on" if narrow else "", "$quiet"))
        )

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        """Take the column out, or back."""
        table, place = self._table, event.option_index
        hidden = table.hidden ^ {table.columns[place].key}
        if len(hidden) == len(table.columns):
            self.query_one("#hint", Static).update(LAST)
            return
        table.take_out(hidden)
        options = self.query_one(OptionList)
        options.replace_option_prompt_at_index(place, self._option(table.columns[place]).prompt)
        self.query_one("#hint", Static).update(keyed(HINT))

    def action_flip(self) -> None:
        """Take the column under the cursor out, or back."""
        self.query_one(OptionList).action_select()

    def action_close(self) -> None:
        """Back to the list."""
        self.dismiss()
