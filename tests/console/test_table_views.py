"""A list looked at in other ways: ordered, filtered, marked, copied, exported; by keys and by mouse."""

from __future__ import annotations

import asyncio
import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Input, Static

from console.app import Console
from console.desk import Desk
from console.widgets.table import Column, Row, VirtualTable, views
from console.widgets.table.rows import share_out
from store import audit, members
from store.errors import UsageError
from store.view import View
from tests.console.conftest import seat
from tests.console.hands import rows, settled, shown, text_of, typed
from tests.console.seed import HOSTILE
from tests.console.steps import press

pytestmark = pytest.mark.anyio

MakeConsole = Callable[[Desk], Console]
COLUMNS = (
    Column("name", "NAME"),
    Column("size", "SIZE", 8, "right"),
    Column("note", "NOTE", 12, from_width=60),
)


class Things:
    """Rows that can be ordered and filtered by name and size; `nonsense` is what no filter may say."""

    asked = frozenset(("name", "size"))

    def __init__(self, things: list[tuple[str, int]]) -> None:
        self.things = things
        self.views: list[View] = []

    def _seen(self, view: View) -> list[tuple[int, tuple[str, int]]]:
        found = list(enumerate(self.things))
        for key, words in view.filters:
            if words == "nonsense":
                raise UsageError(f"{key}: [/nonsense] says nothing: type a part of it")
            found = [one for one in found if words.lower() in str(one[1][key == "size"]).lower()]
        if view.order:
            found.sort(key=lambda one: one[1][view.order == "size"], reverse=view.descending)
        return found

    async def count(self, view: View) -> int:
        """How many fit."""
        self.views.append(view)
        return len(self._seen(view))

    async def page(self, view: View, offset: int, limit: int) -> list[Row]:
        """Some of them."""
        found = self._seen(view)[offset : offset + limit]
        return [(key, (name, f"{size:,}", Text("x", "$error"))) for key, (name, size) in found]


class TableApp(App[None]):
    """One table."""

    def __init__(self, source: Things) -> None:
        super().__init__()
        self.source, self.views, self.opened = source, list[View](), list[Any]()

    def get_css_variables(self) -> dict[str, str]:
        """Textual's, and the console's own."""
        return super().get_css_variables() | {"quiet": "#888888"}

    def compose(self) -> ComposeResult:
        """The table."""
        yield VirtualTable(COLUMNS, id="table")

    def on_mount(self) -> None:
        """Show the rows."""
        self.table.show(self.source)
        self.table.focus()

    @property
    def table(self) -> VirtualTable:
        """The table."""
        return self.screen_stack[0].query_one(VirtualTable)

    def on_virtual_table_viewed(self, event: VirtualTable.Viewed) -> None:
        """Keep it."""
        self.views.append(event.view)

    def on_virtual_table_selected(self, event: VirtualTable.Selected) -> None:
        """Keep it."""
        self.opened.append(event.key)


def many(length: int = 500) -> Things:
    """`row 0` of size 0 and so on, every third of them called gold."""
    return Things([(f"{'gold' if n % 3 == 0 else 'row'} {n}", n) for n in range(length)])


class Waiting(Things):
    """Rows that are counted once they may be."""

    may: asyncio.Event

    async def count(self, view: View) -> int:
        """How many fit, after a wait."""
        await self.may.wait()
        return await super().count(view)


async def test_keys_that_come_quicker_than_the_rows_add_up() -> None:
    source = Waiting(many(30).things)
    source.may = asyncio.Event()
    source.may.set()
    app = TableApp(source)
    async with app.run_test(size=(80, 12)) as pilot:
        await settled(pilot)
        source.may.clear()
        await pilot.press("right", "O", "O")
        source.may.set()
        await settled(pilot)
        assert app.table.view == View(order="size", descending=True)


async def test_the_column_in_hand_orders_up_down_and_not_at_all() -> None:
    app = TableApp(many(30))
    async with app.run_test(size=(80, 12)) as pilot:
        await press(pilot, "right", "O")
        assert app.table.view == View(order="size")
        assert "SIZE ↑" in shown(pilot)[0]
        assert "by SIZE, ascending" in shown(pilot)[1]
        await press(pilot, "O")
        assert "SIZE ↓" in shown(pilot)[0]
        assert "gold 27" not in shown(pilot)[2]
        assert "row 29" in shown(pilot)[2]
        assert app.table.cursor_key == 29
        await press(pilot, "O")
        assert app.table.view == View()
        assert "gold 0" in shown(pilot)[1]
        assert [view.order for view in app.views] == ["size", "size", ""]
        await press(pilot, "right", "O")  # nobody asks the store by NOTE
        assert app.table.view == View()
        assert "cannot be ordered by NOTE" in app.table.needs_order()
        await press(pilot, "right", "left", "left", "left", "O")
        assert app.table.view == View(order="name")


async def test_a_filter_is_typed_over_the_list_and_nobody_can_forget_it() -> None:
    app = TableApp(many())
    async with app.run_test(size=(80, 14)) as pilot:
        await press(pilot, "F")
        await typed(pilot, "gold")
        await settled(pilot)
        assert app.table.row_count == 167, "it follows what is typed"
        await press(pilot, "enter")
        assert "only NAME gold · Backspace shows all" in shown(pilot)[1]
        assert "gold 3" in shown(pilot)[3]
        await press(pilot, "right", "F")
        await typed(pilot, "nonsense")
        await settled(pilot)
        assert "size: [/nonsense] says nothing" in text_of(pilot)
        assert app.table.row_count == 167, "the rows stay"
        await press(pilot, "enter")
        assert pilot.app.screen.query(Input), "what means nothing cannot be kept"
        await press(pilot, "escape")
        assert dict(app.table.view.filters) == {"name": "gold"}
        await press(pilot, "F")
        await typed(pilot, "99")
        await press(pilot, "enter")
        assert dict(app.table.view.filters) == {"name": "gold", "size": "99"}
        assert [app.table.row_at(n)[0] for n in range(app.table.row_count)] == [99, 399]  # type: ignore[index]
        await press(pilot, "F")
        await typed(pilot, "9")
        await press(pilot, "escape")
        assert dict(app.table.view.filters)["size"] == "99", "escape leaves it as it was"
        await press(pilot, "backspace")
        assert (app.table.view, app.table.row_count, app.table.line) == (View(), 500, "")


async def test_where_a_filter_hides_all_it_is_said_and_how_to_go_on() -> None:
    app = TableApp(many(5))
    async with app.run_test(size=(80, 10)) as pilot:
        await press(pilot, "F")
        await typed(pilot, "zzz[/b]")
        await press(pilot, "enter")
        assert "Backspace takes the filter away" in text_of(pilot)
        assert "only NAME zzz[/b]" in text_of(pilot)
        await press(pilot, "enter", "space", "y", "G", "backspace")
        assert app.table.row_count == 5


async def test_marks_stay_through_scroll_filter_and_refresh_and_say_what_is_hidden() -> None:
    app = TableApp(many())
    async with app.run_test(size=(80, 12)) as pilot:
        await press(pilot, "space", "space", "space")
        assert app.table.marked == [0, 1, 2]
        assert app.table.cursor_row == 3
        assert [line[0] for line in shown(pilot)[2:6]] == ["●", "●", "●", " "]
        assert "3 marked" in shown(pilot)[1]
        await press(pilot, "G", "space", "g")
        app.table.refresh_rows()
        await settled(pilot)
        assert app.table.marked == [0, 1, 2, 499]
        await press(pilot, "F")
        await typed(pilot, "gold")
        await press(pilot, "enter")
        assert "4 marked, 3 of them hidden by the filter" in shown(pilot)[1]
        assert app.table.marked == [0]
        await press(pilot, "y")
        assert app.clipboard == "gold 0\t0\tx"
        await press(pilot, "backspace", "y")
        assert app.table.marked == [0, 1, 2, 499]
        assert app.clipboard.splitlines()[-1] == "row 499\t499\tx"
        await press(pilot, "A")
        assert (app.table.marked, app.table.line) == ([], "")
        await press(pilot, "A")
        assert len(app.table.marked) == 500
        app.table.show(many(3))
        await settled(pilot)
        assert app.table.marked == [], "other things have marks of their own"


async def test_a_row_and_a_cell_are_copied_as_they_are_shown() -> None:
    app = TableApp(Things([(text, n) for n, text in enumerate(HOSTILE)]))
    async with app.run_test(size=(100, 16)) as pilot:
        await press(pilot, "down", "down", "y")
        assert app.clipboard == "bell\\x07 and \\x1b[31mred\\x1b]0;title\\x07\t2\tx"
        await press(pilot, "right", "Y")
        assert app.clipboard == "2"
        await press(pilot, "A", "y")
        assert len(app.clipboard.splitlines()) == len(HOSTILE)
        assert not any(sign in app.clipboard for sign in "\x1b\x07\u202e")
        app.table.mark(())
        await press(pilot, "left", "O", "F")
        await typed(pilot, "[/foo]")
        await press(pilot, "enter")
        assert "[/foo]" in text_of(pilot)


async def test_columns_are_taken_out_and_back_but_never_the_last() -> None:
    app = TableApp(many(5))
    async with app.run_test(size=(80, 20)) as pilot:
        await press(pilot, "C", "down", "space")
        assert "✗ out" in text_of(pilot)
        await press(pilot, "escape")
        assert shown(pilot)[0].split() == ["NAME", "NOTE"]
        await press(pilot, "y")
        assert app.clipboard == "gold 0\tx"
        await press(pilot, "C", "enter", "down", "down", "enter")
        assert "One column has to stay" in text_of(pilot)
        await press(pilot, "up", "up", "enter", "C")
        assert shown(pilot)[0].split() == ["NAME", "NOTE"]
        await pilot.resize_terminal(50, 20)
        await press(pilot, "C")
        assert "from 60 cells on" in text_of(pilot)


async def test_the_mouse_orders_marks_opens_and_scrolls() -> None:
    app = TableApp(many())
    async with app.run_test(size=(80, 12)) as pilot:
        await settled(pilot)
        for order in (View("size"), View("size", True), View()):
            await pilot.click("#table", offset=(60, 0))
            await settled(pilot)
            assert app.table.view == order
        await pilot.click("#table", offset=(75, 0))
        await settled(pilot)
        assert app.table.view == View(), "a column that nobody asks by"
        await pilot.click("#table", offset=(0, 3))
        await pilot.click("#table", offset=(9, 6), control=True)
        await settled(pilot)
        assert app.table.marked == [2, 4], "the line under the header came between"
        await pilot.click("#table", offset=(9, 1))
        await pilot.click("#table", offset=(9, 5), times=2)
        await settled(pilot)
        assert app.opened == [3]
        for _ in range(3):
            app.table._on_mouse_scroll_down(_wheel(app.table))
            await settled(pilot)
        assert app.table.scroll_offset.y > 0
        assert app.table.marked == [2, 4]


def _wheel(table: VirtualTable) -> Any:
    from textual.events import MouseScrollDown

    return MouseScrollDown(table, 5, 5, 0, 1, 0, False, False, False)


async def test_a_slow_store_is_asked_for_what_is_seen_and_not_for_what_was_passed() -> None:
    class Slow(Things):
        gate = asyncio.Event()
        pages: list[int]

        async def page(self, view: View, offset: int, limit: int) -> list[Row]:
            if offset:
                self.pages.append(offset)
                await self.gate.wait()
            return await super().page(view, offset, limit)

    source = Slow(many(100_000).things)
    source.pages = []
    app = TableApp(source)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for _ in range(60):
            app.table.action_page_down()
        await pilot.pause()
        for _ in range(60):
            app.table.action_page_down()
        await pilot.pause()
        assert "…" in shown(pilot)[5]
        source.gate.set()
        await settled(pilot)
        assert len(source.pages) <= 4, "one under way, those that are seen, and the next"
        assert str(app.table.cursor_row) in shown(pilot)[-1]
        before = len(source.pages)
        await press(pilot, "pageup")
        assert len(source.pages) <= before + 1


async def test_a_resize_keeps_cursor_and_scroll() -> None:
    app = TableApp(many())
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, *["pagedown"] * 5)
        key, top = app.table.cursor_key, app.table.scroll_offset.y
        await pilot.resize_terminal(120, 40)
        await settled(pilot)
        assert (app.table.cursor_key, app.table.scroll_offset.y) == (key, top)
        await pilot.resize_terminal(40, 6)
        await settled(pilot)
        assert app.table.cursor_key == key
        assert any(f" {key} " in line for line in shown(pilot))


async def test_a_filter_stays_over_its_list_when_the_terminal_is_resized(
    desk: Desk, console: MakeConsole
) -> None:
    app = console(desk)
    async with app.run_test(size=(170, 40)) as pilot:
        await press(pilot, "enter", "right")
        table = app.screen.query_one("#members")
        beside = table.region.x
        await press(pilot, "F")
        await typed(pilot, "a")
        line = app.screen.query_one("#filter")
        for size in (80, 24), (60, 22), (120, 30), (170, 40):
            await pilot.resize_terminal(*size)
            async with asyncio.timeout(20):
                while table.screen.size != size or line.region.offset - table.content_region.offset != (0, 1):
                    await pilot.pause(0.02)
            assert line.region.width == table.content_region.width
        assert table.region.x == beside > 70
        assert app.screen.query_one("#words", Input).value == "a"


async def test_members_keep_order_filter_and_columns_from_one_sitting_to_the_next(
    desk: Desk, console: MakeConsole
) -> None:
    app = console(desk)
    async with app.run_test(size=(130, 40), notifications=True) as pilot:
        await press(pilot, "enter", "right", "right", "right", "O", "O", "left", "F")
        await typed(pilot, "gold")
        await press(pilot, "enter", "C", "end", "space", "escape")
        assert "only TIER gold" in text_of(pilot)
        assert "by POINTS, descending" in text_of(pilot)
        members = rows(pilot, "#members")
        assert len(members) > 1
        await press(pilot, "escape", "F")
        await typed(pilot, "no such program")
        await press(pilot, "enter")
        assert "No program is chosen." in text_of(pilot)
        await press(pilot, "backspace", "enter")
        assert rows(pilot, "#members") == members
        await press(pilot, "4", "1", "backspace")
        assert "only TIER" not in text_of(pilot)
        await press(pilot, "backspace")
        assert "No filter is on" in text_of(pilot)
        await press(pilot, "F")
        await typed(pilot, "gold")
        await press(pilot, "enter")
    again = console(seat(desk.settings.home))
    async with again.run_test(size=(130, 40)) as pilot:
        await press(pilot, "enter")
        assert "only TIER gold · by POINTS, descending · Backspace shows all" in text_of(pilot)
        assert "E-MAIL" not in text_of(pilot)
        assert rows(pilot, "#members") == members
        again.desk.database.close()


async def test_what_a_filter_cannot_mean_is_told_by_the_store(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(130, 40)) as pilot:
        await press(pilot, "enter")
        before = rows(pilot, "#members")
        await press(pilot, "right", "right", "right", "F")
        await typed(pilot, "many")
        await settled(pilot)
        wrong = str(pilot.app.screen.query_one("#wrong", Static).content)
        assert wrong.startswith("points")
        assert "10..20" in wrong
        await press(pilot, "escape")
        assert rows(pilot, "#members") == before


@given(st.integers(1, 250), st.sets(st.sampled_from([column.key for column in COLUMNS])))
@settings(max_examples=60, deadline=None)
def test_columns_share_any_width(width: int, hidden: set[str]) -> None:
    widths = share_out(COLUMNS, width, frozenset(hidden))
    assert all(cells >= 0 for cells in widths)
    assert all(not cells for column, cells in zip(COLUMNS, widths, strict=True) if column.key in hidden)
    if width >= 60 and not hidden:
        assert sum(widths) + len(widths) <= width


_KEYS = st.sampled_from(["name", "size", "gone", "", 3, None])
_VALUES = st.one_of(
    _KEYS, st.booleans(), st.lists(st.lists(_KEYS | st.text(max_size=3), max_size=3), max_size=3)
)


@given(st.dictionaries(st.sampled_from(["order", "descending", "filters"]), _VALUES) | _VALUES)
@settings(max_examples=60, deadline=None)
def test_whatever_was_remembered_is_a_view(value: Any) -> None:
    view = views.from_json(value, COLUMNS)
    assert views.from_json(views.as_json(view), COLUMNS) == view
    assert len(views.hidden_from_json(value, COLUMNS)) < len(COLUMNS)


@given(st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_the_words_for_a_filter_are_one_harmless_line(words: str) -> None:
    told = views.in_words(views.filtered(View(order="size"), "name", words), COLUMNS)
    assert not any(sign in told for sign in "\x1b\x07\u202e\n\r\t\x00")
    assert cell_len(told) >= len("by SIZE")


async def test_what_is_seen_is_exported_and_what_is_marked_of_it(
    desk: Desk, console: MakeConsole, tmp_path: Path
) -> None:
    app = console(desk)
    async with app.run_test(size=(130, 40), notifications=True) as pilot:
        await press(pilot, "enter", "right", "right", "F")
        await typed(pilot, "gold")
        await press(pilot, "enter", "left", "O", "O", "E")
        assert "only TIER gold · by ID, descending." in text_of(pilot)
        pilot.app.screen.query_one("#path", Input).value = str(tmp_path / "all.txt")
        await press(pilot, "enter")
        assert "an export ends in" in text_of(pilot)
        for name, told in (("~no-such-user/m.csv", "there is no such home"), ("a\0.csv", "cannot have this")):
            pilot.app.screen.query_one("#path", Input).value = name
            await press(pilot, "enter")
            assert told in text_of(pilot)
        pilot.app.screen.query_one("#path", Input).value = str(tmp_path / "all.csv")
        await press(pilot, "enter")
        keys = rows(pilot, "#members")
        written = list(csv.DictReader((tmp_path / "all.csv").read_text().splitlines()))
        assert [row["external_id"].lstrip("'") for row in written] == keys
        assert list(written[0])[:4] == ["name", "external_id", "tier", "points"]
        assert "phone" not in written[0]
        assert "rows are in" in text_of(pilot)
        await press(pilot, "space", "space", "C", "home", "space", "escape", "E")
        assert "2 marked rows: only TIER gold" in text_of(pilot)
        pilot.app.screen.query_one("#path", Input).value = str(tmp_path / "two.ndjson")
        await press(pilot, "enter")
        lines = (tmp_path / "two.ndjson").read_text().splitlines()
        assert [json.loads(line)["external_id"] for line in lines] == keys[:2]
        assert "name" not in json.loads(lines[0])
        await press(pilot, "E")
        pilot.app.screen.query_one("#path", Input).value = str(tmp_path / "two.ndjson")
        await press(pilot, "enter")
        assert "exists already" in text_of(pilot)
        await press(pilot, "escape")
        assert app.screen.query("#members")
    with desk.database.read() as connection:
        two, every = (one.details for one in audit.page(connection, limit=2))
    assert (every["list"], every["rows"], every["file"]) == ("members", len(keys), "all.csv")
    assert (two["rows"], two["file"], "name" in two["columns"]) == (2, "two.ndjson", False)


async def test_an_export_that_is_stopped_leaves_nothing(
    desk: Desk, console: MakeConsole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, went_on = Event(), Event()
    real = members.by_ids

    def slowly(*given: Any) -> Any:
        held.set()
        assert went_on.wait(30)
        return real(*given)

    app = console(desk)
    async with app.run_test(size=(100, 30)) as pilot:
        await press(pilot, "enter", "E")
        monkeypatch.setattr(members, "by_ids", slowly)
        pilot.app.screen.query_one("#path", Input).value = str(tmp_path / "half.db")
        await pilot.press("enter")
        assert await asyncio.to_thread(held.wait, 30)
        await pilot.press("escape")
        went_on.set()
        await settled(pilot)
        assert "Stopped: nothing was written." in text_of(pilot)
        assert not [name for name in os.listdir(tmp_path) if name.startswith(("half", ".passbell-"))]
        await press(pilot, "escape")


LISTS = {
    "#programs": "1",
    "#audiences": "2",
    "#blasts": "4",
    "#batches": "4 enter",
    "#deliveries": "4 enter d",
    "#entries": "5",
    "#fields": "1 f",
    "#imports": "1 i",
}
"""Every list but that of members, and the keys that lead to it."""


async def test_every_list_is_ordered_filtered_and_copied(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(160, 44), notifications=True) as pilot:
        for selector, keys in LISTS.items():
            await press(pilot, *keys.split())
            table = app.screen.query_one(selector, VirtualTable)
            table.focus()
            before = rows(pilot, selector)
            named = [
                place for place, width in enumerate(table.widths) if width and not _why_not(table, place)
            ]
            assert len(named) > 1, selector
            for key in (table.columns[place].key for place in named):
                await table.look(View(order=key, descending=True))
                assert sorted(map(str, rows(pilot, selector))) == sorted(map(str, before)), selector
                await table.look(View(order=key, filters=((key, "!-"), (key, "-"))))
                assert not rows(pilot, selector)
                assert "Backspace shows all" in table.line
            await press(pilot, "backspace", "y")
            assert len(rows(pilot, selector)) == len(before), selector
            if before:
                assert app.clipboard.count("\t") == len(table.columns) - 1
            await table.look(View())
            assert rows(pilot, selector) == before, selector
            while len(app.screen_stack) > 1:
                await press(pilot, "escape")


def _why_not(table: VirtualTable, place: int) -> str:
    table._column = place
    return table.needs_order()


def test_a_list_looked_at_looks_so(desk: Desk, console: MakeConsole, snap_compare: Any) -> None:
    async def look(pilot: Pilot[Any]) -> None:
        await press(pilot, "enter", "right", "right", "F")
        await typed(pilot, "gold")
        await press(pilot, "enter", "right", "O", "O", "space", "space")

    assert snap_compare(console(desk), terminal_size=(100, 30), run_before=look)


@pytest.mark.parametrize("key", ["F", "C", "E"])
def test_a_lists_windows_look_so(desk: Desk, console: MakeConsole, snap_compare: Any, key: str) -> None:
    async def look(pilot: Pilot[Any]) -> None:
        await press(pilot, "enter", "right", "right", "right", key)
        if key == "F":
            await typed(pilot, "many")
            await settled(pilot)

    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=look)
