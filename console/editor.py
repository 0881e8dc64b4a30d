"""An editor of one's own for a long text: $VISUAL, else $EDITOR, while the console steps aside."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from console.plain import inert_lines

if TYPE_CHECKING:
    from textual.app import App

VARIABLES = ("VISUAL", "EDITOR")


def why_not(app: App[None]) -> str:
    """What stands in the way of an editor, as a sentence; "" for nothing."""
    if app.is_web:
        return "An editor of your own needs a terminal: in a browser, write into the field."
    if not _command():
        return "No editor is named: set $VISUAL or $EDITOR, such as EDITOR=nano, and open the console again."
    return ""


async def edit(app: App[None], text: str, suffix: str = ".txt") -> str | None:
    """The text as it was left in the editor; None where it is unchanged or nothing came of it, which is told.

    The console waits: its screen is the editor's meanwhile. The text lies in a file of its owner's (0600),
    in a folder of its owner's, and is gone afterwards. An editor that ends with an error changes nothing.
    """
    reason = why_not(app)
    if not reason:
        with tempfile.TemporaryDirectory(prefix="passbell-") as folder:
            file = Path(folder) / f"text{suffix}"
            reason = _write(app, file, text)
            if not reason:
                written = _read(file, text)
                if written is not None:
                    return written if written != text else None
                reason = "What the editor left behind is no text: it is as it was."
    app.notify(inert_lines(reason), severity="warning", markup=False)
    return None


def _write(app: App[None], file: Path, text: str) -> str:
    """Let the text be written anew; what went wrong, as a sentence, "" for nothing."""
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as made:
        made.write(text)
    command = _command()
    try:
        with app.suspend():
            code = subprocess.run([*command, str(file)], check=False).returncode
    except SuspendNotSupported:
        return "This terminal cannot be lent to an editor: write into the field."
    except OSError as error:
        return f"{command[0]} cannot be started: {error.strerror}. Set $VISUAL or $EDITOR."
    return f"{command[0]} ended with {code}: the text is as it was." if code else ""


def _read(file: Path, before: str) -> str | None:
    """What the editor left; None where that is no text."""
    try:
        written = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    # Editors end a file with a line break, which the text did not have.
    return written if before.endswith("\n") else written.removesuffix("\n")


def _command() -> list[str]:
    """The editor and its arguments; nothing where none is named, or where it cannot be read."""
    named = next((os.environ[name] for name in VARIABLES if os.environ.get(name, "").strip()), "")
    try:
        return shlex.split(named)
    except ValueError:
        return []
