"""What commands have in common: the desk they are given, and `--json`."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from console.cli.output import LARGEST
from console.cli.use import Use

if TYPE_CHECKING:
    from console.desk import Desk

P = ParamSpec("P")
R = TypeVar("R")

_HALF = re.compile("[\ud800-\udfff]")
"""What bytes that are no UTF-8 become in an argument; no database takes it."""

blast_argument = click.argument("blast", type=click.IntRange(1, LARGEST), metavar="ID")


def with_desk(command: Callable[Concatenate[Desk, P], R]) -> Callable[P, R]:
    """Give a command the desk as its first argument."""

    @click.pass_context
    def given(context: click.Context, /, *args: P.args, **options: P.kwargs) -> R:
        for value in context.params.values():
            for word in value if isinstance(value, tuple) else (value,):
                if isinstance(word, str) and _HALF.search(word):
                    raise click.UsageError(f"{word!a} is not valid text: write it in UTF-8")
        return command(context.find_object(Use).desk, *args, **options)  # type: ignore[union-attr]

    return update_wrapper(given, command)


def json_option(command: Callable[P, R]) -> Callable[P, R]:
    """`--json`: data on standard output as JSON, and an error as JSON on standard error."""

    def note(context: click.Context, _: click.Parameter, wanted: bool) -> bool:
        if use := context.find_object(Use):
            use.json = wanted
        return wanted

    option: Callable[[Any], Any] = click.option(
        "--json", "as_json", is_flag=True, is_eager=True, callback=note, help="Print JSON for programs."
    )
    return option(command)  # type: ignore[no-any-return]
