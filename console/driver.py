"""What a console in a terminal is drawn by: Textual's own driver, which does not outlive its terminal."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import IO, Any

from textual.drivers.linux_driver import LinuxDriver


class TerminalDriver(LinuxDriver):
    """When the terminal is closed, the console ends, as by SIGTERM.

    The hang-up's own signal goes to the first process of a terminal, which may be `make` or `sudo` and keep
    it to itself.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        if self._file is not None:
            self._file = Output(self._file, lost=end)  # type: ignore[assignment]


def end() -> None:
    """Leave the console in order: SIGTERM asks it to."""
    os.kill(os.getpid(), signal.SIGTERM)


class Output:
    """What Textual's thread writes to. A line that nobody takes must not end the thread: all that is
    drawn afterwards, the last goodbye among it, would wait for it for ever.

    lost    called once, when the terminal takes no more
    """

    def __init__(self, file: IO[str], *, lost: Callable[[], None]) -> None:
        self._file = file
        self._lost = lost
        self._is_lost = False

    def write(self, text: str) -> None:
        """Draw it."""
        self._try(lambda: self._file.write(text))

    def flush(self) -> None:
        """Draw what is still held back."""
        self._try(self._file.flush)

    def fileno(self) -> int:
        """The terminal's number."""
        return self._file.fileno()

    def _try(self, act: Callable[[], object]) -> None:
        if self._is_lost:
            return
        try:
            act()
        except OSError:
            self._is_lost = True
            self._lost()
