"""Telling the provider of withdrawals that were made here, beside the sending and at its pace."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from jobs.channels.base import Outcome, Parcel, Result
from jobs.engine.settle import tell_again_at
from store import opt_outs
from store.opt_outs import Due
from store.times import now

if TYPE_CHECKING:
    from jobs.engine.accounts import Account

log = logging.getLogger("passbell")

AT_ONCE = 4
"""Members at a time: a long list of them takes turns with the blasts for the account's slots."""
LEASE = timedelta(minutes=2)
"""After so long one whose worker died is taken up by another."""
FOR_GOOD = (Outcome.REFUSED, Outcome.SKIPPED)
"""Outcomes that another try would only repeat, unless the whole account is at fault."""


async def tell(account: Account) -> None:
    """Tell of all withdrawals that are due, a few at a time.

    Nobody who withdrew is messaged meanwhile: the gate goes by our own records.
    """
    name = account.settings.account
    while due := await account.store(
        lambda c: opt_outs.take(c, name, at=now(), lease=LEASE, limit=AT_ONCE), write=True
    ):
        results = await asyncio.gather(*(_tell(account, one) for one in due))
        for one, result in zip(due, results, strict=True):
            await _conclude(account, one, result)
        if any(result.account or result.outcome is Outcome.THROTTLED for result in results):
            return


async def _tell(account: Account, due: Due) -> Result:
    """The worst of what became of the member's passes; one that the provider no longer has needs no word."""
    told = Result(Outcome.GONE, "not_found", opt_outs.NO_PASS)
    for provider_id in due.provider_ids:
        parcel = Parcel(due.kind, provider_id, due.external_id, due.program_id, due.tier_id, "", "")
        result = await account.channel.opt_out(parcel)
        if result.outcome is Outcome.ACCEPTED:
            told = result
        elif result.outcome is not Outcome.GONE:
            return result
    return told


async def _conclude(account: Account, due: Due, result: Result) -> None:
    if result.outcome is Outcome.ACCEPTED:
        await account.store(lambda c: opt_outs.told(c, due), write=True)
        return
    detail = result.detail or result.reason
    if result.outcome is Outcome.GONE or (result.outcome in FOR_GOOD and not result.account):
        log.warning("PassKit cannot be told that member %s opted out: %s", due.member_id, detail)
        await account.store(lambda c: opt_outs.failed(c, due, detail=detail, due_at=None), write=True)
        return
    if result.outcome is Outcome.THROTTLED:
        account.pacer.rest(result.wait or 1.0)
    due_at = tell_again_at(due.attempts, result, account.settings.engine, now())
    await account.store(lambda c: opt_outs.failed(c, due, detail=detail, due_at=due_at), write=True)
