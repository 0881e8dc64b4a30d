"""What one call of `passbell` works with."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cached_property, update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from store.errors import UsageError

if TYPE_CHECKING:
    from console.desk import Desk

P = ParamSpec("P")
R = TypeVar("R")


class Use:
    """The options before the command, and what they lead to. Settings are read once, at first need."""

    def __init__(self) -> None:
        self.home: Path | None = None
        self.flags: dict[str, str] = {}
        self.json = False

    @cached_property
    def desk(self) -> Desk:
        """Settings, store and who acts. Raises UsageError where a setting is wrong."""
        from console.desk import Desk
        from store.settings import load

        return Desk(load(self.home, self.flags))

    def close(self) -> None:
        """Give the store's connections back, if it was opened."""
        if "desk" in self.__dict__ and "database" in self.desk.__dict__:
            self.desk.database.close()


def require_terminal() -> None:
    """Raises UsageError where the console could not be shown."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the console needs a terminal: see `passbell --help` for the commands")


def with_desk(command: Callable[Concatenate[Desk, P], R]) -> Callable[P, R]:
    """Give a command the desk as its first argument."""

    @click.pass_context
    def given(context: click.Context, /, *args: P.args, **options: P.kwargs) -> R:
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
