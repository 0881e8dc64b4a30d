from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jobs.intake.flights import ensure_flights_program
from jobs.intake.imports import ImportReport, import_members
from store import audiences, audit, preferences
from store.database import Database
from store.errors import UsageError
from store.schema import imports, members, passes, programs
from store.times import now
from tests.store.crowd import add_members, member, open_store


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    database = open_store(current_url)
    add_members(
        database,
        [
            member("1", points=5.0, attributes={"shop": "pass"}),
            member(
                "2",
                opted_out=True,
                imported={"zip": "00001", "shop": "file"},
                attributes={"zip": "00001", "shop": "pass"},
            ),
            member("3", imported={"zip": "01234"}, attributes={"zip": "01234", "own": "x"}),
        ],
    )
    yield database
    database.close()


def bring(
    database: Database,
    folder: Path,
    content: str,
    name: str = "in.csv",
    program: str = "P1",
    dry_run: bool = False,
) -> ImportReport:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    home = folder / "home"
    home.mkdir(exist_ok=True)
    try:
        return import_members(
            database, program, path, account="rehearsal", home=home, dry_run=dry_run, actor="ann"
        )
    finally:
        assert list(home.iterdir()) == []


def stored(database: Database, program: str = "P1") -> dict[str, Any]:
    with database.read() as connection:
        rows = connection.execute(sa.select(members).where(members.c.program_id == program))
        return {row.external_id: row for row in rows}


def acts(database: Database) -> list[tuple[str, str, str, dict[str, Any]]]:
    with database.read() as connection:
        return [(entry.actor, entry.act, entry.subject, entry.details) for entry in audit.entries(connection)]


def test_values_stay_text_and_the_pass_stays_on_top(database: Database, tmp_path: Path) -> None:
    report = bring(database, tmp_path, "id,zip,shop\n1,01234,file\n2,90210,file\n3,01234,\n9,1,1\n3,5,5\n")
    after = stored(database)
    assert after["1"].imported == {"zip": "01234", "shop": "file"}
    assert after["1"].attributes == {"zip": "01234", "shop": "pass"}
    assert after["2"].imported == {"zip": "90210", "shop": "file"}
    assert after["2"].attributes == {"zip": "90210", "shop": "pass"}
    assert after["3"].attributes == {"zip": "01234", "own": "x"}
    assert report.counts() == {"rows": 5, "created": 0, "new": 1, "changed": 1, "unchanged": 1, "rejected": 2}
    assert [(reject.line, reject.reason) for reject in sorted(report.rejects)] == [
        (5, "no member has this id"),
        (6, "the same id as in line 4"),
    ]
    assert report.samples["changed"] == [
        {"external_id": "2", "attributes": {"zip": "90210"}, "before": {"zip": "00001"}}
    ]
    told = {"import": report.import_id, "file": "in.csv", **report.counts()}
    assert acts(database) == [("ann", "members.import", "P1", told)]


def test_json_keeps_numbers_and_booleans_and_null_takes_away(database: Database, tmp_path: Path) -> None:
    rows = [{"id": 1, "visits": 5, "vip": True, "zip": "01", "list": ["a"]}, {"id": "3", "zip": None}]
    bring(database, tmp_path, json.dumps(rows), "in.json")
    after = stored(database)
    assert after["1"].imported == {"visits": 5, "vip": True, "zip": "01", "list": '["a"]'}
    assert after["3"].imported == {}
    assert after["3"].attributes == {"own": "x"}
    with database.read() as connection:
        for expression in ("visits > 4", "vip", "zip = '01'", "visits = 5 AND vip = TRUE"):
            assert audiences.count(connection, "P1", audiences.Selection("where", expression)) == 1


def test_one_and_true_are_not_the_same(database: Database, tmp_path: Path) -> None:
    bring(database, tmp_path, '[{"id": "1", "a": 1}]', "in.json")
    assert bring(database, tmp_path, '[{"id": "1", "a": true}]', "in.json").changed == 1
    assert stored(database)["1"].imported == {"a": True}


def test_a_file_may_have_any_name(database: Database, tmp_path: Path) -> None:
    """Those that are no text, too: it stands in the list of imports and in the audit."""
    names = [
        "a\nb.csv",
        "a\x1b[31mred\x1b]0;title\x07.csv",
        "a\u202egpj.csv",
        "[bold]x[@click=app.quit].csv",
        os.fsdecode(b"caf\xe9.csv"),
        "x" * 251 + ".csv",
        "-rf.csv",
    ]
    for name in names:
        bring(database, tmp_path, "id,shop\n1,Graz\n", name)
    kept = [name.replace("\udce9", "\ufffd") for name in names]
    assert [details["file"] for *_, details in acts(database)] == kept
    with database.read() as connection:
        assert sorted(connection.execute(sa.select(imports.c.file)).scalars()) == sorted(kept)


def test_a_second_time_changes_nothing(database: Database, tmp_path: Path) -> None:
    content = "id,zip,größe\n1,01234,XL\n2,90210,S\n"
    bring(database, tmp_path, content)
    before = stored(database)
    assert bring(database, tmp_path, content).unchanged == 2
    assert stored(database) == before


def test_a_dry_run_tells_and_changes_nothing(database: Database, tmp_path: Path) -> None:
    before = stored(database)
    content = "id,zip\n1,1\n2,2\n3,01234\nx,4\n"
    dry = bring(database, tmp_path, content, dry_run=True)
    assert stored(database) == before
    assert acts(database) == []
    wet = bring(database, tmp_path, content)
    assert wet.import_id is not None
    assert dry.as_json() | {"dry_run": False, "import": wet.import_id} == wet.as_json()


def test_what_the_provider_decides_is_left_alone(database: Database, tmp_path: Path) -> None:
    report = bring(
        database, tmp_path, "id,optOut,Opted_Out,points,tierId,name,zip\n2,false,no,999,gold,X,5\n"
    )
    assert report.notes == [
        "ignored, because the provider decides on them: optOut, Opted_Out, points, tierId, name"
    ]
    after = stored(database)["2"]
    assert (after.opted_out, after.points, after.tier_id, after.name) == (True, None, None, "")
    assert after.imported == {"zip": "5", "shop": "file"}


def test_what_a_member_said_of_themselves_stays(database: Database, tmp_path: Path) -> None:
    def say(external_id: str, **wanted: Any) -> None:
        fit = preferences.checked(wanted)
        with database.write() as connection:
            id_ = stored(database)[external_id].id
            preferences.change(connection, id_, fit, at=now(), actor="ann", source="till")

    say("1", time_zone="Asia/Tokyo", language="ja")
    say("2", time_zone="Asia/Tokyo")
    say("2", time_zone=None)
    report = bring(database, tmp_path, "id,time_zone,locale\n1,Europe/Rome,it\n2,Europe/Rome,it\n")
    assert (report.changed + report.new, report.unchanged) == (1, 1)
    assert report.notes == ["time zone or language stays where members said it themselves: 1"]
    after = stored(database)
    assert (after["1"].time_zone, after["1"].locale) == ("Asia/Tokyo", "ja")
    assert (after["2"].time_zone, after["2"].locale) == ("Europe/Rome", "it")


def test_a_name_that_no_predicate_can_spell_is_ignored(database: Database, tmp_path: Path) -> None:
    report = bring(
        database, tmp_path, json.dumps([{"id": "1", 'a"b': 1, "x" * 65: 1, "": 1, "fine": 1}]), "in.json"
    )
    assert stored(database)["1"].imported == {"fine": 1}
    assert len(report.notes) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,zip\n", "has a header and no rows"),
        ("id,zip\nx,1\ny,2\n", "none of its rows can be used: no member has this id (2, first in line 2)"),
        ("a,b\nx,9\n", "no column holds ids"),
        ("", "is empty"),
    ],
)
def test_a_file_of_no_use_changes_nothing(
    database: Database, tmp_path: Path, content: str, message: str
) -> None:
    before = stored(database)
    with pytest.raises(UsageError, match=re.escape(message)):
        bring(database, tmp_path, content)
    assert stored(database) == before
    assert acts(database) == []


def test_a_program_that_is_not_there(database: Database, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no program nowhere"):
        bring(database, tmp_path, "id\n1\n", program="nowhere")


BY_TICKET = (
    "Ticket_Number,ticketLeg,boarding point,Passenger,seat\n"
    "2201234567890,1,lhr,Ann [/x],12A\n2201234567890,2,JFK,,\n"
)
BY_FLIGHT = (
    "carrierCode,flightNumber,departureDate,boardingPoint,sequenceNumber,gate\nba,117,2026-12-01,LHR,042,A1\n"
)


@pytest.fixture
def airport(database: Database) -> Database:
    """A store that has seen no flight yet: the first import makes their program."""
    return database


def test_a_dry_run_or_a_wrong_file_makes_no_flights_program(airport: Database, tmp_path: Path) -> None:
    assert bring(airport, tmp_path, BY_TICKET, program="flights", dry_run=True).created == 2
    with pytest.raises(UsageError, match="none of its rows can be used"):
        bring(airport, tmp_path, "gate\nA1\n", program="flights")
    with airport.read() as connection:
        assert connection.execute(sa.select(programs.c.id).where(programs.c.kind == "flight")).all() == []


def test_boarding_records_become_members_with_a_pass(airport: Database, tmp_path: Path) -> None:
    assert bring(airport, tmp_path, BY_TICKET, program="flights").created == 2
    assert bring(airport, tmp_path, BY_FLIGHT, program="flights").created == 1
    with airport.read() as connection:
        held = connection.execute(sa.select(passes).order_by(passes.c.provider_id)).all()
    assert [(row.provider_id, row.channel, row.status, row.wallets) for row in held] == [
        ("2201234567890/1/LHR", "passkit", "unknown", []),
        ("2201234567890/2/JFK", "passkit", "unknown", []),
        ("BA/117/2026-12-01/LHR/42", "passkit", "unknown", []),
    ]
    assert held[0].keys == {"ticketNumber": "2201234567890", "ticketLeg": 1, "boardingPoint": "LHR"}
    assert held[2].keys == {
        "carrierCode": "BA",
        "flightNumber": "117",
        "departureDate": {"year": 2026, "month": 12, "day": 1},
        "boardingPoint": "LHR",
        "sequenceNumber": 42,
    }
    first = stored(airport, "flights")["2201234567890/1/LHR"]
    assert (first.name, first.attributes["seat"], first.opted_out) == ("Ann [/x]", "12A", False)


def test_boarding_records_are_known_again(airport: Database, tmp_path: Path) -> None:
    bring(airport, tmp_path, BY_TICKET, program="flights")
    assert bring(airport, tmp_path, BY_TICKET, program="flights").unchanged == 2
    report = bring(airport, tmp_path, BY_TICKET.replace("12A", "14C"), program="flights")
    assert (report.created, report.changed, report.unchanged) == (0, 1, 1)
    with airport.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(passes)).scalar_one() == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("BA,117,,LHR,5", "needs ticketNumber and ticketLeg, or also departureDate"),
        ("BA,117,01.12.2026,LHR,5", "departureDate is not written as 2026-01-31"),
        ("BA,117,2026-02-30,LHR,5", "departureDate is no day of the calendar"),
        ("BA,117,2026-02-20,LHR,5a", "sequenceNumber is not a whole number"),
        ("BA,11/7,2026-02-20,LHR,5", "flightNumber has 1 to 40 printable characters other than /"),
    ],
)
def test_a_record_without_keys_is_rejected(airport: Database, tmp_path: Path, row: str, reason: str) -> None:
    header = "carrierCode,flightNumber,departureDate,boardingPoint,sequenceNumber"
    report = bring(airport, tmp_path, f"{header}\n{row}\nBA,117,2026-12-01,LHR,1\n", program="flights")
    assert [(reject.line, reject.reason) for reject in report.rejects] == [(2, reason)]
    assert report.created == 1


def test_boarding_records_of_two_accounts_are_not_mixed(airport: Database, tmp_path: Path) -> None:
    bring(airport, tmp_path, BY_TICKET, program="flights")
    with airport.write() as connection, pytest.raises(UsageError, match="belong to rehearsal"):
        ensure_flights_program(connection, "live")


def test_postgres_knows_at_once_how_many_there_are(current_postgres_url: str, tmp_path: Path) -> None:
    database = open_store(current_postgres_url)
    add_members(database, [member(str(n)) for n in range(300)])
    database.analyze(members)
    add_members(database, [member(str(n)) for n in range(300, 900)])
    bring(database, tmp_path, "id,zip\n1,01234\n")
    with database.read() as connection:
        known = sa.text("SELECT reltuples FROM pg_class WHERE relname = 'members'")
        assert connection.scalar(known) == 900
    database.close()
