"""What a worker says: plain lines on standard error, and the same line not over and over."""

from __future__ import annotations

import logging
import sys
import threading
import time

AGAIN = 60.0
"""Seconds after which a trouble that lasts is told again."""
KEPT = 100
"""So many different errors are remembered."""


def set_up_log() -> None:
    """Plain lines on standard error; the chatter of libraries only from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Repeats())
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", handlers=[handler]
    )
    for noisy in ("huey", "httpx", "httpcore", "hypercorn", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class Seldom:
    """Lets something be told when it begins and then once in AGAIN seconds. Several threads share one."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._told_at: float | None = None
        self._kept_back = 0

    def passes(self) -> int | None:
        """None where it was told a moment ago, or else how often it was kept back since."""
        with self._guard:
            at = time.monotonic()
            if self._told_at is not None and at - self._told_at < AGAIN:
                self._kept_back += 1
                return None
            kept_back, self._kept_back = self._kept_back, 0
            self._told_at = at
            return kept_back

    def ends(self) -> bool:
        """It is over. True for the one call that ended it."""
        if self._told_at is None:
            return False
        with self._guard:
            told, self._told_at, self._kept_back = self._told_at is not None, None, 0
            return told


class Repeats(logging.Filter):
    """Keeps back errors that were told a moment ago: a store that is away would fill the disk with one line.

    A line with `extra={"over": True}` says that a trouble has ended: what comes after it is told anew.
    """

    def __init__(self) -> None:
        super().__init__()
        self._errors: dict[tuple[str, str], Seldom] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "over", False):
            self._errors.clear()
        if record.levelno < logging.ERROR:
            return True
        line = (record.getMessage(), repr(record.exc_info[1]) if record.exc_info else "")
        if line not in self._errors and len(self._errors) >= KEPT:
            self._errors.pop(next(iter(self._errors)))
        kept_back = self._errors.setdefault(line, Seldom()).passes()
        if kept_back:
            record.msg, record.args = f"{line[0]} (and {kept_back:,} times before)", ()
        return kept_back is not None
