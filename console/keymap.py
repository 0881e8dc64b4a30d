"""Which key does what: the registry's defaults, with a person's own keys over them.

`[console.keys]` gives an action its keys by the action's id. They are judged as a whole before the first
screen is drawn, since a key that was given away silently is found out at three in the morning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from textual._context import active_app
from textual.binding import Binding, BindingsMap
from textual.keys import REPLACED_KEYS, Keys, _character_to_key, key_to_character

from console.actions import ACTIONS, BY_ID, SCOPES, Action, at_once
from store.errors import UsageError

if TYPE_CHECKING:
    from textual.widget import Widget

NAMES = frozenset(key.value for key in Keys if "<" not in key.value and "+" not in key.value) | {
    f"f{number}" for number in range(1, 25)
}
"""Keys that have a name and no character."""
MODIFIERS = frozenset(("ctrl", "shift", "alt", "super", "hyper", "meta"))
ALIASES = {
    "esc": "escape",
    "return": "enter",
    "del": "delete",
    "ins": "insert",
    "pgup": "pageup",
    "pgdn": "pagedown",
    "spacebar": "space",
}
"""Other names that people give to keys."""
TAKEN = {
    "tab": "it moves the focus",
    "shift+tab": "it moves the focus",
    "ctrl+c": "it copies",
    "ctrl+i": "a terminal sends tab for it",
    "ctrl+m": "a terminal sends enter for it",
    "ctrl+h": "a terminal sends backspace for it",
    "ctrl+left_square_bracket": "a terminal sends escape for it",
}
"""Keys that cannot be given to an action, and why."""
ARROWS = {"h": "left", "j": "down", "k": "up", "l": "right"}
"""Letters that are arrows wherever nothing has another use for them."""
WAYS_BACK = frozenset(("back", "close", "cancel"))
"""Verbs without which one could not leave a screen."""


class Keymap:
    """The keys of every action. `own` has been judged: see `judged`."""

    def __init__(self, own: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self.own = dict(own or {})

    def of(self, action: Action) -> tuple[str, ...]:
        """An action's keys as Textual names them, the one that is shown first."""
        return self.own.get(action.id, action.keys)

    def first(self, action: Action) -> str:
        """The key to show where there is room for one, as people write it."""
        return written(self.of(action)[0])

    def rekeyed(self, given: BindingsMap) -> BindingsMap:
        """A node's bindings under a person's own keys.

        Textual's own keymap takes away what else is bound to a key, and binds an action with two keys twice.
        """
        keys: dict[str, list[Binding]] = {}
        done = set()
        for key, binding in given:
            if binding.id not in self.own:
                keys.setdefault(key, []).append(binding)
            elif binding.id not in done:
                done.add(binding.id)
                shown = BY_ID[binding.id].footer != "never" and binding.action == BY_ID[binding.id].verb
                for place, own in enumerate(self.own[binding.id]):
                    bound = replace(binding, key=own, show=shown and place == 0)
                    keys.setdefault(own, []).insert(0, bound)  # before what a parent class does by it
        return BindingsMap.from_keys(keys)


def judged(own: Mapping[str, str]) -> Keymap:
    """The keymap with a person's own keys. Raises UsageError, which names all that is wrong with them."""
    if wrong := faults(own):
        told = wrong[0] if len(wrong) == 1 else "".join(f"\n- {one}" for one in wrong)
        raise UsageError(f"[console.keys] in the settings cannot be used: {told}")
    return taken(own)


def taken(own: Mapping[str, str]) -> Keymap:
    """The keymap with all of a person's own keys that there are."""
    return Keymap({id_: _read_all(keys) for id_, keys in own.items() if id_ in BY_ID and _read_all(keys)})


def faults(own: Mapping[str, str]) -> list[str]:
    """What is wrong with a person's own keys, a sentence each, which says what to do."""
    found = [fault for id_, keys in own.items() for fault in _faults_of(id_, keys)]
    keys = {action.id: taken(own).of(action) for action in ACTIONS}
    return found + [told for one, other, told in clashes(keys) if one in own or other in own]


def clashes(by_id: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, str, str]]:
    """Each pair of actions that are at hand together under one key, by their ids, and what to do about it."""
    holders: dict[str, list[Action]] = {}
    for id_, keys in by_id.items():
        for key in keys:
            holders.setdefault(key, []).append(BY_ID[id_])
    for key, held in holders.items():
        for one, other in combinations(held, 2):
            if at_once(one, other):
                where = SCOPES[one.scope if other.scope in ("app", "table") else other.scope].heading
                told = (
                    f"`{written(key)}` would be `{one.id}` ({one.words}) and `{other.id}` ({other.words}) "
                    f"under {where!r}: give one of them another key"
                )
                yield one.id, other.id, told


def _faults_of(id_: str, keys: str) -> Iterator[str]:
    if id_ not in BY_ID:
        from difflib import get_close_matches

        near = get_close_matches(id_, BY_ID, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else "help (`?`) names them"
        yield f"`{id_}`: there is no such action; {hint}"
        return
    named = _parts(keys)
    if not named:
        yield f"`{id_}` would be left without a key: name one, or take the line out for its default"
    for name in named:
        key = read(name)
        if not key:
            yield f"`{id_}`: there is no key {name!r}; write a character, or a name such as f5 or ctrl+s"
        elif key in TAKEN and key not in BY_ID[id_].keys:
            yield f"`{id_}`: {name} cannot be given away, since {TAKEN[key]}; choose another key"
    if named and not any(map(_leaves_fields, map(read, named))):
        action = BY_ID[id_]
        if action.verb in WAYS_BACK and any(map(_leaves_fields, action.keys)):
            yield f"`{id_}` is the way back: give it a key that no field takes, such as escape, too"
        elif SCOPES[action.scope].fields and all(map(_leaves_fields, action.keys)):
            yield f"`{id_}` is meant to work in text fields, which take {keys}: choose a key such as ctrl+s"


def _parts(keys: str) -> list[str]:
    """The keys that commas part; a comma alone is the key itself."""
    return [","] if keys.strip() == "," else [part.strip() for part in keys.split(",") if part.strip()]


def _read_all(keys: str) -> tuple[str, ...]:
    return tuple(filter(None, map(read, _parts(keys))))


def _leaves_fields(key: str) -> bool:
    """Whether a text field lets the key through."""
    return bool(key) and character(key) is None


def character(key: str) -> str | None:
    """What the key types; None for one that types nothing."""
    typed = key_to_character(REPLACED_KEYS.get(key, key))
    return typed if typed is not None and typed.isprintable() else None


def read(name: str) -> str:
    """A key as Textual names it, from what people write: `?`, `ctrl+s`, `G`; "" where there is none."""
    *modifiers, base = name.split("+") if len(name) > 1 and not name.endswith("+") else [name]
    if name.endswith("++"):
        modifiers, base = name[:-2].split("+"), "+"
    modifiers = sorted(modifier.lower() for modifier in modifiers)
    base = _character_to_key(base) if len(base) == 1 else ALIASES.get(base.lower(), base.lower())
    types = character(base) is not None
    if (
        not (types or base in NAMES)
        or not MODIFIERS.issuperset(modifiers)
        or len(set(modifiers)) != len(modifiers)
    ):
        return ""
    if modifiers == ["shift"] and types:
        return base.upper() if len(base) == 1 and base.isalpha() else ""
    if "ctrl" in modifiers and len(base) == 1:
        base = base.lower()
    return "+".join([*modifiers, base])


def written(key: str) -> str:
    """A key as people write it, and as `read` understands it: `?` for `question_mark`."""
    *modifiers, base = key.split("+")
    typed = character(base)
    if typed is not None and typed not in " ,":
        base = typed
    return "+".join([*modifiers, base])


def key_of(id_: str) -> str:
    """An action's key as a sentence names it: the person's own in a console, else its default."""
    keymap: Keymap = getattr(active_app.get(None), "keymap", None) or Keymap()
    key = keymap.first(BY_ID[id_])
    return key.capitalize() if len(key) > 1 and key.isalpha() else key


def keyed(sentence: str) -> str:
    """A sentence of our own with each action's key for its id: `press <blast.resume> to go on`."""
    return re.sub(r"<(\w+\.\w+)>", lambda id_: key_of(id_[1]), sentence)


def found(query: str, keymap: Keymap) -> list[Action]:
    """The actions that a search means: by a key (`P`, `ctrl+r`), or by all of its words; all for "".

    A single character is a key, where an action has it.
    """
    query = query.strip()
    if (key := read(query)) and (held := [one for one in ACTIONS if key in keymap.of(one)]):
        return held
    words = query.casefold().split()
    return [one for one in ACTIONS if all(word in _all_words(one, keymap) for word in words)]


def _all_words(action: Action, keymap: Keymap) -> str:
    keys = " ".join(map(written, keymap.of(action)))
    return f"{action.id} {action.words} {action.meaning} {SCOPES[action.scope].heading} {keys}".casefold()


def arrow_for(focused: Widget | None, key: str) -> str:
    """The arrow that a letter stands for, taken by nothing else: in options and what scrolls."""
    if focused is None or focused.check_consume_key(key, key):
        return ""
    return ARROWS.get(key, "")
