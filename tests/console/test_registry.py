"""The registry of actions: all of it has somebody who acts, and one entry with one function is an action."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable, Iterator
from importlib import import_module

import pytest

import console.screens
import console.widgets
from console import actions
from console.actions import Acting, Action, Scope, bindings, of_scope
from console.app import Console
from console.desk import Desk
from console.screens.base import ConsoleScreen
from tests.console.hands import settled, text_of, typed

pytestmark = pytest.mark.anyio

MakeConsole = Callable[[Desk], Console]


def owners() -> Iterator[type[Acting]]:
    """Every class of the console that acts."""
    for package in (console.screens, console.widgets):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    classes = [Acting]
    while classes:
        one = classes.pop()
        classes += one.__subclasses__()
        if one.__module__.startswith("console."):
            yield one


def test_whoever_acts_has_a_function_for_each_entry_and_each_guard() -> None:
    without, acted = [], set()
    for owner in owners():
        for action in actions._actions_of(owner.__new__(owner)).values():
            acted.add(action.id)
            wanted = [f"action_{action.verb}", *([action.guard] if action.guard else [])]
            without += [(owner.__name__, name) for name in wanted if not callable(getattr(owner, name, None))]
    assert without == []
    assert {action.id for action in actions.ACTIONS} - acted == set()


async def test_a_new_action_takes_one_entry_and_one_function(
    desk: Desk, console: MakeConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = Action("greeting.greet", "f8", "Greet", "Say hello to who is there", guard="needs_voice")
    monkeypatch.setitem(actions.SCOPES, "greeting", Scope("greeting", "A greeting"))
    monkeypatch.setitem(actions.BY_ID, entry.id, entry)
    before = actions.ACTIONS
    for module in list(sys.modules.values()):
        if getattr(module, "ACTIONS", None) is before:
            monkeypatch.setattr(module, "ACTIONS", (*before, entry))
    assert of_scope("greeting") == [entry]

    class Greeting(ConsoleScreen):
        BINDINGS = bindings("greeting")
        voice, greeted = "", 0

        def needs_voice(self) -> str:
            return "" if self.voice else "Find your voice first."

        def action_greet(self) -> None:
            self.greeted += 1

    app = console(desk)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settled(pilot)
        screen = Greeting()
        await app.push_screen(screen)
        await settled(pilot)
        assert "Greet" in text_of(pilot).splitlines()[-1]  # the footer
        await pilot.press("f8")
        await settled(pilot)
        assert "Find your voice first." in text_of(pilot)
        assert screen.greeted == 0
        screen.voice = "tenor"
        await pilot.press("f8")
        await settled(pilot)
        assert screen.greeted == 1
        await pilot.press("question_mark")
        await settled(pilot)
        assert "Say hello to who is there" in text_of(pilot)
        await pilot.press("escape", "ctrl+p")
        await settled(pilot)
        await typed(pilot, "greeting greet\n")
        await settled(pilot)
        assert screen.greeted == 2
