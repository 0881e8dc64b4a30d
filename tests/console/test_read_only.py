"""The console of somebody who may only look: each key that would change something says why it does not."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Button

from console.actions import ACTIONS, of_scope
from console.app import Console
from console.desk import Desk
from console.screens.build import BuildScreen
from console.screens.fields import FieldsScreen
from console.screens.form import Form
from console.screens.import_file import ImportFileScreen
from console.screens.imports import ImportsScreen
from console.screens.launch import LaunchScreen
from console.screens.member import MemberScreen
from console.widgets.table import VirtualTable
from jobs import plans
from jobs.intake.rows import open_table
from store import programs
from store.database import Database
from store.roles import needs, why_not
from tests.bed.rows import every_row
from tests.console.conftest import seat
from tests.console.hands import settled, text_of
from tests.console.seed import CAFE, Clock
from tests.console.steps import open_blast, press, said

pytestmark = pytest.mark.anyio

MakeConsole = Callable[[Desk], Console]
ACTS_BEHIND = {
    "audiences.build": "audience.save",
    "audiences.delete": "audience.delete",
    "audiences.edit": "audience.save",
    "blast.cancel": "blast.cancelled",
    "blast.launch": "blast.launch",
    "blast.nudge": "blast.plan",
    "blast.pause": "blast.paused",
    "blast.rate": "blast.rate",
    "blast.resume": "blast.running",
    "blast.retry": "blast.retry",
    "blast.urgent": "blast.urgent",
    "build.save": "audience.save",
    "compose.plan": "blast.plan",
    "fields.count": "write",
    "import_file.run": "members.import",
    "imports.undo": "members.undo",
    "launch.replan": "blast.plan",
    "member.give": "consent.give",
    "member.lift": "suppression.remove",
    "member.suppress": "suppression.add",
    "member.wishes": "preferences.set",
    "member.withdraw": "consent.withdraw",
    "programs.stop": "sync",
    "programs.sync": "sync",
    "programs.sync_all": "sync",
    "table.export": "list.export",
}
"""What each action that takes a role does in the end."""
READ_ONLY = why_not("viewer", "operator")
TAKES_ADMIN = why_not("operator", "admin")


def seated(seeded: tuple[Path, Clock], home: Path, **flags: str) -> Desk:
    """A desk with a copy of the seeded store, of somebody with fewer rights."""
    shutil.copy(seeded[0], home / "passbell.db")
    return seat(home, **flags)


async def refused(pilot: Pilot[Any], scope: str, told: list[str], needs: str = "") -> set[str]:
    """Press every key of a scope that takes a role, or this one; each says why. Returns what was pressed."""
    pressed = set()
    for action in of_scope(scope):
        if action.role == "viewer" or needs not in ("", action.role):
            continue
        screen = pilot.app.screen
        # a field would take the key for a letter, and a list has keys of its own
        screen.set_focus(screen.query(VirtualTable).first() if scope == "table" else None)
        told.clear()
        await pilot.press(action.keys[0])
        await settled(pilot)
        assert told == [TAKES_ADMIN if needs else READ_ONLY], action.id
        assert pilot.app.screen is screen, action.id
        pressed.add(action.id)
    return pressed


def opening(screen: Callable[[], Screen[Any]]) -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def go(pilot: Pilot[Any]) -> None:
        await pilot.app.push_screen(screen())
        await settled(pilot)

    return go


def at_key(key: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def go(pilot: Pilot[Any]) -> None:
        while len(pilot.app.screen_stack) > 1:
            await pilot.app.pop_screen()
        await pilot.press(key)
        await settled(pilot)

    return go


def test_an_action_takes_the_role_of_the_act_behind_it() -> None:
    assert {one.id: one.role for one in ACTIONS if one.role != "viewer"} == {
        id_: needs(act) for id_, act in ACTS_BEHIND.items()
    }


async def test_every_key_that_changes_something_says_why_and_changes_nothing(
    seeded: tuple[Path, Clock],
    clock: Clock,
    console: MakeConsole,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = seated(seeded, tmp_path, **{"access.read_only": "true", "console.start_worker": "true"})
    before = every_row(desk.settings.store_url)
    (tmp_path / "file.csv").write_text("external_id,city\nM-0001,Graz\n")
    with desk.database.read() as connection:
        cafe = programs.get(connection, CAFE, "rehearsal")
        planned = plans.look_at(connection, desk.settings, 6)
    app = console(desk)
    told: list[str] = []
    monkeypatch.setattr(app, "notify", lambda message, **_: told.append(message))
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        assert "Café Central" in text_of(pilot)
        pressed = set()
        for scope, go in (
            ("programs", at_key("1")),
            ("table", at_key("1")),
            ("fields", opening(lambda: FieldsScreen(cafe))),
            ("imports", opening(lambda: ImportsScreen(CAFE))),
            (
                "import_file",
                opening(lambda: ImportFileScreen(CAFE, "Café Central", open_table(tmp_path / "file.csv"))),
            ),
            ("member", opening(lambda: MemberScreen(CAFE, "M-0012"))),
            ("audiences", at_key("2")),
            ("build", opening(lambda: BuildScreen(CAFE))),
            ("compose", at_key("3")),
            ("blast", lambda pilot: open_blast(pilot, 5)),
            ("launch", opening(lambda: LaunchScreen(planned, cafe))),
        ):
            await go(pilot)
            pressed |= await refused(pilot, scope, told)
        assert pressed == {action.id for action in ACTIONS if action.role != "viewer"}
        told.clear()
        assert app.screen.query_one("#launch", Button).press()
        await settled(pilot)
        assert told == [READ_ONLY]
    desk.database.close()
    assert every_row(desk.settings.store_url) == before
    assert not (tmp_path / "worker.log").exists()


async def test_what_runs_is_seen_as_it_runs(
    seeded: tuple[Path, Clock], clock: Clock, console: MakeConsole, tmp_path: Path
) -> None:
    desk = seated(seeded, tmp_path, **{"access.role": "viewer"})
    theirs = Database(desk.settings.store_url)
    async with console(desk).run_test(size=(120, 40)) as pilot:
        await open_blast(pilot, 5)
        assert "RUNNING" in text_of(pilot)
        with theirs.write() as connection:
            connection.execute(sa.text("UPDATE blasts SET state = 'paused' WHERE id = 5"))
        pilot.app.screen.look_again()  # type: ignore[attr-defined]
        await settled(pilot)
        assert "PAUSED" in text_of(pilot)
    theirs.close()
    desk.database.close()


async def test_an_operators_keys_stop_at_what_an_admin_does(
    seeded: tuple[Path, Clock],
    clock: Clock,
    console: MakeConsole,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = seated(seeded, tmp_path, **{"access.role": "operator"})
    app = console(desk)
    told: list[str] = []
    monkeypatch.setattr(app, "notify", lambda message, **_: told.append(message))
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await opening(lambda: MemberScreen(CAFE, "M-0012"))(pilot)
        pressed = await refused(pilot, "member", told, needs="admin")
        assert pressed == {action.id for action in ACTIONS if action.role == "admin"}
        await open_blast(pilot, 5)
        await pilot.press("p")
        await settled(pilot)
        assert "PAUSED" in text_of(pilot)
    desk.database.close()


@pytest.mark.parametrize(("role", "why"), [("viewer", READ_ONLY), ("operator", TAKES_ADMIN)])
async def test_a_programs_rules_are_read_by_everybody_and_changed_by_an_admin(
    seeded: tuple[Path, Clock],
    clock: Clock,
    console: MakeConsole,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    role: str,
    why: str,
) -> None:
    desk = seated(seeded, tmp_path, **{"access.role": role})
    before = every_row(desk.settings.store_url)
    app = console(desk)
    told: list[str] = []
    monkeypatch.setattr(app, "notify", lambda message, **_: told.append(message))
    async with app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "1", "enter", "r")
        form = pilot.app.screen
        assert isinstance(form, Form)
        assert "Quiet hours" in text_of(pilot)
        assert why in " ".join(said(pilot, "#trouble").split())
        assert all(field.disabled for field in form.query("Input, Select"))
        assert [str(button.label) for button in form.query(Button)] == ["Close"]
        assert "do it" not in text_of(pilot)
        told.clear()
        await press(pilot, "ctrl+s")
        assert told == [why]
        assert pilot.app.screen is form
        await press(pilot, "enter")
        assert pilot.app.screen is not form
    desk.database.close()
    assert every_row(desk.settings.store_url) == before
