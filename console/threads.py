"""Work off the UI's thread, for a screen that may be left before it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from textual.worker import active_worker

T = TypeVar("T")


async def in_thread(do: Callable[..., T], *given: Any, **named: Any) -> T:
    """As `asyncio.to_thread`; but the worker of a widget that is left meanwhile ends here."""
    try:
        return await asyncio.to_thread(do, *given, **named)
    finally:
        end_if_left()


def end_if_left() -> None:
    """End the worker of a widget that is on its way out: what it would show its answer on is gone already.

    Textual ends it, too, but only once all that is in the widget has gone. What was done is done.
    """
    worker = active_worker.get(None)
    if worker is None or worker.is_finished:  # a screen that it opened has it in its context, too
        return
    if worker.node._pruning or not worker.node.is_attached:
        raise asyncio.CancelledError
