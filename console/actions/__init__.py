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

if TYPE_CHECKING:
    from textual.screen import Screen

    from console.keymap import Keymap

__all__ = [
    "ACTIONS",
    "BY_ID",
    "FIELDS",
    "SCOPES",
    "WINDOWS",
    "Acting",
    "Action",
    "at_hand",
    "at_once",
    "bindings",
    "of_scope",
]

SCOPES = {
    "app": "Everywhere",
    "table": "In a list",
    "filter": "A filter of a column",
    "columns": "The columns of a list",
    "export": "An export",
    "home": "Home",
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
    "earlier": "Earlier texts",
    "verdict": "Members of a verdict",
    "launch": "Launch",
    "blasts": "Blasts",
    "blast": "A blast",
    "incident": "A report",
    "delivery": "A delivery",
    "why": "Why",
    "audit": "Audit",
    "entry": "An audit entry",
    "retry": "A retry",
    "ask": "A question",
    "form": "Questions on one page",
    "help": "Help",
    "keys": "Keys of your own",
    "capture": "A key to be pressed",
    "jump": "Jump",
}
"""Where an action is at hand, with the heading that help gives it."""

WINDOWS = frozenset(
    (
        "ask",
        "capture",
        "clause",
        "columns",
        "delivery",
        "earlier",
        "entry",
        "export",
        "filter",
        "form",
        "help",
        "incident",
        "jump",
        "keys",
        "launch",
        "member",
        "preset",
        "retry",
        "target",
    )
)
"""Scopes of windows: while one is open, neither the screen under it nor the app has its keys."""

WITHIN = {"clauses": ("build",), "retry": ("ask",)}
"""Scopes of a part, with the scopes that are at hand together with it."""

FIELDS = frozenset(
    ("build", "clause", "compose", "export", "filter", "form", "import_file", "launch", "target")
)
"""Scopes with text fields, where a letter is a letter."""

IN_WINDOWS = ("app.help", "app.jump", "app.command_palette")
"""What is at hand in windows, too."""

ASIDE = frozenset(("help", "jump", "keys"))
"""Windows that are about what is under them: of all else only the palette is at hand."""

ALONE = frozenset(("capture",))
"""Windows that take every key for an answer."""

ACTIONS = (*everywhere.ACTIONS, *people.ACTIONS, *sending.ACTIONS)
BY_ID = {action.id: action for action in ACTIONS}


def of_scope(scope: str) -> list[Action]:
    """The scope's actions, in the order of the registry."""
    return [action for action in ACTIONS if action.scope == scope]


def at_once(one: Action, other: Action) -> bool:
    """Whether both can be at hand at the same time, so that they need keys of their own."""
    scopes = {one.scope, other.scope}
    if any(scopes <= {part, *whole} for part, whole in WITHIN.items()) or len(scopes) == 1:
        return True
    if windows := scopes & WINDOWS:
        return any({one.id, other.id}.intersection(_beside(window)) for window in windows)
    return bool(scopes & {"app", "table"})


def _beside(scope: str) -> tuple[str, ...]:
    """What is at hand in a window beside what is its own."""
    if scope not in WINDOWS or scope in WITHIN or scope in ALONE:
        return ()
    return ("app.command_palette",) if scope in ASIDE else IN_WINDOWS


def bindings(scope: str) -> list[BindingType]:
    """The scope's keys, for a screen's, a widget's or the app's BINDINGS."""
    everywhere = [
        Binding(key, f"app.{BY_ID[id_].verb}", BY_ID[id_].words, show=False, id=id_)
        for id_ in _beside(scope)
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
