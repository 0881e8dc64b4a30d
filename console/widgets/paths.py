"""A path that is being typed: its rest, shown paler, which the right arrow takes; and what it means."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from textual.suggester import Suggester

from store.errors import UsageError


def path_of(typed: str) -> Path:
    """The path that was typed, `~` and `~name` being homes. Raises UsageError where there can be none."""
    try:
        path = Path(typed).expanduser()
        if b"\0" in os.fsencode(path):
            raise ValueError
    except RuntimeError:
        raise UsageError(f"{typed}: there is no such home; write the folder out, from / on") from None
    except ValueError:  # characters that no file system takes
        raise UsageError(f"{typed}: a file cannot have this name; type another one") from None
    return path


class Paths(Suggester):
    """Offers the first file or folder, by name, that begins with what is typed."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """The whole path; None where nothing begins so, or where the folder cannot be read."""
        return await asyncio.to_thread(_completed, value)


def _completed(typed: str) -> str | None:
    folder, slash, start = typed.rpartition("/")
    if not start:
        return None
    try:
        found = [
            one.name + ("/" if one.is_dir() else "")
            for one in os.scandir(Path(folder + slash).expanduser())
            if one.name.startswith(start) and one.name.isprintable()  # what is not could command a terminal
        ]
    except (OSError, RuntimeError, ValueError):  # no such folder, no such user, no path at all
        return None
    return folder + slash + min(found) if found else None
