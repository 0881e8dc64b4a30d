"""A list without rows says why, and what to do next: on the first day, under a filter, and out of reach."""

from __future__ import annotations

import ast
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

import console as package
from console.app import Console
from console.desk import Desk
from console.widgets.table import VirtualTable, paged
from tests.console.hands import text_of, typed
from tests.console.steps import open_blast, press

pytestmark = pytest.mark.anyio

PLANNED, RUNNING = 6, 5


def said(pilot: Pilot[Any]) -> str:
    """What stands on the screen, on one line."""
    return " ".join(text_of(pilot).split())


def test_every_list_has_words_of_its_own_for_no_rows() -> None:
    for path in Path(package.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "VirtualTable":
                assert any(one.arg == "empty" for one in node.keywords), f"{path.name}:{node.lineno}"


async def test_on_the_first_day_every_list_says_how_to_begin(
    bare_desk: Desk, console: Callable[[Desk], Console]
) -> None:
    app = console(bare_desk)
    async with app.run_test(size=(150, 40)) as pilot:
        for keys, words in (
            ("1", "No programs yet. Press s to read them"),
            ("i", "No programs yet: 1, then s, reads them from PassKit."),
            ("escape escape 2", "No audiences yet. Press n to build one"),
            ("n", "There are no programs yet: press 1 for them, then s to sync."),
            ("escape 3 ctrl+t", "No text was planned yet. Escape leads back, to write the first one."),
            ("escape escape 4", "No message was planned yet. Press 3 to write one"),
            ("5", "Nothing was done yet. Each plan, launch and sync leaves an entry: 0 says how to begin."),
            ("0", "Press 1, then s: read programs and members"),
        ):
            await press(pilot, *keys.split())
            assert words in said(pilot), keys


async def test_whatever_is_filtered_away_says_how_to_have_it_back(
    desk: Desk, console: Callable[[Desk], Console]
) -> None:
    app = console(desk)
    async with app.run_test(size=(150, 40)) as pilot:
        for keys in ("1", "2", "4", "5", "1 enter", "escape f", "escape i tab"):
            await press(pilot, *keys.split())
            lists = [one for one in app.screen.query(VirtualTable) if one.has_focus]
            assert lists, keys
            await press(pilot, "F")
            await typed(pilot, "9999\n")
            assert not lists[0].row_count
            assert "Backspace takes the filter away and shows all." in said(pilot), keys
            await press(pilot, "backspace")
        await press(pilot, "escape", "2", "tab", "F")
        await typed(pilot, "9999\n")
        assert "Backspace takes the filter away and shows all." in said(pilot)

        await open_blast(pilot, PLANNED)
        assert "No batch yet. What is only planned is launched by l" in said(pilot)
        await open_blast(pilot, RUNNING)
        for key in ("b", "d"):
            await press(pilot, key, "F")
            await typed(pilot, "9999\n")
            assert "Backspace takes the filter away and shows all." in said(pilot), key


async def test_a_list_out_of_reach_comes_by_itself(
    desk: Desk, console: Callable[[Desk], Console], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paged, "AGAIN", 0.05)
    store = sqlite3.connect(desk.settings.home / "passbell.db", isolation_level=None)
    app = console(desk)
    async with app.run_test(size=(150, 40)) as pilot:
        for keys, table, list_, words in (
            ("1", "members", "#members", "The list comes by itself as soon as it can be read."),
            ("2", "audiences", "#audiences", "The list comes by itself as soon as it can be read."),
            ("4", "deliveries", "#blasts", "The list comes by itself as soon as it can be read."),
            ("5", "audit", "#entries", "The list comes by itself as soon as it can be read."),
        ):
            store.execute(f"ALTER TABLE {table} RENAME TO gone")
            await press(pilot, keys)
            assert words in said(pilot), keys
            store.execute(f"ALTER TABLE gone RENAME TO {table}")
            while not app.screen.query_one(list_, VirtualTable).row_count:
                await pilot.pause(0.05)
            assert words not in said(pilot), keys
    store.close()
