"""The intake of events: signed, once each, wholly or not at all, whatever is sent."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.events import take_in
from jobs.intake.events import read
from jobs.rehearsal.authority import Authority
from store import audit
from store.errors import UsageError
from store.programs import Program
from store.schema import issued, passes, pushes_due
from store.times import rfc3339
from tests.web.callers import EVENTS_SECRET, Web, add_passkit, enrol, open_web, own_program

NOW = datetime.now(UTC)
one_store = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def web(current_url: str, tmp_path: Path, authority: Authority) -> Iterator[Web]:
    web = open_web(current_url, tmp_path, authority)
    yield web
    web.close()


@pytest.fixture
def cafe(web: Web, tmp_path: Path) -> Program:
    return own_program(web, tmp_path)


def event(id_: str, type_: str, external_id: str | None = "M1", **more: Any) -> dict[str, Any]:
    found = {"id": id_, "type": type_, "program": "Café Linden", "external_id": external_id}
    return {**found, "at": rfc3339(NOW), **more}


def told(web: Web, *documents: Any) -> tuple[int, list[tuple[str | None, str]]]:
    answer = web.tell(json.dumps(documents[0] if len(documents) == 1 else documents).encode())
    return answer.status_code, [(one["id"], one["status"]) for one in answer.json()["events"]]


def details(web: Web, *documents: Any) -> list[str]:
    answer = web.tell(json.dumps(documents).encode())
    return [one.get("detail", "") for one in answer.json()["events"]]


def tags(web: Web) -> list[int]:
    with web.database.read() as connection:
        return list(connection.scalars(sa.select(issued.c.tag).order_by(issued.c.pass_id)))


def test_a_life_told_by_events(web: Web, cafe: Program) -> None:
    given_ = {"name": "Zoë", "points": 3, "attributes": {"table": 7}}
    assert told(
        web,
        event("e1", "pass.created", data=given_),
        event("e2", "pass.balance_changed", data={"points": 12.5}),
        event("e3", "pass.updated", data={"tier_id": "gold", "attributes": {"table": None, "cup": "big"}}),
        event("e4", "till.visited", data={"shop": "Linden ☕"}),
        event("e5", "pass.redeemed"),
    ) == (200, [(f"e{number}", "taken") for number in range(1, 6)])
    member = web.member(cafe.id, "M1")
    assert (member.name, member.points, member.tier_id, member.attributes) == (
        "Zoë",
        12.5,
        "gold",
        {"cup": "big"},
    )
    assert {one.channel for one in member.passes} == {"apple", "google"}
    assert [one.kind for one in web.life(cafe.id, "M1")] == [
        *("created", "created", "balance_changed", "balance_changed", "updated", "updated"),
        *("till.visited", "till.visited", "redeemed", "redeemed"),
    ]
    assert web.life(cafe.id, "M1")[6].details == {"id": "e4", "data": {"shop": "Linden ☕"}}
    with web.database.read() as connection:
        assert audit.verify(connection)[1] is None
        acts = [entry.act for entry in audit.page(connection)]
    assert acts.count("events.take") == 2


def test_twice_is_once(web: Web, cafe: Program) -> None:
    enrol(web, cafe, "M1")
    body = json.dumps([event("e1", "pass.balance_changed", data={"points": 9})] * 2).encode()
    assert [one["status"] for one in web.tell(body).json()["events"]] == ["taken", "duplicate"]
    assert [one["status"] for one in web.tell(body).json()["events"]] == ["duplicate", "duplicate"]
    assert [one.kind for one in web.life(cafe.id, "M1")].count("balance_changed") == 2  # one for each pass


def test_the_same_event_from_several_at_once_is_taken_once(web: Web, cafe: Program) -> None:
    enrol(web, cafe, "M1")
    enrol(web, cafe, "M2")
    batch = [
        event(f"e{number}-{external_id}", "pass.balance_changed", external_id, data={"points": number})
        for number in range(3)
        for external_id in ("M1", "M2")
    ]

    def tell(number: int) -> list[str]:
        mine = batch if number % 2 else batch[::-1]  # crosswise: nobody may wait for the other for ever
        return [one.status for one in take_in(web.database, web.settings, mine, at=NOW)]

    with ThreadPoolExecutor(4) as pool:
        statuses = [status for told in pool.map(tell, range(4)) for status in told]
    assert statuses.count("taken") == len(batch)
    assert set(statuses) == {"taken", "duplicate"}
    assert [one.kind for one in web.life(cafe.id, "M1")].count("balance_changed") == 2 * 3


def test_changes_reach_the_phones(web: Web, cafe: Program) -> None:
    enrol(web, cafe, "M1")
    with web.database.write() as connection:
        connection.execute(passes.update().where(passes.c.channel == "apple").values(status="installed"))
        connection.execute(issued.update().values(placed_at=NOW))
    before = tags(web)
    assert told(web, event("e1", "till.visited"))[0] == 200
    assert tags(web) == before, "nothing that a pass shows has changed"
    assert told(web, event("e2", "pass.balance_changed", data={"points": 10}))[0] == 200
    assert min(tags(web)) > max(before)
    with web.database.read() as connection:
        # Its phones are to be told, and Google.
        assert connection.scalar(sa.select(sa.func.count()).select_from(pushes_due)) == 2
        placed = sa.select(issued.c.placed_at).join(passes, passes.c.id == issued.c.pass_id)
        assert list(connection.scalars(placed.where(passes.c.channel == "google"))) == [None]


def test_the_later_balance_stays(web: Web, cafe: Program) -> None:
    enrol(web, cafe, "M1")
    earlier = rfc3339(NOW - timedelta(minutes=1))
    told(web, event("e2", "pass.balance_changed", data={"points": 20}))
    late = event("e1", "pass.balance_changed", data={"points": 10}, at=earlier)
    assert details(web, late) == ["a later balance is known: it stays"]
    assert web.member(cafe.id, "M1").points == 20


def test_a_coupon_is_redeemed_once(web: Web, tmp_path: Path) -> None:
    program = own_program(web, tmp_path, "Two for one", kind="coupon")
    enrol(web, program, "M1")
    first, second = (event(id_, "pass.redeemed", program="Two for one") for id_ in ("e1", "e2"))
    assert told(web, first) == (200, [("e1", "taken")])
    assert told(web, second) == (422, [("e2", "refused")])
    member = web.member(program.id, "M1")
    assert member.status == "REDEEMED"
    assert {one.status for one in member.passes} == {"invalidated"}
    both = [event("e3", "pass.redeemed", "M2", program="Two for one"), {**first, "id": "e4"}]
    enrol(web, program, "M2")
    assert told(web, *both, {**both[0], "id": "e5"}) == (
        207,
        [("e3", "taken"), ("e4", "refused"), ("e5", "refused")],
    )


def test_what_is_refused_leaves_nothing(web: Web, cafe: Program) -> None:
    add_passkit(web)
    enrol(web, cafe, "M1")
    serial = web.member(cafe.id, "M1").passes[0].provider_id
    by_serial = {"external_id": None, "program": None, "serial": serial}
    assert told(web, event("e1", "till.visited", **by_serial)) == (200, [("e1", "taken")])
    wrong = [
        event("e2", "till.visited", "nobody"),
        event("e3", "pass.created", "M9", program="Kaffee"),
        event("e4", "pass.balance_changed", data={"points": 1}, program="no such"),
        event("e5", "till.visited", **{**by_serial, "serial": "other"}),
        event("e6", "till.visited", **{**by_serial, "program": "Kaffee"}),
        {"id": "e7"},
        7,
    ]
    assert told(web, *wrong, event("e8", "till.visited")) == (
        207,
        [*((f"e{number}", "refused") for number in range(2, 8)), (None, "refused"), ("e8", "taken")],
    )
    # None of them was heard: put right, each is taken.
    assert told(web, event("e2", "till.visited")) == (200, [("e2", "taken")])
    assert "PassKit's" in details(web, wrong[1])[0]


@one_store
def test_who_may_tell(web: Web, cafe: Program) -> None:
    enrol(web, cafe, "M1")
    body = json.dumps(event("e1", "till.visited")).encode()
    assert web.call("POST", "/v1/events", body=body).status_code == 401
    assert web.tell(body, secret="another").status_code == 401
    assert web.tell(body, at=time.time() - 301).status_code == 401
    assert web.tell(body, at=time.time() + 302).status_code == 401
    for signature in ("sha256=" + "0" * 64, "sha256=", "sha256=é", "0" * 64, "sha256=" + "0" * 65):
        headers = {"X-Passbell-Timestamp": str(int(time.time())), "X-Passbell-Signature": signature}
        if signature.isascii():
            assert web.call("POST", "/v1/events", body=body, headers=headers).status_code == 401
    for timestamp in ("", "-1", "1e9", "9" * 40, " 1"):
        headers = {"X-Passbell-Timestamp": timestamp, "X-Passbell-Signature": "sha256=" + "0" * 64}
        assert web.call("POST", "/v1/events", body=body, headers=headers).status_code == 401
    assert web.life(cafe.id, "M1")[2:] == []
    assert web.call("GET", "/v1/events").status_code == 405


@one_store
def test_bodies_that_cannot_be(web: Web, cafe: Program) -> None:
    for body in (b"", b"[]", b"{", b"\xff", b"[" * 60_000, b"NaN", json.dumps([{}] * 101).encode()):
        assert web.tell(body).status_code == 400, body[:20]
    assert web.tell(b" " * 70_000).status_code == 413
    assert web.tell(b'"text"').status_code == 422


@one_store
def test_without_a_secret_nothing_is_taken(current_url: str, tmp_path: Path, authority: Authority) -> None:
    web = open_web(current_url, tmp_path, authority, **{"web.events_secret": ""})
    assert web.tell(b"{}", secret="").status_code == 404
    web.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": ""},
        {"id": "a b"},
        {"id": "x" * 129},
        {"type": "pass.other"},
        {"type": "word"},
        {"type": "Till.visited"},
        {"at": "2026-11-21"},
        {"at": "2026-11-21T12:00:00"},
        {"at": "2026-13-21T12:00:00Z"},
        {"at": rfc3339(NOW + timedelta(minutes=6))},
        {"at": rfc3339(NOW - timedelta(days=8))},
        {"external_id": None},
        {"external_id": "a\0"},
        {"external_id": "\ud800"},
        {"serial": "s"},
        {"program": None},
        {"unknown": 1},
        {"data": []},
        {"data": {"a": "\0"}},
        {"data": {"\ud800": 1}},
        {"data": {"a": 1e999}},
        {"data": {"a": 2**64}},
        {"data": {"a": "x" * 9000}},
        {"type": "pass.balance_changed", "data": {}},
        {"type": "pass.balance_changed", "data": {"points": "5"}},
        {"type": "pass.balance_changed", "data": {"points": True}},
        {"type": "pass.balance_changed", "data": {"points": 5, "name": "x"}},
        {"type": "pass.updated", "data": {}},
        {"type": "pass.updated", "data": {"name": ""}},
        {"type": "pass.updated", "data": {"opted_out": True}},
        {"type": "pass.updated", "data": {"birthday": "soon"}},
        {"type": "pass.updated", "data": {"time_zone": "Nowhere"}},
        {"type": "pass.updated", "data": {"locale": "not a language"}},
        {"type": "pass.updated", "data": {"tier_points": 1.5}},
        {"type": "pass.updated", "data": {"attributes": {"points": 1}}},
        {"type": "pass.updated", "data": {"attributes": {"a": []}}},
        {"type": "pass.updated", "data": {"attributes": {"\x1b[2J": 1}}},
    ],
)
def test_events_that_cannot_be(wrong: dict[str, Any]) -> None:
    right = event("e1", "till.visited")
    assert read(right, at=NOW).external_id == "M1"
    with pytest.raises(UsageError):
        read({**right, **wrong}, at=NOW)


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.sampled_from(["id", "type", "program", "external_id", "serial", "at", "data", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    )
)
def test_any_document_is_read_or_refused(document: dict[str, Any]) -> None:
    try:
        read(event("e1", "pass.updated", data={"name": "Ann"}) | document, at=NOW)
    except UsageError:
        return


@one_store
def test_the_example_of_the_documentation_works(web: Web, tmp_path: Path) -> None:
    """The shell's lines of docs/events.md, up to the signature; what they sign is told here."""
    program = own_program(web, tmp_path, "club")
    enrol(web, program, "M-0001")
    text = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
    found = re.search(r"```sh\n(.*?)\ncurl ", text, re.DOTALL)
    assert found is not None
    lines = found[1].replace("YOUR_SECRET", EVENTS_SECRET)
    script = lines + '\nprintf "%s\\n%s\\n%s" "$timestamp" "$signature" "$body"'
    shell = subprocess.run(
        ["sh", "-eu", "-c", script], capture_output=True, text=True, check=True, env={**os.environ}
    )
    timestamp, signature, body = shell.stdout.split("\n", 2)
    headers = {"X-Passbell-Timestamp": timestamp, "X-Passbell-Signature": f"sha256={signature}"}
    answer = web.call("POST", "/v1/events", body=body.encode(), headers=headers)
    assert (answer.status_code, answer.json()["events"][0]["status"]) == (200, "taken"), answer.text
    assert web.member(program.id, "M-0001").points == 120
