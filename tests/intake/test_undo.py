from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.intake.undo import Undone, undo
from store import enrolments, imports
from store.database import Database
from store.errors import Refused, UsageError
from store.schema import import_changes, members, passes
from store.schema import imports as imports_table
from tests.intake.test_imports import BY_TICKET, acts, bring, stored
from tests.store.crowd import add_members, member, open_store
from tests.store.test_members import holder

IDS = ("1", "2", "3")


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    database = open_store(current_url)
    add_members(
        database,
        [
            member("1", attributes={"shop": "pass"}),
            member("2", opted_out=True, locale="de", imported={"zip": "1"}, attributes={"zip": "1"}),
            member("3", time_zone="Europe/Vienna"),
        ],
    )
    yield database
    database.close()


def take_back(database: Database, number: int | None) -> Undone:
    assert number is not None
    return undo(database, number, account="rehearsal", actor="bob")


def test_an_import_is_taken_back_whole(database: Database, tmp_path: Path) -> None:
    before = stored(database)
    file = "id,zip,shop,time_zone,locale\n1,01234,file,Asia/Tokyo,de_AT\n2,5,,,en\n3,,,Asia/Tokyo,\n"
    done = bring(database, tmp_path, file)
    after = stored(database)
    assert (after["1"].time_zone, after["1"].locale, after["2"].locale) == ("Asia/Tokyo", "de-AT", "en")
    assert after["1"].attributes == {"zip": "01234", "shop": "pass"}
    report = take_back(database, done.import_id)
    assert (report.restored, report.removed) == (3, 0)
    assert stored(database) == before
    assert acts(database)[-1][:3] == ("bob", "members.undo", "P1")
    with database.read() as connection:
        assert connection.execute(sa.select(import_changes)).all() == []
        (listed,) = imports.list_all(connection, "P1")
    assert listed.undone_at is not None
    assert listed.mapping == done.mapping


def test_twice_is_refused_and_so_is_what_never_was(database: Database, tmp_path: Path) -> None:
    done = bring(database, tmp_path, "id,zip\n1,5\n")
    take_back(database, done.import_id)
    with pytest.raises(Refused, match="was undone on"):
        take_back(database, done.import_id)
    with pytest.raises(UsageError, match="there is no import 99"):
        take_back(database, 99)
    with pytest.raises(UsageError, match="there is no import"):
        undo(database, done.import_id or 0, account="live", actor="bob")


def test_a_later_import_of_the_same_members_goes_first(database: Database, tmp_path: Path) -> None:
    before = stored(database)
    first = bring(database, tmp_path, "id,zip\n1,5\n2,5\n")
    second = bring(database, tmp_path, "id,city\n2,Graz\n")
    other = bring(database, tmp_path, "id,city\n3,Linz\n")
    with pytest.raises(Refused, match=f"undo {second.import_id} first"):
        take_back(database, first.import_id)
    take_back(database, second.import_id)
    take_back(database, first.import_id)
    assert stored(database)["3"].imported == {"city": "Linz"}
    take_back(database, other.import_id)
    assert stored(database) == before


def test_what_others_wrote_since_stays(database: Database, tmp_path: Path) -> None:
    done = bring(database, tmp_path, "id,zip,time_zone,locale\n1,5,Asia/Tokyo,en\n")
    sync(database, {"1": {"zip": "from the pass", "shop": "pass"}})
    with database.write() as connection:
        mine = members.update().where(members.c.external_id == "1")
        connection.execute(mine.values(time_zone="Europe/Rome", opted_out=True))
    take_back(database, done.import_id)
    after = stored(database)["1"]
    assert after.attributes == {"zip": "from the pass", "shop": "pass"}
    assert (after.imported, after.time_zone, after.locale, after.opted_out) == ({}, "Europe/Rome", None, True)


def test_boarding_records_are_taken_out_again(database: Database, tmp_path: Path) -> None:
    done = bring(database, tmp_path, BY_TICKET, program="flights")
    bring(database, tmp_path, BY_TICKET.replace("12A", "14C"), program="flights")
    with pytest.raises(Refused, match="first"):
        take_back(database, done.import_id)
    take_back(database, (done.import_id or 0) + 1)
    report = take_back(database, done.import_id)
    assert (report.restored, report.removed) == (0, 2)
    assert stored(database, "flights") == {}
    with database.read() as connection:
        assert connection.execute(sa.select(passes)).all() == []


def test_boarding_records_that_said_something_are_kept(database: Database, tmp_path: Path) -> None:
    from store.schema import consents

    done = bring(database, tmp_path, BY_TICKET, program="flights")
    before = stored(database, "flights")
    said = {"purpose": "marketing", "given": False, "source": "console", "actor": "ann"}
    with database.write() as connection:
        one = before["2201234567890/1/LHR"].id
        connection.execute(consents.insert().values(member_id=one, at=datetime.now(UTC), **said))
    with pytest.raises(Refused, match="have told their wishes, such as 2201234567890/1/LHR"):
        take_back(database, done.import_id)
    assert stored(database, "flights") == before


def sync(database: Database, own: dict[str, dict[str, str]]) -> None:
    """What the passes themselves say now."""
    page = [
        enrolments.storable(holder(0, external_id=name, provider_id=f"p{name}", meta=meta))
        for name, meta in own.items()
    ]
    with database.write() as connection:
        at = datetime.now(UTC)
        enrolments.upsert_page(connection, "P1", page, message_key="none", seen_at=at)


NAMES = st.sampled_from(["zip", "größe", "a.b", "VIP", "vip"])
FROM_FILE = st.sampled_from(["01234", "=1+1", "nan", "1e5", "\u202eeel", "", None, 1, True, 10**30, 0.5])
OWN = st.dictionaries(NAMES, st.sampled_from(["p1", "p2"]), max_size=3)
FILE = st.fixed_dictionaries(
    {name: st.dictionaries(NAMES, FROM_FILE, max_size=4) for name in IDS}
    | {"zones": st.lists(st.sampled_from(["", "Asia/Tokyo", "Europe/Rome"]), min_size=3, max_size=3)}
)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(files=st.lists(FILE, min_size=1, max_size=3), own=st.fixed_dictionaries(dict.fromkeys(IDS, OWN)))
def test_any_imports_taken_back_leave_what_was_there(
    database: Database, tmp_path: Path, files: list[dict[str, Any]], own: dict[str, dict[str, str]]
) -> None:
    with database.write() as connection:
        connection.execute(imports_table.delete())
    first, *rest = [bring_json(database, tmp_path, file) for file in files]
    before = contents(database)
    done = [first, *rest]
    done.append(bring_json(database, tmp_path, files[0]))
    take_back(database, done.pop())
    assert contents(database) == before
    sync(database, own)
    while done:
        take_back(database, done.pop())
    after = stored(database)
    # The first state of all, whichever example was here before, is the fixture's.
    assert {name: (row.imported, row.time_zone) for name, row in after.items()} == {
        "1": ({}, None),
        "2": ({"zip": "1"}, None),
        "3": ({}, "Europe/Vienna"),
    }
    assert {name: row.attributes for name, row in after.items()} == {
        name: after[name].imported | own[name] for name in IDS
    }


def bring_json(database: Database, folder: Path, file: dict[str, Any]) -> int | None:
    rows = [
        {"id": name, "time_zone": zone, **file[name]} for name, zone in zip(IDS, file["zones"], strict=True)
    ]
    return bring(database, folder, json.dumps(rows), "in.json").import_id


def contents(database: Database) -> dict[str, Any]:
    return {
        name: (row.imported, row.attributes, row.time_zone, row.locale)
        for name, row in stored(database).items()
    }
