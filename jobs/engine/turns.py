"""Whose turn it is: the requests of one worker that wait for a slot."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterator


class Queue:
    """Requests that wait for a slot: urgent ones first, then a request of each sender in turn."""

    def __init__(self) -> None:
        self._lines: tuple[OrderedDict[object, deque[asyncio.Future[float]]], ...] = (
            OrderedDict(),
            OrderedDict(),
        )

    def __len__(self) -> int:
        return sum(len(line) for lines in self._lines for line in lines.values())

    def __bool__(self) -> bool:
        return bool(self._lines[0] or self._lines[1])

    def add(self, future: asyncio.Future[float], sender: object, urgent: bool) -> None:
        """Stand in line behind the sender's other requests."""
        self._lines[0 if urgent else 1].setdefault(sender, deque()).append(future)

    def next(self) -> asyncio.Future[float] | None:
        """The request whose turn it is; those given up meanwhile are passed over."""
        for lines in self._lines:
            while lines:
                sender, line = lines.popitem(last=False)
                future = next((one for one in _taken(line) if not one.done()), None)
                if line:
                    lines[sender] = line
                if future is not None:
                    return future
        return None

    def drop(self, sender: object) -> list[asyncio.Future[float]]:
        """Take a sender's requests out of the line."""
        return [future for lines in self._lines for future in lines.pop(sender, ())]


def _taken(line: deque[asyncio.Future[float]]) -> Iterator[asyncio.Future[float]]:
    while line:
        yield line.popleft()
