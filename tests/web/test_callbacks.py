"""Callbacks of Google's and webhooks of PassKit's: believed only when signed, and counted once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.callbacks import passkit
from jobs.rehearsal.authority import Authority
from jobs.rehearsal.google_callbacks import Signer
from store import enrolments, issued
from store.issued import NewPass
from store.schema import members as members_table
from store.schema import passes
from store.times import now
from tests.store.crowd import member
from tests.store.test_members import holder
from tests.web.callers import Web, add_passkit, open_web

ISSUER = "3388000000022"
SECRET = "webhook-secret"
one_store = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture(scope="session")
def signer(authority: Authority) -> Signer:
    return Signer(authority.google_root, ISSUER)


@pytest.fixture(scope="session")
def keys_url(signer: Signer) -> Iterator[str]:
    """Where the root keys are published."""
    document = json.dumps(signer.published(time.time())).encode()

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/keys"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def web(current_url: str, tmp_path: Path, authority: Authority, keys_url: str) -> Iterator[Web]:
    own = {"google.issuer": ISSUER, "google.keys_url": keys_url, "web.passkit_secret": SECRET}
    web = open_web(current_url, tmp_path, authority, **own)
    add_passkit(web)
    with web.database.write() as connection:
        enrolments.upsert_page(
            connection,
            "P1",
            [enrolments.storable(holder(1, pass_status="PASS_ISSUED", wallets=[]))],
            message_key="news",
            seen_at=now(),
        )
        connection.execute(members_table.insert().values(id=99, **member("G1")))
        new = NewPass(99, "P1", "google", "S1", f"{ISSUER}.S1", None, "token")
        issued.add(connection, [new], at=now())
    yield web
    web.close()


def status(web: Web, external_id: str) -> str:
    return web.member("P1", external_id).passes[0].status


def call_back(web: Web, body: bytes) -> tuple[int, str]:
    answer = web.call("POST", "/callbacks/google", body=body)
    return answer.status_code, answer.json().get("status", "")


def test_saved_and_deleted(web: Web, signer: Signer) -> None:
    at = time.time()
    saved = signer.signed(f"{ISSUER}.c", f"{ISSUER}.S1", "save", at)
    assert call_back(web, saved) == (200, "taken")
    assert (status(web, "G1"), web.member("P1", "G1").passes[0].wallets) == ("installed", ("google",))
    assert call_back(web, saved) == (200, "duplicate")
    assert call_back(web, signer.signed(f"{ISSUER}.c", f"{ISSUER}.S1", "del", at + 1)) == (200, "taken")
    assert (status(web, "G1"), web.member("P1", "G1").passes[0].wallets) == ("uninstalled", ())
    assert call_back(web, saved) == (200, "duplicate")
    assert status(web, "G1") == "uninstalled"
    told = [(one.kind, one.source) for one in web.life("P1", "G1")]
    assert told == [("created", "passbell"), ("installed", "google"), ("removed", "google")]


def test_what_google_dates_later_decides(web: Web, signer: Signer) -> None:
    at = time.time()
    assert call_back(web, signer.signed(f"{ISSUER}.c", f"{ISSUER}.S1", "save", at))[1] == "taken"
    assert call_back(web, signer.signed(f"{ISSUER}.c", f"{ISSUER}.S1", "del", at - 5))[1] == "taken"
    assert status(web, "G1") == "installed"
    assert [one.kind for one in web.life("P1", "G1")] == ["created", "installed", "removed"]


@one_store
def test_a_void_pass_stays_void(web: Web, signer: Signer) -> None:
    with web.database.write() as connection:
        connection.execute(passes.update().where(passes.c.channel == "google").values(status="invalidated"))
    assert call_back(web, signer.signed(f"{ISSUER}.c", f"{ISSUER}.S1", "save", time.time()))[1] == "taken"
    assert status(web, "G1") == "invalidated"


@one_store
def test_callbacks_that_are_not_google_s(web: Web, signer: Signer, authority: Authority) -> None:
    at = time.time()
    wanted = (f"{ISSUER}.c", f"{ISSUER}.S1", "save")
    assert call_back(web, Signer(authority.google_root, "999").signed(*wanted, at))[0] == 400
    assert call_back(web, Signer(authority.push_key, ISSUER).signed(*wanted, at))[0] == 400
    assert call_back(web, signer.signed(*wanted, at - 3_600))[0] == 400
    for body in (b"", b"{}", b"[]", b"\xff", b"[" * 60_000, signer.signed(*wanted, at)[:-20]):
        assert call_back(web, body)[0] == 400
    assert web.call("POST", "/callbacks/google", body=b" " * 70_000).status_code == 413
    assert web.call("GET", "/callbacks/google").status_code == 405
    assert status(web, "G1") == "issued"
    assert call_back(web, signer.signed(f"{ISSUER}.c", f"{ISSUER}.other", "save", at)) == (200, "unknown")


@one_store
def test_without_google_s_keys(
    current_url: str, tmp_path: Path, authority: Authority, signer: Signer
) -> None:
    own = {"google.issuer": ISSUER, "google.keys_url": "http://127.0.0.1:9/keys"}
    web = open_web(current_url, tmp_path, authority, **own)
    body = signer.signed(f"{ISSUER}.c", f"{ISSUER}.S1", "save", time.time())
    answer = web.call("POST", "/callbacks/google", body=body)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert web.call("POST", "/callbacks/passkit", body=b"{}").status_code == 404
    web.close()


def payload(event: Any, **more: Any) -> bytes:
    one = {"id": "pass-1", "classId": "P1", "protocol": 100, "externalId": "M-0001", **more}
    return json.dumps({"event": event, "pass": one}).encode()


def mac(nonce: str, body: bytes, secret: str = SECRET) -> bytes:
    return hmac.new(secret.encode(), nonce.encode() + body, hashlib.sha256).digest()


def hook(web: Web, body: bytes, nonce: str, method: str = "POST") -> tuple[int, str]:
    headers = {"x-passkit-signature": f"n={nonce},s={mac(nonce, body).hex()}"}
    answer = web.call(method, "/callbacks/passkit", body=body, headers=headers)
    return answer.status_code, answer.json().get("status", "")


def seconds(at: int) -> dict[str, int]:
    return {"seconds": at, "nanos": 5}


def test_the_life_of_a_pass_of_passkit_s(web: Web) -> None:
    at = int(time.time()) - 100
    installed = payload(2, metaData={"lastInstalledAt": seconds(at)})
    assert hook(web, installed, "nonce-1", "PUT") == (200, "taken")
    assert status(web, "M-0001") == "installed"
    assert hook(web, installed, "nonce-1", "PUT") == (200, "duplicate")
    earlier = payload("PASS_EVENT_UNINSTALLED", metadata={"lastUninstalledAt": seconds(at - 50)})
    assert hook(web, earlier, "nonce-2", "PUT") == (200, "taken")
    assert status(web, "M-0001") == "installed", "what happened later decides"
    assert hook(web, payload(4, metadata={"lastUpdatedAt": seconds(at + 90)}), "nonce-3") == (200, "taken")
    assert hook(web, payload(8, metadata={"lastUninstalledAt": seconds(at + 1)}), "nonce-4")[1] == "taken"
    assert status(web, "M-0001") == "uninstalled"
    assert hook(web, payload(16), "nonce-5") == (200, "taken")
    assert status(web, "M-0001") == "invalidated"
    assert hook(web, payload("PASS_EVENT_RECORD_DELETED"), "nonce-6", "DELETE") == (200, "taken")
    assert (status(web, "M-0001"), web.member("P1", "M-0001").status) == ("gone", "DELETED")
    assert [one.kind for one in web.life("P1", "M-0001")] == [
        *("installed", "removed", "updated", "removed", "updated", "removed"),
    ]
    assert web.life("P1", "M-0001")[0].at == datetime.fromtimestamp(at, UTC)
    assert hook(web, payload(2, id="another"), "nonce-7") == (200, "unknown")


@pytest.mark.parametrize(
    "header",
    [
        lambda nonce, mac: f"n={nonce},s={mac.hex()}",
        lambda nonce, mac: f"s={mac.hex()}, n={nonce}",
        lambda nonce, mac: f"{nonce},{mac.hex()}",
        lambda nonce, mac: f"{nonce}, sha256={mac.hex().upper()}",
        lambda nonce, mac: f"N:{nonce};S:{base64.b64encode(mac).decode()}",
        lambda nonce, mac: f"nonce={nonce},signature={base64.urlsafe_b64encode(mac).decode().rstrip('=')}",
    ],
)
def test_spellings_of_the_signature(header: Callable[[str, bytes], str]) -> None:
    body = payload(2)
    for nonce in ("0a1b2c3d4e5f", "1732190000", "YWJjZGVmZ2g="):
        assert passkit.verify(header(nonce, mac(nonce, body)), body, SECRET) == nonce


def test_signatures_that_are_not_passkit_s() -> None:
    body, nonce = payload(2), "0a1b2c3d"
    good = f"n={nonce},s={mac(nonce, body).hex()}"
    assert passkit.verify(good, body, SECRET) == nonce
    for header in (
        *("", ",", good + ",x=1", good[:-1], good + "0", good.replace(",", "."), good.replace("n=", "q=")),
        *(good.replace("s=", "n="), good.replace("n=", "s="), f"s={mac(nonce, body).hex()}"),
        *(f"n=other,s={mac(nonce, body).hex()}", f"n={nonce},s={mac(nonce, body + b' ').hex()}"),
        *(
            f"n={nonce},s={mac(nonce, body, 'x').hex()}",
            f"n={nonce},s=",
            "x" * 700,
            f"n={nonce},s={'é' * 43}",
        ),
    ):
        with pytest.raises(passkit.Forged):
            passkit.verify(header, body, SECRET)
    with pytest.raises(passkit.Forged):
        passkit.verify(f"n={nonce},s={mac(nonce, body, '').hex()}", body, "")


@given(st.text(max_size=80))
def test_any_header_is_refused(header: str) -> None:
    with pytest.raises(passkit.Forged):
        passkit.verify(header, b"{}", SECRET)


@one_store
def test_signed_and_unreadable(web: Web) -> None:
    for number, body in enumerate(
        (b"", b"[]", b"{}", b"\xff", b"[" * 60_000, payload([]), payload(2, id=""), payload(2, id="a\x1b"))
    ):
        assert hook(web, body, f"nonce-{number}")[0] == 400, body[:40]
    odd = (True, 99, "SOMETHING_NEW")
    answers = [hook(web, payload(event), f"odd-{number}") for number, event in enumerate(odd)]
    assert [code for code, _ in answers] == [400, 200, 200]
    dates: list[Any] = [5, {"seconds": "x"}, {"seconds": -1}, {"seconds": 2**40}, {"seconds": True}, {}]
    for number, when in enumerate(dates):
        body = payload(2, metadata={"lastInstalledAt": when})
        assert hook(web, body, f"date-{number}") == (200, "taken")
    assert web.call("POST", "/callbacks/passkit", body=payload(2)).status_code == 401
