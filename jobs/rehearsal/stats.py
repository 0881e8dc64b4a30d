"""What reached the stand-in, and how fast."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager

WINDOW = 1.0
"""Seconds of the sliding window in which the busiest second is looked for."""


class Stats:
    """Counts of requests to the provider's routes; the control routes are not among them."""

    def __init__(self) -> None:
        self._at_once = 0
        self.reset()

    def reset(self) -> None:
        self.requests = 0
        self.by_status: Counter[str] = Counter()
        self.busiest_second = 0
        self.most_at_once = self._at_once
        self.first_at: float | None = None
        self.last_at: float | None = None
        self._window: deque[float] = deque()

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """A request, from its arrival to its end."""
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            yield
        finally:
            self._at_once -= 1

    def arrived(self, now: float, monotonic: float) -> None:
        """Counts a request with a token. `now` is the wall clock; the window goes by the monotonic one."""
        self.first_at = now if self.first_at is None else self.first_at
        self.last_at = now
        window = self._window
        window.append(monotonic)
        while window[0] <= monotonic - WINDOW:
            window.popleft()
        if len(window) > self.busiest_second:
            self.busiest_second = len(window)
