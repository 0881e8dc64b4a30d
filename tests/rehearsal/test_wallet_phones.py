"""Simulated iPhones against a small pass web service of the test's own, over real TLS."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs7
from hypercorn.asyncio import serve
from hypercorn.typing import ASGIFramework
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from jobs.rehearsal.authority import PASS_TYPE, TEAM, Authority, ensure
from jobs.rehearsal.server import Listener, LoopbackConfig
from jobs.rehearsal.wallets import archive
from jobs.rehearsal.wallets.air import Air, HttpxAir, ReqwestAir
from jobs.rehearsal.wallets.crowd import Crowd
from jobs.rehearsal.wallets.phone import Kind
from jobs.rehearsal.wallets.signature import Signer, Unsigned, check
from store.errors import UsageError


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return ensure(tmp_path_factory.mktemp("authority"))


@cache
def private_key(pem: bytes) -> Any:
    return load_pem_private_key(pem, None)


def signed(authority: Authority, manifest: bytes) -> bytes:
    builder = pkcs7.PKCS7SignatureBuilder().set_data(manifest)
    leaf = x509.load_pem_x509_certificate(authority.client_pem)
    key = private_key(authority.client_pem)
    builder = builder.add_signer(leaf, key, hashes.SHA256())
    builder = builder.add_certificate(x509.load_pem_x509_certificate(authority.wwdr_pem))
    options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
    return builder.sign(Encoding.DER, options)


def packed(authority: Authority, content: dict[str, Any], **more: bytes) -> bytes:
    """A .pkpass; `more` are files by name that the manifest does not tell of."""
    files = {"pass.json": json.dumps(content).encode(), "icon.png": b"an icon"}
    files["de.lproj/pass.strings"] = '"latest: %@" = "Neu: %@";'.encode("utf-16")
    manifest = json.dumps({name: hashlib.sha1(text).hexdigest() for name, text in files.items()}, indent=1)
    files |= {"manifest.json": manifest.encode(), "signature": signed(authority, manifest.encode()), **more}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as found:
        for name, text in files.items():
            found.writestr(name, text)
    return target.getvalue()


class Service:
    """A web service for passes in a few lines, as the protocol has it; `answers` go before its own."""

    def __init__(self, authority: Authority) -> None:
        self.authority, self.url = authority, ""
        self.text: dict[str, str] = {}
        self.points: dict[str, int] = {}
        self.tags: dict[str, int] = {}
        self.registered: dict[tuple[str, str], str] = {}
        self.answers: list[int] = []
        self.asked: list[str] = []
        self.tag = 0
        self.spoilt: dict[str, bytes] = {}

    def change(self, *serials: str, text: str) -> None:
        self.tag += 1
        for serial in serials:
            self.text[serial] = text
            self.tags[serial] = self.tag

    def app(self) -> ASGIApp:
        device = "/v1/devices/{device}/registrations/{type}"
        app = Starlette(
            routes=[
                Route(f"{device}/{{serial}}", self.register, methods=["POST", "DELETE"]),
                Route(device, self.changed),
                Route("/v1/passes/{type}/{serial}", self.fetch),
                Route("/get/{serial}", self.fetch),
            ]
        )

        async def first(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                self.asked.append(f"{scope['method']} {scope['path'].replace(PASS_TYPE, 'T')}")
                if self.answers:
                    await Response(status_code=self.answers.pop(0))(scope, receive, send)
                    return
            await app(scope, receive, send)

        return first

    async def register(self, request: Request) -> Response:
        device, serial = request.path_params["device"], request.path_params["serial"]
        if request.headers["authorization"] != f"ApplePass token-of-{serial}":
            return Response(status_code=401)
        if request.method == "DELETE":
            del self.registered[device, serial]
            return Response()
        new = (device, serial) not in self.registered
        self.registered[device, serial] = (await request.json())["pushToken"]
        return Response(status_code=201 if new else 200)

    async def changed(self, request: Request) -> Response:
        since = int(request.query_params.get("passesUpdatedSince", "-1"))
        mine = [serial for device, serial in self.registered if device == request.path_params["device"]]
        found = [serial for serial in mine if self.tags.get(serial, 0) > since]
        if not found:
            return Response(status_code=204)
        return JSONResponse({"serialNumbers": found, "lastUpdated": str(self.tag)})

    async def fetch(self, request: Request) -> Response:
        serial = request.path_params["serial"]
        modified = f"Mon, 01 Jan 2024 00:00:{self.tags.get(serial, 0):02} GMT"
        if request.headers.get("if-modified-since") == modified:
            return Response(status_code=304)
        content = {
            "formatVersion": 1,
            "passTypeIdentifier": PASS_TYPE,
            "teamIdentifier": TEAM,
            "serialNumber": serial,
            "organizationName": "Kaffeehaus",
            "description": "Card",
            "webServiceURL": self.url,
            "authenticationToken": f"token-of-{serial}",
            "storeCard": {
                "headerFields": [{"key": "points", "value": self.points.get(serial, 0)}],
                "backFields": [
                    {"key": "m", "value": self.text.get(serial, "-"), "changeMessage": "latest: %@"}
                ],
            },
        }
        return Response(packed(self.authority, content, **self.spoilt), headers={"last-modified": modified})


@asynccontextmanager
async def stage(
    authority: Authority, air: Callable[[bytes], Air] = ReqwestAir
) -> AsyncIterator[tuple[Service, Crowd]]:
    """The service over TLS, and a crowd that trusts it."""
    service, stop = Service(authority), asyncio.Event()
    with Listener(0) as listener:
        config = LoopbackConfig(listener, authority.server_path)
        service.url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        framework = cast(ASGIFramework, service.app())
        serving = asyncio.create_task(serve(framework, config, shutdown_trigger=stop.wait, mode="asgi"))
        network = air(authority.root_pem)
        crowd = Crowd(network, seed=7, root_pem=authority.root_pem)
        try:
            yield service, crowd
        finally:
            await crowd.close()
            await network.close()
            stop.set()
            listener.end()
            await serving


async def quiet(crowd: Crowd) -> dict[str, Any]:
    """The counts once no phone does anything any more."""
    await until(lambda: not crowd.stats()["busy"])
    return crowd.stats()


async def until(holds: Callable[[], object]) -> None:
    while not holds():  # noqa: ASYNC110  (what the phones do rings no bell)
        await asyncio.sleep(0)


async def phones(service: Service, crowd: Crowd, count: int, kind: Kind = Kind.ONLINE) -> list[str]:
    """So many phones with a pass each; returns their push tokens."""
    before = set(service.registered.values())
    crowd.add([[f"{service.url}/get/{kind}{number}"] for number in range(count)], {kind: 1})
    await quiet(crowd)
    crowd.records.reset()
    service.asked.clear()
    return [token for token in service.registered.values() if token not in before]


@pytest.mark.parametrize("air", [ReqwestAir, HttpxAir])
def test_a_push_leads_to_the_list_the_fetch_and_the_text(
    air: Callable[[bytes], Air], authority: Authority
) -> None:
    async def play() -> None:
        async with stage(authority, air) as (service, crowd):
            tokens = await phones(service, crowd, 20)
            assert crowd.stats()["registered"] == crowd.stats()["can_fetch"] == 20
            service.change(*(f"online{number}" for number in range(20)), text="Fresh rolls")
            for token in tokens:
                crowd.push(PASS_TYPE, token)
            stats = await quiet(crowd)
            assert (stats["pushed"], stats["heard"], stats["lists"]) == (20, 20, 20)
            assert (stats["listed"], stats["fetched"], stats["fetches"]) == (20, 20, 20)
            assert (stats["alerts"], stats["alerted"], stats["alerted_twice"]) == (20, 20, 0)
            assert (stats["signature_failures"], stats["trouble"]) == (0, {})
            assert {alert.text for (alert,) in crowd.records.alerts.values()} == {"latest: Fresh rolls"}

    asyncio.run(play())


def test_what_is_the_same_shows_nothing(authority: Authority) -> None:
    async def play() -> None:
        async with stage(authority) as (service, crowd):
            (token,) = await phones(service, crowd, 1)
            crowd.push(PASS_TYPE, token)
            assert (await quiet(crowd))["unchanged"] == 1, "without a tag it is told of all: 304"
            service.change("online0", text="-")
            crowd.push(PASS_TYPE, token)
            stats = await quiet(crowd)
            assert (stats["fetches"], stats["alerts"]) == (1, 0), "the same text"
            service.points["online0"] = 9
            service.change("online0", text="-")
            crowd.push(PASS_TYPE, token)
            stats = await quiet(crowd)
            assert (stats["fetches"], stats["alerts"]) == (2, 0), "points bring no message"
            crowd.push(PASS_TYPE, token)
            assert (await quiet(crowd))["fetches"] == 2, "asked with the newest tag: 204"

    asyncio.run(play())


def test_faults_are_waited_out_and_alert_once(authority: Authority, quick: None) -> None:
    async def play() -> None:
        async with stage(authority) as (service, crowd):
            (token,) = await phones(service, crowd, 1)
            service.change("online0", text="Soup")
            service.answers = [503, 429, 500]
            crowd.push(PASS_TYPE, token)
            stats = await quiet(crowd)
            assert (stats["retries"], stats["alerts"], stats["trouble"]) == (3, 1, {})
            service.change("online0", text="Cake")
            service.answers = [401]
            crowd.push(PASS_TYPE, token)
            stats = await quiet(crowd)
            assert stats["trouble"] == {"update: 401": 1}
            assert (stats["retries"], stats["alerts"]) == (3, 1), "a 401 is not asked again"
            crowd.push(PASS_TYPE, token)
            assert (await quiet(crowd))["alerts"] == 2, "the next push makes up for it"

    asyncio.run(play())


def test_a_list_that_was_answered_is_not_forgotten_when_the_fetch_fails(
    authority: Authority, quick: None
) -> None:
    async def play() -> None:
        async with stage(authority) as (service, crowd):
            (token,) = await phones(service, crowd, 1)
            service.change("online0", text="Soup")
            crowd.push(PASS_TYPE, token)
            await until(lambda: crowd.records.lists)
            service.answers = [503] * 8
            assert (await quiet(crowd))["trouble"] == {"update: 503": 1}
            crowd.push(PASS_TYPE, token)
            assert (await quiet(crowd))["alerts"] == 1

    asyncio.run(play())


def test_a_push_during_an_update_is_not_lost(authority: Authority) -> None:
    async def play() -> None:
        async with stage(authority) as (service, crowd):
            (token,) = await phones(service, crowd, 1)
            service.change("online0", text="One")
            for _ in range(5):
                crowd.push(PASS_TYPE, token)
            await until(lambda: crowd.records.fetches)
            service.change("online0", text="Two")
            crowd.push(PASS_TYPE, token)
            stats = await quiet(crowd)
            assert [alert.text for alert in crowd.records.alerts["online0"]] == ["latest: One", "latest: Two"]
            assert stats["lists"] == 2 or stats["lists"] == 3, "pushes that wait are one"

    asyncio.run(play())


def test_the_other_kinds_of_phones(authority: Authority, quick: None) -> None:
    async def play() -> None:
        async with stage(authority) as (service, crowd):
            (muted,) = await phones(service, crowd, 1, Kind.MUTED)
            (leaving,) = await phones(service, crowd, 1, Kind.LEAVING)
            (slow,) = await phones(service, crowd, 1, Kind.SLOW)
            (away,) = await phones(service, crowd, 1, Kind.AWAY)
            stats = crowd.stats()
            assert (stats["registered"], stats["can_fetch"]) == (4, 2)
            for text in ("One", "Two"):
                service.change("muted0", "leaving0", "slow0", "away0", text=text)
                for token in (muted, leaving, slow, away):
                    crowd.push(PASS_TYPE, token)
                await quiet(crowd)
            shown = {serial: [alert.text for alert in said] for serial, said in crowd.records.alerts.items()}
            assert shown == {"leaving0": ["latest: One"], "slow0": ["latest: One", "latest: Two"]}
            assert [serial for _, serial in service.registered] == ["muted0", "slow0", "away0"]
            assert (crowd.stats()["registered"], crowd.stats()["pushed"]) == (3, 8)
            assert crowd.come_back() == 1
            stats = await quiet(crowd)
            assert [alert.text for alert in crowd.records.alerts["away0"]] == ["latest: Two"]
            assert stats["can_fetch"] == 2
            crowd.go_away()
            assert crowd.stats()["can_fetch"] == 1

    asyncio.run(play())


def test_a_phone_that_is_away_comes_back_by_itself(authority: Authority) -> None:
    async def play() -> None:
        async with stage(authority) as (service, crowd):
            crowd.away_seconds = (0.0, 0.01)
            (away,) = await phones(service, crowd, 1, Kind.AWAY)
            service.change("away0", text="Soup")
            crowd.push(PASS_TYPE, away)
            await until(lambda: crowd.records.alerts)

    asyncio.run(play())


def test_one_push_brings_every_changed_pass_of_a_phone(authority: Authority) -> None:
    async def play() -> None:
        async with stage(authority) as (service, crowd):
            crowd.add([[f"{service.url}/get/{serial}" for serial in "abc"]], {Kind.ONLINE: 1})
            await quiet(crowd)
            service.change("a", text="One")
            service.change("c", text="Three")
            service.change("stranger", text="Nobody")
            crowd.push(PASS_TYPE, next(iter(service.registered.values())))
            crowd.push(PASS_TYPE, "of nobody here")
            await quiet(crowd)
            assert {serial: said[0].text for serial, said in crowd.records.alerts.items()} == {
                "a": "latest: One",
                "c": "latest: Three",
            }
            held = crowd.pass_on_phones("c")
            assert held is not None
            assert held["copies"][0]["fields"] == {"points": "0", "m": "Three"}
            assert held["alerts"][0]["text"] == "latest: Three"
            assert crowd.pass_on_phones("stranger") is None

    asyncio.run(play())


def test_a_pass_that_does_not_verify_is_refused_and_the_old_copy_stays(authority: Authority) -> None:
    async def play() -> None:
        async with stage(authority) as (service, crowd):
            (token,) = await phones(service, crowd, 1)
            service.change("online0", text="Soup")
            service.spoilt = {"icon.png": b"another icon"}
            crowd.push(PASS_TYPE, token)
            stats = await quiet(crowd)
            assert (stats["signature_failures"], stats["alerts"]) == (1, 0)
            assert crowd.records.unsigned == {"online0": "icon.png is not what the manifest says"}
            crowd.add([[f"{service.url}/get/new"]], {Kind.ONLINE: 1})
            stats = await quiet(crowd)
            assert (stats["signature_failures"], stats["registered"]) == (2, 1)
            with pytest.raises(UsageError, match="unknown kind of phone 'android': known are online, away"):
                crowd.add([], {"android": 1})

    asyncio.run(play())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Phones that wait for milliseconds only."""
    monkeypatch.setattr("jobs.rehearsal.wallets.phone.FIRST_WAIT", 0.001)
    monkeypatch.setattr("jobs.rehearsal.wallets.phone.LONGEST_WAIT", 0.01)
    monkeypatch.setattr("jobs.rehearsal.wallets.phone.SLOW", (0.0, 0.01))


CONTENT: dict[str, Any] = {
    "formatVersion": 1,
    "passTypeIdentifier": PASS_TYPE,
    "teamIdentifier": TEAM,
    "serialNumber": "s1",
    "organizationName": "Kaffeehaus",
    "description": "Card",
    "storeCard": {"backFields": [{"key": "m", "value": "x", "changeMessage": "latest: %@"}]},
}


def test_words_of_a_language_stand_for_the_pass_s_own(authority: Authority) -> None:
    card = archive.read(packed(authority, CONTENT), root_pem=authority.root_pem, language="de")
    assert card.fields["m"] == ("x", "Neu: %@")


@pytest.mark.parametrize(
    ("content", "more", "why"),
    [
        ({"teamIdentifier": "OTHER"}, {}, "another pass type or team"),
        ({"passTypeIdentifier": "pass.other"}, {}, "another pass type or team"),
        ({"serialNumber": ""}, {}, "has no serialNumber"),
        ({"formatVersion": 2}, {}, "formatVersion"),
        ({"coupon": {}}, {}, "not exactly one style"),
        ({"storeCard": {"backFields": [{"key": "m"}]}}, {}, "no key or no value"),
        ({}, {"stray.txt": b""}, "manifest and files differ: stray.txt"),
        ({}, {"pass.json": b"{}"}, "pass.json is not what the manifest says"),
        ({}, {"manifest.json": b"{}"}, "the manifest was changed"),
        ({}, {"signature": b""}, "cannot be read"),
        ({}, {"signature": b"0\x03\x06\x01\x00"}, "cannot be read"),
    ],
)
def test_what_a_phone_refuses(
    content: dict[str, Any], more: dict[str, bytes], why: str, authority: Authority
) -> None:
    with pytest.raises(Unsigned, match=why):
        archive.read(packed(authority, CONTENT | content, **more), root_pem=authority.root_pem)


def test_a_chain_to_another_root_is_refused(authority: Authority, tmp_path: Path) -> None:
    other = ensure(tmp_path)
    with pytest.raises(Unsigned, match="no chain leads"):
        archive.read(packed(authority, CONTENT), root_pem=other.root_pem)
    with pytest.raises(Unsigned, match="it is no archive"):
        archive.read(b"PK", root_pem=authority.root_pem)


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(max_examples=300)
def test_no_changed_signature_names_another_signer(authority: Authority, at: int, bit: int) -> None:
    manifest = b'{"pass.json": "00"}'
    changed = bytearray(signed(authority, manifest))
    changed[at % len(changed)] ^= 1 << bit
    try:
        assert check(manifest, bytes(changed), root_pem=authority.root_pem) == Signer(PASS_TYPE, TEAM)
    except Unsigned:
        return
