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
from store.ledger import Blast
from store.times import now

if TYPE_CHECKING:
    from jobs.engine.pump import Account

log = logging.getLogger("passbell")

_OF_THE_BLAST = ("no_message_field", "quota_spent")
"""Reasons that may hold one blast and not the next; any other the next would hear as well."""


async def look(account: Account, resume: Callable[[int], None]) -> None:
    """Look once, and let those blasts go on that may: they are running then, and `resume` is told of each.

    The caller has taken this look (`holds.take_look`), so that there is one at a time on all workers.
    """
    try:
        async with asyncio.timeout(holds.LONGEST.total_seconds()):
            await _look(account, resume)
    except TimeoutError:
        log.warning("no answer within %g s: held blasts stay held", holds.LONGEST.total_seconds())
    finally:
        next_at = now() + timedelta(seconds=account.settings.engine.probe_seconds)
        await account.store(
            lambda c: holds.end_look(c, account.settings.account, next_at=next_at), write=True
        )


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


async def _look(account: Account, resume: Callable[[int], None]) -> None:
    for blast in await account.store(lambda c: holds.waiting(c, account.settings.account)):
        found = await _find(account, blast)
        if await _conclude(account, blast, found):
            log.info("blast %s goes on: what it was held for is mended", blast.id)
            resume(blast.id)
        elif found.outcome is not Outcome.ACCEPTED and found.reason not in _OF_THE_BLAST:
            return


async def _find(account: Account, blast: Blast) -> Result:
    kind, designs = await account.store(lambda c: (holds.kind(c, blast), holds.designs(c, blast.id)))
    found = await account.channel.probe(kind, blast.program_id)
    if found.outcome is not Outcome.ACCEPTED:
        return found
    shown = await account.channel.check(kind, designs, blast.message_key)
    # Designs that cannot be read are no reason to stay: the pump looks at them once more before it sends.
    return shown if shown.outcome is Outcome.REFUSED else found


async def _conclude(account: Account, blast: Blast, found: Result) -> bool:
    """Let the blast go on, or say what is wrong now where that is something else than before."""

    def conclude(connection: Any) -> bool:
        if ledger.get(connection, blast.id, lock_row=True).state != "held":
            return False
        at, subject, actor = now(), str(blast.id), account.worker
        if found.outcome is Outcome.ACCEPTED:
            ledger.step(connection, blast.id, "running", at=at)
            audit.append(connection, actor=actor, act="blast.resumed", subject=subject, details={}, at=at)
            return True
        hold = refusal(found)
        if hold is not None and hold.reason != blast.hold_reason:
            holds.reword(connection, blast.id, reason=hold.reason)
        return False

    return await account.store(conclude, write=True)
