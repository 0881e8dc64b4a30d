"""Apple's five calls, row by row, and each trap that other servers fell into (facts of the web service)."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from jobs.rehearsal.authority import PASS_TYPE, Authority
from store import arrivals, devices, issued
from store.arrivals import Message
from store.schema import arrivals as arrivals_table
from store.schema import blasts, deliveries, passes
from store.schema import devices as devices_table
from store.times import now
from tests.web.conftest import Web, opened
from tests.web.seed import NOW, PROGRAM, seed

ONE, TWO, THREE = (f"S{number:08}" for number in range(3))
UNKNOWN = "S99999999"
PASS = f"/v1/passes/{PASS_TYPE}/"


def key(serial: str) -> dict[str, str]:
    return {"authorization": f"ApplePass token-{int(serial[1:]):026}"}


def place(serial: str = ONE, device: str = "phone", pass_type: str = PASS_TYPE) -> str:
    return f"/v1/devices/{device}/registrations/{pass_type}/{serial}"


def register(web: Web, serial: str = ONE, device: str = "phone", token: str = "aa") -> httpx.Response:
    return web("POST", place(serial, device), json={"pushToken": token}, headers=key(serial))


def listed(web: Web, tag: str | None = None, device: str = "phone", method: str = "GET") -> httpx.Response:
    params = {} if tag is None else {"passesUpdatedSince": tag}
    return web(method, f"/v1/devices/{device}/registrations/{PASS_TYPE}", params=params)


def fetched(web: Web, serial: str = ONE, since: str | None = None, method: str = "GET") -> httpx.Response:
    more = {} if since is None else {"if-modified-since": since}
    return web(method, PASS + serial, headers=key(serial) | more)


def change(web: Web, *serials: str) -> None:
    with web.database.write() as connection:
        found = issued.by_serials(connection, serials)
        issued.changed(connection, [one.pass_id for one in found.values()], at=now())


def push_tokens(web: Web, serial: str = ONE) -> list[str]:
    with web.database.read() as connection:
        found = issued.by_serial(connection, serial)
        assert found is not None
        return [one.push_token for one in devices.tokens(connection, [found.pass_id]).get(found.pass_id, [])]


def content(answer: httpx.Response) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        told: dict[str, Any] = json.loads(archive.read("pass.json"))
    return told


def message(web: Web, text: str, *serials: str) -> None:
    """A blast whose text is on these passes, about to be pushed."""
    with web.database.write() as connection:
        ids = [one.pass_id for one in issued.by_serials(connection, serials).values()]
        blast: dict[str, Any] = {
            "account": "rehearsal",
            "program_id": PROGRAM,
            "name": "",
            "text": text,
            "state": "running",
        }
        blast |= {"message_key": "message", "audience": "", "plan_hash": "", "planned_at": NOW}
        blast_id = connection.scalar(blasts.insert().values(**blast).returning(blasts.c.id))
        row = {"blast_id": blast_id, "channel": "apple", "state": "sending", "verdict": "alert"}
        told = connection.scalars(
            deliveries.insert().returning(deliveries.c.id, sort_by_parameter_order=True),
            [row | {"pass_id": pass_id} for pass_id in ids],
        )
        rows = [Message(delivery, pass_id, text) for delivery, pass_id in zip(told, ids, strict=True)]
        arrivals.put_texts(connection, rows, at=now())


def known(web: Web) -> list[tuple[bool, bool]]:
    """Of each delivery, whether it was listed and fetched."""
    columns = (arrivals_table.c.listed_at, arrivals_table.c.fetched_at)
    with web.database.read() as connection:
        rows = connection.execute(sa.select(*columns).order_by(arrivals_table.c.delivery_id))
        return [(row.listed_at is not None, row.fetched_at is not None) for row in rows]


@pytest.fixture(scope="module")
def one_web(
    current_file: Path, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Web]:
    """The same on SQLite alone and shared, for what neither the database nor other tests have a part in."""
    folder = tmp_path_factory.mktemp("web")
    shutil.copy(current_file, folder / "passbell.db")
    shutil.copytree(authority.folder, folder / "rehearsal" / "authority")
    limits = {"web__address_per_minute": 10_000, "web__device_per_minute": 10_000}
    web = opened(f"sqlite:///{folder / 'passbell.db'}", folder, **limits)
    seed(web.database, 3)
    yield web
    web.close()


# Registrations


def test_a_registration_is_201_when_new_and_200_when_it_was_there(web: Web) -> None:
    assert register(web).status_code == 201
    assert register(web).status_code == 200
    assert register(web, device="watch").status_code == 201


def test_a_new_push_token_replaces_the_old_one_and_still_gets_200(web: Web) -> None:
    register(web, token="old")
    assert register(web, token="new").status_code == 200
    assert push_tokens(web) == ["new"]


def test_unregistering_is_200_and_the_last_one_ends_the_device(web: Web) -> None:
    register(web)
    register(web, TWO)
    assert web("DELETE", place(TWO), headers=key(TWO)).status_code == 200
    assert push_tokens(web) == ["aa"]
    assert web("DELETE", place(), headers=key(ONE)).status_code == 200
    assert web("DELETE", place(), headers=key(ONE)).status_code == 200
    with web.database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(devices_table)) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "ApplePass"},
        {"authorization": "ApplePass "},
        {"authorization": "ApplePass " + "0" * 32},
        key(TWO),
        {"authorization": f"Bearer token-{0:026}"},
        {"authorization": f"token-{0:026}"},
        {"authorization": f"ApplePass token-{0:026}x"},
        {"authorization": "ApplePass Ünlesbar".encode().decode("latin-1")},
    ],
)
def test_without_the_passes_own_token_nothing_is_told(one_web: Web, headers: dict[str, str]) -> None:
    """The same 401 for a wrong token as for a pass that does not exist, on each call that takes a token."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    body = {"pushToken": "aa"}
    asks: list[Callable[[str], httpx.Response]] = [
        lambda serial: one_web("POST", place(serial), json=body, headers=raw),
        lambda serial: one_web("DELETE", place(serial), headers=raw),
        lambda serial: one_web("GET", PASS + serial, headers=raw),
        lambda serial: one_web("HEAD", PASS + serial, headers=raw),
    ]
    for ask in asks:
        real, unreal = ask(ONE), ask(UNKNOWN)
        assert real.status_code == unreal.status_code == 401
        assert (real.content, real.headers) == (unreal.content, unreal.headers)
    assert push_tokens(one_web) == []


def test_a_token_counts_once_and_for_its_own_pass_type(one_web: Web) -> None:
    twice = [("authorization", key(ONE)["authorization"])] * 2
    assert one_web("GET", PASS + ONE, headers=twice).status_code == 401
    assert one_web("GET", f"/v1/passes/pass.other/{ONE}", headers=key(ONE)).status_code == 401
    wrong = place(pass_type="pass.other")
    assert one_web("POST", wrong, json={"pushToken": "a"}, headers=key(ONE)).status_code == 401
    assert (
        one_web("GET", PASS + ONE, headers={"authorization": f"applepass token-{0:026}"}).status_code == 200
    )


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"{}", b"null", b'"aa"', b'{"pushToken": 5}', b'{"pushToken": ""}', b"\xff\xfe"),
        b'{"pushToken": "a/../b"}',
        b'{"pushToken": "a\\r\\nb"}',
        b'{"pushToken": "\\u0000"}',
        b'{"pushToken": "' + b"a" * 1025 + b'"}',
        b"[" * 20_000,
    ],
)
def test_a_body_without_a_push_token_is_400(one_web: Web, body: bytes) -> None:
    assert one_web("POST", place(), content=body, headers=key(ONE)).status_code == 400
    assert push_tokens(one_web) == []


def test_a_push_token_may_have_any_length(one_web: Web) -> None:
    assert register(one_web, TWO, token="f" * 500).status_code == 201
    assert push_tokens(one_web, TWO) == ["f" * 500]


# The list


def test_the_list_needs_no_token_and_its_tag_is_a_whole_number_as_text(web: Web) -> None:
    register(web)
    register(web, TWO)
    told = listed(web)
    assert told.status_code == 200
    assert told.headers["content-type"] == "application/json"
    assert sorted(told.json()) == ["lastUpdated", "serialNumbers"]
    assert sorted(told.json()["serialNumbers"]) == [ONE, TWO]
    assert isinstance(told.json()["lastUpdated"], str)
    assert told.json()["lastUpdated"].isdigit()


def test_every_pass_that_changed_is_told_and_not_only_the_newest(web: Web) -> None:
    for serial in (ONE, TWO, THREE):
        register(web, serial)
    tag = listed(web).json()["lastUpdated"]
    change(web, ONE)
    change(web, TWO)
    told = listed(web, tag).json()
    assert told["serialNumbers"] == [ONE, TWO]
    assert int(told["lastUpdated"]) > int(tag)
    assert listed(web, told["lastUpdated"]).status_code == 204


def test_nothing_to_tell_is_204_with_no_body(web: Web) -> None:
    assert listed(web, device="nobody").status_code == 204
    register(web)
    nothing = listed(web, listed(web).json()["lastUpdated"])
    assert (nothing.status_code, nothing.content) == (204, b"")
    assert "content-type" not in nothing.headers
    assert web("GET", "/v1/devices/phone/registrations/pass.other").status_code == 204
    assert listed(web, device="%00").status_code == listed(web, device="%ff").status_code == 204


@pytest.mark.parametrize(
    "tag", ["", "x", "-1", "1.5", "2026-11-21T12:00:00+00:00", "٣", "9" * 19, "9" * 18, "1 "]
)
def test_a_tag_of_another_server_is_taken_for_none(one_web: Web, tag: str) -> None:
    register(one_web, THREE, "tablet")
    assert listed(one_web, tag, "tablet").json()["serialNumbers"] == [THREE]


# The pass


def test_a_pass_is_served_signed_with_its_moment(web: Web) -> None:
    got = fetched(web)
    assert got.status_code == 200
    assert got.headers["content-type"] == "application/vnd.apple.pkpass"
    assert got.headers["last-modified"] == "Sat, 21 Nov 2026 12:00:00 GMT"
    assert int(got.headers["content-length"]) == len(got.content)
    with zipfile.ZipFile(io.BytesIO(got.content)) as archive:
        assert {"pass.json", "manifest.json", "signature", "icon.png"} == set(archive.namelist())
    told = content(got)
    assert told["serialNumber"] == ONE
    assert told["webServiceURL"] == "https://passes.example.com"
    assert told["authenticationToken"] == f"token-{0:026}"
    assert "voided" not in told


def test_what_a_phone_has_is_304_and_two_changes_in_one_second_are_two(web: Web) -> None:
    since = fetched(web).headers["last-modified"]
    unchanged = fetched(web, since=since)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["last-modified"] == since
    moments = [since]
    for _ in range(3):
        change(web, ONE)
        newer = fetched(web, since=moments[-1])
        assert newer.status_code == 200
        moments.append(newer.headers["last-modified"])
    assert sorted(set(map(parsedate_to_datetime, moments))) == list(map(parsedate_to_datetime, moments))


@pytest.mark.parametrize(
    "since", ["", "yesterday", "2026-11-21", "0", "Sat, 99 Nov 2026 12:00:00 GMT", "\xff"]
)
def test_a_date_that_is_none_gets_the_pass(one_web: Web, since: str) -> None:
    headers = [
        (b"authorization", key(ONE)["authorization"].encode()),
        (b"if-modified-since", since.encode("latin-1")),
    ]
    assert one_web("GET", PASS + ONE, headers=headers).status_code == 200
    older = format_datetime(NOW - timedelta(seconds=1), usegmt=True)
    assert fetched(one_web, since=older).status_code == 200
    assert fetched(one_web, since=format_datetime(NOW + timedelta(days=1), usegmt=True)).status_code == 304


def test_head_answers_as_get_does_without_the_pass(web: Web) -> None:
    got = fetched(web, method="HEAD")
    assert (got.status_code, got.content) == (200, b"")
    assert got.headers["last-modified"] == fetched(web).headers["last-modified"]
    assert got.headers["content-type"] == "application/vnd.apple.pkpass"
    assert fetched(web, method="HEAD", since=got.headers["last-modified"]).status_code == 304


def test_an_invalidated_pass_is_served_as_voided(web: Web) -> None:
    assert "voided" not in content(fetched(web))
    with web.database.write() as connection:
        connection.execute(passes.update().values(status="invalidated"))
    assert content(fetched(web))["voided"] is True


def test_a_change_is_served_at_once_although_passes_are_kept(web: Web) -> None:
    first = fetched(web)
    assert fetched(web).content == first.content
    message(web, "Two for one", ONE)
    assert "Two for one" in json.dumps(content(fetched(web)))


def test_a_message_is_noted_as_listed_and_fetched(web: Web) -> None:
    for serial in (ONE, TWO):
        register(web, serial)
    before = fetched(web).headers["last-modified"]
    message(web, "Two for one", ONE, TWO)
    assert listed(web, method="HEAD").status_code == 200
    assert fetched(web, method="HEAD").status_code == 200
    assert fetched(web, since=format_datetime(now() + timedelta(days=1), usegmt=True)).status_code == 304
    assert known(web) == [(False, False)] * 2
    listed(web)
    assert known(web) == [(True, False)] * 2
    assert fetched(web, since=before).status_code == 200
    assert known(web) == [(True, True), (True, False)]


# The log


def test_phones_complaints_are_told_without_ids_and_without_effect(
    web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [
        f"[2026-11-21 12:00:00 +0000] Register task (for device f00d, pass type {PASS_TYPE}, serial number "
        f"{ONE}; with web service url https://passes.example.com) encountered error: Authentication failure",
        f"Get pass task (pass type {PASS_TYPE}, serial number {ONE}, if-modified-since (null); with web "
        "service url https://passes.example.com) encountered error: Unexpected response code 500",
        f"Get serial #s task (for device f00d, pass type {PASS_TYPE}, last updated (null); with web service "
        "url https://passes.example.com) encountered error: Unexpected response code 401",
        "Web service error for pass.x (https://x/): Response to 'What changed?' request included 1 serial "
        "numbers but the lastUpdated tag (5) remained the same.",
        f"Server requested update to serial number '{ONE}', but the pass was unchanged.",
        "\x1b[2J\r\n\u202e\x00hello",
    ]
    assert web("POST", "/v1/log", json={"logs": lines}).status_code == 200
    told = [record.getMessage() for record in caplog.records if record.name == "passbell"]
    assert told[:3] == [
        f"a phone could not register pass {ONE}: Authentication failure",
        f"a phone could not fetch pass {ONE}: Unexpected response code 500",
        "a phone could not ask for changes: Unexpected response code 401",
    ]
    assert "the lastUpdated tag (5) remained the same" in told[3]
    assert told[4] == f"a phone fetched pass {ONE} and found it unchanged"
    assert told[5] == r"a phone says: \x1b[2J\r\n\u202e\x00hello"
    assert "f00d" not in "".join(told)


def test_the_log_takes_little(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    flood = {"logs": ["x" * 2_000] * 25}
    assert [web("POST", "/v1/log", json=flood).status_code for _ in range(10)] == [200] * 10
    told = [record.getMessage() for record in caplog.records if record.name == "passbell"]
    assert len([one for one in told if "xxx" in one]) <= 60
    assert max(map(len, told)) < 500


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"logs": "x"}', b'{"logs": 5}', b"\x00", b"[" * 20_000])
def test_a_log_that_is_none_is_400(one_web: Web, body: bytes) -> None:
    assert one_web("POST", "/v1/log", content=body).status_code == 400
    assert one_web("POST", "/v1/log", json={"logs": [5, None, {}]}).status_code == 200


# Paths and methods


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        (place(), "DELETE, POST"),
        (f"/v1/devices/phone/registrations/{PASS_TYPE}", "GET, HEAD"),
        (PASS + ONE, "GET, HEAD"),
        ("/v1/log", "POST"),
    ],
)
def test_other_methods_are_405_and_told_which_are_not(one_web: Web, path: str, allow: str) -> None:
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "X"} - set(
        allow.split(", ")
    ):
        got = one_web(method, path, headers=key(ONE))
        assert (got.status_code, got.headers["allow"]) == (405, allow)


@pytest.mark.parametrize(
    "path",
    [
        *("/v1", "/v1/", "/v1/passes", f"/v1/passes/{PASS_TYPE}", f"{PASS}{ONE}/", f"{PASS}{ONE}/x"),
        *("/v1/devices", "/v1/devices/phone", "/v1/devices/phone/registrations", "/v1/Log", "/v1/log/"),
        *(f"/{PASS}{ONE}", f"/v2/passes/{PASS_TYPE}/{ONE}", f"/v1/v1/passes/{PASS_TYPE}/{ONE}"),
        f"/V1/passes/{PASS_TYPE}/{ONE}",
        f"/v1%2Fpasses/{PASS_TYPE}/{ONE}",
    ],
)
def test_other_paths_are_404(one_web: Web, path: str) -> None:
    got = one_web("GET", "https://passes.example.com" + path, headers=key(ONE))
    assert (got.status_code, got.json()) == (404, {"error": "there is nothing here"})


@pytest.mark.parametrize(
    "serial",
    ["..%2f" + ONE, "%2e%2e", ONE + "%00", "%00", "%ff", "%", "'%20OR%201=1", "x" * 201, "x" * 5_000, "ü"],
)
def test_strange_serials_are_nobodys(one_web: Web, serial: str) -> None:
    assert one_web("GET", PASS + serial, headers=key(ONE)).status_code == 401
    got = one_web("POST", place(serial), json={"pushToken": "aa"}, headers=key(ONE))
    assert got.status_code == 401


def test_a_serial_may_be_spelled_with_percent_signs(one_web: Web) -> None:
    spelled = "".join(f"%{ord(one):02x}" for one in ONE)
    assert fetched(one_web, ONE).status_code == 200
    assert one_web("GET", PASS + spelled, headers=key(ONE)).status_code == 200


def test_an_address_with_a_path_is_served_with_it_and_without(current_sqlite_url: str, home: Path) -> None:
    web = opened(current_sqlite_url, home, web__url="https://example.com/wallet")
    seed(web.database, 1)
    assert web("GET", f"/wallet{PASS}{ONE}", headers=key(ONE)).status_code == 200
    assert content(fetched(web))["webServiceURL"] == "https://example.com/wallet"
    assert web("GET", f"/wallets{PASS}{ONE}", headers=key(ONE)).status_code == 404
    web.close()
