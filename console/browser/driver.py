"""What a console in a browser is drawn by: Textual's own web driver, made whole in two places."""

from __future__ import annotations

import os
import signal
from threading import Lock
from typing import Any

from textual.drivers.web_driver import WebDriver


class BrowserDriver(WebDriver):
    """Speaks packets on standard output and hears them on standard input.

    A file is handed over by another thread than the one that draws, and a pipe may cut what two write at
    once: so one packet is written at a time, and wholly. And when standard input ends, because the server
    was killed, so does the console: nobody would see it any more.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._writing = Lock()
        self._write = self._write_whole  # type: ignore[assignment]

    def _write_whole(self, data: bytes) -> int:
        rest = memoryview(data)
        with self._writing:
            while rest:
                rest = rest[os.write(self.fileno, rest) :]
        return len(data)

    def run_input_thread(self) -> None:
        """Hear packets until there will be none; if nobody has asked the console to leave, ask it now."""
        super().run_input_thread()
        if not self.exit_event.is_set():
            os.kill(os.getpid(), signal.SIGTERM)
