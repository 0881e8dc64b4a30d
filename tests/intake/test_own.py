"""Files of members of our own programs: they enrol, and say what nobody else decides."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jobs.intake.imports import ImportReport, import_members
from jobs.intake.undo import undo
from jobs.suppressions import add as suppress
from store.database import Database
from store.schema import members, programs, suppressed
from store.settings import load
from tests.intake.test_imports import stored
from tests.store.crowd import add_members, member, open_store

COLUMNS = ("name", "email", "phone", "tier_id", "points", "tier_points", "birthday", "status", "attributes")


def secret() -> str:
    return "a secret of some length"


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    database = open_store(current_url)
    with database.write() as connection:
        connection.execute(programs.update().where(programs.c.id == "P1").values(issuer="passbell"))
    add_members(database, [member("1", name="Old", points=5.0, birthday=date(1980, 5, 1))])
    yield database
    database.close()


def bring(database: Database, folder: Path, content: str, **more: Any) -> ImportReport:
    path = folder / "in.csv"
    path.write_text(content, encoding="utf-8")
    options: dict[str, Any] = {
        "account": "rehearsal",
        "home": folder,
        "dry_run": False,
        "actor": "ann",
        "secret": secret,
    }
    return import_members(database, "P1", path, **(options | more))


FILE = """\
Member ID,Full name,E-Mail,Mobile,Tier,Points,tier points,Birthday,Shop,status
1,New,n@example.org,+43 1,gold,7.5,,1980-05-02,Linz,EXPIRED
2,Two,,,,,12,,Graz,
3,Three,,,,x,,,,
4,Four,,,,,,31.1.1990,,
5,,,,,,,,,
"""


def test_a_file_enrols_and_changes_and_is_taken_back(database: Database, tmp_path: Path) -> None:
    before = stored(database)
    dry = bring(database, tmp_path, FILE, dry_run=True)
    assert stored(database) == before
    done = bring(database, tmp_path, FILE)
    assert dry.counts() == done.counts()
    assert (done.created, done.changed, done.rejected) == (2, 1, 2)
    assert {reject.reason for reject in done.rejects} == {
        "Points: 'x' is no number, such as 5 or 2.50",
        "Birthday: '31.1.1990' is no day, such as 1990-01-31",
    }
    after = stored(database)
    assert [getattr(after["1"], name) for name in COLUMNS] == [
        *("New", "n@example.org", "+43 1", "gold", 7.5, None, date(1980, 5, 2), before["1"].status),
        {"Shop": "Linz"},
    ]
    assert [getattr(after["2"], name) for name in COLUMNS] == [
        *("Two", None, None, None, None, 12, None, "ENROLLED", {"Shop": "Graz"})
    ]
    assert (after["5"].name, after["5"].attributes) == ("", {})
    report = undo(database, done.import_id or 0, account="rehearsal", actor="bob", secret=secret)
    assert (report.restored, report.removed) == (1, 2)
    again = stored(database)
    assert again.keys() == before.keys()
    assert [getattr(again["1"], name) for name in COLUMNS] == [getattr(before["1"], name) for name in COLUMNS]


def test_what_cannot_be_kept_is_rejected(database: Database, tmp_path: Path) -> None:
    long = "x" * 201
    done = bring(database, tmp_path, f"id,name,tier points\n{long},a,\n7,{long},\n8,b,1.5\n9,c,{10**14}\n")
    assert (done.created, done.rejected) == (1, 3)
    assert stored(database)["9"].tier_points == 10**14


def test_who_is_suppressed_is_found_by_a_new_address(database: Database, tmp_path: Path) -> None:
    settings = load(tmp_path / "home")
    suppress(database, settings, "email", "eve@example.org", reason="asked", actor="ann")
    file = "id,email\n1,Eve@example.org\n2,eve@example.org\n"
    bring(database, tmp_path, file, secret=settings.consent_secret)
    with database.read() as connection:
        held = sa.select(members.c.external_id).join(suppressed, suppressed.c.member_id == members.c.id)
        assert sorted(connection.scalars(held)) == ["1", "2"]


def test_a_provider_still_decides_on_its_own_members(database: Database, tmp_path: Path) -> None:
    with database.write() as connection:
        connection.execute(programs.update().values(issuer="passkit"))
    done = bring(database, tmp_path, "id,name,points,zip\n1,New,9,1010\n2,New,9,1010\n")
    assert (done.new, done.rejected) == (1, 1)
    after = stored(database)["1"]
    assert (after.name, after.points, after.attributes) == ("Old", 5.0, {"zip": "1010"})
