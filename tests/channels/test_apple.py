"""The channel to our own Apple passes, against the stand-in APNs over real HTTP/2 and TLS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from jobs.channels.apns import Line, open_pusher
from jobs.channels.apple import AppleChannel
from jobs.channels.base import Outcome, Parcel, Result
from jobs.engine.gate import Gate, Message
from jobs.rehearsal import authority
from jobs.rehearsal.apns import Apns
from jobs.rehearsal.authority import PASS_TYPE, Authority
from store import arrivals, devices, issued
from store.database import Database
from store.errors import UsageError
from store.issued import NewPass
from store.schema import blasts, deliveries, members, passes, registrations
from store.sections import GateSettings
from store.times import now
from tests.store.crowd import NOW, add_members, member, open_store


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority.ensure(tmp_path_factory.mktemp("home"))


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    """Three installed passes on two phones: the first two on one, the third on another and its watch."""
    database = open_store(current_url)
    add_members(database, [member(str(number)) for number in range(3)])
    with database.write() as connection:
        held = list(connection.scalars(sa.select(members.c.id).order_by(members.c.id)))
        rows = [
            NewPass(id_, "P1", "apple", f"S{n}", f"S{n}", PASS_TYPE, "t" * 32) for n, id_ in enumerate(held)
        ]
        ids = issued.add(connection, rows, at=NOW)
        for device, serial in (("phone", "S0"), ("phone", "S1"), ("other", "S2"), ("watch", "S2")):
            token = {"phone": "aa01", "other": "bb02", "watch": "cc03"}[device]
            devices.register(
                connection, pass_type=PASS_TYPE, library_id=device, serial=serial, push_token=token, at=now()
            )
        blast = {"id": 1, "account": "rehearsal", "program_id": "P1", "name": "one", "text": "Hello"}
        blast |= {"message_key": "k", "audience": "all", "state": "running", "plan_hash": "h"}
        connection.execute(blasts.insert().values(**blast, planned_at=NOW))
        for number, id_ in enumerate(ids):
            row = {"id": number + 1, "blast_id": 1, "pass_id": id_, "state": "sending", "verdict": "alert"}
            connection.execute(deliveries.insert().values(**row, channel="apple"))
    yield database
    database.close()


class Street:
    """The channel, the stand-in that it pushes to, and what phones heard."""

    def __init__(self, database: Database, apns: Any, channel: AppleChannel) -> None:
        self.database, self.apns, self.channel = database, apns, channel
        self.heard: list[str] = []
        self.certificates_read = 0
        self.shown_when_heard: list[str | None] = []

    def parcel(self, number: int, text: str = "Hello", **more: Any) -> Parcel:
        return Parcel(
            "membership",
            f"S{number}",
            str(number),
            "P1",
            "",
            "",
            text,
            delivery_id=number + 1,
            pass_id=self.ids[number],
            **more,
        )

    @property
    def ids(self) -> list[int]:
        with self.database.read() as connection:
            return list(connection.scalars(sa.select(passes.c.id).order_by(passes.c.id)))

    def stands(self, number: int) -> issued.Issued:
        with self.database.read() as connection:
            found = issued.by_serial(connection, f"S{number}")
        assert found is not None
        return found


@asynccontextmanager
async def opened(database: Database, made: Authority, seconds: float = 2.0) -> AsyncIterator[Street]:
    apns = Apns(made)
    url = await apns.serve()

    async def pusher(pass_type: str) -> Any:
        assert pass_type == PASS_TYPE
        street.certificates_read += 1
        return open_pusher(Line(url=url, client_pem=made.client_pem, ca_pem=made.root_pem, timeout=seconds))

    channel = AppleChannel(database, pusher, nullcontext, asyncio.to_thread)
    street = Street(database, apns, channel)

    def heard(_: str, token: str) -> None:
        street.heard.append(token)
        with database.read() as connection:  # as a phone that asks at once
            street.shown_when_heard += connection.scalars(sa.select(passes.c.shown_text).distinct())

    apns.on_push = heard
    try:
        yield street
    finally:
        await channel.close()
        await apns.close()


Play = Callable[[Callable[[Street], Coroutine[Any, Any, None]]], None]


@pytest.fixture
def play(database: Database, made: Authority) -> Play:
    def run(scene: Callable[[Street], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            async with opened(database, made) as street:
                await scene(street)

        asyncio.run(main())

    return run


def test_the_text_is_committed_before_any_phone_hears_of_it(play: Play) -> None:
    async def scene(street: Street) -> None:
        before = street.stands(0)
        results = await asyncio.gather(*(street.channel.send(street.parcel(n)) for n in range(3)))
        assert [result.outcome for result in results] == [Outcome.ACCEPTED] * 3
        assert all(result.kept for result in results)
        assert set(street.shown_when_heard) == {"Hello"}
        # One push a phone, though the first has two of the passes.
        assert sorted(street.heard) == ["aa01", "bb02", "cc03"]
        assert street.stands(0).tag > before.tag
        assert street.stands(0).message_tag == street.stands(0).tag

    play(scene)


def test_a_repeat_pushes_again_and_changes_nothing(play: Play) -> None:
    async def scene(street: Street) -> None:
        await street.channel.send(street.parcel(2))
        first = street.stands(2)
        result = await street.channel.send(street.parcel(2, again=True))
        assert result.outcome is Outcome.ACCEPTED
        assert street.stands(2) == first
        assert street.heard.count("bb02") == 2

    play(scene)


def test_what_a_phone_has_fetched_is_neither_pushed_nor_denied(play: Play) -> None:
    async def scene(street: Street) -> None:
        await street.channel.send(street.parcel(0))
        with street.database.write() as connection:
            arrivals.note_fetched(connection, street.ids[0], tag=street.stands(0).tag, at=now())
        street.heard.clear()
        for more in ({}, {"why_not": "withdrawn"}):
            result = await street.channel.send(street.parcel(0, again=True, **more))
            assert (result.outcome, result.reason) == (Outcome.ACCEPTED, "already_there")
        result = await street.channel.send(street.parcel(1, again=True, why_not="withdrawn"))
        assert (result.outcome, result.reason) == (Outcome.SKIPPED, "withdrawn")
        assert street.stands(1).shown_text is None
        assert not street.heard

    play(scene)


def test_a_pass_without_a_phone_is_not_written(play: Play) -> None:
    async def scene(street: Street) -> None:
        with street.database.write() as connection:
            connection.execute(registrations.delete().where(registrations.c.pass_id == street.ids[0]))
        result = await street.channel.send(street.parcel(0))
        assert (result.outcome, result.reason) == (Outcome.SKIPPED, "not_installed")
        assert street.stands(0).shown_text is None
        assert (await street.channel.push(street.ids[0])).outcome is Outcome.SKIPPED

    play(scene)


def test_a_dead_token_is_forgotten_unless_the_phone_registered_since(play: Play) -> None:
    async def scene(street: Street) -> None:
        at = now()
        street.apns.tokens = {
            "aa01": (at - timedelta(hours=1)).timestamp(),
            "bb02": None,
            "cc03": at.timestamp() + 60,
        }
        results = await asyncio.gather(*(street.channel.send(street.parcel(n)) for n in range(3)))
        # The first phone registered after Apple noted its token's end: it is asked once more, and not lost.
        assert [(one.outcome, one.reason) for one in results[:2]] == [(Outcome.LATER, "registered_since")] * 2
        assert results[2].outcome is Outcome.ACCEPTED  # its watch is gone, its phone heard it
        with street.database.read() as connection:
            left = devices.tokens(connection, street.ids)
        assert [token.push_token for token in left[street.ids[2]]] == ["bb02"]
        street.apns.tokens["bb02"] = at.timestamp() + 60
        gone = await street.channel.send(street.parcel(2, "News"))
        assert gone.outcome is Outcome.GONE
        assert street.stands(2).status == "uninstalled"

    play(scene)


one_store = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@one_store
@pytest.mark.parametrize(
    ("reason", "outcome", "account"),
    [
        ("BadCertificate", Outcome.REFUSED, True),
        ("TopicDisallowed", Outcome.REFUSED, True),
        ("TooManyRequests", Outcome.LATER, False),
        ("ServiceUnavailable", Outcome.LATER, False),
    ],
)
def test_apples_refusals_in_the_engines_words(
    play: Play, reason: str, outcome: Outcome, account: bool
) -> None:
    async def scene(street: Street) -> None:
        street.apns.faults.set(every=1, word=reason)
        for result in (
            await street.channel.send(street.parcel(2)),
            await street.channel.probe("membership", "P1"),
        ):
            assert isinstance(result, Result)
            assert (result.outcome, result.account) == (outcome, account)
        street.apns.faults.clear()
        assert (await street.channel.probe("membership", "P1")).outcome is Outcome.ACCEPTED

    play(scene)


@one_store
def test_a_push_that_is_never_answered_may_have_arrived(database: Database, made: Authority) -> None:
    async def main() -> None:
        async with opened(database, made, seconds=0.3) as street:
            street.apns.faults.set(every=1, word="silent")
            result = await street.channel.send(street.parcel(2))
            assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "timeout")
            assert street.stands(2).shown_text == "Hello"

    asyncio.run(main())


@one_store
def test_nobody_at_apple_is_a_passing_fault(database: Database, made: Authority) -> None:
    async def main() -> None:
        async with opened(database, made) as street:
            await street.apns.close()
            result = await street.channel.send(street.parcel(2))
            assert (result.outcome, result.reason) == (Outcome.LATER, "network")

    asyncio.run(main())


@one_store
def test_what_was_put_on_a_pass_and_not_told_is_not_the_same_text_later(database: Database) -> None:
    async def expired(_: str) -> Any:
        raise UsageError("the certificate expired")

    async def main() -> None:
        street = Street(database, None, AppleChannel(database, expired, nullcontext, asyncio.to_thread))
        result = await street.channel.send(street.parcel(2))
        assert (result.outcome, result.reason, result.account) == (Outcome.REFUSED, "no_account", True)
        assert result.detail == "the certificate expired"
        assert street.stands(2).shown_text == "Hello"

    asyncio.run(main())
    with database.read() as connection:  # it was given back: no try counts
        rules = GateSettings(pass_interval_minutes=0)
        assert Gate(connection, rules, "P1", Message(blast_id=1), at=now()).look([3]) == {}


@one_store
def test_after_a_refusal_the_certificate_is_read_anew(database: Database, made: Authority) -> None:
    async def main() -> None:
        async with opened(database, made) as street:
            street.apns.faults.set(every=1, word="BadCertificate")
            refused = await asyncio.gather(*(street.channel.send(street.parcel(n)) for n in range(3)))
            assert all(result.account for result in refused)
            street.apns.faults.clear()
            before = street.certificates_read
            assert (await street.channel.probe("membership", "P1")).outcome is Outcome.ACCEPTED
            assert (await street.channel.send(street.parcel(2))).outcome is Outcome.ACCEPTED
            assert street.certificates_read == before + 1

    asyncio.run(main())
