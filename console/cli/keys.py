"""`passbell keys`: which key does what in the console, and keys of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from console.cli.options import json_option, with_desk
from console.cli.output import print_json
from console.desk import Desk
from console.plain import inert
from store.errors import UsageError
from store.settings import FILE_NAME

if TYPE_CHECKING:
    from console.actions import Action
    from console.keymap import Keymap


@click.group(epilog="\b\nExamples:\n  passbell keys list pause\n  passbell keys set blast.pause P")
def keys() -> None:
    """Keys of the console: list, set, restore."""


@keys.command("list", epilog="\b\nExamples:\n  passbell keys list ctrl+r\n  passbell keys list --json pause")
@click.argument("search", nargs=-1)
@json_option
@with_desk
def list_(desk: Desk, search: tuple[str, ...], as_json: bool) -> None:
    """Every action with its id and its keys, or those that SEARCH finds: a word, or a key such as ctrl+r."""
    from console.actions import SCOPES
    from console.keymap import found, judged

    keymap = judged(desk.settings.console.keys)
    scope = ""
    for action in found(" ".join(search), keymap):
        if as_json:
            print_json(_as_json(action, keymap))
            continue
        if action.scope != scope:
            click.echo(f"{chr(10) if scope else ''}{SCOPES[action.scope].heading}")
            scope = action.scope
        given = _as_json(action, keymap)
        own = "*" if given["own"] else " "
        sign = "!" if action.danger else " "
        click.echo(f"{own} {action.id:26} {' '.join(given['keys']):20} {sign} {action.meaning}")


@keys.command("set", epilog="\b\nExample:\n  passbell keys set blast.pause P,f9")
@click.argument("action")
@click.argument("own", metavar="KEYS")
@json_option
@with_desk
def set_(desk: Desk, action: str, own: str, as_json: bool) -> None:
    """Give ACTION keys of your own; commas part several. Refused where another action has one of them."""
    _change(desk, action, own, as_json)


@keys.command(epilog="\b\nExample:\n  passbell keys restore blast.pause")
@click.argument("action")
@json_option
@with_desk
def restore(desk: Desk, action: str, as_json: bool) -> None:
    """Give ACTION its default keys again."""
    _change(desk, action, None, as_json)


def _change(desk: Desk, id_: str, own: str | None, as_json: bool) -> None:
    from console.actions import BY_ID
    from console.keymap import faults, taken
    from console.keys_file import keep

    before = desk.settings.console.keys
    if id_ not in BY_ID and id_ not in before:
        raise UsageError(faults({id_: ""})[0])
    others = {key: value for key, value in before.items() if key != id_}
    wanted = others if own is None else {**others, id_: own}
    if wrong := [fault for fault in faults(wanted) if fault not in faults(before)]:
        raise UsageError("; ".join(wrong))
    keymap = taken(wanted)
    keep(desk.settings.home / FILE_NAME, id_, own)
    if id_ not in BY_ID:
        click.echo(f"{inert(id_)}: taken out")
    elif as_json:
        print_json(_as_json(BY_ID[id_], keymap))
    else:
        click.echo(f"{id_}: {' '.join(_as_json(BY_ID[id_], keymap)['keys'])}")


def _as_json(action: Action, keymap: Keymap) -> dict[str, Any]:
    from console.keymap import written

    return {
        "action": action.id,
        "keys": [written(key) for key in keymap.of(action)],
        "default": [written(key) for key in action.keys],
        "own": action.id in keymap.own,
        "words": action.words,
        "meaning": action.meaning,
        "role": action.role,
        "danger": action.danger,
    }
