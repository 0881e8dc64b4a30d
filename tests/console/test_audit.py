"""Audit: the entries, one of them, and the verdict on their chain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from textual.pilot import Pilot

from console.app import Console
from console.desk import Desk
from console.screens.audit import AuditScreen, EntryScreen
from store import audit
from store.schema import audit as entries
from tests.console.hands import rows, settled, shown, text_of
from tests.console.seed import HOSTILE, NOW

pytestmark = pytest.mark.anyio
MakeConsole = Callable[[Desk], Console]


async def open_audit(pilot: Pilot[Any]) -> None:
    """From the first screen."""
    await settled(pilot)
    await pilot.press("5")
    await settled(pilot)
    assert isinstance(pilot.app.screen, AuditScreen)


async def open_entry(pilot: Pilot[Any]) -> None:
    """The newest one."""
    await open_audit(pilot)
    await pilot.press("enter")
    await settled(pilot)


async def verified(pilot: Pilot[Any]) -> None:
    """With the verdict."""
    await open_audit(pilot)
    await pilot.press("v")
    await settled(pilot)


def tamper(desk: Desk) -> None:
    """Change an entry behind the console's back."""
    with desk.database.write() as connection:
        connection.execute(sa.update(entries).where(entries.c.id == 5).values(actor="nobody [/foo]"))


async def test_the_newest_entries_come_first(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(120, 30)) as pilot:
        await open_audit(pilot)
        assert rows(pilot, "#entries") == list(range(15, 0, -1))
        assert "blast.plan" in text_of(pilot)
        with desk.database.write() as connection:
            audit.append(connection, actor="bo", act="new.act", subject="1", details={}, at=NOW)
        await pilot.press("1", "5")
        await settled(pilot)
        assert rows(pilot, "#entries")[0] == 16


async def test_one_entry_opens_with_its_details(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(100, 40)) as pilot:
        await open_entry(pilot)
        assert isinstance(app.screen, EntryScreen)
        assert '"text": "Gold evening on Friday"' in text_of(pilot)
        await pilot.press("escape")
        assert isinstance(app.screen, AuditScreen)


async def test_a_chain_that_holds(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(120, 30)) as pilot:
        await verified(pilot)
        assert "15 entries hold together" in text_of(pilot)


async def test_a_chain_that_was_broken(desk: Desk, console: MakeConsole) -> None:
    tamper(desk)
    app = console(desk)
    async with app.run_test(size=(120, 30)) as pilot:
        await verified(pilot)
        assert "The chain is broken: entry 5 was changed after it was written" in text_of(pilot)
        assert "The 4 entries before it hold together" in text_of(pilot)


async def test_hostile_entries_are_shown_inert(desk: Desk, console: MakeConsole) -> None:
    with desk.database.write() as connection:
        for text in HOSTILE:
            audit.append(connection, actor=text, act=text, subject=text, details={text: [text]}, at=NOW)
    app = console(desk)
    async with app.run_test(size=(120, 40)) as pilot:
        await open_audit(pilot)
        for _ in HOSTILE:
            await pilot.press("enter")
            await settled(pilot)
            assert not any(sign in "".join(shown(pilot)) for sign in "\x1b\x07\u202e")
            await pilot.press("escape", "down")
            await settled(pilot)
    assert app.failure is None


async def test_nothing_done_yet(bare_desk: Desk, console: MakeConsole) -> None:
    app = console(bare_desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await verified(pilot)
        assert "Nothing was done yet" in text_of(pilot)
        assert "0 entries hold together" in text_of(pilot)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
@pytest.mark.parametrize("steps", [open_audit, open_entry, verified])
def test_the_audit_looks_as_it_did(
    desk: Desk, console: MakeConsole, snap_compare: Any, size: tuple[int, int], steps: Any
) -> None:
    assert snap_compare(console(desk), terminal_size=size, run_before=steps)


def test_a_broken_chain_looks_as_it_did(desk: Desk, console: MakeConsole, snap_compare: Any) -> None:
    tamper(desk)
    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=verified)
