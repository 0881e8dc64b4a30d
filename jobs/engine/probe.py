"""The look whether held blasts may go on: at the provider first, then at what each of them needs there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jobs.channels.base import Outcome, Result
from jobs.engine.breaker import Hold, refusal
from store import audit, holds, ledger
from store.errors import PassbellError
from store.ledger import Blast
from store.times import now

if TYPE_CHECKING:
    from jobs.engine.accounts import Account, Accounts

log = logging.getLogger("passbell")

_OF_THE_BLAST = ("no_message_field", "quota_spent")
"""Reasons that may hold one blast and not the next; any other the next would hear as well."""


async def look(accounts: Accounts, resume: Callable[[int, str], None]) -> None:
    """Look once, and let those blasts go on that may: they are running then, and `resume` is told of each.

    The caller has taken this look (`holds.take_look`), so that there is one at a time on all workers.
    """
    try:
        async with asyncio.timeout(holds.LONGEST.total_seconds()):
            await _look(accounts, resume)
    except TimeoutError:
        log.warning("no answer within %g s: held blasts stay held", holds.LONGEST.total_seconds())
    finally:
        settings = accounts.settings
        next_at = now() + timedelta(seconds=settings.engine.probe_seconds)
        await accounts.store(lambda c: holds.end_look(c, settings.account, next_at=next_at), write=True)


async def mute(account: Account, blast: Blast) -> Hold | None:
    """Why nobody would see a blast's messages, where its designs no longer show them.

    Where they cannot be read, even at the third try, sending goes on: its own failures say more.
    """
    kind, designs = await account.store(lambda c: (holds.kind(c, blast), holds.designs(c, blast.id)))
    for wait in (0.25, 0.5, 0.0):
        found = await account.channel.check(kind, designs, blast.message_key)
        if found.outcome is not Outcome.LATER:
            break
        await asyncio.sleep(wait)
    return refusal(found)


async def _look(accounts: Accounts, resume: Callable[[int, str], None]) -> None:
    for blast in await accounts.store(lambda c: holds.waiting(c, accounts.settings.account)):
        found = await _find(accounts, blast)
        if await _conclude(accounts, blast, found):
            log.info("blast %s goes on: what it was held for is mended", blast.id)
            for channel in await _channels(accounts, blast):
                resume(blast.id, channel)
        elif found.outcome is not Outcome.ACCEPTED and found.reason not in _OF_THE_BLAST:
            return


async def _find(accounts: Accounts, blast: Blast) -> Result:
    """What stands against a blast on the channels where it has something to send; accepted: nothing."""
    found = Result(Outcome.ACCEPTED)
    for channel in await _channels(accounts, blast):
        try:
            account = await accounts.of(channel)
        except PassbellError as error:
            return Result(Outcome.REFUSED, "no_account", str(error), account=True)
        found = await _find_on(account, blast)
        if found.outcome is not Outcome.ACCEPTED:
            return found
    return found


async def _channels(accounts: Accounts, blast: Blast) -> list[str]:
    return await accounts.store(lambda c: ledger.open_channels(c, blast.id))


async def _find_on(account: Account, blast: Blast) -> Result:
    kind, designs = await account.store(lambda c: (holds.kind(c, blast), holds.designs(c, blast.id)))
    found = await account.channel.probe(kind, blast.program_id)
    if found.outcome is not Outcome.ACCEPTED:
        return found
    shown = await account.channel.check(kind, designs, blast.message_key)
    # Designs that cannot be read are no reason to stay: the pump looks at them once more before it sends.
    return shown if shown.outcome is Outcome.REFUSED else found


async def _conclude(accounts: Accounts, blast: Blast, found: Result) -> bool:
    """Let the blast go on, or say what is wrong now where that is something else than before."""

    def conclude(connection: Any) -> bool:
        if ledger.get(connection, blast.id, lock_row=True).state != "held":
            return False
        at, subject, actor = now(), str(blast.id), accounts.worker
        if found.outcome is Outcome.ACCEPTED:
            ledger.step(connection, blast.id, "running", at=at)
            audit.append(connection, actor=actor, act="blast.resumed", subject=subject, details={}, at=at)
            return True
        hold = refusal(found)
        if hold is not None and hold.reason != blast.hold_reason:
            holds.reword(connection, blast.id, reason=hold.reason)
        return False

    return await accounts.store(conclude, write=True)
