from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import jwt
import pytest

from jobs.rehearsal import REHEARSAL_KEY, REHEARSAL_SECRET
from tests.rehearsal.conftest import Client, signed


def profile(passkit: Client, token: str) -> tuple[int, str]:
    answer = passkit.call("GET", "/user/profile", token=token)
    return answer.status_code, answer.json().get("error", "")


def test_bare_and_bearer(passkit: Client) -> None:
    assert profile(passkit, signed()) == (200, "")
    assert profile(passkit, f"Bearer {signed()}") == (200, "")


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (lambda: signed(age=60, life=600), "jwt was issued too long ago"),
        (lambda: signed(age=-5), "Token used before issued"),
        (lambda: signed(age=20, life=15), "Token is expired"),
        (lambda: signed(uid="somebody"), "unknown api key"),
        (lambda: signed(uid=None), "unknown api key"),
        (lambda: signed(iat=None), "token lacks iat"),
        (lambda: signed(exp=None), "token lacks exp"),
        (lambda: signed(iat="soon"), "token lacks iat"),
        (lambda: signed(secret="another secret, long enough for its use"), "signature is invalid"),
        (lambda: jwt.encode({"uid": REHEARSAL_KEY}, REHEARSAL_SECRET, "HS384"), "unexpected signing method"),
        (lambda: jwt.encode({}, REHEARSAL_SECRET, "HS256", {"typ": None}), "unexpected signing method"),
        (lambda: "PKAuth abc", "token contains an invalid number of segments"),
        (lambda: "a.b.c", "token is malformed"),
        (lambda: "W10.W10.c", "token is malformed"),
        (lambda: "", "missing authorization token"),
    ],
)
@pytest.mark.filterwarnings("ignore:The HMAC key")
def test_refused_tokens(passkit: Client, token: Callable[[], str], words: str) -> None:
    assert profile(passkit, token()) == (401, words)


def test_no_header_at_all(passkit: Client) -> None:
    answer = passkit.http.get("/user/profile")
    assert (answer.status_code, answer.json()) == (401, {"error": "missing authorization token"})


def test_date_shows_the_clock_that_judges(rehearse: Callable[..., Client]) -> None:
    slow = rehearse(clock=lambda: time.time() - 300)
    answer = slow.call("GET", "/user/profile")
    assert answer.json() == {"error": "Token used before issued"}
    assert len(answer.headers.get_list("date")) == 1
    date = parsedate_to_datetime(answer.headers["date"]).timestamp()
    assert abs(date - (time.time() - 300)) < 5
