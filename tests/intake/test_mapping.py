from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from jobs.intake.imports import ImportReport, import_members
from store import audiences, catalogue
from store.database import Database
from store.errors import UsageError
from store.schema import import_mappings
from tests.intake.test_imports import BY_TICKET, bring, stored
from tests.store.crowd import add_members, member, open_store

one_store = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
pytestmark = one_store


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    database = open_store(current_url)
    add_members(database, [member("1", opted_out=True), member("2"), member("3")])
    yield database
    database.close()


def read_as(
    database: Database, folder: Path, content: str, chosen: dict[str, str], forget: bool = False
) -> ImportReport:
    """Import a file whose columns become what is chosen for them."""
    path = folder / "in.csv"
    path.write_text(content, encoding="utf-8")
    return import_members(
        database,
        "P1",
        path,
        account="rehearsal",
        home=folder,
        dry_run=False,
        actor="ann",
        chosen=chosen,
        forget_mapping=forget,
    )


def test_what_the_operator_says_goes_before_any_guess(database: Database, tmp_path: Path) -> None:
    file = "id,no,plz,notes,tz\n9,1,01234,x,Asia/Tokyo\n"
    report = read_as(database, tmp_path, file, {"no": "external_id", "id": "row", "plz": "zip", "NOTES": "-"})
    assert report.mapping == {
        "id": "row", "no": "external_id", "plz": "zip", "notes": "-", "tz": "time_zone"
    }  # fmt: skip
    assert stored(database)["1"].imported == {"row": "9", "zip": "01234"}
    assert stored(database)["1"].time_zone == "Asia/Tokyo"
    assert report.notes == []


def test_it_is_remembered_until_it_is_forgotten(database: Database, tmp_path: Path) -> None:
    read_as(database, tmp_path, "id,plz,city\n1,01234,Graz\n", {"plz": "zip"})
    again = read_as(database, tmp_path, "id,plz,new\n2,5,x\n", {})
    assert again.mapping == {"id": "external_id", "plz": "zip", "new": "new"}
    anew = read_as(database, tmp_path, "id,plz\n3,5\n", {}, forget=True)
    assert anew.mapping["plz"] == "plz"
    with database.read() as connection:
        kept = connection.execute(sa.select(import_mappings.c.mapping)).scalar_one()
    assert kept == {"id": "external_id", "plz": "plz"}


def test_an_attribute_is_of_the_kind_that_is_said_or_that_the_program_has(
    database: Database, tmp_path: Path
) -> None:
    said = {"visits": "visits:number", "vip": "vip:boolean"}
    first = read_as(database, tmp_path, "id,visits,vip\n1,12,yes\n2,0.5,NO\n3,007,\n", said)
    assert [(reject.id, reject.reason) for reject in first.rejects] == [
        ("3", "visits: '007' is no number, such as 5 or 2.50")
    ]
    assert stored(database)["1"].imported == {"visits": 12, "vip": True}
    assert stored(database)["2"].imported == {"visits": 0.5, "vip": False}
    with database.read() as connection:
        often = audiences.Selection("where", "visits > 1 AND vip")
        assert audiences.count(connection, "P1", often) == 1
    known = read_as(database, tmp_path, "id,VISITS,vip\n3,7,1\n", {}, forget=True)
    assert known.mapping == {"id": "external_id", "VISITS": "visits:number", "vip": "vip:boolean"}
    assert stored(database)["3"].imported == {"visits": 7, "vip": True}
    odd = read_as(database, tmp_path, "id,visits,vip\n3,many,maybe\n", {}, forget=True)
    assert odd.mapping == {"id": "external_id", "visits": "visits", "vip": "vip"}
    text = read_as(database, tmp_path, "id,visits\n3,8\n", {"visits": "visits:text"})
    assert stored(database)["3"].imported["visits"] == "8"
    assert text.changed == 1
    with pytest.raises(UsageError, match="cannot both become"):
        read_as(database, tmp_path, "id,a,b\n1,2,3\n", {"a": "n", "b": "n:number"})


def test_a_dry_run_remembers_nothing(database: Database, tmp_path: Path) -> None:
    bring(database, tmp_path, "id,plz\n1,5\n", dry_run=True)
    with database.read() as connection:
        assert connection.execute(sa.select(import_mappings)).all() == []


def test_an_export_of_passkit(database: Database, tmp_path: Path) -> None:
    file = (
        "id,person.externalId,person.displayName,members.tier.id,meta.zip,meta.points,optOut,created\n"
        "x7,1,Ann,gold,01234,5,false,2026-01-01\n"
    )
    report = bring(database, tmp_path, file)
    assert report.mapping["person.externalId"] == "external_id"
    assert {column for column, target in report.mapping.items() if target == "-"} == {
        *("id", "person.displayName", "members.tier.id", "meta.points", "optOut", "created")
    }
    assert (stored(database)["1"].imported, stored(database)["1"].opted_out) == ({"zip": "01234"}, True)
    (told,) = report.notes
    assert told.startswith("ignored, because the provider decides on them: id, person.displayName")


def test_a_list_of_passkit_as_ndjson(database: Database, tmp_path: Path) -> None:
    record = {"id": "x", "externalId": "2", "person": {"displayName": "Bo"}, "metaData": {"vip": "yes"}}
    report = bring(database, tmp_path, "\n".join([json.dumps({"result": record})] * 2), "in.ndjson")
    assert stored(database)["2"].imported == {"vip": "yes"}
    assert report.rejected == 1


def test_an_export_of_pass2u(database: Database, tmp_path: Path) -> None:
    file = "passId,modelId,barcodeMessage,createdTime,shop\nVT-2,7,1,2026,Graz\nVT-3,7,2,2026,Linz\n"
    report = bring(database, tmp_path, file)
    assert report.mapping["barcodeMessage"] == "external_id"
    assert stored(database)["2"].imported == {"shop": "Linz"}


def test_cells_of_a_zone_or_a_language_that_is_none(database: Database, tmp_path: Path) -> None:
    file = "id,time_zone,locale,language\n1,Mars/Base,de,x\n2,Asia/Tokyo,German,x\n3,,zh_Hans_CN,German\n"
    report = bring(database, tmp_path, file)
    assert [(reject.line, reject.reason) for reject in sorted(report.rejects)] == [
        (2, "time_zone: 'Mars/Base' is no time zone that is known, such as Europe/Vienna"),
        (3, "locale: 'German' is no language, such as de or de-AT"),
    ]
    after = stored(database)["3"]
    assert (after.locale, after.time_zone, after.imported) == ("zh-Hans-CN", None, {"language": "German"})


HOSTILE = [
    ("=HYPERLINK(1)", "a"), ("+1", "b"), ("@x", "c"), ("\u202ereversed", "d"), ("zip", "01234"),
    ("Zip", "nan"), ("ZIP", "1e5"), ("long", "x" * 100_000), ("größe", "-0"), ("true", "true"),
]  # fmt: skip


def test_hostile_columns_and_cells_stay_what_they_are(database: Database, tmp_path: Path) -> None:
    header, cells = zip(*HOSTILE, strict=True)
    file = f"id,{','.join(header)},zip\n1,{','.join(cells)},second\n2{',' * len(HOSTILE)},\x00\n"
    report = bring(database, tmp_path, file)
    kept = {name: cell for name, cell in HOSTILE if name.isprintable()}
    assert stored(database)["1"].imported == kept
    # What no column is named for is not looked at.
    assert report.counts()["rows"] == 2
    assert any("is there twice" in remark for remark in report.notes)
    assert any("attribute's name" in remark for remark in report.notes)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"nope": "x"}, "has no column nope"),
        ({"plz": "points"}, "plz cannot become points: the provider decides"),
        ({"plz": "optOut"}, "cannot become optOut"),
        ({"plz": 'a"b'}, "an attribute's name has 1 to 64"),
        ({"plz": "zip", "city": "zip"}, "plz and city cannot both become zip"),
        ({"plz": "external_id", "id": "external_id"}, "cannot both become external_id"),
    ],
)
def test_a_choice_that_cannot_be(
    database: Database, tmp_path: Path, chosen: dict[str, str], message: str
) -> None:
    before = stored(database)
    with pytest.raises(UsageError, match=message):
        read_as(database, tmp_path, "id,plz,city\n1,5,Graz\n", chosen)
    assert stored(database) == before


def test_boarding_records_keep_their_keys(database: Database, tmp_path: Path) -> None:
    report = bring(database, tmp_path, BY_TICKET, program="flights")
    assert report.mapping["Passenger"] == "name"
    assert "external_id" not in report.mapping.values()


def test_the_catalogue_follows_imports(database: Database, tmp_path: Path) -> None:
    bring(database, tmp_path, '[{"id": 1, "zip": "5", "n": 1}, {"id": 2, "zip": "5", "n": true}]', "in.json")
    with database.read() as connection:
        entries = {entry.name: entry for entry in catalogue.of(connection, "P1")}
        assert catalogue.values(connection, "P1", "ZIP") == ["5"]
        assert "zip" in catalogue.names(connection, "P1")
        assert "last_activity" in catalogue.names(connection, "P1")
    assert (entries["zip"].type, entries["zip"].filled, entries["zip"].members) == ("text", 2, 3)
    assert (entries["n"].type, entries["n"].top) == ("any", ())
    assert entries["opted_out"].top == ((False, 2),)
    assert entries["external_id"].top == ()
    assert catalogue.fresh(database, "P1")


@pytest.mark.parametrize("moment", ["reading", "writing", "counting"])
def test_an_import_that_is_broken_off_leaves_nothing(database: Database, tmp_path: Path, moment: str) -> None:
    def stop(doing: str, done: int, total: int) -> None:
        if doing == moment:
            raise KeyboardInterrupt

    file, home = tmp_path / "in.csv", tmp_path / "home"
    file.write_text("id,zip\n1,5\n2,5\n")
    home.mkdir()
    before = stored(database)
    with pytest.raises(KeyboardInterrupt):
        import_members(
            database,
            "P1",
            file,
            account="rehearsal",
            home=home,
            dry_run=False,
            actor="ann",
            progress=stop,
        )
    assert stored(database) == before
    assert list(home.iterdir()) == []
    with database.read() as connection:
        assert connection.execute(sa.select(import_mappings)).all() == []
