"""The shell: modes, masthead, help, palette, leaving, and errors that are told instead of falling over."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from textual.pilot import Pilot
from textual.widgets import Button

from console import actions
from console.app import Console
from console.attendance import what_leaving_means
from console.desk import Desk
from console.screens.ask import Ask
from console.widgets.masthead import store_in_words
from store.database import StoreUnavailable
from store.errors import Refused
from store.schema import workers
from tests.console.conftest import seat
from tests.console.hands import settled, text_of, typed

pytestmark = pytest.mark.anyio

MakeConsole = Callable[[Desk], Console]
SNAPSHOT_SIZES = [(80, 24), (120, 40)]


def test_every_action_has_a_scope_a_meaning_and_an_id_of_its_own() -> None:
    ids = [action.id for action in actions.ACTIONS]
    assert len(ids) == len(set(ids))
    for action in actions.ACTIONS:
        assert action.scope in actions.SCOPES
        assert action.id.startswith(f"{action.scope}.")
        assert action.meaning
        assert action.words


async def test_number_keys_and_tabs_open_the_screens(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        for key, mode in (
            ("2", "audiences"),
            ("4", "blasts"),
            ("5", "audit"),
            ("0", "home"),
            ("1", "programs"),
        ):
            await pilot.press(key)
            await settled(pilot)
            assert app.current_mode == mode
            assert "REHEARSAL" in text_of(pilot)
        await pilot.click("Masthead", offset=(28, 1))
        await settled(pilot)
        assert app.current_mode == "audiences"


async def test_live_is_said_in_words(desk: Desk, console: MakeConsole, tmp_path: Path) -> None:
    secrets = {"passkit.api_key": "pk_public_word", "passkit.api_secret": "sk_hidden_word"}
    app = console(seat(tmp_path, **secrets))
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        assert " LIVE " in text_of(pilot)
        assert "REHEARSAL" not in text_of(pilot)
        assert not any(secret in text_of(pilot) for secret in secrets.values())


async def test_the_absence_of_workers_is_said(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        assert "1 worker" in text_of(pilot)
        with desk.database.write() as connection:
            connection.execute(sa.delete(workers))
        app.attendance.look_after_workers()
        await settled(pilot)
        assert "no worker: nothing is sent" in text_of(pilot)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:////home/ann/passbell.db", "passbell.db"),
        ("postgresql://ann:secret@db.example:5432/bell?sslmode=require", "postgresql db.example:5432/bell"),
    ],
)
def test_the_store_is_named_without_its_password(url: str, words: str) -> None:
    assert store_in_words(url) == words


async def test_help_shows_the_keys_of_this_screen(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(100, 50)) as pilot:
        await settled(pilot)
        await pilot.press("question_mark")
        await settled(pilot)
        text = text_of(pilot)
        assert "Show only the members that match" in text
        assert "Check that no entry was changed" not in text
        await typed(pilot, "leave")
        await settled(pilot)
        assert "Leave; asks first" in text_of(pilot)
        await pilot.press("escape", "escape", "5", "question_mark")
        await settled(pilot)
        assert "Check that no entry was changed" in text_of(pilot)


async def test_the_palette_finds_programs_blasts_and_themes(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await _find(pilot, "theme nord")
        assert app.theme == "nord"
        await _find(pilot, "program jazz")
        assert app.screen.program_id == "7ticket00000000000000"  # type: ignore[attr-defined]
        await _find(pilot, "go to audit")
        assert app.current_mode == "audit"


async def _find(pilot: Pilot[Any], words: str) -> None:
    await pilot.press("ctrl+p")
    await settled(pilot)
    await typed(pilot, words)
    await settled(pilot)
    await pilot.app.workers.wait_for_complete()
    await pilot.press("enter")
    await settled(pilot)


async def test_q_leaves_at_once_where_nothing_depends_on_us(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await settled(pilot)
        await pilot.press("q")
        await settled(pilot)
    assert app.return_code == 0


class Child:
    """A worker of ours that is alive."""

    stdin = None

    def poll(self) -> None:
        """Not ended yet."""


@pytest.mark.parametrize("key", ["q", "ctrl+q"])
async def test_leaving_asks_while_our_worker_sends(desk: Desk, console: MakeConsole, key: str) -> None:
    app = console(desk)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        app.attendance.child = Child()  # type: ignore[assignment]
        await pilot.press(key)
        await settled(pilot)
        await pilot.press(key)  # asked once, however often it is pressed
        await settled(pilot)
        assert isinstance(app.screen, Ask)
        assert "Blast 5 is sent by this console's worker" in " ".join(text_of(pilot).split())
        await pilot.press("enter")  # the focus is on Stay
        await settled(pilot)
        assert app.is_running
        assert not isinstance(app.screen, Ask)
        await pilot.press(key)
        await settled(pilot)
        await pilot.press("tab", "enter")
        await settled(pilot)
    assert app.return_code == 0


def test_leaving_says_what_becomes_of_scheduled_blasts() -> None:
    assert what_leaving_means([], [7, 9]) == (
        "Blast 7, 9 is scheduled, and missed if no worker is alive at its time."
    )
    assert what_leaving_means([5], [7]).count("\n") == 1


async def test_ctrl_c_says_how_to_leave(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("ctrl+c")
        await settled(pilot)
        assert app.is_running
        assert "Press ctrl+q to leave the console." in text_of(pilot)


def test_without_a_terminal_on_stderr_nothing_is_drawn(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        code = "from console.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code, "--home", str(tmp_path)],
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 2
    assert "the console needs a terminal" in done.stderr


async def test_a_question_shows_hostile_text_and_its_focus_is_on_no(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        answers: list[bool | None] = []
        question = Ask("Delete [/foo]\x1b[31m?", "[@click=app.quit]x[/] \u202e", yes="Yes", danger=True)
        await app.push_screen(question, answers.append)
        await settled(pilot)
        assert "Delete [/foo]\\x1b[31m?" in text_of(pilot)
        assert "[@click=app.quit]x[/] \\u202e" in text_of(pilot)
        assert isinstance(app.focused, Button)
        assert app.focused.id == "no"
        await pilot.press("enter")
        await settled(pilot)
        assert answers == [False]


async def test_what_a_verb_refuses_is_told_and_nothing_falls_over(desk: Desk, console: MakeConsole) -> None:
    def refuse() -> None:
        raise Refused("no: [/foo] \x1b[31m")

    app = console(desk)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settled(pilot)
        await app.act(refuse)
        await settled(pilot)
        assert "no: [/foo] \\x1b[31m" in text_of(pilot)
        assert app.failure is None


async def test_a_store_that_goes_away_is_told_once(desk: Desk, console: MakeConsole) -> None:
    def fail(connection: sa.Connection) -> None:
        raise StoreUnavailable("the store is locked")

    app = console(desk)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settled(pilot)
        for _ in range(3):
            app.run_worker(app.read(fail))
        await settled(pilot)
        assert text_of(pilot).count("the store is locked") == 1
        assert app.failure is None


async def test_a_fault_of_ours_ends_the_console_without_showing_locals(
    desk: Desk, console: MakeConsole, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_() -> None:
        api_secret = "sk_hidden_word"
        raise ZeroDivisionError(len(api_secret))

    async def run() -> None:
        async with app.run_test(size=(100, 30)) as pilot:
            await settled(pilot)
            app.call_later(break_)
            await settled(pilot)

    app = console(desk)
    with pytest.raises(ZeroDivisionError):
        await run()
    assert isinstance(app.failure, ZeroDivisionError)
    told = capsys.readouterr()
    assert "sk_hidden_word" not in told.out + told.err


async def test_an_unknown_theme_is_told(desk: Desk, console: MakeConsole, tmp_path: Path) -> None:
    app = console(seat(tmp_path, **{"console.theme": "no[/such]"}))
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settled(pilot)
        assert "no[/such]" in text_of(pilot)
        assert app.theme == "textual-dark"


@pytest.mark.parametrize("theme", ["textual-light", "nord", "ansi-dark"])
async def test_other_themes_draw_the_same_words(
    desk: Desk, console: MakeConsole, theme: str, tmp_path: Path
) -> None:
    app = console(seat(tmp_path, **{"console.theme": theme}))
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        assert app.theme == theme
        assert "Café Central" in text_of(pilot)
        await pilot.press("ctrl+p")
        await settled(pilot)


@pytest.mark.parametrize("size", SNAPSHOT_SIZES)
def test_help_looks_as_it_did(
    desk: Desk, console: MakeConsole, snap_compare: Any, size: tuple[int, int]
) -> None:
    async def ask(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        await pilot.press("question_mark")
        await settled(pilot)

    assert snap_compare(console(desk), terminal_size=size, run_before=ask)


def test_a_question_looks_as_it_did(desk: Desk, console: MakeConsole, snap_compare: Any) -> None:
    async def ask(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        sentence = "Blasts that were planned with it keep their members."
        await pilot.app.push_screen(Ask("Delete the audience gold?", sentence, yes="Delete", danger=True))
        await settled(pilot)

    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=ask)


def test_the_palette_looks_as_it_did(desk: Desk, console: MakeConsole, snap_compare: Any) -> None:
    async def open_(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        await pilot.press("ctrl+p")
        await settled(pilot)

    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=open_)
