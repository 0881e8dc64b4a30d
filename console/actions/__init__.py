"""The one registry of what can be done: keys, footer, help, palette and key editor are all made from it.

A new action takes one entry here and one function: a screen or widget with `BINDINGS = bindings("blast")`
that is `Acting` has a method for each of the scope's actions, named after the part behind the dot
(`blast.pause` is `action_pause`), and the guards that the entries name.
"""

from __future__ import annotations

from typing import Any

from textual.binding import Binding, BindingType

from console.actions import everywhere, people, sending
from console.actions.action import Action

__all__ = ["ACTIONS", "BY_ID", "SCOPES", "Acting", "Action", "bindings", "of_scope"]

SCOPES = {
    "app": "Everywhere",
    "table": "In a list",
    "programs": "Programs",
    "fields": "Fields of a program",
    "imports": "Imports of a program",
    "import_file": "A file to import",
    "target": "A column of a file",
    "member": "A member",
    "audiences": "Audiences",
    "build": "Build an audience",
    "clauses": "Rows of a condition",
    "clause": "A row of a condition",
    "preset": "An audience to begin with",
    "compose": "Compose",
    "launch": "Launch",
    "blasts": "Blasts",
    "blast": "A blast",
    "delivery": "A delivery",
    "why": "Why",
    "audit": "Audit",
    "entry": "An audit entry",
    "retry": "A retry",
    "ask": "A question",
    "form": "Questions on one page",
    "help": "Help",
}
"""Where an action is at hand, with the heading that help gives it."""

ACTIONS = (*everywhere.ACTIONS, *people.ACTIONS, *sending.ACTIONS)
BY_ID = {action.id: action for action in ACTIONS}


def of_scope(scope: str) -> list[Action]:
    """The scope's actions, in the order of the registry."""
    return [action for action in ACTIONS if action.scope == scope]


def bindings(scope: str) -> list[BindingType]:
    """The scope's keys, for a screen's, a widget's or the app's BINDINGS."""
    return [
        Binding(
            key,
            action.verb,
            action.words,
            show=action.footer != "never" and place == 0,
            tooltip=action.meaning,
            id=action.id,
        )
        for action in of_scope(scope)
        for place, key in enumerate(action.keys)
    ]


class Acting:
    """A screen, widget or app whose BINDINGS come from the registry. Stands before Textual's class."""

    def why_not(self, verb: str) -> str:
        """What stands in an action's way, as a sentence; "" where nothing does or it is none of ours."""
        action = _actions_of(self).get(verb)
        if action is None:
            return ""
        if refusal := getattr(self.app, "why_no_role", _anybody)(action.role):  # type: ignore[attr-defined]
            return str(refusal)
        return str(getattr(self, action.guard)()) if action.guard else ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Dim what cannot be done now; the console says why when its key is pressed all the same."""
        mine = _actions_of(self).get(action)
        if mine is None:
            return bool(super().check_action(action, parameters))  # type: ignore[misc]
        if not self.why_not(action):
            return True
        return None if mine.footer == "always" else False


_KNOWN: dict[type[Any], dict[str, Action]] = {}


def _actions_of(owner: Acting) -> dict[str, Action]:
    """The actions that its class binds keys to, by verb; what a class says itself goes over its parents'."""
    kind = type(owner)
    if kind not in _KNOWN:
        given = [one for parent in reversed(kind.__mro__) for one in parent.__dict__.get("BINDINGS", ())]
        mine = [one for one in given if isinstance(one, Binding) and one.id in BY_ID]
        _KNOWN[kind] = {one.action: BY_ID[one.id or ""] for one in mine}
    return _KNOWN[kind]


def _anybody(role: str) -> str:
    return ""
