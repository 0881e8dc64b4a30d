"""The virtual table: any length, any text, by keys, mouse and wheel; refreshed under the cursor."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from rich.cells import cell_len
from rich.text import Text
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from console.widgets.cells import fit
from console.widgets.table import Column, Row, VirtualTable
from store.errors import PassbellError
from store.view import View
from tests.console.hands import settled, shown
from tests.console.seed import HOSTILE

pytestmark = pytest.mark.anyio

COLUMNS = (
    Column("name", "NAME"),
    Column("id", "ID", 8, "right"),
    Column("note", "NOTE", 12, from_width=60),
)


class Numbers:
    """So many rows, by number from `first` on."""

    def __init__(self, length: int, first: int = 0, word: str = "row") -> None:
        self.length, self.first, self.word = length, first, word
        self.pages: list[int] = []

    async def count(self, view: View) -> int:
        """How many."""
        return self.length

    async def page(self, view: View, offset: int, limit: int) -> list[Row]:
        """Made up as they are asked for."""
        self.pages.append(offset)
        numbers = range(self.first + offset, self.first + min(offset + limit, self.length))
        return [(n, (f"{self.word} {n}", str(n), Text("x", "$error"))) for n in numbers]


class Listed(Numbers):
    """Given rows."""

    def __init__(self, listed: list[Row]) -> None:
        super().__init__(len(listed))
        self.listed = listed

    async def page(self, view: View, offset: int, limit: int) -> list[Row]:
        """Some of them."""
        return self.listed[offset : offset + limit]


class Broken(Numbers):
    """A store that cannot be asked."""

    async def count(self, view: View) -> int:
        """Fails."""
        raise PassbellError("the store [/gone] cannot be used")


class TableApp(App[None]):
    """One table; it keeps what the table says."""

    def __init__(self, source: Numbers) -> None:
        super().__init__()
        self.source, self.said = source, list[tuple[str, Any]]()

    def get_css_variables(self) -> dict[str, str]:
        """Textual's, and the console's own."""
        return super().get_css_variables() | {"quiet": "#888888"}

    def compose(self) -> ComposeResult:
        """The table."""
        yield VirtualTable(COLUMNS, id="table", empty="Nobody [/here].")

    def on_mount(self) -> None:
        """Show the rows."""
        self.table.show(self.source)
        self.table.focus()

    @property
    def table(self) -> VirtualTable:
        """The table."""
        return self.query_one(VirtualTable)

    def on_virtual_table_highlighted(self, event: VirtualTable.Highlighted) -> None:
        """Keep it."""
        self.said.append(("highlighted", event.key))

    def on_virtual_table_selected(self, event: VirtualTable.Selected) -> None:
        """Keep it."""
        self.said.append(("selected", event.key))


def table_of(pilot: Pilot[Any]) -> VirtualTable:
    return pilot.app.query_one(VirtualTable)


async def test_a_million_rows_are_asked_for_a_page_at_a_time() -> None:
    source = Numbers(1_000_000)
    app = TableApp(source)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert source.pages == [0]
        await pilot.press("G")
        await settled(pilot)
        assert "row 999999" in shown(pilot)[-1]
        assert app.table.cursor_key == 999_999
        assert set(source.pages) == {0, 999_900}
        await pilot.press("g")
        await settled(pilot)
        assert "row 0" in shown(pilot)[1]
        assert len(app.table._pages) <= 12


async def test_keys_move_the_cursor_and_say_so() -> None:
    app = TableApp(Numbers(500))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("down", "j", "k", "pagedown", "enter")
        await settled(pilot)
        keys = [key for what, key in app.said if what == "highlighted"]
        assert keys == [0, 1, 2, 1, 24]
        assert app.said[-1] == ("selected", 24)
        await pilot.press("pageup", "pageup")
        await settled(pilot)
        assert app.table.cursor_key == 0


async def test_click_double_click_and_wheel() -> None:
    app = TableApp(Numbers(500))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.click("#table", offset=(5, 4))
        await settled(pilot)
        assert app.table.cursor_key == 3
        await pilot.click("#table", offset=(5, 6), times=2)
        await settled(pilot)
        assert app.said[-1] == ("selected", 5)
        await pilot.click("#table", offset=(5, 0))
        await settled(pilot)
        assert app.table.cursor_key == 5, "the header is no row"
        app.table.scroll_to(y=300, animate=False)
        await settled(pilot)
        assert "row 300" in shown(pilot)[1]


async def test_a_refresh_follows_the_row_under_the_cursor() -> None:
    app = TableApp(Numbers(300, first=10))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press(*["down"] * 30)
        await settled(pilot)
        key, line = app.table.cursor_key, app.table.cursor_row - app.table.scroll_offset.y
        app.source.first, app.source.length = 5, 305  # five rows came in on top
        app.table.refresh_rows()
        await settled(pilot)
        assert app.table.cursor_key == key
        assert app.table.cursor_row - app.table.scroll_offset.y == line
        assert app.table.row_count == 305


async def test_a_refresh_without_a_change_draws_nothing() -> None:
    app = TableApp(Numbers(300))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        kept = app.table._pages.age
        app.table.refresh_rows()
        await settled(pilot)
        assert app.table._pages.age == kept


async def test_fewer_rows_than_before_keep_the_cursor_on_one() -> None:
    app = TableApp(Numbers(300))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("G")
        await settled(pilot)
        app.source.length = 7
        app.table.refresh_rows()
        await settled(pilot)
        assert (app.table.cursor_row, app.table.row_count) == (6, 7)


async def test_an_answer_that_comes_too_late_is_dropped() -> None:
    class Slow(Numbers):
        asked, gate = asyncio.Event(), asyncio.Event()

        async def count(self, view: View) -> int:
            self.asked.set()
            await self.gate.wait()
            return await super().count(view)

    slow = Slow(9, word="old")
    app = TableApp(Numbers(3, word="first"))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        app.table.show(slow)
        await slow.asked.wait()
        app.table.show(Numbers(4, word="new"))
        slow.gate.set()
        await settled(pilot)
        assert "new 0" in shown(pilot)[1]
        assert app.table.row_count == 4


@pytest.mark.parametrize(
    ("source", "sentence"), [(Numbers(0), "Nobody [/here]."), (Broken(0), "the store [/gone] cannot be used")]
)
async def test_where_there_are_no_rows_there_is_a_sentence(source: Numbers, sentence: str) -> None:
    app = TableApp(source)
    async with app.run_test(size=(60, 10)) as pilot:
        await settled(pilot)
        assert sentence in "\n".join(shown(pilot))
        await pilot.press("enter", "down", "G")
        assert not any(what == "selected" for what, _ in app.said)


async def test_hostile_cells_are_shown_inert_and_lines_keep_their_width() -> None:
    listed: list[Row] = [(n, (text, text, Text("safe", "bold"))) for n, text in enumerate(HOSTILE)]
    app = TableApp(Listed(listed))
    async with app.run_test(size=(100, 16)) as pilot:
        await settled(pilot)
        lines = shown(pilot)  # asserts that each line is as wide as the screen
        assert "Ann [/foo] Lee" in lines[1]
        assert "[@click=app.quit]" in lines[2]
        assert not any(sign in "".join(lines) for sign in "\x1b\x07\u202e\n")
        assert "\\u202e" in lines[5]


async def test_narrow_tables_leave_columns_out() -> None:
    app = TableApp(Numbers(3))
    async with app.run_test(size=(50, 8)) as pilot:
        await settled(pilot)
        assert "NOTE" not in shown(pilot)[0]
        await pilot.resize_terminal(90, 8)
        await settled(pilot)
        assert "NOTE" in shown(pilot)[0]


@pytest.mark.parametrize("text", [*HOSTILE[4:9], "", "a", "陈" * 40, "e\u0301" * 30, "👩‍👩‍👧" * 9])
@pytest.mark.parametrize("width", [1, 2, 7, 20])
@pytest.mark.parametrize("align", ["left", "right"])
def test_every_text_fits_its_cells(text: str, width: int, align: Any) -> None:
    assert cell_len(fit(text.replace("\n", " "), width, align)) == width
