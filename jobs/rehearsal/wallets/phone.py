"""One simulated iPhone: adds passes, registers, hears pushes, fetches what has changed, compares, shows.

The protocol is Apple's web service for passes, version 1 ("Adding a Web Service to Update Passes", and the
archived "PassKit Web Service Reference"). A real phone waits longer before it tries again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from urllib.parse import quote

from jobs.channels.wire import Answer
from jobs.rehearsal.wallets import archive
from jobs.rehearsal.wallets.air import Air, Lost
from jobs.rehearsal.wallets.archive import Card
from jobs.rehearsal.wallets.records import Records
from jobs.rehearsal.wallets.signature import Unsigned

TRIES = 8
FIRST_WAIT, LONGEST_WAIT = 0.1, 5.0
"""Seconds between two tries: doubled each time, up to the longest."""
SLOW = (0.1, 1.0)
"""Seconds, from and to, that a slow phone takes before it does anything."""


class Kind(StrEnum):
    """What a phone is like.

    online   hears at once, fetches at once
    away     goes offline once it has its pass; APNs keeps one push for each pass type until it is back
    slow     as online, with pauses
    muted    updates are switched off: it hears, and never asks
    leaving  removes the pass as soon as it has shown a message
    """

    ONLINE = "online"
    AWAY = "away"
    SLOW = "slow"
    MUTED = "muted"
    LEAVING = "leaving"


@dataclass(slots=True)
class Held:
    """A pass on a phone, as it was fetched last."""

    card: Card
    modified: str


class GivenUp(Exception):
    """A request that was answered by a fault each time, or refused; the text says which."""


class Phone:
    """One phone. All that it does is counted in `records`."""

    def __init__(self, number: int, kind: Kind, *, seed: int, air: Air, root_pem: bytes, records: Records):
        self.dice = Random(f"{seed}/phones/{number}")
        self.library_id = self.dice.randbytes(16).hex()
        self.push_token = self.dice.randbytes(32).hex()
        self.kind = kind
        self.online = True
        self.held: dict[str, Held] = {}
        self.stored: set[str] = set()
        """Pass types of which APNs keeps a push until the phone is online."""
        self._air, self._root, self._records = air, root_pem, records
        self._tags: dict[str, str] = {}
        self._to_fetch: dict[str, None] = {}
        self._asking: set[str] = set()
        self._again: set[str] = set()

    async def add(self, link: str) -> None:
        """Get a pass from a link, look whether it is in order, and register for its changes.

        A link may be a pass's own address with its token behind a `#`.
        """
        address, _, token = link.partition("#")
        headers = {"authorization": f"ApplePass {token}"} if token else {}
        try:
            answer = await self._call("GET", address, headers, ok=(200,))
            card = archive.read(answer.content, root_pem=self._root)
        except Unsigned as error:
            self._records.unsigned[link] = str(error)
            return
        except GivenUp as error:
            self._records.trouble[f"add: {error}"] += 1
            return
        self.held[card.serial] = Held(card, answer.headers.get("last-modified", ""))
        await self.register(card)
        self.online = self.kind is not Kind.AWAY

    async def register(self, card: Card) -> None:
        """Ask to be told of changes."""
        body = json.dumps({"pushToken": self.push_token}).encode()
        headers = {**authorization(card), "content-type": "application/json"}
        try:
            await self._call("POST", self._registration(card), headers, body, ok=(200, 201))
        except GivenUp as error:
            self._records.trouble[f"register: {error}"] += 1

    async def remove(self, serial: str) -> None:
        """Throw a pass away."""
        card = self.held.pop(serial).card
        try:
            await self._call("DELETE", self._registration(card), authorization(card), ok=(200,))
        except GivenUp as error:
            self._records.trouble[f"remove: {error}"] += 1

    async def hear(self, topic: str) -> None:
        """A push has arrived. One that comes while its pass type is being looked after is not lost."""
        self._records.heard += 1
        if self.kind is Kind.MUTED:
            self._records.ignored.update(
                serial for serial, held in self.held.items() if held.card.pass_type == topic
            )
            return
        if topic in self._asking:
            self._again.add(topic)
            return
        self._asking.add(topic)
        try:
            await self._update(topic)
            while topic in self._again:
                self._again.discard(topic)
                await self._update(topic)
        finally:
            self._asking.discard(topic)

    async def _update(self, topic: str) -> None:
        """Ask which passes have changed, and fetch them; what cannot be had is asked for at the next push."""
        url = next((held.card.web_url for held in self.held.values() if held.card.pass_type == topic), None)
        if url is None:
            return
        try:
            for serial in await self._changed(url, topic):
                self._to_fetch[serial] = None
            for serial in list(self._to_fetch):
                await self._fetch(serial)
                del self._to_fetch[serial]
        except GivenUp as error:
            self._records.trouble[f"update: {error}"] += 1

    async def _changed(self, url: str, topic: str) -> list[str]:
        """The serials that have changed since the newest tag that this phone was told."""
        tag = self._tags.get(topic)
        query = "" if tag is None else f"?passesUpdatedSince={quote(tag, safe='')}"
        path = f"{url}/v1/devices/{self.library_id}/registrations/{quote(topic, safe='')}{query}"
        answer = await self._call("GET", path, {}, ok=(200, 204))
        self._records.lists += 1
        if answer.status == 204:
            return []
        try:
            told = json.loads(answer.content)
            tag, serials = told["lastUpdated"], told["serialNumbers"]
        except (ValueError, TypeError, KeyError):
            raise GivenUp("the list of changes is not what it should be") from None
        if not isinstance(tag, str) or not isinstance(serials, list) or not serials:
            raise GivenUp("the list of changes has a tag that is no text, or no list of serials")
        self._tags[topic] = tag
        self._records.listed.update(serials)
        return serials

    async def _fetch(self, serial: str) -> None:
        """Fetch a pass, compare it with the copy that is here, and show what has to be shown."""
        held = self.held.get(serial)
        if held is None:
            return
        card = held.card
        headers = authorization(card)
        if held.modified:
            headers["if-modified-since"] = held.modified
        path = f"{card.web_url}/v1/passes/{quote(card.pass_type, safe='')}/{quote(serial, safe='')}"
        answer = await self._call("GET", path, headers, ok=(200, 304))
        if answer.status == 304:
            self._records.unchanged += 1
            return
        self._records.fetches += 1
        self._records.fetched.add(serial)
        try:
            new = archive.read(answer.content, root_pem=self._root)
        except Unsigned as error:
            self._records.unsigned[serial] = str(error)
            return
        self.held[serial] = Held(new, answer.headers.get("last-modified", ""))
        text = archive.message(card, new)
        if text is not None:
            self._records.show(serial, text)
            if self.kind is Kind.LEAVING:
                await self.remove(serial)

    async def _call(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        ok: tuple[int, ...],
    ) -> Answer:
        """One request, made again with growing waits while it fails. Raises GivenUp."""
        wait, why = FIRST_WAIT, ""
        for turn in range(TRIES):
            if turn:
                self._records.retries += 1
                await asyncio.sleep(wait * self.dice.uniform(0.5, 1))
                wait = min(2 * wait, LONGEST_WAIT)
            elif self.kind is Kind.SLOW:
                await asyncio.sleep(self.dice.uniform(*SLOW))
            try:
                answer = await self._air.request(method, url, headers, body)
            except Lost as error:
                why = str(error)
                continue
            if answer.status in ok:
                return answer
            why = f"{answer.status}"
            if answer.status != 429 and answer.status < 500:
                break
        raise GivenUp(why)

    def _registration(self, card: Card) -> str:
        pass_type, serial = quote(card.pass_type, safe=""), quote(card.serial, safe="")
        return f"{card.web_url}/v1/devices/{self.library_id}/registrations/{pass_type}/{serial}"


def authorization(card: Card) -> dict[str, str]:
    return {"authorization": f"ApplePass {card.token}"}
