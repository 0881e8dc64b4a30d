"""Telling phones of passes that changed without a blast, beside the sending and at its pace."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from jobs.channels.base import Outcome, Result
from store import pushes
from store.pushes import Due
from store.times import now

if TYPE_CHECKING:
    from jobs.channels.apple import AppleChannel
    from jobs.engine.pump import Account

log = logging.getLogger("passbell")

AT_ONCE = 100
"""Passes at a time: a long list of them takes turns with the blasts."""
LEASE = timedelta(minutes=2)
"""After so long one whose worker died is taken up by another."""
LONGEST_WAIT = timedelta(hours=1)
MOST_TRIES = 8
"""Then a phone is left to find out by itself: they look about once a day."""


async def tell(account: Account, channel: AppleChannel) -> None:
    """Push for all passes that are due."""
    name = account.settings.account
    while due := await account.store(
        lambda c: pushes.take(c, name, at=now(), lease=LEASE, limit=AT_ONCE), write=True
    ):
        results = await asyncio.gather(*(channel.push(one.pass_id) for one in due))
        ended = [one for one, result in zip(due, results, strict=True) if _is_end(result)]
        await account.store(partial(pushes.told, due=ended), write=True)
        for one, result in zip(due, results, strict=True):
            if not _is_end(result):
                await _again(account, one, result)
        if any(result.account or result.outcome is Outcome.THROTTLED for result in results):
            return


def _is_end(result: Result) -> bool:
    """The phone was told, or there is none to tell."""
    return result.outcome in (Outcome.ACCEPTED, Outcome.GONE, Outcome.SKIPPED)


async def _again(account: Account, due: Due, result: Result) -> None:
    detail = result.detail or result.reason
    over = due.attempts >= MOST_TRIES and not result.account
    if over:
        log.warning("the phones of pass %s cannot be told that it changed: %s", due.pass_id, detail)
    wait = account.settings.engine.backoff_seconds * 2 ** min(due.attempts, 20)
    due_at = now() + min(timedelta(seconds=max(wait, result.wait or 0.0)), LONGEST_WAIT)
    await account.store(
        lambda c: pushes.failed(c, due, detail=detail, due_at=None if over else due_at), write=True
    )
