"""Keys of one's own: what is refused before the first screen, what works by them, and how they are kept."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
from textual.binding import Binding
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, OptionList

from console import actions, screens
from console.app import Console
from console.desk import Desk
from console.keymap import clashes, faults, found, judged, read, written
from console.keys_file import edited, keep
from console.screens.ask import Ask
from console.screens.blast import BlastScreen
from console.screens.help import HelpScreen
from console.screens.keys import CaptureScreen, KeysScreen
from console.screens.member import MemberScreen
from console.screens.programs import ProgramsScreen
from console.widgets.footer import Footer
from store.errors import PassbellError, UsageError
from store.settings import FILE_NAME, load
from tests.console.conftest import seat
from tests.console.hands import settled, text_of, typed
from tests.console.steps import blast, open_blast, press, said

pytestmark = pytest.mark.anyio

Make = Callable[[Desk], Console]
RUNNING = 5


def keyed(desk: Desk, own: dict[str, str]) -> Desk:
    """A desk in the same home, whose settings file holds these keys."""
    lines = [f"{json.dumps(id_)} = {json.dumps(keys)}\n" for id_, keys in own.items()]
    (desk.settings.home / FILE_NAME).write_text("[console.keys]\n" + "".join(lines))
    return seat(desk.settings.home)


def test_the_registry_itself_has_no_clash_and_no_key_that_could_not_be_written() -> None:
    assert list(clashes({action.id: action.keys for action in actions.ACTIONS})) == []
    for action in actions.ACTIONS:
        assert [read(written(key)) for key in action.keys] == list(action.keys), action.id
    assert faults({action.id: ",".join(map(written, action.keys)) for action in actions.ACTIONS}) == []


def test_the_registry_knows_which_scopes_are_windows() -> None:
    for module in iter_modules(screens.__path__, "console.screens."):
        for kind in vars(import_module(module.name)).values():
            if not (isinstance(kind, type) and issubclass(kind, Screen)):
                continue
            ids = [one.id for one in kind.__dict__.get("BINDINGS", ()) if isinstance(one, Binding) and one.id]
            for scope in {id_.partition(".")[0] for id_ in ids} - {"app"}:
                assert actions.SCOPES[scope].window == issubclass(kind, ModalScreen), (kind, scope)


@pytest.mark.parametrize(
    ("people", "textual", "again"),
    [
        ("?", "question_mark", "?"),
        ("/", "slash", "/"),
        ("ctrl+s", "ctrl+s", "ctrl+s"),
        ("Ctrl+S", "ctrl+s", "ctrl+s"),
        ("G", "G", "G"),
        ("shift+g", "G", "G"),
        ("space", "space", "space"),
        (",", "comma", "comma"),
        ("esc", "escape", "escape"),
        ("PgUp", "pageup", "pageup"),
        ("F5", "f5", "f5"),
        ("+", "plus", "+"),
        ("é", "é", "é"),
        ("alt+x", "alt+x", "alt+x"),
        ("nosuch", "", ""),
        ("hyperdrive+x", "", ""),
        ("", "", ""),
    ],
)
def test_keys_are_written_as_people_write_them(people: str, textual: str, again: str) -> None:
    assert read(people) == textual
    assert (written(textual) if textual else "") == again


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({"blast.puase": "P"}, "`blast.puase`: there is no such action; did you mean `blast.pause`?"),
        ({"blast.pause": "nokey"}, "there is no key 'nokey'"),
        ({"blast.pause": "tab"}, "tab cannot be given away, since it moves the focus"),
        ({"blast.pause": "ctrl+i"}, "a terminal sends tab for it"),
        ({"blast.pause": ""}, "`blast.pause` would be left without a key"),
        (
            {"blast.pause": "x"},
            "`x` would be `blast.pause` (Pause) and `blast.cancel` (Cancel) under 'A blast'",
        ),
        ({"blast.pause": "j"}, "`table.cursor_down` (Down)"),
        ({"blast.pause": "?"}, "`app.help` (Help)"),
        ({"member.give": "?"}, "`app.help` (Help)"),
        ({"clauses.add": "ctrl+s"}, "`build.save` (Save)"),
        ({"blast.pause": "ctrl+u", "blast.cancel": "ctrl+u"}, "`ctrl+u` would be"),
        ({"form.cancel": "n"}, "`form.cancel` is the way back"),
        ({"form.do": "Y"}, "`form.do` is meant to work in text fields"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(own: dict[str, str], told: str) -> None:
    (fault,) = faults(own)
    assert told in fault


@pytest.mark.parametrize(
    "own",
    [
        {"blast.pause": "r", "blast.resume": "p"},  # they change places
        {"blast.pause": "p,P"},
        {"blast.pause": ","},  # a comma alone is the key
        {"member.give": "x", "member.withdraw": "g"},
        {"member.suppress": "q", "member.close": "escape"},
        {"blast.pause": "ctrl+t"},  # a key of another screen
    ],
)
def test_what_can_be_meant_is_taken(own: dict[str, str]) -> None:
    assert faults(own) == []


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        judged({"blast.puase": "P", "blast.pause": "x", "app.leave": "tab"})
    assert str(caught.value).startswith("[console.keys] in the settings cannot be used:")
    assert str(caught.value).count("\n- ") == 3


async def test_the_console_does_not_open_with_wrong_keys(desk: Desk, console: Make) -> None:
    app = console(keyed(desk, {"blast.puase": "P"}))
    async with app.run_test() as pilot:
        await pilot.pause()
        await app.workers.wait_for_complete()
    assert isinstance(app.failure, UsageError)
    assert "`blast.pause`" in str(app.failure)
    assert app.return_code == 2


async def test_own_keys_work_and_the_old_ones_do_no_longer(desk: Desk, console: Make) -> None:
    own = {
        "blast.pause": "P,f9",
        "blast.urgent": "x",  # these two change places
        "blast.cancel": "u",
        "table.last": "f8",
        "compose.next": "ctrl+n",
        "app.command_palette": "f3",
    }
    app = console(keyed(desk, own))
    async with app.run_test(size=(80, 24)) as pilot:
        await open_blast(pilot, RUNNING)
        assert " P Pause " in text_of(pilot)
        assert " u Cancel " in text_of(pilot)
        await press(pilot, "p")
        assert blast(desk, RUNNING).state == "running"
        await press(pilot, "x")
        assert blast(desk, RUNNING).urgent is True
        await press(pilot, "u")
        assert isinstance(app.screen, Ask)
        await press(pilot, "escape", "f9")
        assert blast(desk, RUNNING).state == "paused"
        assert blast(desk, RUNNING).urgent is True  # once, for all its two keys
        await press(pilot, "question_mark", *"f8")
        assert "The last row" in text_of(pilot)
        await press(pilot, "escape", "escape", "ctrl+p")
        assert isinstance(app.screen, BlastScreen)
        await press(pilot, "f3")
        assert not isinstance(app.screen, BlastScreen)


async def test_a_key_is_changed_at_once_and_kept(desk: Desk, console: Make) -> None:
    file = desk.settings.home / FILE_NAME
    file.write_bytes(b"# mine\r\n[passkit]\r\nrate_per_second = 5  # slow\r\n")
    file.chmod(0o640)
    app = console(desk)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await press(pilot, "question_mark", "f2")
        assert isinstance(app.screen, KeysScreen)
        await typed(pilot, "programs fields")
        await press(pilot, "enter")
        assert isinstance(app.screen, CaptureScreen)
        await press(pilot, "s")
        assert "`programs.sync` (Sync)" in said(pilot, "#trouble")
        await press(pilot, "tab")
        assert "it moves the focus" in said(pilot, "#trouble")
        await press(pilot, "f7")
        assert isinstance(app.screen, KeysScreen)
        assert "* f7" in text_of(pilot)
        await press(pilot, "ctrl+n", "f6")
        assert app.keymap.own == {"programs.fields": ("f7", "f6")}
        kept = b"# mine\r\n[passkit]\r\nrate_per_second = 5  # slow\r\n\r\n[console.keys]\r\n"
        assert file.read_bytes() == kept + b'"programs.fields" = "f7,f6"\r\n'
        assert stat.S_IMODE(file.stat().st_mode) == 0o640
        assert load(desk.settings.home).console.keys == {"programs.fields": "f7,f6"}
        await press(pilot, "escape", "escape")
        assert isinstance(app.screen, HelpScreen)
        await press(pilot, "escape")
        assert isinstance(app.screen, ProgramsScreen)
        assert " f7 Fields " in text_of(pilot)
        await press(pilot, "f2")
        await typed(pilot, "programs.fields")
        await press(pilot, "ctrl+r")
        assert app.keymap.own == {}
        assert file.read_bytes() == kept
        await press(pilot, "enter", "escape", "escape", "escape")
        assert " f Fields " in text_of(pilot)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '[console.keys]\n"blast.pause" = "P"\n'),
        ("[web]\nport = 1", '[web]\nport = 1\n\n[console.keys]\n"blast.pause" = "P"\n'),
        ("[console.keys]", '[console.keys]\n"blast.pause" = "P"\n'),
        (
            "[ console . keys ] # of mine\n'blast.pause' = 'p,\\q' # why\n\n[web]\n",
            "[ console . keys ] # of mine\n'blast.pause' = \"P\" # why\n\n[web]\n",
        ),
        (
            '[console.keys]\n"blast.cancel" = "X"\n\n# the web\n[web]\n',
            '[console.keys]\n"blast.cancel" = "X"\n\n# the web\n"blast.pause" = "P"\n[web]\n',
        ),
    ],
)
def test_one_line_of_the_file_is_changed(before: str, after: str) -> None:
    assert edited(before, "blast.pause", "P") == after
    assert '"P"' not in edited(after, "blast.pause", None)


@pytest.mark.parametrize(
    "text",
    [
        '[console]\nkeys = { "blast.cancel" = "X" }\n',
        'words = """\n[console.keys]\n"""\n',
        "[console\n",
    ],
)
def test_a_file_that_cannot_be_changed_safely_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    file = tmp_path / FILE_NAME
    file.write_text(text)
    with pytest.raises(PassbellError, match=r"by hand: \"blast.pause\" = \"P\""):
        keep(file, "blast.pause", "P")
    assert file.read_text() == text
    assert list(tmp_path.iterdir()) == [file]


def test_actions_are_found_by_key_and_by_words() -> None:
    keymap = judged({"blast.pause": "P"})
    assert [one.id for one in found("P", keymap)] == ["blast.pause"]
    assert {one.id for one in found("ctrl+r", keymap)} >= {"compose.plan", "launch.replan"}
    assert [one.id for one in found("in flight arrives", keymap)] == ["blast.pause"]
    assert found("no such thing", keymap) == []
    assert found("", keymap) == list(actions.ACTIONS)


async def test_help_works_in_windows_and_leaves_fields_their_question_mark(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "tab", "enter")
        if not isinstance(app.screen, MemberScreen):
            await press(pilot, "enter")
        assert isinstance(app.screen, MemberScreen)
        await press(pilot, "question_mark")
        assert isinstance(app.screen, HelpScreen)
        assert "A member" in text_of(pilot)
        assert "Not now: Nothing is suppressed." in text_of(pilot)
        await press(pilot, "f1", "escape", "slash", "question_mark")
        assert isinstance(app.screen, ProgramsScreen)
        assert app.screen.query_one("#filter", Input).value == "?"
        await press(pilot, "f1")
        assert isinstance(app.screen, HelpScreen)


async def test_help_is_searched_as_one_types(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "question_mark")
        assert text_of(pilot).index("Show only the members") > text_of(pilot).index("Programs")
        await typed(pilot, "verify")
        await settled(pilot)
        assert "Check that no entry was changed" in text_of(pilot)
        assert "Audit  not on this screen" in text_of(pilot)
        await press(pilot, "escape", "S")
        assert "Read every program from PassKit again" in text_of(pilot)
        assert "Read the chosen program" not in text_of(pilot)
        await press(pilot, "escape")
        await typed(pilot, "no such thing")
        await settled(pilot)
        assert "Nothing is called so" in text_of(pilot)
        await press(pilot, "escape", "pagedown", "pagedown")
        assert "Show only the members" not in text_of(pilot)
        await press(pilot, "pageup", "pageup", "down", "up", "escape")
        assert isinstance(app.screen, ProgramsScreen)


async def test_the_footer_leaves_out_whole_keys_and_says_why_a_dim_one_is_dim(
    desk: Desk, console: Make
) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await open_blast(pilot, RUNNING)
        footer = app.screen.query_one(Footer)
        whole = text_of(pilot).rpartition("\n")[2]
        await pilot.resize_terminal(30, 24)
        await settled(pilot)
        short = text_of(pilot).rpartition("\n")[2]
        assert short.rstrip().endswith("? …")
        assert whole.startswith(short.rstrip().removesuffix("? …").rstrip())
        await pilot.click(footer, offset=(short.index("…"), 0))
        await settled(pilot)
        assert isinstance(app.screen, HelpScreen)
        await press(pilot, "escape")
        await pilot.resize_terminal(80, 24)
        await settled(pilot)
        await pilot.hover(footer, offset=(whole.index("Pause"), 0))
        assert "Stop sending" in str(footer.tooltip)
        await pilot.click(footer, offset=(whole.index("Pause"), 0))
        await settled(pilot)
        assert blast(desk, RUNNING).state == "paused"
        await pilot.hover(footer, offset=(whole.index("Pause"), 0))
        why = app.screen.needs_sending()  # type: ignore[attr-defined]
        assert why == str(footer.tooltip) != ""
        await pilot.click(footer, offset=(whole.index("Pause"), 0))
        await settled(pilot)
        assert [one.message for one in app._notifications] == [why]


@pytest.mark.parametrize("state", ["keys", "captured", "searched"])
def test_keys_look_as_they_did(desk: Desk, console: Make, snap_compare: Any, state: str) -> None:
    async def show(pilot: Any) -> None:
        await press(pilot, "question_mark" if state == "searched" else "f2")
        await typed(pilot, "ctrl+r" if state == "searched" else "blast")
        await settled(pilot)
        if state == "captured":
            pilot.app.screen.query_one(OptionList).highlighted = 4
            await press(pilot, "enter", "u")

    app = console(keyed(desk, {"blast.pause": "P"}))
    assert snap_compare(app, terminal_size=(80, 24), run_before=show)
