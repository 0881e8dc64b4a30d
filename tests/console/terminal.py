"""A console in a terminal of its own: a pty, real keys and mouse, and the words that stand on it."""

from __future__ import annotations

import base64
import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from rich.cells import cell_len

from store.settings import HOME_VARIABLE

PATIENCE = 60.0
MOVES = re.compile(
    r"\x1b\[(\d+);(\d+)H|\x1b\]52;c;([A-Za-z0-9+/=]*)\x07|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b\[[0-9;?<>=]*[ $]?[A-Za-z]|\x1b[^\[\]]|[\r\n]"
)
"""Where the cursor goes, what is copied, and whatever else is no text."""
PRESS, RELEASE, WHEEL_UP, WHEEL_DOWN = "M", "m", 64, 65
ENTER, ESCAPE, TAB, DOWN = "\r", "\x1b", "\t", "\x1b[B"
ESCAPE_DELAY = "20"
"""Milliseconds after which Escape is not taken for Alt any more. Textual looks for that each 0.1 seconds."""
QUIET, QUIET_AFTER_ESCAPE = 0.06, 0.2
"""Seconds without a word after which a console at rest has dealt with a key."""
CTRL_C, CTRL_R, CTRL_U = "\x03", "\x12", "\x15"


class Terminal:
    """A process of `passbell console` with `words` behind it, in `size`: columns and rows.

    copied  what it has put on the terminal's clipboard, the last at the end
    """

    def __init__(
        self,
        home: Path,
        *words: str,
        size: tuple[int, int] = (100, 30),
        surroundings: Mapping[str, str] | None = None,
    ) -> None:
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.began = time.monotonic()
        self.child = subprocess.Popen(
            [sys.executable, "-c", "from console.cli import main; main()", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env=os.environ
            | (surroundings or {})
            | {HOME_VARIABLE: str(home), "TERM": "xterm-256color", "TEXTUAL_ANIMATIONS": "none"}
            | {"ESCDELAY": ESCAPE_DELAY},
            preexec_fn=_take_terminal,  # so that closing it hangs up, and Ctrl-C is a signal
        )
        os.close(theirs)
        self.copied: list[str] = []
        self._text = codecs.getincrementaldecoder("utf-8")("replace")
        self._written = ""
        self._size = size
        self._lines = [[" "] * size[0] for _ in range(size[1])]
        self._place = 0, 0

    # What stands there

    @property
    def shown(self) -> str:
        """All of it, line by line."""
        return "\n".join("".join(line) for line in self._lines)

    def wait_for(self, *words: str) -> float:
        """Wait until all of the words stand on the screen. The seconds since its start."""
        self.until(f"it shows {words}", lambda: all(word in self.shown for word in words))
        return time.monotonic() - self.began

    def until(self, what: str, seen: Callable[[], bool]) -> None:
        """Wait until something is seen in what it writes."""
        until = time.monotonic() + PATIENCE
        while not seen():
            assert time.monotonic() < until, f"waited in vain until {what}:\n{self.shown}"
            assert self.child.poll() is None, f"it has ended\n{self.shown}"
            self.look(0.1)

    def look(self, seconds: float) -> bool:
        """Take in what it writes, where it writes within so long; whether it did."""
        found = bool(select.select([self.ours], [], [], seconds)[0])
        if found:
            try:
                self._draw(self._text.decode(os.read(self.ours, 65_536)))
            except OSError:  # nobody holds the other side any more
                self.child.wait(PATIENCE)
                return False
        return found

    # Hands

    def press(self, *keys: str) -> None:
        """Press keys, each as the bytes that a terminal sends for it, or type a text.

        A key that moves the focus is dealt with before the next one comes: Textual hands a key to what has
        the focus as it arrives.
        """
        for key in keys:
            self.send(key)
            self.settle(QUIET_AFTER_ESCAPE if key == ESCAPE else QUIET)

    def send(self, keys: str) -> None:
        """Press keys, and look at nothing yet: for what has to be caught in the middle."""
        os.write(self.ours, keys.encode())

    def settle(self, seconds: float = QUIET) -> None:
        """Take in what it writes until it writes nothing for so long, and not for want of a processor."""
        until = time.monotonic() + PATIENCE
        while self.look(seconds) or self._at_work():
            assert time.monotonic() < until, f"it does not come to rest:\n{self.shown}"

    def _at_work(self) -> bool:
        """Whether one of its threads runs, or would with a processor or a disk: where the system tells."""
        found = Path(f"/proc/{self.child.pid}/task").glob("*/stat")
        return any(_state(file) in {"R", "D"} for file in found)

    def click(self, words: str, *, line: str = "", times: int = 1) -> None:
        """Click the first place that shows these words; with `line`, in the first line that has that, too."""
        self.until(f"it shows {words!r}", lambda: self._find(words, line) is not None)
        row, column = self._find(words, line) or (0, 0)
        self._mouse(0, column + cell_len(words) // 2, row, *[PRESS, RELEASE] * times)

    def wheel(self, words: str, times: int = 1, *, down: bool = True) -> None:
        """Turn the wheel over the place that shows these words."""
        row, column = self._find(words, "") or (0, 0)
        self._mouse(WHEEL_DOWN if down else WHEEL_UP, column, row, *[PRESS] * times)

    def _find(self, words: str, line: str) -> tuple[int, int] | None:
        for row, cells in enumerate(self._lines):
            text = "".join(cells)
            if words in text and line in text:
                return row, cell_len(text[: text.index(words)])
        return None

    def _mouse(self, button: int, column: int, row: int, *kinds: str) -> None:
        self.press("".join(f"\x1b[<{button};{column + 1};{row + 1}{kind}" for kind in kinds))

    # Its end

    def kill(self, by: signal.Signals = signal.SIGKILL) -> None:
        """End it by a signal and wait until it has."""
        os.kill(self.child.pid, by)
        self.ended()

    def hang_up(self) -> None:
        """Close the terminal under it, as a lost ssh connection does."""
        os.close(self.ours)
        self.child.wait(PATIENCE)

    def ended(self) -> int:
        """Wait for its end and give its exit code. What it writes last is read, or it could not end."""
        until = time.monotonic() + PATIENCE
        while self.child.poll() is None:
            assert time.monotonic() < until, f"it does not end:\n{self.shown}"
            self.look(0.05)
        os.close(self.ours)
        return self.child.returncode

    # Following the cursor

    def _draw(self, written: str) -> None:
        """Follow the cursor; a sequence that has not come whole is kept."""
        self._written += written
        whole = self._written.rfind("\x1b")
        whole = whole if whole >= 0 and not MOVES.match(self._written, whole) else len(self._written)
        text, self._written = self._written[:whole], self._written[whole:]
        at, row, column = 0, *self._place
        for move in MOVES.finditer(text):
            row, column = self._put(text[at : move.start()], row, column)
            if move.group(1):
                row, column = int(move.group(1)) - 1, int(move.group(2)) - 1
            elif move.group(3) is not None:
                self.copied.append(base64.b64decode(move.group(3)).decode())
            elif move.group() == "\r":
                column = 0
            elif move.group() == "\n":
                row += 1
            at = move.end()
        self._place = self._put(text[at:], row, column)

    def _put(self, text: str, row: int, column: int) -> tuple[int, int]:
        """A wide character leaves nothing in the cell behind it; one without width joins the cell before."""
        for character in text:
            width = cell_len(character)
            if row < self._size[1] and column < self._size[0]:
                if width:
                    self._lines[row][column] = character
                    self._lines[row][column + 1 : column + width] = [""] * (width - 1)
                elif column:
                    self._lines[row][column - 1] += character
            column += width
        return row, column


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    """Terminals that a test opens; what still runs on them is killed after it."""
    opened: list[Terminal] = []
    yield opened
    for one in opened:
        if one.child.poll() is None:
            one.kill()


def _state(file: Path) -> str:
    """The state of a thread, a letter; "" once it has ended."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").rpartition(") ")[2][:1]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _take_terminal() -> None:
    """Make the pty the process's own terminal: it began a session and has none."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
