"""What hostile callers meet: limits of rate, size and time, and answers that tell nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobs.rehearsal.authority import PASS_TYPE
from store import devices
from tests.web.conftest import Web, opened
from tests.web.seed import seed
from web import limits
from web.limits import Limit, address

LIST = f"/v1/devices/phone/registrations/{PASS_TYPE}"


@example([(0.0, "a"), (0.0, "a")], 1)
@given(st.lists(st.tuples(st.floats(0, 40), st.sampled_from("abc")), max_size=120), st.integers(1, 5))
def test_no_minute_has_many_more_than_the_limit(steps: list[tuple[float, str]], most: int) -> None:
    """The window is an estimate from two counts: never more than twice the limit in any minute, and a
    caller that waits as long as it was told is let in."""
    at = 0.0
    limit = Limit(most, clock=lambda: at)
    let_in: dict[str, list[float]] = {"a": [], "b": [], "c": []}
    for seconds, caller in steps:
        at += seconds
        wait = limit.wait(caller)
        if wait is None:
            let_in[caller].append(at)
            assert len([one for one in let_in[caller] if one > at - 60]) <= 2 * most
        else:
            assert 1 <= wait <= 61
            before = at
            at += wait
            assert limit.wait(caller) is None
            let_in[caller].append(at)
            at = max(at, before)


def test_a_limit_remembers_so_many_callers_and_no_more() -> None:
    limit = Limit(1, kept=10, clock=lambda: 0.0)
    for number in range(1_000):
        assert limit.wait(str(number)) is None
        assert len(limit._now) + len(limit._before) <= 20
    assert limit.wait("999") is not None


@pytest.mark.parametrize(
    ("client", "forwarded", "behind_proxy", "expected"),
    [
        ("192.0.2.1", "198.51.100.9", False, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.9", True, "198.51.100.9"),
        ("192.0.2.1", "10.0.0.1, forged, 198.51.100.9", True, "198.51.100.9"),
        ("192.0.2.1", "nonsense\x1b[2J", True, "unknown"),
        ("192.0.2.1", None, True, "192.0.2.1"),
        ("2001:db8::1:2:3:4", None, False, "2001:db8::/64"),
        ("::ffff:192.0.2.1", None, False, "192.0.2.1"),
    ],
)
def test_whose_request_it_is(client: str, forwarded: str | None, behind_proxy: bool, expected: str) -> None:
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    assert address({"client": (client, 1), "headers": headers}, behind_proxy=behind_proxy) == expected


def test_too_many_requests_are_429_with_the_time_to_wait(current_sqlite_url: str, home: Path) -> None:
    limited = {"web__address_per_minute": 5, "web__device_per_minute": 2, "web__behind_proxy": True}
    web = opened(current_sqlite_url, home, **limited)
    seed(web.database, 1)

    def ask(device: str, caller: str) -> tuple[int, bool]:
        path = f"/v1/devices/{device}/registrations/{PASS_TYPE}"
        got = web("GET", path, headers={"x-forwarded-for": f"8.8.8.8, {caller}"})
        return got.status_code, 1 <= int(got.headers.get("retry-after", 0)) <= 60

    one = "198.51.100.1"
    assert [ask("phone", one) for _ in range(3)] == [(204, False), (204, False), (429, True)]
    assert [ask(f"phone {number}", one)[0] for number in range(3)] == [204, 204, 429]
    assert ask("tablet", "198.51.100.2")[0] == 204
    # Who has not shown the pass's token uses up nobody's limit but his own.
    path, wrong = f"/v1/passes/{PASS_TYPE}/S00000000", {"authorization": "ApplePass wrong"}
    for number in range(4):
        assert web("GET", path, headers=wrong | {"x-forwarded-for": f"203.0.113.{number}"}).status_code == 401
    right = {"authorization": f"ApplePass token-{0:026}", "x-forwarded-for": "203.0.113.9"}
    assert web("GET", path, headers=right).status_code == 200
    web.close()


def test_every_answer_carries_what_keeps_browsers_from_harm(web: Web) -> None:
    for path in (LIST, "/nothing", "/v1/log", f"/v1/passes/{PASS_TYPE}/x"):
        got = web("GET", path)
        for name, value in limits.SAFE:
            assert got.headers[name.decode()] == value.decode()
        assert "server" not in got.headers


def test_a_body_that_is_too_large_is_413_however_it_comes(web: Web) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b"x" * 8 * 1024

    for content in (b"x" * (limits.BODY_BYTES + 1), chunks()):
        assert web("POST", "/v1/log", content=content).status_code == 413
    assert web("POST", "/v1/log", headers={"content-length": "9" * 30}).status_code == 413
    assert web("POST", "/v1/log", content=b"[" + b" " * (limits.BODY_BYTES - 2) + b"]").status_code == 400


def test_a_body_that_does_not_come_is_408(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.01)
    sent: list[dict[str, Any]] = []

    async def never() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/log", "raw_path": b"/v1/log", "headers": []}
    scope |= {"query_string": b"", "client": ("192.0.2.1", 1), "http_version": "1.1", "scheme": "https"}
    web.runner.run(web.app(scope, never, send))
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


def test_a_body_with_two_lengths_is_refused(web: Web) -> None:
    twice = [("content-length", "2"), ("transfer-encoding", "chunked")]
    got = web("POST", "/v1/log", headers=twice, content=b"{}")
    assert (got.status_code, got.headers["connection"]) == (400, "close")


def test_headers_that_are_too_large_are_431(web: Web) -> None:
    assert web("GET", LIST, headers={"x": "y" * 10_000}).status_code == 204
    assert web("GET", LIST, headers={"x": "y" * limits.HEADER_BYTES}).status_code == 431


def test_a_store_that_is_away_is_503_and_a_fault_is_500_and_neither_says_more(
    current_sqlite_url: str, home: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = opened(current_sqlite_url, home)
    seed(web.database, 1)

    def broken(*_: object) -> None:
        raise RuntimeError("secret words")

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(devices, "_held", broken)
        got = web("GET", LIST)
    assert (got.status_code, got.json()) == (500, {"error": "something went wrong here"})
    assert "secret words" in caplog.text
    file = Path(current_sqlite_url.removeprefix("sqlite:///"))
    file.write_bytes(b"no database" * 1000)
    for log in file.parent.glob("passbell.db-*"):
        log.unlink()
    got = web("GET", LIST)
    assert (got.status_code, got.headers["retry-after"]) == (503, "10")
    assert got.json() == {"error": "not available at the moment"}
    web.close()
