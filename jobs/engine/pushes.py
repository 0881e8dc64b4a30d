"""Telling phones and Google of passes that changed without a blast, beside the sending and at its pace."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from jobs.channels.base import Outcome, Result
from jobs.engine.settle import tell_again_at
from store import pushes
from store.errors import PassbellError
from store.pushes import Due
from store.times import now

if TYPE_CHECKING:
    from jobs.engine.accounts import Accounts

log = logging.getLogger("passbell")

AT_ONCE = 200
"""Passes at a time: a long list of them takes turns with the blasts."""
LEASE = timedelta(minutes=5)
"""After so long one whose worker died is taken up by another."""
MOST_TRIES = 8
"""Then a phone is left to find out by itself: they look about once a day."""

Told = list[tuple[Due, Result]]


async def tell(accounts: Accounts) -> None:
    """Tell of all passes that are due: a push to the phones of Apple's, the object anew for Google's."""
    name = accounts.settings.account
    while due := await accounts.store(
        lambda c: pushes.take(c, name, at=now(), lease=LEASE, limit=AT_ONCE), write=True
    ):
        told = await _push(accounts, [one for one in due if one.channel == "apple"])
        told += await _place(accounts, [one for one in due if one.channel == "google"])
        ended = [one for one, result in told if _is_end(result)]
        await accounts.store(partial(pushes.told, due=ended), write=True)
        for one, result in told:
            if not _is_end(result):
                await _again(accounts, one, result)
        if any(result.account or result.outcome is Outcome.THROTTLED for _, result in told):
            return


async def _push(accounts: Accounts, due: Sequence[Due]) -> Told:
    from jobs.channels.apple import AppleChannel

    if not due:
        return []
    try:
        channel = (await accounts.of("apple")).channel
    except PassbellError as error:
        return [(one, Result(Outcome.REFUSED, "no_account", str(error), account=True)) for one in due]
    assert isinstance(channel, AppleChannel)
    return list(zip(due, await asyncio.gather(*(channel.push(one.pass_id) for one in due)), strict=True))


async def _place(accounts: Accounts, due: Sequence[Due]) -> Told:
    """Each program's objects that Google has not as they are; a run of its own, in a thread of its own."""
    from jobs.passes.place import place

    told: Told = []
    for program_id in dict.fromkeys(one.program_id for one in due):
        theirs = [one for one in due if one.program_id == program_id]
        try:
            why = (await asyncio.to_thread(place, accounts.database, accounts.settings, program_id)).why
        except PassbellError as error:
            why = str(error)
        ids = [one.pass_id for one in theirs]
        left = await accounts.store(partial(pushes.unplaced, pass_ids=ids))
        failed = Result(Outcome.LATER, "not_placed", why or "Google has not taken it yet")
        told += [(one, failed if one.pass_id in left else Result(Outcome.ACCEPTED)) for one in theirs]
    return told


def _is_end(result: Result) -> bool:
    """They were told, or there is nobody to tell."""
    return result.outcome in (Outcome.ACCEPTED, Outcome.GONE, Outcome.SKIPPED)


async def _again(accounts: Accounts, due: Due, result: Result) -> None:
    detail = result.detail or result.reason
    over = due.attempts >= MOST_TRIES and not result.account
    if over:
        log.warning("pass %s has changed, and nobody can be told: %s", due.pass_id, detail)
    due_at = None if over else tell_again_at(due.attempts, result, accounts.settings.engine, now())
    await accounts.store(lambda c: pushes.failed(c, due, detail=detail, due_at=due_at), write=True)
