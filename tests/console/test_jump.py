"""Getting about without a mouse: letters to jump by, letters as arrows, and an editor of one's own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Label, OptionList

from console import editor
from console.app import Console
from console.desk import Desk
from console.screens.jump import JumpScreen
from console.screens.member import MemberScreen
from console.screens.preset import PresetScreen
from tests.console.hands import settled
from tests.console.steps import press

pytestmark = pytest.mark.anyio

Make = Callable[[Desk], Console]


def letters(app: Console) -> dict[str, tuple[int, int]]:
    """The letters that are shown, and where."""
    found = app.screen.query(Label).results()
    return {
        str(one.content).strip(): (one.region.x, one.region.y)
        for one in found
        if (one.id or "").startswith("to-")
    }


async def test_a_letter_jumps_to_what_it_stands_on(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "3", "ctrl+o")
        assert isinstance(app.screen, JumpScreen)
        under = app.screen_stack[-2]
        at = letters(app)
        field = under.query_one("#text")
        (letter,) = [one for one, place in at.items() if place == tuple(field.region.offset)]
        await press(pilot, letter)
        assert app.screen is under
        assert app.focused is field
        await press(pilot, "x", "ctrl+o", "escape")  # from within a field, and back into it
        assert app.focused is field
        await press(pilot, "ctrl+o", "ctrl+o")
        assert app.screen is under


async def test_a_letter_opens_a_tab_and_a_click_is_as_good(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "ctrl+o")
        audit = max((place[0], letter) for letter, place in letters(app).items() if place[1] == 1)[1]
        await press(pilot, audit)
        assert app.current_mode == "audit"
        await press(pilot, "ctrl+o")
        first = min((place[0], letter) for letter, place in letters(app).items() if place[1] == 1)[1]
        await pilot.click(f"#to-{first}")
        await settled(pilot)
        assert app.current_mode == "home"


async def test_letters_are_arrows_in_options_and_in_what_scrolls(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "2", "n", "ctrl+t")
        assert isinstance(app.screen, PresetScreen)
        options = app.screen.query_one(OptionList)
        before = options.highlighted or 0
        await press(pilot, "j", "j", "k")
        assert options.highlighted == before + 1
        await press(pilot, "escape", "escape", "1", "tab")
        app.push_screen(MemberScreen("3cafe0000000000000000", "M-0010"))
        await settled(pilot)
        await press(pilot, "j", "j", "k")
        assert app.screen.query_one("#member").scroll_y == 1


def script(folder: Path, body: str) -> str:
    """An editor: a shell script that is given the file's path last."""
    file = folder / "editor"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o700)
    return f"{file} --wait"


EDITORS = [
    ('printf "two\\nlines\\n" > "$2"', "two\nlines", ""),
    ("true", None, ""),
    ('stat -c %a "$2" > "$2.mode"; cat "$2.mode" > "$2"', "600", ""),
    ('echo other > "$2"; exit 3', None, "ended with 3: the text is as it was."),
    ('rm "$2"', None, "left behind is no text: it is as it was."),
    ('printf "\\377" > "$2"', None, "left behind is no text: it is as it was."),
]
"""What an editor does with the file, the text that is given back, and what is told."""


async def test_an_editor_gives_the_text_back(
    desk: Desk, console: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lent: list[str] = []

    @contextmanager
    def lend() -> Iterator[None]:  # a test has no terminal to lend
        lent.append("lent")
        yield

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    app: Any = console(desk)
    async with app.run_test(notifications=True) as pilot:
        monkeypatch.setattr(app, "suspend", lend)
        await settled(pilot)
        for body, wanted, told in EDITORS:
            monkeypatch.setenv("VISUAL", script(tmp_path, body))
            app.clear_notifications()
            assert await editor.edit(app, "one", ".txt") == wanted, body
            await pilot.pause()
            assert "".join(one.message for one in app._notifications).endswith(told), body
    assert lent == ["lent"] * len(EDITORS)
    assert not any(name.startswith("passbell-") for name in os.listdir(tmp_path))


async def test_an_editor_that_is_not_there_is_told(
    desk: Desk, console: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", " ")
    app = console(desk)
    async with app.run_test(notifications=True) as pilot:
        await settled(pilot)
        assert await editor.edit(app, "one", ".txt") is None
        await settled(pilot)
        assert "set $VISUAL or $EDITOR" in [one.message for one in app._notifications][-1]
        monkeypatch.setenv("EDITOR", "nano")
        assert editor.why_not(app) == ""
        assert await editor.edit(app, "one", ".txt") is None  # a test's terminal cannot be lent
        await settled(pilot)
        assert [one.message for one in app._notifications][-1].startswith("This terminal cannot be lent")
        monkeypatch.setattr("textual.app.App.is_web", True)
        assert "in a browser" in editor.why_not(app)


@pytest.mark.parametrize("size", [(80, 24)])
def test_jump_mode_looks_as_it_did(
    desk: Desk, console: Make, snap_compare: Any, size: tuple[int, int]
) -> None:
    async def jump(pilot: Any) -> None:
        await press(pilot, "ctrl+o")

    assert snap_compare(console(desk), terminal_size=size, run_before=jump)
