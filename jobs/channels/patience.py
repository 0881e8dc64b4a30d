"""Reading a page again, where another try may bring it."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from jobs.channels import google_errors, passkit_errors
from jobs.channels.google_errors import GoogleError
from jobs.channels.passkit_errors import PassKitError

T = TypeVar("T")

TRIES = 5
_PASSING = google_errors.PASSING | passkit_errors.PASSING


async def patiently(
    ask: Callable[[], Awaitable[T]],
    *,
    first: float,
    longest: float,
    sleep: Callable[[float], Awaitable[None]],
) -> T:
    """Ask up to five times, after `first` seconds and then twice as many each time, spread by up to a half.

    Where the provider asks to wait for more than `longest` seconds, that is the answer.
    """
    tries, wait = 1, first
    while True:
        try:
            return await ask()
        except (PassKitError, GoogleError) as error:
            patience_ends = tries == TRIES or (error.retry_after or 0.0) > longest
            if patience_ends or error.kind not in _PASSING:
                raise
            await sleep(max(error.retry_after or 0.0, wait * random.uniform(1.0, 1.5)))
            tries, wait = tries + 1, wait * 2
