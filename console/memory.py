"""What the console remembers of one person between two sittings: the screen, its filters and its order.

A comfort, never a truth: whoever reads a value checks that it is of the kind it should be, and what was
forgotten is no harm.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from store.errors import PassbellError
from store.files import read_small


class Memory:
    """JSON values by dotted keys, kept in one file of its owner's (0600).

    trouble  why nothing is remembered, as a sentence; "" where the file was read or there is none yet
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trouble = ""
        self._kept = self._read()
        self._saved = dict(self._kept)
        self._saving = Lock()
        self._gave_up = False

    def get(self, key: str) -> Any:
        """What was put there, as JSON gives it back; None where nothing was."""
        return json.loads(self._kept.get(key, "null"))

    def put(self, key: str, value: Any) -> None:
        """Remember a value that JSON can hold; None forgets it. It is on disk after the next `save`."""
        if value is None:
            self._kept.pop(key, None)
        else:
            self._kept[key] = json.dumps(value)

    @property
    def changed(self) -> bool:
        """Whether there is something to save."""
        return self._kept != self._saved

    def save(self) -> None:
        """Write the file if anything changed. Raises PassbellError, once, where it cannot be written.

        It is written whole before it has its name: whoever is killed leaves the old one or the new one.
        """
        with self._saving:
            if self.changed and not self._gave_up:
                self._write(dict(self._kept))  # another thread may put meanwhile

    def _write(self, kept: dict[str, str]) -> None:
        lines = (f"{json.dumps(key)}: {value}" for key, value in sorted(kept.items()))
        draft = self.path.with_suffix(f".{os.getpid()}.draft")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write("{\n" + ",\n".join(lines) + "\n}\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, self.path)
        except OSError as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            self._gave_up = True
            raise PassbellError(
                f"the console cannot remember where you were: {self.path}: {error.strerror}"
            ) from None
        self._saved = kept

    def _read(self) -> dict[str, str]:
        try:
            found = json.loads(read_small(self.path))
            if isinstance(found, dict):
                return {key: json.dumps(value) for key, value in found.items()}
            why = "it holds no JSON object"
        except FileNotFoundError:
            return {}
        except OSError as error:
            why = error.strerror or type(error).__name__
        except (ValueError, RecursionError):
            why = "it is no JSON"
        self.trouble = f"Where you were last is forgotten: {self.path} cannot be read ({why})."
        return {}
