from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.rehearsal.conftest import Client, signed


def profile(passkit: Client) -> httpx.Response:
    return passkit.call("GET", "/user/profile")


@pytest.mark.parametrize(
    ("fault", "status"), [("unavailable", 503), ("throttled", 429), ("server_error", 500)]
)
def test_always(passkit: Client, fault: str, status: int) -> None:
    passkit.faults(**{fault: 1.0, "retry_after": 7})
    answer = profile(passkit)
    assert answer.status_code == status
    assert answer.headers.get("retry-after") == ("7" if status == 429 else None)
    passkit.faults()
    assert profile(passkit).status_code == 200


def test_rates_are_kept(passkit: Client) -> None:
    passkit.faults(unavailable=0.3, throttled=0.2, retry_after=0)
    for _ in range(400):
        profile(passkit)
    by_status = passkit.control("GET", "stats")["by_status"]
    assert sum(by_status.values()) == 400
    assert 80 < by_status["503"] < 160
    assert 45 < by_status["429"] < 120


def test_hang(passkit: Client) -> None:
    passkit.faults(hang=1)
    with pytest.raises(httpx.ReadTimeout):
        passkit.call("GET", "/user/profile", timeout=0.1)
    passkit.faults()
    assert profile(passkit).status_code == 200
    assert passkit.control("GET", "stats")["by_status"] == {"200": 1, "hung": 1}


def test_drop_half_of_them_after_the_change(passkit: Client) -> None:
    passkit.faults(drop=1)
    members = [entry for entry in passkit.world.passes.values() if entry.kind.name == "member"][:60]
    for member in members:
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            passkit.call("PUT", "/members/member", {"id": member.id, "metaData": {"latestOffer": "Hallo"}})
    stats = passkit.control("GET", "stats")
    assert stats["by_status"] == {"dropped": 60}
    assert 15 < stats["changed_passes"] < 45


def test_latency(passkit: Client) -> None:
    passkit.faults(latency_ms=80, jitter_ms=20)
    assert 0.08 <= profile(passkit).elapsed.total_seconds() < 2


def test_revoked_and_wrong_region(passkit: Client) -> None:
    passkit.faults(revoked=True, wrong_region=True)
    assert profile(passkit).status_code == 401
    passkit.faults(wrong_region=True)
    assert passkit.call("GET", "/user/profile", token="x.y.z").status_code == 401
    for answer in (
        profile(passkit),
        passkit.call("POST", "/members/programs/list", {}),
        passkit.call("PUT", "/members/member", {"id": passkit.pick().id}),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, 5)


def test_stream_error_under_200(passkit: Client) -> None:
    passkit.faults(stream_error=1)
    path = f"/members/member/list/{passkit.program}"
    answer = passkit.call("POST", path, {"filters": {"limit": -1}})
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert answer.status_code == 200
    assert 1 < len(lines) < 400
    assert all("result" in line for line in lines[:-1])
    assert lines[-1]["error"]["code"] == 13
    assert profile(passkit).status_code == 200


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"rain": 1}, "rain"),
        ({"drop": 1.5}, "drop"),
        ({"drop": -1}, "drop"),
        ({"drop": True}, "drop"),
        ({"revoked": 1}, "revoked"),
        ({"retry_after": 0.5}, "retry_after"),
        ({"latency_ms": "long"}, "latency_ms"),
        ({"drop": 0.6, "hang": 0.6}, "together"),
        ([], "object"),
    ],
)
def test_wrong_settings_change_nothing(passkit: Client, settings: Any, word: str) -> None:
    passkit.faults(unavailable=0.25)
    answer = passkit.http.put("/_rehearsal/faults", json=settings)
    assert answer.status_code == 400
    assert word in answer.json()["error"]
    assert passkit.control("GET", "faults")["unavailable"] == 0.25


def test_control_is_never_struck(passkit: Client) -> None:
    passkit.faults(drop=0.5, hang=0.5, revoked=True)
    assert passkit.control("GET", "stats")["requests"] == 0


def test_a_429_may_come_without_a_word_of_how_long(passkit: Client) -> None:
    passkit.faults(throttled=1, retry_after=None)
    answer = profile(passkit)
    assert answer.status_code == 429
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize(("fault", "half"), [("hang_headers", 0), ("hang_body", 1)])
def test_an_answer_that_stops_after_its_headers_or_in_its_body(
    passkit: Client, fault: str, half: int
) -> None:
    entry = passkit.pick()
    passkit.faults(**{fault: 1})
    body = json.dumps({"id": entry.id, "metaData": {"latestOffer": "Hallo"}}).encode()
    headers = {"authorization": signed()}
    with passkit.http.stream("PUT", "/members/member", content=body, headers=headers, timeout=0.3) as answer:
        assert answer.status_code == 200
        assert int(answer.headers["content-length"]) > 10
        seen: list[bytes] = []
        with pytest.raises(httpx.ReadTimeout):
            seen.extend(answer.iter_raw())
    assert len(seen) == half
    stats = passkit.control("GET", "stats")
    assert (stats["changed_passes"], stats["by_status"]) == (1, {"hung": 1})


def test_a_spent_quota_refuses_writes_and_flags_programs(passkit: Client) -> None:
    entry = passkit.pick()
    passkit.faults(quota_spent=True)
    answer = passkit.call("PUT", "/members/member", {"id": entry.id, "metaData": {"latestOffer": "Hallo"}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, 8)
    assert "retry-after" not in answer.headers
    for path in (
        f"/members/program/{passkit.program}",
        f"/coupon/singleUse/campaign/{passkit.campaign}",
        f"/eventTickets/production/{passkit.production}",
    ):
        assert "PROJECT_OVER_QUOTA" in passkit.call("GET", path).json()["status"]
    assert profile(passkit).status_code == 200
    assert passkit.control("GET", "stats")["changed_passes"] == 0
    passkit.faults()
    passkit.put("/members/member", {"id": entry.id, "metaData": {"latestOffer": "Hallo"}})
    assert "PROJECT_OVER_QUOTA" not in passkit.rows("/members/programs/list", {})[0]["status"]
