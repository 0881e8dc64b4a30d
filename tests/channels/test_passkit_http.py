"""PassKit's HTTP: hosts, tokens, errors, streamed lists, pages."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.channels.passkit_api import HOSTS, Account, PassKit, PassKitError, host
from jobs.channels.passkit_errors import LONGEST_WAIT, from_answer, plain, seconds_to_wait
from store.errors import UsageError
from tests.channels.conftest import SECRET, Request, Script, Server, answer, chunked, rows, serving

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("each_wire")]


@asynccontextmanager
async def client(script: Script, **options: Any) -> AsyncIterator[tuple[PassKit, Server]]:
    async with serving(script) as server:
        passkit = PassKit(server.account, **options)
        try:
            yield passkit, server
        finally:
            await passkit.close()


async def failing(script: Script, method: str = "GET", **options: Any) -> PassKitError:
    async with client(script, **options) as (passkit, _):
        with pytest.raises(PassKitError) as caught:
            await passkit.call(method, "/members/member", None if method == "GET" else {"id": "x"})
    return caught.value


@pytest.mark.parametrize(
    ("given_as", "url"),
    [
        ("pub1", HOSTS["pub1"]),
        ("pub2", HOSTS["pub2"]),
        ("https://passkit.example/", "https://passkit.example"),
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765"),
        ("http://[::1]:80", "http://[::1]:80"),
        ("http://localhost:1/base", "http://localhost:1/base"),
    ],
)
async def test_a_region_or_a_url_names_the_host(given_as: str, url: str) -> None:
    assert host(given_as) == url


@pytest.mark.parametrize(
    "given_as",
    [
        "",
        "pub3",
        "PUB1",
        "api.pub1.passkit.io",
        "ftp://127.0.0.1",
        "https://",
        "https://me:secret@passkit.example",
        "https://passkit.example/?a=1",
        "https://passkit.example:port",
        "https://[::1",
        "https://passkit.example/\x1b[2J",
        "http://api.pub1.passkit.io",
        "http://10.0.0.1",
        "http://localhost.example",
    ],
)
async def test_anything_else_is_wrong_usage(given_as: str) -> None:
    with pytest.raises(UsageError, match=r"passkit\.base_url"):
        host(given_as)


@pytest.mark.parametrize("pair", [("", SECRET), ("key", ""), ("key", "ssh-rsa AAAA")])
async def test_a_key_that_cannot_sign_is_wrong_usage(pair: tuple[str, str]) -> None:
    with pytest.raises(UsageError):
        PassKit(Account("pub1", *pair))


async def test_the_secret_is_in_no_repr() -> None:
    assert SECRET not in repr(Account("pub1", "key", SECRET))


async def test_each_request_is_signed_anew() -> None:
    clock = iter(range(1_700_000_000, 1_700_000_100))
    async with client(lambda _: answer({}), now=lambda: float(next(clock))) as (passkit, server):
        await passkit.profile()
        await passkit.profile()
    tokens = [request.headers["authorization"] for request in server.requests]
    assert all(jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"} for token in tokens)
    claims = [
        jwt.decode(token, SECRET, ["HS256"], options={"verify_exp": False, "verify_iat": False})
        for token in tokens
    ]
    assert claims[0]["iat"] < claims[1]["iat"]
    for claim in claims:
        assert claim.keys() == {"uid", "iat", "exp"}
        assert (claim["uid"], claim["exp"] - claim["iat"]) == ("the-key", 60)


@pytest.mark.parametrize(
    ("status", "kind", "sent"),
    [
        (302, "protocol", True),
        (400, "bad_request", False),
        (401, "key_refused", False),
        (403, "forbidden", False),
        (404, "not_found", False),
        (409, "conflict", False),
        (415, "bad_request", False),
        (429, "throttled", False),
        (500, "server_error", True),
        (501, "not_supported", False),
        (502, "unavailable", True),
        (503, "unavailable", False),
        (504, "timeout", True),
        (599, "server_error", True),
    ],
)
async def test_every_status_has_its_kind(status: int, kind: str, sent: bool) -> None:
    error = await failing(lambda _: answer({"code": 5, "message": "so", "details": []}, status), "PUT")
    assert (error.kind, error.status, error.code, error.sent) == (kind, status, 5, sent)
    assert error.label == f"HTTP {status} / 5"


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        ({"error": {"code": 3, "message": "no such tier"}}, 3, "no such tier"),
        ({"error": "no such tier"}, None, "no such tier"),
        ({"code": 3, "message": "no such tier", "details": []}, 3, "no such tier"),
        ({"error": "no such tier", "code": 3, "message": "no such tier"}, 3, "no such tier"),
        ({"error": None}, None, "PassKit answered HTTP 400"),
        (b"<html>Bad gateway</html>", None, "PassKit answered HTTP 400"),
        (b"\xff\xfe", None, "PassKit answered HTTP 400"),
        pytest.param(b"[" * 100_000, None, "PassKit answered HTTP 400", id="deep"),
        (["error"], None, "PassKit answered HTTP 400"),
    ],
)
async def test_every_shape_of_error_body_is_read(body: Any, code: int | None, text: str) -> None:
    error = await failing(lambda _: answer(body, 400))
    assert (error.kind, error.code, error.message) == ("bad_request", code, text)


async def test_a_foreign_404_does_not_say_that_a_pass_is_gone() -> None:
    error = await failing(lambda _: answer(b"<h1>not found</h1>", 404))
    assert error.kind == "protocol"
    assert "base URL" in error.message


async def test_a_message_is_one_harmless_line_without_secrets() -> None:
    token = jwt.encode({"uid": "the-key"}, SECRET, "HS256")
    said = f"bad \x1b[2J\r\n\u202e {token} {SECRET} the-key " + "x" * 10_000
    error = await failing(lambda _: answer({"error": said}, 400))
    assert len(error.message) <= 300
    assert error.message.isprintable()
    assert "\n" not in str(error)
    assert not {token, SECRET, "the-key"} & set(error.message.split())
    assert error.message.startswith("bad \ufffd[2J \ufffd [hidden] [hidden] [hidden] xxx")


@given(st.text(), st.text(min_size=1))
def test_plain_text_is_short_and_printable(text: str, secret: str) -> None:
    made = plain(f"{text}{secret}{text}", secrets=(secret,), limit=50)
    assert len(made) <= 50
    assert made == " ".join(made.split())
    assert all(char.isprintable() for char in made)


NOW = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("3", 3.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("-5", None),
        ("soon", None),
        ("nan", None),
        ("1e9", None),
        ("9" * 5000, LONGEST_WAIT),
        (format_datetime(datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC), usegmt=True), 30.0),
        (format_datetime(datetime(2025, 1, 1, tzinfo=UTC), usegmt=True), 0.0),
        (format_datetime(datetime(2030, 1, 1, tzinfo=UTC), usegmt=True), LONGEST_WAIT),
    ],
)
async def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert seconds_to_wait(header, NOW) == seconds


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ [-+A-Z0-9]+"))
def test_any_retry_after_gives_a_sane_wait_or_none(header: str) -> None:
    seconds = seconds_to_wait(header, NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_WAIT


@given(st.integers(300, 599), st.binary() | st.text().map(lambda text: json.dumps({"error": text}).encode()))
def test_any_error_answer_makes_an_error(status: int, body: bytes) -> None:
    error = from_answer(status, body, {}, now=NOW, reading=True)
    assert error.message
    assert not error.sent


async def test_the_wait_comes_with_the_error() -> None:
    assert (await failing(lambda _: answer({"error": "slow"}, 429, Retry_After="7"))).retry_after == 7.0


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_no_answer_in_time(method: str) -> None:
    async with serving(lambda _: None) as server:
        passkit = PassKit(Account(server.url, "the-key", SECRET, timeout=0.05))
        with pytest.raises(PassKitError, match="in time") as caught:
            await passkit.call(method, "/x", {})
        await passkit.close()
    assert (caught.value.kind, caught.value.sent, caught.value.label) == ("timeout", method == "PUT", "")


async def test_a_connection_is_free_again_after_every_kind_of_end() -> None:
    ends = iter([None, b"", chunked(rows({"id": "a"}), ended=False), answer({"error": "no"}, 500), None])

    hanging = asyncio.Event()

    def script(request: Request) -> bytes | None:
        if request.path == "/user/profile" and len(server.requests) == 5:
            hanging.set()
        return next(ends, answer({"id": "m"}))

    async with serving(script) as server:
        passkit = PassKit(Account(server.url, "the-key", SECRET, timeout=0.05, concurrency=1))
        for path in ("/call", "/call", "/list", "/list"):
            with pytest.raises(PassKitError):
                await (listed(passkit) if path == "/list" else passkit.profile())
        left = asyncio.create_task(passkit.profile())
        await hanging.wait()
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        assert await passkit.member("m") == {"id": "m"}
        await passkit.close()


async def test_no_more_connections_than_allowed_and_each_used_again() -> None:
    async with serving(lambda _: answer({"id": "m"})) as server:
        passkit = PassKit(Account(server.url, "the-key", SECRET, concurrency=3))
        for _ in range(3):
            await asyncio.gather(*(passkit.member("m") for _ in range(20)))
        await passkit.close()
    assert server.connections == 3
    assert len(server.requests) == 60


async def test_nobody_listens() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound but not listening: refused, and nobody else gets the port
        passkit = PassKit(Account(f"http://127.0.0.1:{held.getsockname()[1]}", "the-key", SECRET))
        with pytest.raises(PassKitError, match="cannot reach") as caught:
            await passkit.call("PUT", "/x", {})
        await passkit.close()
    assert (caught.value.kind, caught.value.sent) == ("network", False)


@pytest.mark.parametrize("said", [b"", b"\x00\xff not http\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Len"])
async def test_a_connection_dropped_after_the_request_leaves_a_doubt(said: bytes) -> None:
    error = await failing(lambda _: said, "PUT")
    assert (error.kind, error.sent) == ("network", True)
    assert not (await failing(lambda _: said, "GET")).sent


@pytest.mark.parametrize("body", [b"OK", b"[]", b"\xff", b'{"id": "half'])
async def test_an_answer_that_is_no_object(body: bytes) -> None:
    error = await failing(lambda _: answer(body), "PUT")
    assert (error.kind, error.sent) == ("protocol", True)


async def test_an_empty_answer_is_an_empty_object() -> None:
    async with client(lambda _: answer(b"")) as (passkit, _):
        assert await passkit.call("PUT", "/x", {}) == {}


async def test_a_redirect_is_not_followed() -> None:
    async with client(lambda _: answer(b"", 302, Location="/elsewhere")) as (passkit, server):
        with pytest.raises(PassKitError) as caught:
            await passkit.profile()
    assert caught.value.kind == "protocol"
    assert [request.path for request in server.requests] == ["/user/profile"]


async def test_a_stand_in_here_is_not_looked_for_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with client(lambda _: answer({"username": "ann"})) as (passkit, _):
        assert await passkit.profile() == {"username": "ann"}


async def test_the_pace_is_entered_around_each_request() -> None:
    steps: list[str] = []

    @asynccontextmanager
    async def pace() -> AsyncIterator[None]:
        steps.append("in")
        yield
        steps.append("out")

    async with client(lambda _: steps.append("request") or answer(), pace=pace) as (passkit, _):  # type: ignore[func-returns-value]
        await passkit.profile()
        await passkit.tiers("p")
    assert steps == ["in", "request", "out"] * 2


@pytest.mark.parametrize(
    ("said", "off", "told"),
    [
        ("Token used before issued", -75, "75 s ahead of"),
        ("jwt was issued too long ago", 90, "90 s behind"),
        ("jwt was issued too long ago", 0, "check this machine's clock"),
        ("unauthenticated", 90, "refused the key"),
    ],
)
async def test_a_refused_token_is_explained_by_the_clocks(said: str, off: int, told: str) -> None:
    date = format_datetime(datetime.fromtimestamp(NOW + off, UTC), usegmt=True)

    def script(_: Request) -> bytes:
        return answer({"error": {"code": 16, "message": said}}, 401, Date=date)

    async with client(script, now=lambda: NOW) as (passkit, _):
        with pytest.raises(PassKitError, match=told) as caught:
            await passkit.profile()
        assert passkit.skew_seconds == off
    assert said in caught.value.message


async def listed(passkit: PassKit) -> list[Any]:
    return [row async for row in passkit.stream("/list", {})]


@pytest.mark.parametrize("size", [1, 7, 4096])
async def test_a_list_is_read_line_by_line(size: int) -> None:
    names = ["Ann\u2028Lee", "\x85 \x1c \x0b", "Zoë 🎉", "x" * 500 * size, ""]
    body = rows(*({"name": name} for name in names))
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    async with client(lambda _: chunked(*pieces)) as (passkit, _):
        assert [row["name"] for row in await listed(passkit)] == names


async def test_an_empty_body_is_an_empty_list_and_the_last_line_end_may_be_missing() -> None:
    bodies = iter([b"", b"\n", b'{"result":{"id":"a"}}'])
    async with client(lambda _: answer(next(bodies))) as (passkit, _):
        assert [await listed(passkit) for _ in range(3)] == [[], [], [{"id": "a"}]]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (chunked(rows({"id": "a"}), b'{"error":{"code":14,"message":"gone"}}\n'), "unavailable"),
        (chunked(b'{"error":{"grpc_code":5,"message":"gone"}}\n'), "not_found"),
        (chunked(b'{"error":"gone"}\n'), "server_error"),
        (chunked(b'{"error":7}\n'), "server_error"),
        (chunked(rows({"id": "a"}), ended=False), "cut"),
        (chunked(rows({"id": "a"}), b'{"result":{"id'), "cut"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b'{"result":{"id', "cut"),
        (chunked(b"\xff\xff\n"), "protocol"),
        (chunked(b'{"result":[]}\n'), "protocol"),
        (chunked(b'["result"]\n'), "protocol"),
        (answer({"error": "no"}, 403), "forbidden"),
        (b"", "network"),
    ],
)
async def test_a_list_that_fails_raises(said: bytes, kind: str) -> None:
    async with client(lambda _: said) as (passkit, _):
        with pytest.raises(PassKitError) as caught:
            await listed(passkit)
    assert caught.value.kind == kind
    assert not caught.value.sent


async def test_a_list_that_stops_coming_times_out() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    async with serving(lambda _: head + rows({"id": "a"})) as server:
        passkit = PassKit(Account(server.url, "the-key", SECRET, timeout=0.05))
        with pytest.raises(PassKitError) as caught:
            await listed(passkit)
        await passkit.close()
    assert caught.value.kind == "timeout"


def pager(total: int, most: int = 10_000) -> Script:
    """A list of so many rows that gives at most `most` of them at once."""

    def script(request: Request) -> bytes:
        filters = request.json["filters"]
        end = min(filters["offset"] + min(filters["limit"], most), total)
        return answer(rows(*({"id": str(at)} for at in range(filters["offset"], end))))

    return script


@pytest.mark.parametrize(("total", "most"), [(0, 10), (10, 10), (25, 10), (25, 4)])
async def test_pages_go_on_until_the_list_is_at_its_end(total: int, most: int) -> None:
    async with client(pager(total, most)) as (passkit, server):
        pages = [(at, [row["id"] for row in page]) async for at, page in passkit.members("p", limit=10)]
    assert [row for _, page in pages for row in page] == [str(at) for at in range(total)]
    assert all(page[0] == str(at) for at, page in pages)
    assert server.requests[0].json == {
        "filters": {"limit": 10, "offset": 0, "orderBy": "created", "orderAsc": True}
    }


async def test_pages_resume_at_an_offset() -> None:
    async with client(pager(25)) as (passkit, _):
        assert [at async for at, _ in passkit.members("p", 13, limit=10)] == [13, 23]


async def test_a_server_that_ignores_the_offset_is_found_out() -> None:
    async with client(lambda _: answer(rows({"id": "a"}))) as (passkit, _):
        with pytest.raises(PassKitError, match="same rows"):
            _ = [page async for page in passkit.members("p")]


async def test_a_page_is_repeated_with_growing_waits_and_comes_out_whole() -> None:
    faults = iter(
        [
            answer({"error": "busy"}, 503),
            answer({"error": "slow"}, 429, Retry_After="9"),
            chunked(rows({"id": "0"}), ended=False),
            chunked(rows({"id": "0"}), b'{"error":{"code":14}}\n'),
        ]
    )
    page, waits = pager(3), list[float]()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with client(lambda request: next(faults, None) or page(request), sleep=sleep) as (passkit, _):
        assert [row["id"] async for _, page in passkit.members("p") for row in page] == ["0", "1", "2"]
    assert 0.25 <= waits[0] <= 0.375
    assert waits[1] == 9
    assert 1.0 <= waits[2] <= 1.5 < 2.0 <= waits[3] <= 3.0


@pytest.mark.parametrize(("status", "times"), [(503, 5), (400, 1), (401, 1), (404, 1)])
async def test_a_page_is_given_up_after_five_tries_or_at_once(status: int, times: int) -> None:
    async def sleep(_: float) -> None:
        return None

    async with client(lambda _: answer({"code": 1, "message": "no"}, status), sleep=sleep) as (
        passkit,
        server,
    ):
        with pytest.raises(PassKitError):
            await passkit.programs()
    assert len(server.requests) == times


async def test_the_nouns_speak_passkits_paths_and_bodies() -> None:
    async with client(lambda r: answer({"total": 3} if "count" in r.path else rows())) as (passkit, server):
        index = {"carrierCode": "YY", "flightNumber": "1", "sequenceNumber": 7}
        await passkit.programs()
        await passkit.tiers("p")
        assert await passkit.count_members("p/../q") == 3
        await passkit.member("m")
        await passkit.campaigns()
        await passkit.offers("c")
        assert await passkit.count_coupons("c") == 3
        await passkit.coupon("k")
        await passkit.productions()
        await passkit.ticket_types("e")
        assert await passkit.count_tickets("e") == 3
        await passkit.ticket("t")
        await passkit.boarding_record({}, "b")
        await passkit.boarding_record({"ticketNumber": "123", "ticketLeg": 1, "boardingPoint": "ZRH"} | index)
        await passkit.boarding_record(index)
    every = {"limit": -1}
    assert [(r.method, r.path, json.loads(r.body or b"null")) for r in server.requests] == [
        ("POST", "/members/programs/list", every),
        ("POST", "/members/tiers/list", {"programId": "p", "filters": every}),
        ("POST", "/members/count/p%2F..%2Fq", {"filters": {}}),
        ("GET", "/members/member/id/m", None),
        ("POST", "/coupon/singleUse/campaigns/list", every),
        ("POST", "/coupon/singleUse/offers/list", {"campaignId": "c", "filters": every}),
        ("POST", "/coupon/singleUse/coupons/count/c", {"filters": {}}),
        ("GET", "/coupon/singleUse/coupon/k", None),
        ("POST", "/eventTickets/productions", every),
        ("POST", "/eventTickets/ticketTypes/e", {"filters": every}),
        ("POST", "/eventTickets/tickets/count", {"productionId": "e", "filters": {}}),
        ("GET", "/eventTickets/ticket/id/t", None),
        ("POST", "/flights/boardingRecord", {"passId": {"id": "b"}}),
        (
            "POST",
            "/flights/boardingRecord",
            {"ticketNumber": {"ticketNumber": "123", "ticketLeg": 1, "boardingPoint": "ZRH"}},
        ),
        ("POST", "/flights/boardingRecord", {"index": index}),
    ]


@pytest.mark.parametrize("total", ["3", -1, True, None, 1.5])
async def test_a_count_that_is_no_count(total: Any) -> None:
    async with client(lambda _: answer({"total": total})) as (passkit, _):
        with pytest.raises(PassKitError, match="total"):
            await passkit.count_members("p")


@pytest.mark.parametrize("found", [{"template": {"id": "t"}, "Name": "x"}, {"id": "t"}])
async def test_a_template_comes_wrapped_or_bare(found: Any) -> None:
    async with client(lambda _: answer(found)) as (passkit, _):
        assert await passkit.template("t") == {"id": "t"}


async def test_all_404_hints_at_the_other_region() -> None:
    def wrong_region(request: Request) -> bytes:
        return (
            answer({})
            if request.path == "/user/profile"
            else answer({"code": 5, "message": "Not Found"}, 404)
        )

    async with client(wrong_region) as (passkit, _):
        hint = await passkit.region_hint()
    assert hint is not None
    assert "region" in hint
    async with client(lambda _: answer(rows({"id": "p"}))) as (passkit, _):
        assert await passkit.region_hint() is None


async def test_the_key_never_travels_readably_beyond_its_token() -> None:
    async with client(lambda _: answer({})) as (passkit, server):
        await passkit.profile()
    [request] = server.requests
    sent = json.dumps({name: value for name, value in request.headers.items() if name != "authorization"})
    claims = base64.urlsafe_b64decode(request.headers["authorization"].split(".")[1] + "==")
    assert SECRET not in sent
    assert SECRET.encode() not in claims
