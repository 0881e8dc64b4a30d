"""The channel to Apple passes that we issue: the text is put on the pass, then its phones are told to ask.

A push carries nothing. The phone that hears it asks our web face which passes have changed, fetches them,
and compares them with what it has (Apple, "Adding a Web Service to Update Passes"). So a message is first
written and committed, and pushed after that; a push that is repeated makes a phone ask once more, and
shows nothing.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobs.channels.apns import Pusher, outcome
from jobs.channels.base import Outcome, Pace, Parcel, Result
from jobs.channels.wire import Broken
from jobs.gather import Gathered
from store import arrivals, devices
from store.arrivals import Message
from store.database import Database, StoreUnavailable
from store.devices import Token
from store.errors import PassbellError
from store.times import now

Run = Callable[[Callable[[], Any]], Awaitable[Any]]

_NO_PHONE = Result(Outcome.SKIPPED, "not_installed", "no phone has this pass registered any more")
_WORST = (Outcome.REFUSED, Outcome.THROTTLED, Outcome.UNKNOWN, Outcome.LATER, Outcome.GONE, Outcome.SKIPPED)


@dataclass(slots=True)
class _Together:
    """What was committed together. One push tells a phone of all of it, however many passes it has.

    shared  some phone has several of the passes
    """

    shared: bool = False
    pushes: dict[tuple[str, str], asyncio.Future[Result]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Put:
    """A pass whose text is committed: the phones to tell of it, or how its send ended already."""

    tokens: Sequence[Token]
    together: _Together
    ended: Result | None = None


@dataclass(frozen=True, slots=True)
class _Dead:
    """A token that Apple no longer knows, since a moment that it may have told."""

    token: Token
    since: datetime | None


class AppleChannel:
    """Messages to the Apple passes of one team.

    `pusher` gives the way to Apple for a pass type: a certificate is good for one. `run` runs database calls
    off the loop.
    """

    def __init__(
        self, database: Database, pusher: Callable[[str], Awaitable[Pusher]], pace: Pace, run: Run
    ) -> None:
        self._database, self._pusher, self._pace, self._run = database, pusher, pace, run
        self._pushers: dict[str, Pusher] = {}
        self._retired: list[Pusher] = []
        self._opening = asyncio.Lock()
        self._put = Gathered(self._put_all, run)
        self._forget = Gathered(self._forget_all, run)

    async def open(self, pass_type: str) -> None:
        """Make ready to push for a pass type before anything is claimed for it. Raises PassbellError."""
        await self._open(pass_type)

    async def send(self, parcel: Parcel) -> Result:
        """Bring the text onto the pass and tell its phones; see `Outcome` for the ways it may end."""
        if not parcel.text.strip():
            return Result(Outcome.REFUSED, "empty_text", "the text is empty")
        async with self._pace():
            try:
                put = await self._put(parcel)
                if put.ended is not None:
                    return put.ended
                return await self._tell(put.tokens, put.together)
            except StoreUnavailable as error:
                return Result(Outcome.UNKNOWN, "store_unavailable", str(error))

    async def push(self, pass_id: int) -> Result:
        """Tell the phones of a pass that it has changed."""
        found = await self._run(lambda: self._tokens([pass_id]))
        tokens = found.get(pass_id, ())
        if not tokens:
            return _NO_PHONE
        async with self._pace():
            return await self._tell(tokens, _Together())

    async def opt_out(self, parcel: Parcel) -> Result:
        """Nobody has to be told: our own records are all there is."""
        return Result(Outcome.ACCEPTED, "own_pass", "the pass is ours")

    async def check(self, kind: str, designs: Mapping[str, str], message_key: str) -> Result:
        """Our own templates always have the message's field; one without is refused when it is added."""
        return Result(Outcome.ACCEPTED)

    async def probe(self, kind: str = "", program_id: str = "") -> Result:
        """Push once to a phone of the program: with nothing changed it asks, is told so, and stays silent."""
        token = await self._run(lambda: self._any_token(program_id))
        if token is None:
            return Result(Outcome.ACCEPTED)
        result = await self._tell([token], _Together())
        if result.outcome in (Outcome.GONE, Outcome.SKIPPED):
            return Result(Outcome.ACCEPTED)
        return result

    async def close(self) -> None:
        """Close the connections."""
        for pusher in (*self._pushers.values(), *self._retired):
            await pusher.close()

    async def _tell(self, tokens: Sequence[Token], together: _Together) -> Result:
        if len(tokens) == 1:
            one = tokens[0]
            return await (self._tell_one(one, together) if together.shared else self._push_to(one))
        results = await asyncio.gather(*(self._tell_one(token, together) for token in tokens))
        for result in results:  # one phone that was told is a message that left
            if result.outcome is Outcome.ACCEPTED:
                return result
        return min(results, key=lambda result: _WORST.index(result.outcome))

    async def _tell_one(self, token: Token, together: _Together) -> Result:
        key = (token.pass_type, token.push_token)
        under_way = together.pushes.get(key)
        if under_way is not None:
            return await under_way
        told = together.pushes[key] = asyncio.get_running_loop().create_future()
        try:
            result = await self._push_to(token)
        except BaseException:
            told.cancel()
            raise
        told.set_result(result)
        return result

    async def _push_to(self, token: Token) -> Result:
        try:
            pusher = self._pushers.get(token.pass_type) or await self._open(token.pass_type)
        except StoreUnavailable:
            raise
        except PassbellError as error:  # no certificate, or one that is not fit for use: no push can leave
            return Result(Outcome.REFUSED, "no_account", str(error), account=True)
        tries = 0
        while True:
            try:
                answer = await pusher.push(token.push_token, topic=token.pass_type, apns_id=str(uuid.uuid4()))
                break
            except Broken as error:
                tries += 1
                # Apple ends connections as it pleases, with hundreds of pushes on them: what an end cut off
                # is sent once more, on another. A repeat harms nobody.
                if error.timed_out or tries > 1:
                    return _broken(error)
        if answer.status == 200:
            return _TAKEN
        result = outcome(answer)
        if result.account:
            await self._retire(token.pass_type, pusher)
        if result.outcome is Outcome.GONE and not await self._forget(_Dead(token, answer.timestamp)):
            return Result(
                Outcome.LATER, "registered_since", "the phone has registered anew since", result.code
            )
        return result

    async def _retire(self, pass_type: str, pusher: Pusher) -> None:
        """Apple takes nothing from these connections: the next push goes over new ones, with whatever
        certificate is there by then. What is in flight on the old ones may end; those before them close."""
        if self._pushers.get(pass_type) is not pusher:
            return
        self._retired.append(self._pushers.pop(pass_type))
        if len(self._retired) > 1:
            await self._retired.pop(0).close()

    async def _open(self, pass_type: str) -> Pusher:
        async with self._opening:
            if pass_type not in self._pushers:
                self._pushers[pass_type] = await self._pusher(pass_type)
        return self._pushers[pass_type]

    # In the store

    def _put_all(self, parcels: Sequence[Parcel]) -> list[_Put]:
        at, together = now(), _Together()
        with self._database.write() as connection:
            tokens = devices.tokens(connection, [parcel.pass_id for parcel in parcels])
            again = [parcel.delivery_id for parcel in parcels if parcel.again]
            seen = arrivals.fetched(connection, again) if again else frozenset()
            put = [_put_of(parcel, tokens.get(parcel.pass_id, ()), seen, together) for parcel in parcels]
            keys = [(token.pass_type, token.push_token) for one in put for token in one.tokens]
            together.shared = len(set(keys)) < len(keys)
            written = [
                Message(parcel.delivery_id, parcel.pass_id, parcel.text)
                for parcel, one in zip(parcels, put, strict=True)
                if one.ended is None
            ]
            if written:
                arrivals.put_texts(connection, written, at=at)
        return put

    def _forget_all(self, dead: Sequence[_Dead]) -> list[bool]:
        with self._database.write() as connection:
            return [
                devices.forget(
                    connection,
                    pass_type=one.token.pass_type,
                    push_token=one.token.push_token,
                    registered_before=one.since,
                )
                > 0
                for one in dead
            ]

    def _tokens(self, pass_ids: Sequence[int]) -> Mapping[int, Sequence[Token]]:
        with self._database.read() as connection:
            return devices.tokens(connection, pass_ids)

    def _any_token(self, program_id: str) -> Token | None:
        with self._database.read() as connection:
            return devices.any_token(connection, program_id)


_TAKEN = Result(Outcome.ACCEPTED, kept=True)


def _broken(error: Broken) -> Result:
    """A push without an answer."""
    reason = "timeout" if error.timed_out else "network"
    detail = f"Apple did not answer: {error.reason}"
    return Result(Outcome.LATER if error.unsent else Outcome.UNKNOWN, reason, detail)


def _put_of(parcel: Parcel, tokens: Sequence[Token], seen: frozenset[int], together: _Together) -> _Put:
    """What is to be done for a parcel, from what the store knows of its pass."""
    ended = None
    if parcel.delivery_id in seen:
        ended = Result(Outcome.ACCEPTED, "already_there", "a phone has fetched the pass with it", kept=True)
    elif parcel.why_not is not None:
        ended = Result(Outcome.SKIPPED, parcel.why_not, "no phone fetched it, and the gate allows no push")
    elif not tokens:
        ended = _NO_PHONE
    return _Put(tokens, together, ended)
