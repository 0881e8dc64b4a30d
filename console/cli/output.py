"""What the commands print: JSON, aligned tables, and one line of progress."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import click

from console.plain import cells, inert

LARGEST = 2**63 - 1
"""The largest number that every database keeps: an id or a limit above it is wrong usage."""
REDRAW_SECONDS = 0.1
BAR = 24
WIDEST = 48
"""Characters of a table's cell that people see; `--json` has them all."""


def print_json(thing: Mapping[str, Any]) -> None:
    """One object on one line. Everything outside ASCII is escaped, so no terminal obeys what a name holds."""
    click.echo(json.dumps(thing))


def print_table(
    titles: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[str] = (),
    titled: bool = True,
) -> None:
    """Aligned columns, numbers with separators.

    `right` names the columns that stand to the right; `titled` is False where a table is continued.
    """
    shown = [[title.upper() for title in titles], *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(cells, column)) for column in zip(*shown, strict=True)]
    for line in shown if titled else shown[1:]:
        parts = []
        for title, text, width in zip(titles, line, widths, strict=True):
            gap = " " * (width - cells(text))
            parts.append(gap + text if title in right else text + gap)
        click.echo("  ".join(parts).rstrip())


def print_facts(facts: Mapping[str, object]) -> None:
    """One fact a line, the names aligned."""
    width = max(map(len, facts))
    for name, value in facts.items():
        click.echo(f"{name + ':':{width + 1}} {inert(_spelled(value))}")


def note(sentence: str) -> None:
    """A remark beside the data, on standard error."""
    click.echo(inert(sentence), err=True)


class Progress:
    """One line on standard error that is drawn over, where that is a terminal; nothing elsewhere."""

    def __init__(self) -> None:
        self._wanted = sys.stderr.isatty()
        self._drawn_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def clear(self) -> None:
        """Take the line away, so that something else can be printed."""
        if self._drawn_at:
            click.echo("\r\x1b[K", nl=False, err=True)
            self._drawn_at = 0.0

    def show(self, label: str, done: int, total: int | None = None, tail: str = "") -> None:
        """Draw it, at most ten times a second. Without a total there is a count and no bar."""
        if not self._wanted or time.monotonic() - self._drawn_at < REDRAW_SECONDS:
            return
        self._drawn_at = time.monotonic()
        width = shutil.get_terminal_size().columns
        line = f"{inert(label, 30)} {_bar(done, total)} {tail}".rstrip()
        click.echo(f"\r\x1b[K{inert(line, width - 1)}", nl=False, err=True)


def _bar(done: int, total: int | None) -> str:
    if not total:  # nobody knows yet
        return f"{done:,}" if done else "..."
    filled = round(BAR * done / total)
    return f"[{'#' * filled}{'-' * (BAR - filled)}] {done:,}/{total:,}"


def _cell(value: object) -> str:
    return inert(_spelled(value), WIDEST)


def _spelled(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:,}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
