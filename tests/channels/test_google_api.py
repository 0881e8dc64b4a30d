"""What Google's answers become: by reason, never by status alone; and tokens, lists and save links."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from jobs.channels import google_api
from jobs.channels.google_errors import GoogleError, from_answer
from jobs.rehearsal.authority import GOOGLE_ISSUER, Authority
from store.errors import UsageError
from tests.channels.conftest import Request, answer, serving
from tests.channels.googles import CLASS, PASS, add_pass, standing, text

pytestmark = pytest.mark.anyio

MESSAGE = {"id": "m1", "header": "Café", "body": "Zopf", "messageType": "TEXT_AND_NOTIFY"}


async def refused(call: Any) -> GoogleError:
    with pytest.raises(GoogleError) as found:
        await call
    return found.value


def error_body(status: int, reason: str, domain: str) -> bytes:
    entry = {"reason": reason, "domain": domain, "message": "said"}
    return json.dumps({"error": {"code": status, "message": "said", "errors": [entry]}}).encode()


@pytest.mark.parametrize(
    ("status", "reason", "domain", "kind", "sent"),
    [
        (400, "invalid", "global", "bad_request", False),
        (401, "authError", "global", "key_refused", False),
        (403, "quotaExceeded", "walletobjects", "alerts_spent", False),
        (403, "quotaExceeded", "usageLimits", "forbidden", False),
        (403, "rateLimitExceeded", "usageLimits", "throttled", False),
        (403, "userRateLimitExceeded", "usageLimits", "throttled", False),
        (403, "permissionDenied", "walletobjects", "forbidden", False),
        (403, "accessNotConfigured", "usageLimits", "forbidden", False),
        (404, "resourceNotFound", "walletobjects", "not_found", False),
        (409, "existingResource", "walletobjects", "conflict", False),
        (412, "conditionNotMet", "global", "bad_request", False),
        (429, "", "", "throttled", False),
        (408, "", "", "timeout", True),
        (500, "backendError", "global", "server_error", True),
        (503, "", "", "server_error", True),
        (302, "", "", "protocol", True),
    ],
)
def test_each_answer_has_its_meaning(status: int, reason: str, domain: str, kind: str, sent: bool) -> None:
    body = error_body(status, reason, domain)
    found = from_answer(status, body, {"retry-after": "7"}, now=0, reading=False)
    assert (found.kind, found.sent, found.retry_after) == (kind, sent, 7.0)
    assert found.label == f"HTTP {status}" + (f" / {reason}" if reason else "")
    assert not from_answer(status, body, {}, now=0, reading=True).sent


@pytest.mark.parametrize("body", [b"<html>Not Found</html>", b"", b"[]", b'{"error":"gone"}', b"[" * 100_000])
def test_a_404_that_is_not_googles_says_nothing_of_a_pass(body: bytes) -> None:
    assert from_answer(404, body, {}, now=0, reading=True).kind == "protocol"


async def test_the_calls(authority: Authority) -> None:
    async with standing(authority) as bed:
        google = bed.client()
        body = {
            "id": f"{GOOGLE_ISSUER}.new.1",
            "classId": CLASS,
            "cardTitle": text("Café"),
            "header": text("Lee"),
        }
        made = await google.insert("genericObject", body)
        assert (made["hasUsers"], made["state"]) == (False, "ACTIVE")
        assert (await refused(google.insert("genericObject", body))).kind == "conflict"
        assert (await refused(google.get("genericObject", f"{GOOGLE_ISSUER}.none"))).kind == "not_found"
        changed = await google.patch("genericObject", body["id"], {"header": text("Ann")})
        assert changed["header"] == text("Ann")
        assert (await google.get("genericClass", CLASS))["id"] == CLASS
        assert (await google.get("issuer", GOOGLE_ISSUER))["issuerId"] == GOOGLE_ISSUER
        assert (await google.add_message("genericObject", PASS, MESSAGE))["hasUsers"] is True
        assert (await google.add_message("genericClass", CLASS, MESSAGE))["id"] == CLASS
        assert bed.google.stats.tokens == 1
        await google.close()


async def test_a_list_comes_page_by_page_with_the_asked_fields_only(authority: Authority) -> None:
    async with standing(authority) as bed:
        for number in range(230):
            add_pass(bed.google, f"{GOOGLE_ISSUER}.n{number:03}", saved=number % 2 == 0)
        bed.faults(error_before=1.0, on="GET", times=2)
        waits: list[float] = []

        async def sleep(seconds: float) -> None:
            waits.append(seconds)

        google = bed.client(sleep=sleep)
        pages = [page async for page in google.pages("genericObject", CLASS)]
        await google.close()
        assert [len(page) for page in pages] == [100, 100, 31]
        assert pages[0][0] == {"id": PASS, "state": "ACTIVE", "hasUsers": True}
        assert len(waits) == 2


async def test_a_list_that_never_ends_is_not_followed(authority: Authority) -> None:
    def script(request: Request) -> bytes:
        if request.path == "/token":
            return answer({"access_token": "t", "expires_in": 3600})
        return answer({"resources": [], "pagination": {"nextPageToken": "again"}})

    async with serving(script) as server:
        google = google_api.Google(account_at(server.url, authority))
        with pytest.raises(GoogleError, match="same page again"):
            async for _ in google.pages("genericObject", CLASS):
                pass
        await google.close()


def account_at(url: str, authority: Authority, seconds: float = 2.0) -> google_api.Account:
    info = json.loads(authority.service_account.read_text())
    return google_api.Account(url, GOOGLE_ISSUER, info, token_url=f"{url}/token", timeout=seconds)


async def test_a_refused_token_is_renewed_once_and_the_request_repeated_once(authority: Authority) -> None:
    async with standing(authority) as bed:
        google = bed.client()
        await google.get("genericObject", PASS)
        bed.google._tokens.clear()
        await asyncio.gather(*(google.get("genericObject", PASS) for _ in range(5)))
        assert bed.google.stats.tokens == 2, "those that meet the same 401 share the new token"
        await google.close()


async def test_a_key_that_gets_no_token_says_so_without_showing_itself(authority: Authority) -> None:
    async with standing(authority) as bed:
        bed.faults(no_tokens=True)
        google = bed.client()
        found = await refused(google.add_message("genericObject", PASS, MESSAGE))
        assert (found.kind, found.sent) == ("key_refused", False)
        assert "PRIVATE" not in f"{found} {bed.account!r}"
        assert not bed.google.stats.requests
        await google.close()


async def test_an_answer_that_refuses_every_token_ends(authority: Authority) -> None:
    asked: list[str] = []

    def script(request: Request) -> bytes:
        asked.append(request.path)
        if request.path == "/token":
            return answer({"access_token": f"t{len(asked)}", "expires_in": 3600})
        return answer({"error": {"code": 401, "message": "no"}}, 401)

    async with serving(script) as server:
        google = google_api.Google(account_at(server.url, authority))
        assert (await refused(google.get("genericObject", PASS))).kind == "key_refused"
        assert [path == "/token" for path in asked] == [True, False, True, False]
        await google.close()


async def test_a_token_endpoint_in_trouble_is_a_passing_fault(authority: Authority) -> None:
    async with serving(lambda _: answer({"error": "x"}, 503)) as server:
        google = google_api.Google(account_at(server.url, authority))
        found = await refused(google.add_message("genericObject", PASS, MESSAGE))
        assert (found.kind, found.sent) == ("network", False)
        assert len(server.requests) == 1, "google-auth would have slept and repeated"
        await google.close()


@pytest.mark.parametrize(("strike", "kind"), [("drop_after", "network"), ("hang_after", "timeout")])
async def test_a_lost_answer_may_have_been_done(authority: Authority, strike: str, kind: str) -> None:
    async with standing(authority, seconds=0.5) as bed:
        bed.faults(**{strike: 1.0}, on="addMessage")
        google = bed.client()
        found = await refused(google.add_message("genericObject", PASS, MESSAGE))
        assert (found.kind, found.sent) == (kind, True)
        assert len(bed.kept["messages"]) == 1
        await google.close()


async def test_what_never_left_was_not_sent(authority: Authority) -> None:
    async with standing(authority) as bed:
        google = bed.client()
        await google.get("genericObject", PASS)  # for the token
        account = google_api.Google(account_at("http://127.0.0.1:9", authority))
        account._credentials = google._credentials
        found = await refused(account.add_message("genericObject", PASS, MESSAGE))
        assert (found.kind, found.sent) == ("network", False)
        await google.close()
        await account.close()


async def test_an_answer_without_json_is_not_taken_for_a_yes(authority: Authority) -> None:
    def script(request: Request) -> bytes:
        if request.path == "/token":
            return answer({"access_token": "t", "expires_in": 3600})
        return answer(b"<html>welcome</html>")

    async with serving(script) as server:
        google = google_api.Google(account_at(server.url, authority))
        found = await refused(google.add_message("genericObject", PASS, MESSAGE))
        assert (found.kind, found.sent) == ("protocol", True)
        await google.close()


def test_a_save_link_refers_and_stays_short(authority: Authority) -> None:
    info = json.loads(authority.service_account.read_text())
    link = google_api.save_link(info, "https://pay.google.com/gp/v/save/", [("generic", PASS)], now=1_000.9)
    token = link.removeprefix("https://pay.google.com/gp/v/save/")
    assert len(token) < 800
    head, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    assert (head["alg"], head["typ"], head["kid"]) == ("RS256", "JWT", info["private_key_id"])
    assert claims == {
        "iss": info["client_email"],
        "aud": "google",
        "typ": "savetowallet",
        "iat": 1_000,
        "origins": [],
        "payload": {"genericObjects": [{"id": PASS}]},
    }
    with pytest.raises(UsageError, match="1800 characters"):
        google_api.save_link(info, "", [("generic", f"{PASS}{number}") for number in range(40)])


def test_a_broken_key_is_told_without_it(authority: Authority) -> None:
    info = json.loads(authority.service_account.read_text())
    with pytest.raises(UsageError, match="no service account's JSON key") as found:
        google_api.credentials(info | {"private_key": "secret-secret"})
    assert "secret-secret" not in str(found.value)


async def test_each_request_takes_one_slot(authority: Authority) -> None:
    async with standing(authority) as bed:
        from contextlib import asynccontextmanager

        taken: list[int] = []

        @asynccontextmanager
        async def pace() -> Any:
            taken.append(1)
            yield

        google = bed.client(pace=pace)
        await google.get("genericObject", PASS)
        await google.add_message("genericObject", PASS, MESSAGE)
        await google.close()
        assert len(taken) == 2
