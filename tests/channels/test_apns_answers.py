"""What each answer of APNs means, and answers that are none of Apple's."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.channels.apns import Answer, outcome
from jobs.channels.apns.line import read_answer, read_body
from jobs.channels.base import Outcome
from jobs.rehearsal.apns import STATUS

GONE = {"BadDeviceToken", "DeviceTokenNotForTopic", "Unregistered", "ExpiredToken"}
LATER = {"TooManyRequests", "IdleTimeout", "Shutdown", "InternalServerError", "ServiceUnavailable"}
THROTTLED = {"TooManyProviderTokenUpdates"}


@pytest.mark.parametrize("reason", STATUS)
def test_every_reason_that_apple_lists_has_its_outcome(reason: str) -> None:
    result = outcome(Answer(STATUS[reason], reason))
    if reason in GONE:
        assert (result.outcome, result.account) == (Outcome.GONE, False)
    elif reason in LATER:
        assert (result.outcome, result.account) == (Outcome.LATER, False)
    elif reason in THROTTLED:
        assert (result.outcome, result.account) == (Outcome.THROTTLED, True)
        assert result.wait is not None
    else:  # the configuration or passbell is wrong: the job stops
        assert (result.outcome, result.account) == (Outcome.REFUSED, True)
    assert result.code == f"HTTP {STATUS[reason]} / {reason}"
    assert result.reason.replace("_", "") == reason.lower()
    assert result.detail


def test_too_many_pushes_to_one_device_make_only_that_one_wait() -> None:
    result = outcome(Answer(429, "TooManyRequests"))
    assert (result.outcome, result.reason) == (Outcome.LATER, "too_many_requests")
    assert result.wait is not None
    assert result.wait >= 1


@pytest.mark.parametrize(
    ("answer", "expected", "reason", "account"),
    [
        (Answer(200), Outcome.ACCEPTED, "", False),
        (Answer(200, apns_id="x"), Outcome.ACCEPTED, "", False),
        (Answer(410), Outcome.GONE, "unregistered", False),
        (Answer(429), Outcome.LATER, "too_many_requests", False),
        (Answer(500), Outcome.LATER, "http_500", False),
        (Answer(502), Outcome.LATER, "http_502", False),
        (Answer(503), Outcome.LATER, "http_503", False),
        (Answer(403), Outcome.REFUSED, "http_403", True),
        (Answer(404), Outcome.REFUSED, "http_404", True),
        (Answer(405), Outcome.REFUSED, "http_405", True),
        (Answer(413), Outcome.REFUSED, "http_413", True),
        (Answer(400), Outcome.REFUSED, "http_400", False),
        (Answer(400, "SomethingNew"), Outcome.REFUSED, "something_new", False),
        (Answer(302), Outcome.REFUSED, "http_302", False),
        (Answer(400, "\x1b[2J \u202e<b>"), Outcome.REFUSED, "http_400", False),
    ],
)
def test_answers_without_a_known_reason_go_by_their_status(
    answer: Answer, expected: Outcome, reason: str, account: bool
) -> None:
    result = outcome(answer)
    assert (result.outcome, result.reason, result.account) == (expected, reason, account)
    assert "\x1b" not in result.code + result.detail
    assert "\u202e" not in result.code + result.detail


def test_the_time_of_a_dead_token_is_in_milliseconds() -> None:
    body = json.dumps({"reason": "Unregistered", "timestamp": 1_790_000_000_250}).encode()
    answer = read_answer(410, "id", body)
    assert answer.timestamp == datetime(2026, 9, 21, 14, 13, 20, 250_000, UTC)


@pytest.mark.parametrize("stamp", [None, True, "1790000000000", 10**30, -(10**30), 1e308, [], {}])
def test_a_time_that_is_none_is_left_out(stamp: object) -> None:
    body = json.dumps({"reason": "Unregistered", "timestamp": stamp}).encode()
    assert read_body(body) == ("Unregistered", None)


@given(st.binary(max_size=200) | st.builds(lambda depth: b"[" * depth, st.just(100_000)))
def test_no_body_breaks_the_reader(body: bytes) -> None:
    reason, _ = read_body(body)
    assert len(reason) <= 100


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from(["reason", "timestamp", "x"]),
        st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.lists(st.integers()),
    )
)
def test_no_object_breaks_the_reader(said: dict[str, object]) -> None:
    reason, timestamp = read_body(json.dumps(said).encode())
    assert reason == (said["reason"][:100] if isinstance(said.get("reason"), str) else "")  # type: ignore[index]
    assert timestamp is None or timestamp.tzinfo is UTC
