"""The stand-in for APNs is as strict as Apple says that Apple is."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest

from jobs.rehearsal.apns import ODDITIES, STATUS, Apns
from jobs.rehearsal.authority import PASS_TYPE, PUSH_KEY_ID, TEAM, Authority
from store.errors import PassbellError, UsageError

pytestmark = pytest.mark.anyio

DEVICE = "/3/device/" + "a1" * 32


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def context(authority: Authority, *, certificate: bool = True) -> ssl.SSLContext:
    made = ssl.create_default_context(cadata=authority.root_pem.decode())
    if certificate:
        made.load_cert_chain(authority.client_path)
    return made


@asynccontextmanager
async def caller(
    authority: Authority, apns: Apns | None = None, *, certificate: bool = True
) -> AsyncIterator[tuple[httpx.AsyncClient, Apns]]:
    """httpx over HTTP/2: what the two drivers would never send can be sent by it."""
    apns = apns or Apns(authority)
    url = await apns.serve()
    verify = context(authority, certificate=certificate)
    async with httpx.AsyncClient(
        base_url=url, http1=False, http2=True, verify=verify, trust_env=False
    ) as http:
        yield http, apns
    await apns.close()


Said = tuple[str, str, dict[str, str], bytes]


def said(method: str = "POST", path: str = DEVICE, body: bytes = b"{}", **headers: str) -> Said:
    names = {"apns_topic": PASS_TYPE} | headers
    return method, path, {name.replace("_", "-"): value for name, value in names.items() if value}, body


REFUSED: list[tuple[Said, str]] = [
    (said("GET", body=b""), "MethodNotAllowed"),
    (said(path="/3/devices/a1"), "BadPath"),
    (said(path="/"), "BadPath"),
    (said(path="/3/device/"), "MissingDeviceToken"),
    (said(path="/3/device"), "MissingDeviceToken"),
    (said(path="/3/device/xyz"), "BadDeviceToken"),
    (said(path="/3/device/a1b"), "BadDeviceToken"),
    (said(path="/3/device/a1/b2"), "BadDeviceToken"),
    (said(apns_topic="pass.somebody.else"), "TopicDisallowed"),
    (said(body=b""), "PayloadEmpty"),
    (said(body=b"[]"), "PayloadEmpty"),
    (said(body=b"not json"), "PayloadEmpty"),
    (said(body=b'{"a": "' + b"x" * 4_096 + b'"}'), "PayloadTooLarge"),
    (said(apns_id="1"), "BadMessageId"),
    (said(apns_priority="7"), "BadPriority"),
    (said(apns_push_type="background"), "BadPriority"),
    (said(apns_push_type="shout"), "InvalidPushType"),
    (said(apns_expiration="soon"), "BadExpirationDate"),
    (said(apns_collapse_id="x" * 65), "BadCollapseId"),
]
TAKEN = [
    said(),
    said(apns_topic=""),  # the certificate has only one
    said(body=b'{"aps":{}}'),
    said(body=b'{"a": "' + b"x" * 4_087 + b'"}'),
    said(apns_push_type="background", apns_priority="5"),
    said(apns_push_type="alert", apns_priority="10", apns_expiration="0", apns_collapse_id="x" * 64),
]


async def test_it_takes_what_apple_takes_and_nothing_else(authority: Authority) -> None:
    async with caller(authority) as (http, apns):
        for number, (method, path, headers, body) in enumerate(TAKEN):
            answer = await http.request(method, path, headers=headers, content=body)
            assert (number, answer.status_code, answer.content) == (number, 200, b"")
            assert len(answer.headers["apns-id"]) == 36
        for (method, path, headers, body), reason in REFUSED:
            answer = await http.request(method, path, headers=headers, content=body)
            assert (answer.json(), answer.status_code) == ({"reason": reason}, STATUS[reason])
        assert (apns.stats.accepted, apns.stats.connections) == (len(TAKEN), 1)


async def test_it_echoes_the_id(authority: Authority) -> None:
    async with caller(authority) as (http, apns):
        apns.faults.next.append("")
        apns.faults.next.append("Unregistered")
        for _ in range(2):
            wanted = str(uuid4())
            answer = await http.post(DEVICE, headers={"apns-id": wanted}, content=b"{}")
            assert answer.headers["apns-id"] == wanted


async def test_two_topics_are_one_too_many(authority: Authority) -> None:
    async with caller(authority) as (http, _):
        headers = [("apns-topic", PASS_TYPE), ("apns-topic", PASS_TYPE)]
        assert (await http.post(DEVICE, headers=headers, content=b"{}")).json()[
            "reason"
        ] == "DuplicateHeaders"


async def test_tokens_are_in_use_dead_or_unknown(authority: Authority) -> None:
    async with caller(authority) as (http, apns):
        apns.tokens = {"aa": None, "bb": 1_790_000_000.5}
        assert (await http.post("/3/device/aa", content=b"{}")).status_code == 200
        dead = await http.post("/3/device/bb", content=b"{}")
        assert dead.json() == {"reason": "Unregistered", "timestamp": 1_790_000_000_500}
        assert (await http.post("/3/device/cc", content=b"{}")).json() == {"reason": "BadDeviceToken"}


async def test_bursts_to_one_token_are_too_many(authority: Authority) -> None:
    now = [1_790_000_000.0]
    async with caller(authority, Apns(authority, clock=lambda: now[0])) as (http, apns):
        apns.faults.burst_seconds = 5
        answers = [
            (await http.post(f"/3/device/{token}", content=b"{}")).status_code for token in ("aa", "aa", "bb")
        ]
        assert answers == [200, 429, 200]
        now[0] += 5
        assert (await http.post("/3/device/aa", content=b"{}")).status_code == 200


async def test_many_bad_tokens_end_the_connection(authority: Authority) -> None:
    async with caller(authority) as (http, apns):
        apns.faults.bad_tokens = 3
        for _ in range(3):
            assert (await http.post("/3/device/xx", content=b"{}")).json()["reason"] == "BadDeviceToken"
        assert (await http.post(DEVICE, content=b"{}")).status_code == 200
        assert apns.stats.connections == 2


async def test_without_a_certificate_a_token_is_needed(authority: Authority) -> None:
    now = 1_790_000_000.0

    def bearer(key: Any = authority.push_key, kid: str = PUSH_KEY_ID, **claims: Any) -> str:
        return "bearer " + jwt.encode({"iss": TEAM, "iat": now} | claims, key, "ES256", {"kid": kid})

    cases = {
        bearer(): "",
        "": "MissingProviderToken",
        "basic abc": "MissingProviderToken",
        "bearer abc": "InvalidProviderToken",
        bearer(kid="ANOTHERKEY"): "InvalidProviderToken",
        bearer(iss="ANOTHER"): "InvalidProviderToken",
        bearer(key=authority.google_root): "InvalidProviderToken",
        bearer(iat=now - 3_700): "ExpiredProviderToken",
        bearer(iat=now + 3_700): "ExpiredProviderToken",
    }
    async with caller(authority, Apns(authority, clock=lambda: now), certificate=False) as (http, _):
        for authorization, reason in cases.items():
            headers = {"apns-topic": PASS_TYPE, "authorization": authorization}
            answer = await http.post(DEVICE, headers=headers, content=b"{}")
            assert (answer.json()["reason"] if answer.content else "") == reason
        answer = await http.post(DEVICE, headers={"authorization": bearer()}, content=b"{}")
        assert answer.json()["reason"] == "MissingTopic"


async def test_a_client_that_does_not_offer_http_2_is_turned_away(authority: Authority) -> None:
    apns = Apns(authority)
    url = httpx.URL(await apns.serve())
    reader, writer = await asyncio.open_connection(url.host, url.port, ssl=context(authority))
    assert await reader.read() == b""
    writer.close()
    assert (apns.stats.connections, apns.stats.refused_connections) == (0, 1)
    await apns.close()


async def test_a_phone_hears_an_accepted_push_and_no_other(authority: Authority) -> None:
    heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    apns = Apns(authority, lambda topic, token: heard.put_nowait((topic, token)))
    async with caller(authority, apns) as (http, _):
        apns.faults.set(heard_after=0.01, tokens={"bb": "Unregistered"}, next=["InternalServerError"])
        for token in ("aa", "bb", "cc"):
            await http.post(f"/3/device/{token}", content=b"{}")
        assert await heard.get() == (PASS_TYPE, "cc")
        assert heard.empty()
        assert apns.stats.as_json()["reasons"] == {"InternalServerError": 1, "Unregistered": 1}


async def test_every_tenth_push_may_fail(authority: Authority) -> None:
    async with caller(authority) as (http, apns):
        apns.faults.set(every=10, word="ServiceUnavailable")
        answers = [(await http.post(DEVICE, content=b"{}")).status_code for _ in range(20)]
        assert [number for number, status in enumerate(answers, 1) if status == 503] == [10, 20]
        apns.faults.clear()
        assert json.loads(json.dumps(apns.faults.as_json()))["every"] == 0


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ({"next": ["Nonsense"]}, "Nonsense"),
        ({"tokens": {"aa": "nope"}}, "nope"),
        ({"word": "Unregistred"}, "Unregistred"),
        ({"evry": 1}, "evry"),
        ({"every": "x"}, "every"),
        ({"streams": True}, "streams"),
    ],
)
def test_an_unknown_fault_is_named(authority: Authority, wanted: dict[str, Any], named: str) -> None:
    faults = Apns(authority).faults
    before = faults.as_json()
    with pytest.raises(UsageError, match=named):
        faults.set(first_streams=5, **wanted)
    assert faults.as_json() == before
    assert not set(ODDITIES) & set(STATUS)


async def test_a_port_in_use_is_named(authority: Authority) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PassbellError, match=str(port)):
            await Apns(authority).serve(port)
