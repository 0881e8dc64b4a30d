"""The keys that sentences name are the person's own, wherever an action has one."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import console
from console.actions import ACTIONS, BY_ID
from console.app import Console
from console.desk import Desk
from console.keymap import faults, key_of, keyed, written
from tests.console.hands import text_of
from tests.console.steps import open_blast, press, said
from tests.console.test_keymap import keyed as rekeyed

pytestmark = pytest.mark.anyio

NAMED = re.compile(
    r"\bpress (?!a |an |the )\S{1,2}(?!\w)|\b(?:enter|escape|esc|backspace|space|tab|pageup|pagedown)\b|"
    r"\bctrl\+|\bf\d+\b|\([a-z0-9?/]\)|"
    r"(?<![\w'<.-])[a-z0-9?/](?= (?:to|for|shows?|stops?|opens?|keeps?|plans|tries|goes|ends|others)\b)",
    re.IGNORECASE,
)
"""What looks like a key in a sentence."""
NO_ACTIONS = {
    "a field's own Enter, a box's own space": (
        "Nobody yet: name a file and press Enter.",
        "path of a CSV or JSON file with a column of ids; Enter reads it",
        "Nothing was imported yet. Name a file above and press Enter: it is shown before anything changes.",
        "path of a CSV, TSV, JSON or NDJSON file; Enter reads it",
        "<columns.flip> or Enter takes a column out or back. The list follows at once and remembers it.",
        "Enter writes it. The name's ending says what it becomes: ",
        "only the columns shown; Space here: every field that is known",
        "every field that is known; Space here: only the columns shown",
        "Enter shows those of one reason",
    ),
    "keys that no action can have, and examples of keys": (
        "The plan still holds: type the count, or go to Launch with tab.",
        "Press ctrl+q to leave the console.",
        "a terminal sends tab for it",
        "a terminal sends enter for it",
        "a terminal sends backspace for it",
        "a terminal sends escape for it",
        "; write a character, or a name such as f5 or ctrl+s",
        "` is the way back: give it a key that no field takes, such as escape, too",
        ": choose a key such as ctrl+s",
        "Nothing is called so. Type a word such as pause, or a key such as ctrl+r.",
        "type a word, or a key such as ctrl+r",
    ),
}
"""Keys in sentences that stand for no action of the registry, by the reason why."""


def sentences() -> Iterator[tuple[Path, str]]:
    """Each text of several words in the console's code that is no docstring, with its file."""
    for path in sorted(Path(console.__path__[0]).rglob("*.py")):
        if {"cli", "browser", "actions"}.isdisjoint(path.parts):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                text = node.value if isinstance(node, ast.Constant) and id(node) not in documented else ""
                if isinstance(text, str) and " " in text and "{ " not in text:
                    yield path, text


def test_no_sentence_names_a_key_by_itself() -> None:
    allowed = {one for several in NO_ACTIONS.values() for one in several}
    found = {
        text: path.name for path, text in sentences() if NAMED.search(re.sub(r"<\w+\.\w+>", "ACTION", text))
    }
    wrong = {text: file for text, file in found.items() if text not in allowed}
    assert not wrong, "write <id of the action> in place of its key, and use console.keymap.keyed"
    assert allowed <= set(found), "a sentence in the list of exceptions stands nowhere any more"


def test_every_action_that_a_sentence_names_exists() -> None:
    named = [id_ for _, text in sentences() for id_ in re.findall(r"<(\w+\.\w+)>", text)]
    assert len(named) > 30
    assert set(named) <= set(BY_ID)


def test_outside_of_a_console_a_sentence_names_the_defaults() -> None:
    assert keyed("<app.help>, <table.select> or <build.preset>, and <b>") == "?, Enter or ctrl+t, and <b>"
    assert all(key_of(action.id).casefold() == written(action.keys[0]).casefold() for action in ACTIONS)


OWN = {
    "app.programs": "f11",
    "app.audiences": "f12",
    "app.compose": "{",
    "app.help": "f7",
    "table.all": "f8",
    "table.mark": "M",
    "table.copy": "Z",
    "programs.sync": "f9",
    "programs.filter": "f10",
    "programs.back": "escape,f5",
    "audiences.build": "B",
    "audit.verify": "V",
    "blast.resume": "R",
    "blast.cancel": "K",
    "blast.retry": "T",
    "incident.copy": "ctrl+y",
    "capture.cancel": "f3",
}
"""Keys of one's own; none of the defaults of these actions is left."""


async def test_sentences_name_the_keys_of_whoever_reads_them(
    bare_desk: Desk, console: Callable[[Desk], Console]
) -> None:
    assert faults(OWN) == []
    app = console(rekeyed(bare_desk, OWN))
    async with app.run_test(size=(110, 40)) as pilot:
        await press(pilot, "f11")
        assert "Press f9 to read them from the stand-in" in text_of(pilot)
        await press(pilot, "f12")
        assert "Press B to build one" in text_of(pilot)
        await press(pilot, "4")
        assert "Press { to write one" in text_of(pilot)
        await press(pilot, "0")
        assert "1  Press f11, then f9: read programs" in text_of(pilot)
        assert "2  Press f12: say who" in text_of(pilot)
        assert "3  Press {: write it" in text_of(pilot)
        assert "Press f7 on any screen" in text_of(pilot)
        await press(pilot, "5")
        assert "Press V to check them all" in text_of(pilot)
        await press(pilot, "f2", "enter")
        assert "f3 leaves it as it is" in text_of(pilot)
        await press(pilot, "f3")
        assert "f3 leaves it as it is" not in text_of(pilot)


async def test_a_blast_names_the_keys_of_whoever_looks_at_it(
    desk: Desk, console: Callable[[Desk], Console]
) -> None:
    app = console(rekeyed(desk, OWN))
    async with app.run_test(size=(170, 40)) as pilot:
        await open_blast(pilot, 2)
        assert "press R to go on, or K to end it" in " ".join(said(pilot, "Progress").split())
        assert "T tries again, Enter shows one" in text_of(pilot)
        await press(pilot, "i")
        assert "Copy (ctrl+y)" in text_of(pilot)
        await press(pilot, "escape", "f11", "enter")
        assert "f10  filter: a name, id" in text_of(pilot)
        await press(pilot, "F", *"zzzz", "enter")
        assert "f8 shows all" in text_of(pilot)
        assert "f8 takes the filter away" in text_of(pilot)
