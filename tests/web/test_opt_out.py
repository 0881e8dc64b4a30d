"""The opt-out page: looking does nothing, a POST withdraws, and the holder may take it back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from jobs import consents as verbs
from jobs.rehearsal.authority import Authority
from store import consents, enrolments, opt_outs, programs
from store.consents import Said
from store.programs import Program
from store.times import now
from tests.store.test_members import holder
from tests.web.callers import Web, open_web

one_store = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
HOSTILE = "<script>alert(1)</script>\u202e\x1b[2J&\"'"


@pytest.fixture
def web(current_url: str, tmp_path: Path, authority: Authority) -> Iterator[Web]:
    web = open_web(current_url, tmp_path, authority)
    with web.database.write() as connection:
        for id_, name, issuer in (("p1", HOSTILE, "passkit"), ("own", "Linden", "passbell")):
            program = Program(id_, "rehearsal", "membership", name, issuer=issuer)
            programs.upsert_program(connection, program)
            page = [enrolments.storable(holder(number, name="Secret Name")) for number in (1, 2)]
            enrolments.upsert_page(connection, id_, page, message_key="news", seen_at=now())
    yield web
    web.close()


def token(web: Web, program_id: str = "p1", **more: timedelta) -> str:
    at = now() - more.get("ago", timedelta())
    return verbs.make_token(web.database, web.settings, program_id, "M-0001", at=at)


def said(web: Web, program_id: str = "p1") -> list[tuple[bool, str, str | None]]:
    member = web.member(program_id, "M-0001")
    with web.database.read() as connection:
        found = consents.history(connection, member.id)
    return [(one.given, one.source, one.ip) for one in reversed(found)]


def test_looking_does_nothing_and_a_post_withdraws(web: Web) -> None:
    path = verbs.opt_out_link(web.settings, token(web)).removeprefix("https://passes.example.com")
    for method in ("GET", "HEAD", "GET"):
        assert web.call(method, path).status_code == 200
    assert said(web) == []
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    one_click = web.call(
        "POST", path, body=b"List-Unsubscribe=One-Click", headers=headers, client="192.0.2.7"
    )
    assert one_click.status_code == 200
    assert said(web) == [(False, "token", "192.0.2.7")]
    assert web.call("POST", path).status_code == 200
    assert len(said(web)) == 1, "twice is once"
    with web.database.read() as connection:
        due = opt_outs.state(connection, web.member("p1", "M-0001").id)
    assert due is not None
    assert due["state"] == "waiting"


def test_a_holder_may_change_their_mind(web: Web) -> None:
    path = f"/u/{token(web, 'own')}"
    assert web.call("POST", f"{path}/undo").status_code == 409
    assert said(web, "own") == [], "nobody gives what they did not withdraw"
    page = web.call("POST", path, client="2001:db8::1")
    found = re.search(r'action="([^"]+)"', page.text)
    assert found is not None
    back = web.call("POST", f"/u/{found[1]}")
    assert (back.status_code, "again" in back.text) == (200, True)
    assert web.call("POST", f"{path}/undo").status_code == 200
    assert said(web, "own") == [(False, "token", "2001:db8::"), (True, "token", "127.0.0.1")]
    with web.database.read() as connection:
        assert opt_outs.state(connection, web.member("own", "M-0001").id) is None


def test_a_token_takes_back_nothing_that_was_said_elsewhere(web: Web) -> None:
    elsewhere = Said("marketing", False, "till", now())
    verbs.withdraw(web.database, "p1", "M-0001", elsewhere, actor="ann")
    path = f"/u/{token(web)}"
    page = web.call("GET", path)
    assert "stopped" in page.text
    assert "undo" not in page.text
    assert web.call("POST", f"{path}/undo").status_code == 409
    assert [given for given, _, _ in said(web)] == [False]


@one_store
def test_the_page_tells_nothing_and_runs_nothing(web: Web) -> None:
    page = web.call("GET", f"/u/{token(web)}")
    assert "&lt;script&gt;" in page.text
    assert not re.search(r"<script|\x1b|\u202e|Secret|M-0001|example\.com", page.text)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert "noindex" in page.headers["x-robots-tag"]


@one_store
def test_wrong_tokens(web: Web) -> None:
    old = token(web, ago=timedelta(days=500))
    assert web.call("POST", f"/u/{old}").status_code == 410
    good = token(web)
    for wrong in (good[:-2], good + "a", "x", "a" * 5_000, "%00", "..%2f..%2fetc", "%1b%5b2J"):
        answer = web.call("POST", f"/u/{wrong}")
        assert answer.status_code == 404, wrong
        assert "\x1b" not in answer.text
    for method in ("PUT", "DELETE"):
        assert web.call(method, f"/u/{good}").status_code == 405
    assert said(web) == []


@one_store
def test_the_holder_s_language(web: Web) -> None:
    path = f"/u/{token(web)}"
    german = web.call("GET", path, headers={"Accept-Language": "fr;q=0.9, de-AT, en"})
    assert '<html lang="de">' in german.text
    assert "Keine Nachrichten" in german.text
    assert "Keine" not in web.call("GET", path, headers={"Accept-Language": "xx" * 500}).text
