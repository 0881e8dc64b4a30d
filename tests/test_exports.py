"""Lists that leave the house: whole or not at all, as they are looked at, and safe in a spreadsheet."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import resource
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import sqlite_utils
from hypothesis import given
from hypothesis import strategies as st

from jobs import audit_export, exports, formulas
from jobs.intake.rows import open_table
from store import audit, members
from store.audiences import Selection
from store.database import Database, StoreUnavailable
from store.deliveries import Which
from store.errors import PassbellError, Refused, UsageError
from store.schema import members as table
from store.views import View
from tests.store.crowd import member, open_store

ROWS = 1_203
FORMULAS = {
    "=1+1": "'=1+1",
    "+cmd|' /C calc'!A0": "'+cmd|' /C calc'!A0",
    "-2+3": "'-2+3",
    "@SUM(A1)": "'@SUM(A1)",
    "\t=1": "\t'=1",
    'Ann "A"; B, C': 'Ann "A"; B, C',
    "ÄNNE 🎉": "ÄNNE 🎉",
    "x;=1+1;y": "x;'=1+1;y",
    'x\n"@y': "x\n'\"@y",
    "'=1": "''=1",
}
"""Names, and as what they stand in a CSV."""
HOSTILE = st.text("=+-@;,\t|\r\n\"' xＸ＝", max_size=12)
SIGNS = tuple("=+-@＝＋－＠")


write = partial(exports.write, actor="ann@desk")


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    database = open_store(current_url)
    names = list(FORMULAS)
    rows = [
        member(
            f"M-{number:04d}",
            name=names[number] if number < len(FORMULAS) else f"Name {number}",
            phone="+43664",
            points=None if number % 7 == 0 else float(-number),
            tier_id="gold" if number % 2 else "silver",
            attributes={"zip": "=1", "n": number},
        )
        for number in range(ROWS)
    ]
    with database.write() as connection:
        connection.execute(table.insert(), rows)
    yield database
    database.close()


def all_of(database: Database, view: View) -> list[dict[str, Any]]:
    with database.read() as connection:
        return [one.as_json() for one in members.page(connection, "P1", view=view, limit=ROWS)]


def test_a_view_is_written_as_lines_as_table_and_as_csv(database: Database, tmp_path: Path) -> None:
    view = View("points", True, (("tier", "gold"),))
    expected = all_of(database, view)
    listed = exports.of_members("P1", view)
    told: list[tuple[int, int]] = []
    lines = tmp_path / "m.ndjson"
    count = write(database, lines, listed, progress=lambda *at: told.append(at))
    assert count == len(expected) == ROWS // 2
    assert told == [(500, count), (count, count)]
    assert stat.S_IMODE(lines.stat().st_mode) == 0o600
    written = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [{**row, "pass": 0, "wallet": 0} for row in written] == [
        {**row, "pass": 0, "wallet": 0} for row in expected
    ]

    assert write(database, tmp_path / "m.db", listed) == count
    portable = sqlite_utils.Database(tmp_path / "m.db")
    rows = list(portable["members"].rows)
    assert [row["external_id"] for row in rows] == [row["external_id"] for row in expected]
    assert {row["pass"] for row in rows} == {"no pass"}
    portable.close()

    columns = ("external_id", "name", "points", "phone", "opted_out", "attributes")
    write(database, tmp_path / "m.csv", listed, columns=columns)
    with open(tmp_path / "m.csv", encoding="utf-8", newline="") as file:
        title, *cells = csv.reader(file)
    assert tuple(title) == columns
    assert [row[0] for row in cells] == [row["external_id"] for row in expected]
    by_id = {row[0]: row for row in cells}
    assert by_id["M-0001"][1:5] == ["'+cmd|' /C calc'!A0", "-1.0", "'+43664", "no"]
    assert by_id["M-0005"][1] == 'Ann "A"; B, C'
    assert by_id["M-0007"][2] == ""
    assert json.loads(by_id["M-0001"][5]) == {"n": 1, "zip": "=1"}
    assert {path.name for path in tmp_path.iterdir()} >= {"m.csv", "m.db", "m.ndjson"}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".passbell-")]


def test_a_text_that_a_spreadsheet_would_run_is_a_text(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "names.csv"
    write(database, file, exports.of_members("P1", View("external_id")), columns=["name"])
    with open(file, encoding="utf-8", newline="") as opened:
        names = [row[0] for row in csv.reader(opened)][1 : len(FORMULAS) + 1]
    assert names == list(FORMULAS.values())
    assert [row.values["name"] for row in open_table(file).rows()][: len(FORMULAS)] == list(FORMULAS)


@given(st.lists(st.tuples(HOSTILE, HOSTILE), min_size=1, max_size=4))
def test_no_reader_sees_a_formula_wherever_it_splits_and_ours_reads_what_there_was(
    rows: list[tuple[str, str]],
) -> None:
    written = io.StringIO()
    shut = [(name, *map(formulas.shut, texts), "end") for name, texts in zip("abcd", rows, strict=False)]
    csv.writer(written).writerows([("id", "one", "two", "last"), *shut])
    for separator in ",;\t|":
        for cells in csv.reader(io.StringIO(written.getvalue(), newline=""), delimiter=separator):
            assert not [cell for cell in cells if cell.lstrip(' "\t\r\n').startswith(SIGNS)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "all.csv"
        file.write_text(written.getvalue(), encoding="utf-8", newline="")
        read = [(row.values["one"], row.values["two"]) for row in open_table(file).rows()]
    assert read == rows


def test_marked_rows_and_a_choice_are_written_alone(database: Database, tmp_path: Path) -> None:
    chosen = Selection("where", "points < -1200")
    assert write(database, tmp_path / "a.ndjson", exports.of_members("P1", View(), chosen)) == 2
    marked = ["M-0003", "M-1202", "M-9999"]
    everyone = exports.of_members("P1", View("external_id"))
    assert write(database, tmp_path / "b.csv", everyone, only=marked, columns=["external_id"]) == 2
    assert (tmp_path / "b.csv").read_text().splitlines() == ["external_id", "M-0003", "M-1202"]


def test_nothing_is_left_where_it_was_stopped_or_failed(database: Database, tmp_path: Path) -> None:
    listed = exports.of_members("P1", View())
    for name in ("m.csv", "m.ndjson", "m.db"):
        with pytest.raises(exports.Stopped, match="nothing was written"):
            write(database, tmp_path / name, listed, stop=iter([False, True]).__next__)
        with pytest.raises(UsageError, match="members have no field 'shoe size': choose from program"):
            write(database, tmp_path / name, listed, columns=["shoe size"])
    for name, told in (("m.xls", r"ends in \.csv, \.ndjson"), ("no/m.csv", "cannot write")):
        with pytest.raises(PassbellError, match=told):
            write(database, tmp_path / name, listed)
    left = {path.name for path in tmp_path.iterdir()} - {"passbell.db", "passbell.db-wal", "passbell.db-shm"}
    assert not left
    (tmp_path / "m.csv").write_text("mine")
    with pytest.raises(UsageError, match="never overwrites"):
        write(database, tmp_path / "m.csv", listed)
    assert (tmp_path / "m.csv").read_text() == "mine"


def test_rows_written_meanwhile_come_neither_twice_nor_in_between(database: Database, tmp_path: Path) -> None:
    def meddle(done: int, total: int) -> None:
        if done == 500:
            with database.write() as connection:
                connection.execute(table.insert(), [member("M-new", name="A")])
                connection.execute(sa.update(table).values(name="A").where(table.c.external_id == "M-0900"))
                connection.execute(sa.delete(table).where(table.c.external_id == "M-0800"))

    file = tmp_path / "m.ndjson"
    count = write(database, file, exports.of_members("P1", View("external_id")), progress=meddle)
    ids = [json.loads(line)["external_id"] for line in file.read_text().splitlines()]
    assert ids == [f"M-{number:04d}" for number in range(ROWS) if number != 800]
    assert count == ROWS - 1


def test_every_list_can_be_written(database: Database, tmp_path: Path) -> None:
    view = View()
    lists = [
        exports.of_deliveries(1, view, Which("failed")),
        *(exports.of_batches(1, view), exports.of_blasts("rehearsal", view), exports.of_audit(view)),
        *(
            exports.of_programs("rehearsal", view),
            exports.of_imports("P1", view),
            exports.of_fields("P1", view),
        ),
    ]
    written = 0
    for number, listed in enumerate(lists):
        for ending in ("csv", "ndjson", "db"):
            count = write(database, tmp_path / f"{number}.{ending}", listed)
            assert count == {"programs": 1, "audit": written}.get(listed.name, 0)
            written += 1


def test_a_disk_without_room_is_told_and_nothing_is_left(database: Database, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill_up(done: int, total: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8_192, limits[1]))

    for name in ("m.csv", "m.ndjson", "m.db"):
        try:
            with pytest.raises(PassbellError, match=f"cannot write .*{name}: "):
                write(database, tmp_path / name, exports.of_members("P1", View()), progress=fill_up)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith((".passbell-", "m."))]
    assert taken(database) == []


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EBADF, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_takes_exports_too(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def flock(handle: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", flock)  # there is no such file system at hand: NFS is one
    other = tmp_path / ".passbell-half-abcd_123"
    other.mkdir()
    assert write(database, tmp_path / "m.csv", exports.of_members("P1", View())) == ROWS
    assert {path.name for path in tmp_path.iterdir()} >= {"m.csv", other.name}
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".passbell-")] == [other]


def test_only_what_a_killed_export_left_is_taken_away(database: Database, tmp_path: Path) -> None:
    mine, named_alike, left = (
        tmp_path / name for name in (".passbell-notes", ".passbell-half-mine", ".passbell-half-abcd_123")
    )
    for folder in (mine, named_alike, left):
        folder.mkdir()
        (folder / "words.txt").write_text("kept")
    (tmp_path / ".passbell-half-abcd_124").symlink_to(mine)
    (tmp_path / ".passbell-half-abcd_125").write_text("a file")
    write(database, tmp_path / "m.csv", exports.of_members("P1", View()))
    assert not left.exists()
    assert [(folder / "words.txt").read_text() for folder in (mine, named_alike)] == ["kept", "kept"]
    assert len([path for path in tmp_path.iterdir() if path.name.startswith(".passbell-half-")]) == 3


# Who takes what out of the house is in the audit


def taken(database: Database) -> list[tuple[str, str, str, dict[str, Any]]]:
    with database.read() as connection:
        found = audit.page(connection, limit=100)
        assert audit.verify(connection) == (len(found), None)
    return [(one.actor, one.act, one.subject, one.details) for one in reversed(found)]


def test_an_export_and_its_entry_are_there_together(database: Database, tmp_path: Path) -> None:
    gold = exports.of_members("P1", View("external_id", filters=(("tier", "gold"),)))
    write(database, tmp_path / "gold.csv", gold, columns=["name"])
    audit_export.export(database, tmp_path / "audit.ndjson", actor="bob@desk")
    told = {"list": "members", "rows": ROWS // 2, "columns": ["name"], "file": "gold.csv"}
    mine = ("ann@desk", "list.export", "P1", told)
    all_of_it = {"list": "audit", "rows": 1, "columns": "all", "file": "audit.ndjson"}
    assert taken(database) == [mine, ("bob@desk", "list.export", "all", all_of_it)]


def test_without_its_file_there_is_no_entry(database: Database, tmp_path: Path) -> None:
    def in_the_way(done: int, total: int) -> None:
        (tmp_path / "m.csv").write_text("mine")

    listed = exports.of_members("P1", View())
    with pytest.raises(UsageError, match="never overwrites"):
        write(database, tmp_path / "m.csv", listed, progress=in_the_way)
    with pytest.raises(exports.Stopped):
        write(database, tmp_path / "n.csv", listed, stop=lambda: True)
    assert (tmp_path / "m.csv").read_text() == "mine"
    assert taken(database) == []


def test_without_its_entry_there_is_no_file(
    database: Database, tmp_path: Path, current_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, before = exports.of_members("P1", View()), set(tmp_path.iterdir())
    viewer = Database(current_url, "viewer")
    with pytest.raises(Refused, match="read-only"):
        write(viewer, tmp_path / "m.csv", listed)
    with pytest.raises(Refused, match="read-only"):
        audit_export.export(viewer, tmp_path / "audit.db", actor="ann@desk")
    viewer.close()

    @contextmanager
    def lost() -> Iterator[sa.Connection]:
        """A store that is lost as the transaction ends."""
        with real() as connection:
            yield connection
            raise StoreUnavailable("the store was lost")

    real = database.write
    with monkeypatch.context() as patch:
        patch.setattr(database, "write", lost)
        with pytest.raises(StoreUnavailable):
            write(database, tmp_path / "m.csv", listed)
    assert {path.suffix for path in set(tmp_path.iterdir()) - before} <= {".db-wal", ".db-shm"}
    assert taken(database) == []


def test_a_name_that_is_no_text_is_in_the_audit_all_the_same(database: Database, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"na\xffme.csv")
    assert write(database, path, exports.of_programs("rehearsal", View())) == 1
    ((_, _, subject, told),) = taken(database)
    assert (subject, told["file"]) == ("rehearsal", "na\ufffdme.csv")
