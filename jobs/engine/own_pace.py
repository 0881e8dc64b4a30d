"""How fast one blast goes in one worker: urgency, places and a limit of its own, beside the account's."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.engine.pace import Pacer
from store.ledger import Blast

if TYPE_CHECKING:
    from jobs.engine.accounts import Account

_going: ContextVar[OwnPace | None] = ContextVar("_going", default=None)


@dataclass(slots=True, eq=False, weakref_slot=True)
class OwnPace:
    """As the operator has it now, once `obey` was told of it.

    urgent  its requests go before those that are not
    places  sends at once
    pacer   of the blast's own limit; None where it has none
    """

    account: Account
    blast_id: int
    urgent: bool = False
    places: int = 1
    pacer: Pacer | None = None

    @property
    def rate(self) -> float:
        """Requests a second, at most."""
        return min(pacer.rate for pacer in (self.account.pacer, self.pacer) if pacer is not None)

    def begin(self) -> None:
        """From here on this task, and those that it starts, send for the blast; see `paced`."""
        _going.set(self)

    def obey(self, blast: Blast) -> None:
        """Take over urgency, concurrency and rate."""
        self.urgent = blast.urgent
        self.places = min(blast.concurrency or sys.maxsize, self.account.concurrency)
        account, per_second = self.account, blast.rate_per_second
        if per_second is None:
            self.pacer = None
        elif self.pacer is not None:
            self.pacer.rate = per_second
        else:
            self.pacer = Pacer(
                account.database,
                f"blast:{self.blast_id}",
                account.worker,
                per_second,
                timeout=3 * account.timeout,
                run=account.run,
            )

    def withdraw(self) -> None:
        """Let its requests go away without a slot, those that wait and any to come."""
        self.account.pacer.withdraw(self)
        if self.pacer is not None:
            self.pacer.withdraw(self)

    async def close(self) -> None:
        """Give its own slots back. No request may be under way."""
        if self.pacer is not None:
            await self.pacer.close()


def paced(account_pacer: Pacer) -> AbstractAsyncContextManager[None]:
    """A slot of the blast's own limit, where it has one, and then one of the account's.

    Which blast is read from the context: one channel serves all blasts of an account.
    """
    own = _going.get()
    if own is None:
        return account_pacer.slot()
    slot = account_pacer.slot(own, urgent=own.urgent)
    return slot if own.pacer is None else _both(own.pacer.slot(own), slot)


@asynccontextmanager
async def _both(
    first: AbstractAsyncContextManager[None], second: AbstractAsyncContextManager[None]
) -> AsyncIterator[None]:
    async with first, second:
        yield
