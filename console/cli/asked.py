"""What a command asks before it does what cannot be taken back."""

from __future__ import annotations

import sys

import click

from store.errors import Refused, UsageError


def confirm(question: str, otherwise: str) -> None:
    """Go on with a yes. Raises Refused, which says what `otherwise` is so; UsageError without a terminal."""
    _needs_terminal()
    if not click.confirm(question, err=True):
        raise Refused(otherwise)


def typed(question: str, expected: str, otherwise: str) -> None:
    """Go on once the very word is typed. Raises as `confirm` does."""
    _needs_terminal()
    if click.prompt(question, default="", show_default=False, err=True).strip() != expected:
        raise Refused(otherwise)


def _needs_terminal() -> None:
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("nobody can be asked here: give --yes")
