"""Pushes over a real HTTP/2 connection with TLS: whatever the peer does, each push ends, and alone."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Literal, cast
from uuid import uuid4

import pytest

from jobs.channels.apns import Answer, Bearer, Line, Pusher, line, open_pusher
from jobs.channels.wire import Broken
from jobs.rehearsal.apns import Apns
from jobs.rehearsal.authority import PASS_TYPE, PUSH_KEY_ID, TEAM, Authority
from store.errors import UsageError

pytestmark = pytest.mark.anyio

TOKEN = "a1" * 32
OTHER = "b2" * 32
Drivers = Literal["auto", "aioapns", "pyreqwest"]


@pytest.fixture(params=["aioapns", "pyreqwest"])
def driver(request: pytest.FixtureRequest) -> Drivers:
    return cast(Drivers, request.param)


@asynccontextmanager
async def pushing(
    authority: Authority, driver: Drivers, apns: Apns | None = None, **options: Any
) -> AsyncIterator[tuple[Pusher, Apns]]:
    """A pusher with one connection, and the service that it talks to."""
    apns = apns or Apns(authority)
    options = {"client_pem": authority.client_pem, "connections": 1, "timeout": 5.0, **options}
    url = options.pop("url", None) or await apns.serve()
    pusher = open_pusher(Line(url, ca_pem=authority.root_pem, driver=driver, **options))
    try:
        yield pusher, apns
    finally:
        await pusher.close()
        await apns.close()


async def push(pusher: Pusher, token: str = TOKEN, topic: str = PASS_TYPE) -> Answer:
    return await pusher.push(token, topic=topic, apns_id=str(uuid4()))


async def broken(pusher: Pusher, token: str = TOKEN) -> Broken:
    with pytest.raises(Broken) as caught:
        await push(pusher, token)
    return caught.value


async def recover(pusher: Pusher) -> list[Broken]:
    """Push until one is answered; how the others before it ended."""
    ended: list[Broken] = []
    while True:
        try:
            assert (await push(pusher)).status == 200
            return ended
        except Broken as error:
            ended.append(error)


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - what it waits for happens in another library's protocol
        await asyncio.sleep(0.005)


async def test_a_push_arrives_with_topic_token_and_id(authority: Authority, driver: Drivers) -> None:
    heard: list[tuple[str, str]] = []
    apns = Apns(authority, lambda topic, token: heard.append((topic, token)))
    async with pushing(authority, driver, apns) as (pusher, _):
        answer = await pusher.push(TOKEN, topic=PASS_TYPE, apns_id="0a1b2c3d-0000-4000-8000-000000000001")
    assert answer == Answer(200, apns_id="0a1b2c3d-0000-4000-8000-000000000001")
    assert heard == [(PASS_TYPE, TOKEN)]


async def test_by_itself_the_faster_driver_carries(authority: Authority) -> None:
    assert line.AUTO == "pyreqwest"  # where it is installed
    async with pushing(authority, "auto") as (pusher, _):
        assert (await push(pusher)).status == 200


async def test_a_dead_token_comes_back_with_its_time(authority: Authority, driver: Drivers) -> None:
    async with pushing(authority, driver) as (pusher, apns):
        apns.tokens = {TOKEN: None, OTHER: 1_790_000_000.25}
        assert (await push(pusher)).status == 200
        answer = await push(pusher, OTHER)
        assert (answer.status, answer.reason) == (410, "Unregistered")
        assert answer.timestamp == datetime.fromtimestamp(1_790_000_000.25, UTC)
        answer = await push(pusher, "c3" * 32)
        assert (answer.status, answer.reason, answer.timestamp) == (400, "BadDeviceToken", None)


@pytest.mark.parametrize(
    "token", ["", "..", "../device", "a1/b2", "a1?x=1", "a1#x", "a1\r\nx: y", "é1", "a" * 5_000]
)
async def test_what_is_no_token_never_leaves(authority: Authority, driver: Drivers, token: str) -> None:
    async with pushing(authority, driver) as (pusher, apns):
        assert (await push(pusher, token)).reason == "BadDeviceToken"
        assert apns.stats.connections == 0


@pytest.mark.parametrize("push_type", ["alert", "background"])
async def test_every_push_type_of_the_settings_is_taken(
    authority: Authority, driver: Drivers, push_type: str
) -> None:
    async with pushing(authority, driver, push_type=push_type) as (pusher, _):
        assert (await push(pusher)).status == 200


async def test_a_cold_connection_of_one_stream_answers_two_hundred_at_once(
    authority: Authority, driver: Drivers
) -> None:
    async with pushing(authority, driver) as (pusher, apns):
        answers = await asyncio.gather(*(push(pusher) for _ in range(200)))
        assert {answer.status for answer in answers} == {200}
        assert (apns.stats.accepted, apns.stats.connections) == (200, 1)


async def test_no_more_streams_are_opened_than_the_peer_allows(authority: Authority, driver: Drivers) -> None:
    async with pushing(authority, driver) as (pusher, apns):
        apns.faults.first_streams, apns.faults.streams = 3, 10
        answers = await asyncio.gather(*(push(pusher) for _ in range(200)))
        assert {answer.status for answer in answers} == {200}
        assert apns.stats.most_at_once <= 10
        if driver == "aioapns":  # pyreqwest may open some before it has read the limit, and sends them again
            assert not apns.stats.reasons


async def test_the_drivers_keep_to_their_number_in_flight(authority: Authority, driver: Drivers) -> None:
    async with pushing(authority, driver, concurrency=4) as (pusher, apns):
        apns.faults.first_streams = 100
        await asyncio.gather(*(push(pusher) for _ in range(40)))
        assert apns.stats.most_at_once <= 4


async def test_several_connections_share_the_pushes(authority: Authority, driver: Drivers) -> None:
    async with pushing(authority, driver, connections=3) as (pusher, apns):
        await asyncio.gather(*(push(pusher) for _ in range(30)))
        assert apns.stats.connections == 3


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        ("empty", 503, ""),
        ("pieces", 500, "InternalServerError"),
        ("padded", 500, "InternalServerError"),
        ("not_json", 500, ""),
        ("no_id", 200, ""),
        ("other_id", 200, ""),
        ("refused", 200, ""),  # it says that nothing was done: sent once more
    ],
)
async def test_an_odd_answer_is_an_answer_and_harms_no_other(
    authority: Authority, driver: Drivers, fault: str, status: int, reason: str
) -> None:
    async with pushing(authority, driver) as (pusher, apns):
        await push(pusher)
        apns.faults.tokens = {} if fault == "refused" else {OTHER: fault}
        apns.faults.next.extend([fault] if fault == "refused" else [])
        answer, *others = await asyncio.gather(push(pusher, OTHER), *(push(pusher) for _ in range(5)))
        assert (answer.status, answer.reason) == (status, reason)
        assert {other.status for other in others} == {200}
        assert (apns.stats.connections, apns.stats.reasons[fault]) == (1, 1)


async def test_a_reset_push_is_in_doubt_and_the_others_go_on(authority: Authority, driver: Drivers) -> None:
    async with pushing(authority, driver) as (pusher, apns):
        await push(pusher)
        apns.faults.tokens = {OTHER: "reset"}
        others, ended = await asyncio.gather(
            asyncio.gather(*(push(pusher) for _ in range(5))), broken(pusher, OTHER)
        )
        assert (ended.timed_out, ended.unsent) == (False, False)
        assert {other.status for other in others} == {200}
        assert apns.stats.connections == 1


async def test_a_stream_that_is_never_answered_ends_alone_amid_traffic(
    authority: Authority, driver: Drivers
) -> None:
    async with pushing(authority, driver, timeout=1.0) as (pusher, apns):
        await push(pusher)
        apns.faults.tokens = {OTHER: "silent"}
        silent = asyncio.create_task(broken(pusher, OTHER))
        others = 0
        while not silent.done():
            assert (await push(pusher)).status == 200
            others += 1
            await asyncio.sleep(0.02)
        assert ((await silent).timed_out, (await silent).unsent) == (True, False)
        await until(lambda: apns.stats.resets == 1)
        assert (await push(pusher)).status == 200
        assert (apns.stats.connections, apns.stats.accepted) == (1, others + 2)


async def test_who_stops_waiting_strands_nobody(authority: Authority, driver: Drivers) -> None:
    # pyreqwest 0.15 resets a cancelled request's stream at its deadline only.
    async with pushing(authority, driver, timeout=5.0 if driver == "aioapns" else 1.0) as (pusher, apns):
        await push(pusher)
        apns.faults.tokens, apns.faults.streams = {OTHER: "silent"}, 1_000
        given_up = [asyncio.create_task(push(pusher, OTHER)) for _ in range(10)]
        await until(lambda: apns.stats.reasons["silent"] == 10)
        others = [asyncio.create_task(push(pusher)) for _ in range(10)]
        for task in given_up:
            task.cancel()
        assert {answer.status for answer in await asyncio.gather(*others)} == {200}
        await until(lambda: apns.stats.resets == 10)
        assert apns.stats.connections == 1


async def test_pushes_that_wait_for_a_stream_end_at_their_deadline(
    authority: Authority, driver: Drivers
) -> None:
    async with pushing(authority, driver, timeout=0.3) as (pusher, apns):
        apns.faults.tokens = {OTHER: "silent"}  # on the only stream that there is
        ended = await asyncio.gather(*(broken(pusher, OTHER) for _ in range(5)))
        assert all(one.timed_out for one in ended)
        await recover(pusher)


async def test_a_peer_that_allows_no_stream_gets_none(authority: Authority, driver: Drivers) -> None:
    async with pushing(authority, driver, timeout=0.3) as (pusher, apns):
        apns.faults.first_streams = 0
        ended = await broken(pusher)
        assert ended.timed_out or ended.unsent
        assert ended.unsent or driver == "pyreqwest"  # which does not tell whether a request had left
        assert apns.stats.requests == 0


async def test_error_bodies_beyond_the_flow_control_window_do_not_end_a_connection(
    authority: Authority, driver: Drivers
) -> None:
    async with pushing(authority, driver) as (pusher, apns):
        await push(pusher)
        apns.faults.every, apns.faults.word = 1, "long"
        for _ in range(8):
            assert (await push(pusher)).status == 500
        apns.faults.word = "Unregistered"
        answers = await asyncio.gather(*(push(pusher) for _ in range(20)))
        assert {answer.reason for answer in answers} == {"Unregistered"}
        assert apns.stats.connections == 1


async def test_after_a_goaway_the_undone_goes_again_and_the_rest_is_in_doubt(
    authority: Authority, driver: Drivers
) -> None:
    async with pushing(authority, driver, timeout=1.0) as (pusher, apns):
        await push(pusher)
        apns.faults.tokens = {OTHER: "silent"}
        before = asyncio.create_task(broken(pusher, OTHER))
        await until(lambda: apns.stats.reasons["silent"] == 1)
        apns.faults.next.append("goaway")
        assert (await push(pusher)).status == 200
        assert not (await before).unsent
        assert (apns.stats.connections, apns.stats.accepted) == (2, 2)


async def test_a_goaway_that_may_have_come_too_late_leaves_a_doubt(
    authority: Authority, driver: Drivers
) -> None:
    async with pushing(authority, driver) as (pusher, apns):
        await push(pusher)
        apns.faults.next.append("goaway_after")
        ended = await broken(pusher)
        assert (ended.timed_out, ended.unsent) == (False, False)
        if driver == "aioapns":
            assert "Shutdown" in ended.reason
        assert (await push(pusher)).status == 200


async def test_a_connection_ended_while_idle_is_opened_again(authority: Authority, driver: Drivers) -> None:
    async with pushing(authority, driver) as (pusher, apns):
        await push(pusher)
        apns.end_connections("IdleTimeout")
        await until(lambda: not apns.connections)
        assert (await push(pusher)).status == 200
        assert apns.stats.connections == 2


@pytest.mark.parametrize("fault", ["drop", "garbage"])
async def test_a_broken_connection_is_replaced(authority: Authority, driver: Drivers, fault: str) -> None:
    async with pushing(authority, driver, timeout=0.6) as (pusher, apns):
        await push(pusher)
        apns.faults.next.append(fault)
        assert not (await broken(pusher)).unsent
        # Garbage may look like the start of a long frame, until a ping is missed.
        assert all(error.timed_out for error in await recover(pusher))
        assert apns.stats.connections >= 2


async def test_a_quiet_connection_is_kept_open_by_pings(
    authority: Authority, driver: Drivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet(monkeypatch, driver, 0.05)
    async with pushing(authority, driver) as (pusher, apns):
        await push(pusher)
        await until(lambda: apns.stats.pings >= 2)
        await push(pusher)
        assert apns.stats.connections == 1


async def test_a_connection_that_answers_no_ping_is_given_up(
    authority: Authority, driver: Drivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet(monkeypatch, driver, 0.05)
    async with pushing(authority, driver, timeout=0.6) as (pusher, apns):
        await push(pusher)
        (deaf,) = apns.connections
        deaf.deafen()
        ended = await broken(pusher)
        assert not ended.unsent
        await recover(pusher)
        assert apns.stats.connections >= 2


def quiet(monkeypatch: pytest.MonkeyPatch, driver: Drivers, seconds: float) -> None:
    if driver == "aioapns":
        from jobs.channels.apns.aioapns_connection import Connection

        monkeypatch.setattr(Connection, "INACTIVITY_TIME", seconds)
    else:
        from jobs.channels.apns import pyreqwest_driver

        monkeypatch.setattr(pyreqwest_driver, "QUIET_SECONDS", seconds)


async def test_without_a_peer_nothing_was_sent(authority: Authority, driver: Drivers) -> None:
    listener = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    async with pushing(authority, driver, url=f"https://127.0.0.1:{port}") as (pusher, _):
        ended = await asyncio.gather(*(broken(pusher) for _ in range(3)))
        assert {(one.timed_out, one.unsent) for one in ended} == {(False, True)}


async def test_a_peer_that_does_not_finish_the_handshake_is_given_up(
    authority: Authority, driver: Drivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "_CONNECT_SECONDS", 0.2)
    met: list[asyncio.StreamWriter] = []
    listener = await asyncio.start_server(lambda reader, writer: met.append(writer), "127.0.0.1", 0)
    url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with pushing(authority, driver, url=url) as (pusher, _):
        ended = await broken(pusher)
        assert (ended.timed_out, ended.unsent) == (True, True)
    for writer in met:
        writer.close()
    listener.close()
    await listener.wait_closed()


async def test_a_peer_without_http_2_answers_nothing(authority: Authority, driver: Drivers) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.server_path)
    context.set_alpn_protocols(["http/1.1"])

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10_000)
        writer.close()

    listener = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with pushing(authority, driver, url=url, timeout=2.0) as (pusher, _):
        ended = await broken(pusher)
        # pyreqwest speaks HTTP/2 without looking whether the peer agreed to it.
        assert ended.unsent == (driver == "aioapns")
    listener.close()
    await listener.wait_closed()


async def test_a_peer_of_an_unknown_authority_gets_nothing(authority: Authority, driver: Drivers) -> None:
    apns = Apns(authority)
    url = await apns.serve()
    pusher = open_pusher(Line(url, authority.client_pem, driver=driver))  # the system's authorities
    assert (await broken(pusher)).unsent
    assert apns.stats.requests == 0
    await pusher.close()
    await apns.close()


def test_a_certificate_without_its_key_is_refused(authority: Authority, driver: Drivers) -> None:
    for pem in (authority.root_pem, b"neither"):
        with pytest.raises(UsageError, match="not fit for use"):
            open_pusher(Line("https://127.0.0.1:1", pem, driver=driver))


def test_an_encrypted_key_is_refused_and_asks_for_nothing(authority: Authority, driver: Drivers) -> None:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(authority.client_pem, None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    certificate = authority.client_pem.split(b"-----BEGIN PRIVATE KEY-----")[0]
    with pytest.raises(UsageError, match="not fit for use"):
        open_pusher(Line("https://127.0.0.1:1", certificate + locked, driver=driver))


async def test_the_secrets_of_a_line_do_not_show(authority: Authority) -> None:
    bearer = Bearer(authority.push_key, PUSH_KEY_ID, TEAM)
    shown = repr(Line("https://127.0.0.1:1", authority.client_pem, bearer=bearer))
    assert "PRIVATE" not in shown
    assert bearer() not in shown


async def test_a_bearer_signs_in_without_a_certificate(authority: Authority, driver: Drivers) -> None:
    now = [1_790_000_000.0]
    bearer = Bearer(authority.push_key, PUSH_KEY_ID, TEAM, clock=lambda: now[0])
    apns = Apns(authority, clock=lambda: now[0])
    options = {"client_pem": b"", "bearer": bearer}
    async with pushing(authority, driver, apns, **options) as (pusher, _):
        answers = await asyncio.gather(*(push(pusher) for _ in range(5)))
        assert {answer.status for answer in answers} == {200}
        assert (await push(pusher, topic="")).reason == "MissingTopic"
        first = bearer()
        now[0] += 39 * 60
        assert bearer() == first
        now[0] += 2 * 60
        assert bearer() != first


async def test_an_expired_bearer_is_renewed_once_for_all_that_wait(
    authority: Authority, driver: Drivers
) -> None:
    now = [1_790_000_000.0]
    bearer = Bearer(authority.push_key, PUSH_KEY_ID, TEAM, clock=lambda: now[0])
    options = {"client_pem": b"", "bearer": bearer}
    async with pushing(authority, driver, Apns(authority, clock=lambda: now[0]), **options) as (pusher, apns):
        await push(pusher)
        first = bearer()
        apns.faults.next.extend(["ExpiredProviderToken"] * 3)
        assert (await push(pusher)).reason == "ExpiredProviderToken"  # too young to be replaced
        assert len(apns.faults.next) == 2
        now[0] += 30 * 60
        answers = await asyncio.gather(push(pusher), push(pusher))
        assert [answer.status for answer in answers] == [200, 200]
        assert bearer() != first


@pytest.mark.parametrize(
    "key", [b"", b"nothing", b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"]
)
def test_what_is_no_p8_key_is_refused(key: bytes) -> None:
    with pytest.raises(UsageError, match=r"apple\.push_key"):
        Bearer(key, PUSH_KEY_ID, TEAM)


def test_a_key_of_another_kind_is_refused(authority: Authority) -> None:
    with pytest.raises(UsageError, match="ES256"):
        Bearer(authority.client_pem, PUSH_KEY_ID, TEAM)
