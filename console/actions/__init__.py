"""The one registry of what can be done: keys, footer, help, palette and key editor are all made from it.

A new action takes one entry here and one function: a screen or widget with `BINDINGS = bindings("blast")`
that is `Acting` has a method for each of the scope's actions, named after the part behind the dot
(`blast.pause` is `action_pause`), and the guards that the entries name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.binding import Binding, BindingsMap, BindingType

from console.actions import everywhere, people, sending
from console.actions.action import Action
from console.actions.scope import ALL, Scope

if TYPE_CHECKING:
    from textual.screen import Screen

    from console.keymap import Keymap

__all__ = [
    "ACTIONS",
    "BY_ID",
    "SCOPES",
    "Acting",
    "Action",
    "Scope",
    "at_hand",
    "at_once",
    "bindings",
    "of_scope",
]

SCOPES = {scope.id: scope for scope in ALL}
ACTIONS = (*everywhere.ACTIONS, *people.ACTIONS, *sending.ACTIONS)
BY_ID = {action.id: action for action in ACTIONS}


def of_scope(scope: str) -> list[Action]:
    """The scope's actions, in the order of the registry."""
    return [action for action in ACTIONS if action.scope == scope]


def at_once(one: Action, other: Action) -> bool:
    """Whether both can be at hand at the same time, so that they need keys of their own."""
    scopes = [SCOPES[one.scope], SCOPES[other.scope]]
    ids = {scope.id for scope in scopes}
    if len(ids) == 1 or any(ids <= {scope.id, *scope.within} for scope in scopes):
        return True
    if windows := [scope for scope in scopes if scope.window]:
        return any({one.id, other.id}.intersection(window.beside) for window in windows)
    return bool(ids & {"app", "table"})


def bindings(scope: str) -> list[BindingType]:
    """The scope's keys, for a screen's, a widget's or the app's BINDINGS."""
    everywhere = [
        Binding(key, f"app.{BY_ID[id_].verb}", BY_ID[id_].words, show=False, id=id_)
        for id_ in (SCOPES[scope].beside if SCOPES[scope].window else ())
        for key in BY_ID[id_].keys
    ]
    mine = [
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
    return [*mine, *everywhere]


def at_hand(screen: Screen[Any]) -> dict[str, Acting]:
    """The scopes of a screen and of what is in it, then those of all screens, each with who acts there."""
    focused = screen.focused.ancestors_with_self if screen.focused is not None else ()
    found: dict[str, Acting] = {}
    for node in (*focused, screen, *screen.query("*"), *(() if screen.is_modal else (screen.app,))):
        if isinstance(node, Acting):
            for action in _actions_of(node).values():
                found.setdefault(action.scope, node)
    order = [*(scope for scope in SCOPES if scope not in ("table", "app")), "table", "app"]
    return {scope: found[scope] for scope in order if scope in found}


class Acting:
    """A screen, widget or app whose BINDINGS come from the registry. Stands before Textual's class."""

    _by_default: BindingsMap
    _rekeyed: tuple[Keymap, BindingsMap] | None = None

    @property
    def _bindings(self) -> BindingsMap:
        """What Textual looks a key up in: the registry's keys with the person's own over them."""
        keymap: Keymap | None = getattr(self.app, "keymap", None)  # type: ignore[attr-defined]
        if keymap is None or not keymap.own:
            return self._by_default
        if self._rekeyed is None or self._rekeyed[0] is not keymap:
            self._rekeyed = keymap, keymap.rekeyed(self._by_default)
        return self._rekeyed[1]

    @_bindings.setter
    def _bindings(self, given: BindingsMap) -> None:
        self._by_default = given

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
        mine = [one for one in mine if one.action == BY_ID[one.id or ""].verb]  # a window has the app's, too
        _KNOWN[kind] = {one.action: BY_ID[one.id or ""] for one in mine}
    return _KNOWN[kind]


def _anybody(role: str) -> str:
    return ""
