"""A message to a whole class: never without the right count, never twice, never a fourth in a day."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jobs.broadcast import LOST, broadcast, look
from jobs.rehearsal.authority import Authority
from store import audit, programs
from store.database import Database
from store.errors import PassbellError, Refused, UsageError
from store.programs import Program
from store.schema import passes
from tests.channels.googles import CLASS, Bed, open_own_store, standing

pytestmark = pytest.mark.anyio
one_store = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
ADD = "POST genericClass/addMessage"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Desk:
    """A store, a stand-in, and the verb between them."""

    def __init__(self, database: Database, bed: Bed, program: Program) -> None:
        self.database, self.bed, self.program = database, bed, program

    async def send(self, text: str = "We open at 10", expect: int = 1) -> Any:
        client = self.bed.client()
        try:
            return await broadcast(self.database, client, self.program, text, expect=expect, actor="Ann")
        finally:
            await client.close()

    @property
    def kept(self) -> Any:
        return self.bed.google.world.kept["genericClass"][CLASS]

    @property
    def entries(self) -> list[audit.Entry]:
        with self.database.read() as connection:
            return audit.page(connection)


@asynccontextmanager
async def desk(url: str, authority: Authority, **more: Any) -> AsyncIterator[Desk]:
    async with standing(authority, **more) as bed:
        database = open_own_store(url)
        with database.read() as connection:
            program = programs.get(connection, "P1", "rehearsal")
        yield Desk(database, bed, program)
        database.close()


async def test_it_goes_to_the_class_once_and_is_audited_before(
    current_url: str, authority: Authority
) -> None:
    async with desk(current_url, authority) as at:
        told = await at.send()
        assert (told.passes, told.reach, told.left) == (1, 1, 3)
        (message,) = at.kept["messages"]
        assert (message["header"], message["messageType"]) == ("Café", "TEXT_AND_NOTIFY")
        assert message["displayInterval"]["end"]["date"]
        (entry,) = at.entries
        assert (entry.act, entry.subject, entry.actor) == ("google.broadcast", "P1", "Ann")
        assert entry.details["text"] == "We open at 10"
        assert [alert.body for alert in at.bed.google.world.alerts] == ["We open at 10"]
        with pytest.raises(Refused, match="very text"):
            await at.send()
        assert look(at.database, at.program).left == 2


async def test_three_in_a_day(current_url: str, authority: Authority) -> None:
    async with desk(current_url, authority) as at:
        for number in range(3):
            await at.send(f"No {number}")
        with pytest.raises(Refused, match="3 messages to a class"):
            await at.send("No 4")
        assert at.bed.calls.count(ADD) == 3
        assert not +at.bed.google.world.sins


@one_store
@pytest.mark.parametrize("expect", [0, 2])
async def test_another_count_than_the_present_one_sends_nothing(
    expect: int, current_url: str, authority: Authority
) -> None:
    async with desk(current_url, authority) as at:
        with pytest.raises(Refused, match="has 1 Google passes"):
            await at.send(expect=expect)
        assert ADD not in at.bed.calls
        assert not at.entries


@one_store
async def test_what_cannot_be_meant(current_url: str, authority: Authority) -> None:
    async with desk(current_url, authority) as at:
        with pytest.raises(UsageError, match="empty"):
            await at.send(" ")
        with pytest.raises(UsageError, match="same for all"):
            await at.send("Hello {name}")
        with at.database.write() as connection:
            connection.execute(passes.update().values(channel="apple"))
        with pytest.raises(Refused, match="no Google passes"):
            look(at.database, at.program)
        assert at.bed.calls == []


@one_store
@pytest.mark.parametrize("strike", ["drop_after", "error_after"])
async def test_a_lost_answer_is_looked_up(strike: str, current_url: str, authority: Authority) -> None:
    async with desk(current_url, authority) as at:
        at.bed.faults(**{strike: 1.0}, on="addMessage", times=1)
        await at.send()
        assert at.bed.calls.count(ADD) == 1


@one_store
async def test_what_nobody_knows_is_said_and_not_repeated(current_url: str, authority: Authority) -> None:
    async with desk(current_url, authority) as at:
        at.bed.faults(error_before=1.0, on="addMessage", times=1)
        with pytest.raises(PassbellError, match="may have been sent"):
            await at.send()
        assert len(at.entries) == 1, "it is booked, since it may have alerted"


@one_store
async def test_google_may_give_a_class_fewer_alerts(current_url: str, authority: Authority) -> None:
    async with desk(current_url, authority) as at:
        at.bed.faults(alerts_a_day=0)
        with pytest.raises(Refused, match="nothing was sent"):
            await at.send()


@one_store
async def test_the_eleventh_message_makes_room_in_silence(current_url: str, authority: Authority) -> None:
    async with desk(current_url, authority) as at:
        at.bed.faults(eleventh="reject")
        old = {"id": "passbell-class-20260101000000-aa", "body": "x", "messageType": "TEXT_AND_NOTIFY"}
        foreign = [{"id": f"f{number}", "body": "y", "messageType": "TEXT"} for number in range(8)]
        newer = old | {"id": "passbell-class-20260201000000-bb"}
        at.kept["messages"] = [newer, old, *foreign]
        await at.send()
        assert [one["id"] for one in at.kept["messages"]][:9] == [
            newer["id"],
            *(one["id"] for one in foreign),
        ]
        assert len(at.bed.google.world.alerts) == 1
        assert not +at.bed.google.world.sins


def test_what_is_lost_is_said() -> None:
    assert "opted out" in LOST[0]
