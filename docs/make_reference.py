"""Write the pages of all keys and all settings, from the registry and the sections: `make reference`.

A test refuses pages that have fallen behind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from console.actions import SCOPES, Action, of_scope
from console.keymap import written
from store.settings import keys
from store.settings_example import as_toml, docstrings

FOLDER = Path(__file__).parent
MADE = "<!-- Made by docs/make_reference.py: `make reference` writes it anew. -->"

KEYS_HEAD = """\
# Every key

What can be done in the console, where, and by which key. `?` in the console shows the keys of the screen
you are on, with your own in their places; `ctrl+p` does by words whatever has a key.

- **!** messages people, or cannot be undone.
- **Role** is the least that whoever presses the key has to be; a viewer only looks. The verb behind the key
  asks again, and so does the command. `--read-only` makes a viewer of anybody.
- In text fields a letter is a letter: Escape leaves the field, and keys are keys again. h, j, k and l are
  arrows wherever nothing has another use for them. Tab and shift+tab move the focus. Whatever is on screen
  can be clicked.

## Keys of your own

Press `f2` in the console, find the action, press Enter and then the key that it shall have. Or in a
command, or in the settings file; commas part several keys:

```console
$ passbell keys list pause
$ passbell keys set blast.pause P,f9
$ passbell keys restore blast.pause
```

```toml
[console.keys]
"blast.pause" = "P,f9"
```

They are judged as a whole before the first screen: an action that does not exist, a key that no terminal
sends, one key with two meanings, or a screen without a way back, and the console says which instead of
starting.
"""

SETTINGS_HEAD = """\
# Every setting

They stand in `passbell.toml` in the home folder, which `passbell init` makes;
[config.example.toml](../config.example.toml) has all of them to copy from. A flag (`passbell --set
passkit.concurrency=8`) goes before the environment (`PASSBELL_PASSKIT__CONCURRENCY=8`), and that before the
file. A setting that does not exist is refused, with the nearest one that does.

`PASSBELL_HOME`, or `passbell --home DIR`, names the home folder itself.
"""


def keys_page() -> str:
    """Every action by scope: its keys, id, meaning, role and danger."""
    parts = [MADE, KEYS_HEAD]
    for scope in SCOPES.values():
        if found := of_scope(scope.id):
            kind = ", a window: no other keys but these, help and jump" if scope.window else ""
            parts.append(f"## {scope.heading}\n\nScope `{scope.id}`{kind}.\n")
            head = ("Key", "Action", "", "Role", "What it does")
            parts.append(_table(head, map(_action, found)))
    return "\n".join(parts)


def _action(action: Action) -> tuple[str, ...]:
    named = " ".join(f"`{written(key)}`" for key in action.keys)
    sign = "**!**" if action.danger else ""
    return named, f"`{action.id}`", sign, action.role, f"{action.words}: {action.meaning}"


def settings_page() -> str:
    """Every setting by section: its default, what it may be, and its meaning."""
    explained = docstrings()
    parts = [MADE, SETTINGS_HEAD]
    sections: dict[str, list[tuple[str, ...]]] = {}
    for key, section, name in keys():
        title, field = key.partition(".")[0], section.model_fields[name]
        if title not in sections:
            sections[title] = []
            parts.append(f"## {title}\n\n{_flowing(section.__doc__ or '')}\n")
            parts.append(title)
        row = f"`{key}`", f"`{as_toml(field.default)}`", _may_be(field), explained[section.__name__, name]
        sections[title].append(row)
    head = ("Setting", "Default", "May be", "What it means")
    return "\n".join(_table(head, sections[part]) if part in sections else part for part in parts)


def _may_be(field: FieldInfo) -> str:
    """The choices or the bounds of a setting, in words; "" where its meaning has to say it."""
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{choice}`" if choice else "empty" for choice in get_args(field.annotation))
    if field.annotation is bool:
        return "`true`, `false`"
    bounds = {name: getattr(one, name) for one in field.metadata for name in _BOUNDS if hasattr(one, name)}
    return ", ".join(f"{_BOUNDS[name]} {_number(bounds[name])}" for name in _BOUNDS if name in bounds)


_BOUNDS = {"gt": "over", "ge": "from", "le": "to"}


def _number(value: Any) -> str:
    return f"{value:,}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return _flowing(text).replace("|", "\\|")


def _flowing(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


PAGES = {"keys.md": keys_page, "settings.md": settings_page}


def main() -> None:
    """Write both pages."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
