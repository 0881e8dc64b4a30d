"""Thousands of simulated iPhones in one process, and the air that pushes reach them by."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from random import Random
from typing import Any

from jobs.rehearsal.stats import Stats
from jobs.rehearsal.wallets.air import Air, Lost
from jobs.rehearsal.wallets.phone import Kind, Phone
from jobs.rehearsal.wallets.records import Records
from store.errors import UsageError

SHARES: Mapping[str, float] = {
    Kind.ONLINE: 0.87,
    Kind.AWAY: 0.05,
    Kind.SLOW: 0.03,
    Kind.MUTED: 0.03,
    Kind.LEAVING: 0.02,
}
"""Of each kind, unless a caller wants others."""
AWAY_SECONDS = (5.0, 30.0)
"""How long, from and to, a phone that is away stays so after the first push that missed it."""


class Crowd:
    """Phones by push token. The same seed, shares and order of links make the same phones."""

    def __init__(self, air: Air, *, seed: int, root_pem: bytes) -> None:
        self.records = Records()
        self.traffic = Stats()
        self.away_seconds = AWAY_SECONDS
        self._air, self._seed, self._root = air, seed, root_pem
        self._by_token: dict[str, Phone] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._coming: dict[Phone, asyncio.TimerHandle] = {}

    def add(self, links: Sequence[Sequence[str]], shares: Mapping[str, float] = SHARES) -> None:
        """A new phone for each entry, which adds the passes of its links one after another."""
        if unknown := set(shares) - set(Kind):
            raise UsageError(f"unknown kind of phone {min(unknown)!r}: known are {', '.join(Kind)}")
        if any(share < 0 for share in shares.values()) or not sum(shares.values()) > 0:
            raise UsageError("the shares of the kinds of phones have to be 0 or more, and not all 0")
        for mine in links:
            number = len(self._by_token)
            dice = Random(f"{self._seed}/kinds/{number}")
            (kind,) = dice.choices(list(shares), list(shares.values()))
            phone = Phone(
                number,
                Kind(kind),
                seed=self._seed,
                air=self._air,
                root_pem=self._root,
                records=self.records,
            )
            self._by_token[phone.push_token] = phone
            self._start(self._unpack(phone, mine))

    def reset(self) -> None:
        """Start all counts anew; what phones hold stays."""
        self.records.reset()
        self.traffic.reset()

    def save(self, link: str) -> None:
        """An Android phone saves a pass; what it is told of then is known by Google."""
        self._start(self._save(link))

    def push(self, topic: str, token: str) -> None:
        """APNs has taken a push for this token. Pushes for tokens of nobody here are nothing to us."""
        phone = self._by_token.get(token)
        if phone is None:
            return
        self.records.pushed += 1
        self.traffic.arrived(time.time(), time.monotonic())
        if phone.online:
            self._start(phone.hear(topic))
            return
        phone.stored.add(topic)
        if phone not in self._coming:
            later = phone.dice.uniform(*self.away_seconds)
            loop = asyncio.get_running_loop()
            self._coming[phone] = loop.call_later(later, self.bring_back, phone)

    def bring_back(self, phone: Phone) -> None:
        """A phone is online again: it hears at once what was kept for it, one push for each pass type."""
        timer = self._coming.pop(phone, None)
        if timer is not None:
            timer.cancel()
        phone.online = True
        for topic in phone.stored:
            self._start(phone.hear(topic))
        phone.stored.clear()

    def come_back(self) -> int:
        """Bring all phones back that are away; returns how many those were."""
        away = [phone for phone in self._by_token.values() if not phone.online]
        for phone in away:
            self.bring_back(phone)
        return len(away)

    def go_away(self) -> None:
        """Let those that tend to be away be so again."""
        for phone in self._by_token.values():
            phone.online = phone.kind is not Kind.AWAY

    def stats(self) -> dict[str, Any]:
        """The counts of Records, and:

        phones      how many, and by kind
        registered  passes on phones, as the phones see it
        can_fetch   those of them on phones that are online and have updates switched on
        busy        things that phones are doing right now
        busiest_second  most pushes in any window of one second
        """
        phones = self._by_token.values()
        able = (phone for phone in phones if phone.online and phone.kind is not Kind.MUTED)
        return {
            "phones": len(phones),
            "kinds": dict(sorted(Counter(str(phone.kind) for phone in phones).items())),
            "registered": sum(len(phone.held) for phone in phones),
            "can_fetch": sum(len(phone.held) for phone in able),
            "busy": len(self._tasks),
            "busiest_second": self.traffic.busiest_second,
            **self.records.as_json(),
        }

    def pass_on_phones(self, serial: str) -> dict[str, Any] | None:
        """What is known of a pass: the fields of each copy, and what was shown."""
        copies = [
            {"kind": str(phone.kind), "online": phone.online, "fields": as_values(phone, serial)}
            for phone in self._by_token.values()
            if serial in phone.held
        ]
        alerts = [alert.as_json() for alert in self.records.alerts.get(serial, ())]
        return {"copies": copies, "alerts": alerts} if copies or alerts else None

    async def close(self) -> None:
        """Switch all phones off."""
        for timer in self._coming.values():
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _unpack(self, phone: Phone, links: Sequence[str]) -> None:
        for link in links:
            await phone.add(link)

    async def _save(self, link: str) -> None:
        try:
            status = (await self._air.request("GET", link, {}, None)).status
        except Lost as error:
            self.records.trouble[f"save: {error}"] += 1
            return
        if status != 200:
            self.records.trouble[f"save: {status}"] += 1

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.records.trouble[f"fault of the phone: {type(error).__name__} {error}"] += 1


def as_values(phone: Phone, serial: str) -> dict[str, str]:
    return {key: field.value for key, field in phone.held[serial].card.fields.items()}
