"""The pump: one blast, in one worker, from claim to settled, until nothing is due.

Deliveries are claimed in batches, sent while the next batch is being claimed, and settled in groups
while others are still in flight. Everything that must survive a kill is in the ledger by then.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from jobs.channels.base import Outcome, Parcel, Result, Withdrawn
from jobs.engine.accounts import Account, OffLoop
from jobs.engine.breaker import Breaker, Hold
from jobs.engine.gate import Gate, Message
from jobs.engine.own_pace import OwnPace
from jobs.engine.probe import mute
from jobs.engine.settle import give_back, settlement
from store import audit, claims, ledger, settlements
from store.claims import Answer, Claimed, Look
from store.database import StoreUnavailable, among
from store.errors import PassbellError
from store.ledger import Blast
from store.schema import deliveries
from store.sections import GateSettings
from store.settlements import Settlement
from store.times import now

log = logging.getLogger("passbell")

LOOK = 0.25
"""Seconds between two looks at the blast's state: how late a pause takes effect."""
GATHER = 0.05
"""Seconds in which outcomes gather before they are settled together."""
PEEK = 0.01
"""Seconds between two looks whether little enough waits to claim more."""
DESIGNS = 10.0
"""Seconds between two looks at the designs, which may lose the message's field while it is being sent."""
LINGER = 2.0
"""Seconds: a delivery that is due again this soon is waited for."""


def put_on_hold(connection: Any, blast_id: int, hold: Hold, by: OffLoop) -> None:
    """Hold a running blast and say why; one that is not running stays as it is."""
    blast = ledger.get(connection, blast_id, lock_row=True)
    if blast.state != "running":
        return
    log.warning("blast %s is held: %s", blast_id, hold.reason)
    at = now()
    probe_at = at + timedelta(seconds=by.settings.engine.probe_seconds) if hold.probe else None
    ledger.step(connection, blast_id, "held", at=at, hold_reason=hold.reason, probe_at=probe_at)
    audit.append(
        connection,
        actor=by.worker,
        act="blast.held",
        subject=str(blast_id),
        details={"reason": hold.reason},
        at=at,
    )


@dataclass(slots=True)
class _InHand:
    """A claimed delivery and the batch it was claimed in."""

    batch_id: int
    claimed: Claimed


@dataclass(slots=True, eq=False, weakref_slot=True)
class Pump:
    """Pumps one blast on one channel. `stop` ends it early and in order: what was not sent is given back."""

    account: Account
    blast_id: int
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _looked: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: deque[_InHand] = field(default_factory=deque)
    _idle: dict[int, asyncio.Future[None]] = field(default_factory=dict)
    _settlements: dict[int, list[Settlement]] = field(default_factory=dict)
    _open: dict[int, int] = field(default_factory=dict)
    _sending: int = 0
    _breaker: Breaker = field(default_factory=Breaker)
    _hold: Hold | None = None
    _pace: OwnPace = field(init=False)
    _blast: Blast = field(init=False)

    def __post_init__(self) -> None:
        self._pace = OwnPace(self.account, self.blast_id)

    async def run(self) -> None:
        """Until nothing is due, the blast is no longer running, or `stop` is set.

        A fault of passbell's own holds the blast: begun again, it would send what it cannot write down.
        """
        try:
            await self._run()
        except PassbellError:
            raise
        except Exception as error:
            told = f"a fault of passbell's own ({type(error).__name__}); the worker's log says more"
            hold = Hold(told, probe=False)
            await self.account.store(lambda c: put_on_hold(c, self.blast_id, hold, self.account), write=True)
            raise

    async def _run(self) -> None:
        blast = await self.account.store(lambda c: ledger.get(c, self.blast_id))
        if blast.account != self.account.settings.account or not blast.sends_at(now()):
            return
        self._blast = blast
        accepted, failed = await self.account.store(lambda c: ledger.ended(c, self.blast_id))
        self._breaker = self.account.breakers.of(self.blast_id, accepted=accepted, failed=failed)
        self._pace.obey(blast)
        # Outside of the blast's context: it takes no slot of the blast's own.
        designs = asyncio.create_task(self._watch_designs(blast))
        self._pace.begin()
        senders = [asyncio.create_task(self._send_all(place)) for place in range(self.account.concurrency)]
        settler = asyncio.create_task(self._settle_all())
        watcher = asyncio.create_task(self._watch())
        for task in (settler, watcher):  # one that fails must not leave the others at it
            task.add_done_callback(lambda _: self.end())
        try:
            await self._looked.wait()
            await self._claim_all()
        finally:
            self.end()
            designs.cancel()
            try:
                await asyncio.gather(*senders)
                await settler
            finally:
                self._over.set()
                await watcher
                await self._pace.close()
        await self.account.store(lambda c: ledger.finish_if_done(c, self.blast_id, at=now()), write=True)

    async def _claim_all(self) -> None:
        """Keep a batch or two waiting; return when nothing is due and nothing is in hand."""
        while not self.stop.is_set():
            if len(self._waiting) > self._batch_size():
                await asyncio.sleep(PEEK)
                continue
            batch_id, claimed = await self._claim()
            if claimed:
                self._open[batch_id] = len(claimed)
                self._waiting.extend(_InHand(batch_id, one) for one in claimed)
                self._wake_senders(len(claimed))
            elif self._open:
                await asyncio.sleep(GATHER)
            elif not await self._due_soon():
                return

    async def _claim(self) -> tuple[int, list[Claimed]]:
        size = self._batch_size()
        lease = timedelta(seconds=self.account.settings.engine.lease_seconds)

        def claim(connection: Any) -> tuple[int, list[Claimed]]:
            at = now()
            return claims.claim(
                connection,
                self.blast_id,
                worker=self.account.worker,
                limit=size,
                lease_until=at + lease,
                at=at,
                look=_ask_gate_again(self.account.settings.gate, self._blast, at),
                channel=self.account.name,
            )

        return await self.account.store(claim, write=True)

    def _batch_size(self) -> int:
        """No more than leaves within a few seconds, so that other workers and a pause find little in hand."""
        return max(1, min(self.account.settings.engine.batch_size, int(self._pace.rate / 2)))

    async def _due_soon(self) -> bool:
        """Sleep until the next delivery is due, if that is soon."""
        due = await self.account.store(lambda c: ledger.next_due(c, self.blast_id, self.account.name))
        if due is None or (wait := (due - now()).total_seconds()) > LINGER:
            return False
        await asyncio.sleep(min(max(wait, 0.02), LOOK))
        return True

    async def _send_all(self, place: int) -> None:
        """Send what waits, one after the other; as many of these run at once as the blast has places."""
        while True:
            if self._waiting and place < self._pace.places:
                in_hand = self._waiting.popleft()
                self._sending += 1
                settled = await self._send(in_hand.claimed)
                self._settlements.setdefault(in_hand.batch_id, []).append(settled)
                self._sending -= 1
            elif self.stop.is_set():
                return
            else:
                self._idle[place] = asyncio.get_running_loop().create_future()
                await self._idle[place]

    def _wake_senders(self, most: int = sys.maxsize) -> None:
        """Wake those who have nothing to do, so many at most: to wake thousands for a few costs as much as
        the sending. Who has no place now is woken only with all others."""
        wanted = [place for place in self._idle if place < self._pace.places or most == sys.maxsize][:most]
        for place in wanted:
            idle = self._idle.pop(place)
            if not idle.done():
                idle.set_result(None)

    async def _send(self, claimed: Claimed) -> Settlement:
        try:
            result = await self.account.channel.send(
                _parcel(self.account.settings.gate, self._blast, claimed)
            )
        except Withdrawn:
            return give_back(claimed, now())
        except Exception as error:
            log.exception("blast %s: sending failed in an unforeseen way", self.blast_id)
            result = Result(Outcome.UNKNOWN, "fault", f"a fault of passbell's own: {type(error).__name__}")
        self._learn(result)
        return settlement(claimed, result, self.account.settings.engine, now())

    def _learn(self, result: Result) -> None:
        """What one result says about all the others."""
        if result.outcome is Outcome.THROTTLED:
            self.account.pacer.rest(result.wait or 1.0)
        hold = self._breaker.note(result)
        if hold is not None and not self.stop.is_set():
            self._hold = hold
            self.end()

    async def _settle_all(self) -> None:
        """Settle what has gathered; end when nothing is in flight any more."""
        while True:
            ending = self.stop.is_set() and not self._sending and not self._waiting
            await self._settle_gathered()
            if ending and not self._settlements and not self._sending and self._hold is None:
                return
            await asyncio.sleep(GATHER)

    async def _settle_gathered(self) -> None:
        gathered, self._settlements = self._settlements, {}
        if not gathered and self._hold is None:
            return
        hold = self._hold

        def settle(connection: Any) -> None:
            at = now()
            for batch_id, ended in gathered.items():
                settlements.settle(connection, self.blast_id, batch_id, ended, at=at)
            if hold is not None:
                put_on_hold(connection, self.blast_id, hold, self.account)

        try:
            await self.account.store(settle, write=True)
        except StoreUnavailable as error:
            log.error("%s; outcomes are kept and written as soon as it can be used", error)
            for batch_id, ended in gathered.items():
                self._settlements.setdefault(batch_id, []).extend(ended)
            return
        if hold is not None:
            self._hold = None
        for batch_id, ended in gathered.items():
            self._open[batch_id] -= len(ended)
            if self._open[batch_id] <= 0:
                del self._open[batch_id]

    def end(self) -> None:
        """Nothing more leaves: what waits for its turn or its slot is given back."""
        self.stop.set()
        self._looked.set()
        self._pace.withdraw()
        self._wake_senders()
        while self._waiting:
            in_hand = self._waiting.popleft()
            self._settlements.setdefault(in_hand.batch_id, []).append(give_back(in_hand.claimed, now()))

    async def _watch_designs(self, blast: Blast) -> None:
        """Hold the blast once its designs do not show a message: a provider takes it all the same."""
        while not self.stop.is_set():
            hold = None
            try:
                hold = await mute(self.account, blast)
            except StoreUnavailable as error:
                log.error("%s", error)
            except Exception:
                log.exception("blast %s: its designs cannot be looked at", self.blast_id)
            if hold is not None and not self.stop.is_set():
                self._hold = hold
                self.end()
            self._looked.set()
            await asyncio.sleep(DESIGNS)

    async def _watch(self) -> None:
        """See the operator's word within LOOK seconds, obey it, and keep the leases alive."""
        lease = self.account.settings.engine.lease_seconds
        renewed = asyncio.get_running_loop().time()
        while not self._over.is_set():
            try:
                await asyncio.wait_for(self._over.wait(), LOOK)
                return
            except TimeoutError:
                pass
            try:
                blast = await self.account.store(lambda c: ledger.get(c, self.blast_id))
                if blast.state != "running":
                    self.end()
                self._pace.obey(blast)
                self._wake_senders()
                if asyncio.get_running_loop().time() - renewed > lease / 3:
                    await self._renew(lease)
                    renewed = asyncio.get_running_loop().time()
            except StoreUnavailable as error:
                log.error("%s", error)

    async def _renew(self, lease: float) -> None:
        batch_ids = list(self._open)
        if batch_ids:
            until = now() + timedelta(seconds=lease)
            await self.account.store(lambda c: claims.renew(c, batch_ids, lease_until=until), write=True)


def _message(blast: Blast) -> Message:
    return Message(blast.purpose, blast.category, blast.id)


def _ask_gate_again(settings: GateSettings, blast: Blast, at: datetime) -> Look:
    """Who may still be messaged at that moment: much may have changed since the plan."""

    def look(connection: Any, delivery_ids: Sequence[int]) -> Mapping[int, Answer]:
        scope = among(connection, deliveries.c.id, delivery_ids)
        gate = Gate(connection, settings, blast.program_id, _message(blast), at=at, scope=scope)
        return gate.look(delivery_ids)

    return look


def _parcel(settings: GateSettings, blast: Blast, claimed: Claimed) -> Parcel:
    return Parcel(
        kind=claimed.kind,
        provider_id="" if claimed.kind == "flight" else claimed.provider_id,
        external_id=claimed.external_id,
        program_id=claimed.program_id,
        tier_id=claimed.tier_id,
        message_key=blast.message_key,
        text=claimed.text,
        keys=claimed.keys,
        again=claimed.attempts > 1 or claimed.unsure,
        why_not=claimed.why_not,
        to_opted_out="opted_out" in _message(blast).passed_over(settings),
        delivery_id=claimed.id,
        pass_id=claimed.pass_id,
        title=claimed.program_name,
    )
