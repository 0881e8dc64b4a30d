from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.intake.files import IdReport, match_ids
from jobs.intake.rows import open_table
from store.database import Database
from store.errors import UsageError
from store.schema import members
from tests.store.crowd import add_members, member, open_store

KNOWN = ["00123", "A-1", "Zoë", "42", "name@example.com", "שרה", "a,b", "7.5"]


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    database = open_store(current_url)
    add_members(database, [member(name) for name in KNOWN])
    yield database
    database.close()


@pytest.fixture
def light(current_sqlite_url: str) -> Iterator[Database]:
    """The same on SQLite alone, for what has nothing to do with the database."""
    database = open_store(current_sqlite_url)
    add_members(database, [member(name) for name in KNOWN])
    yield database
    database.close()


def match(database: Database, folder: Path, content: bytes | str, name: str = "ids.csv") -> IdReport:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    home = folder / "home"
    home.mkdir(exist_ok=True)
    try:
        return match_ids(database, "P1", path, home=home)
    finally:
        assert list(home.iterdir()) == []


def named(database: Database, report: IdReport) -> list[str]:
    with database.read() as connection:
        found = connection.execute(sa.select(members.c.id, members.c.external_id)).all()
    known = {row.id: row.external_id for row in found}
    return [known[number] for number in report.member_ids]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ids.csv", "external_id\n00123\nA-1\n"),
        ("ids.csv", "00123\nA-1\n"),
        ("ids.txt", "Member ID\r\n00123\r\n\r\n  A-1 \r\n"),
        ("ids.csv", "Member ID\r00123\rA-1\r"),
        ("ids.csv", "\ufeffmemberId,city\n00123,Paris\nA-1,\n"),
        ("ids.csv", 'city;externalId\n"Köln; Deutz";00123\nBonn;A-1\n'),
        ("ids.tsv", "person.externalId\tcity\n00123\tx\nA-1\ty\n"),
        ("ids.csv", "id|city\n00123|x\nA-1|y\n"),
        ("ids.csv", 'sep=;\n"id";"city"\n"00123";"x"\n"A-1";"say ""hi""\nthere"\n'),
        ("ids.csv", "row,id,member_id\n1,x,00123\n2,y,A-1\n"),
        ("ids.csv", "city,Card\nx,00123\ny,A-1\n"),
        ("ids.csv", "id;city;;\n00123;x;;;;\nA-1;y;;\n"),
        ("ids.csv", "external_id,city\n00123,x\nA-1,y".encode("utf-16")),
        ("ids.csv", "external_id,city\n00123,x\nA-1,y".encode("utf-16-le")),
        ("ids.csv", "external_id,city\n00123,K\xf6ln\nA-1,y".encode("cp1252")),
        ("ids.json", '["00123", "A-1"]'),
        ("ids.json", '[{"externalId": "00123"}, {"externalId": " A-1"}]'),
        ("ids.json", '{"total": 2, "members": [{"id": "00123"}, {"id": "A-1"}]}'),
        (
            "ids.json",
            '{"members": {"member": {"externalId": "00123"}}}\n'
            '{"members": {"member": {"externalId": "A-1"}}}',
        ),
        ("ids.ndjson", '{"externalId": "00123"}\n\n{"externalId": "A-1"}\n'),
        ("export", '{"person": {"externalId": "00123"}}\r\n{"id": "", "person": {"externalId": "A-1"}}\r\n'),
        ("ids.jsonl", '"00123"\n"A-1"\n'),
        ("ids.jsonl", '{"id": "00123", "tags": []}\n{"id": "A-1"}\n'),
    ],
)
def test_every_usual_file_names_its_members(
    light: Database, tmp_path: Path, name: str, content: str | bytes
) -> None:
    report = match(light, tmp_path, content, name)
    assert named(light, report) == ["00123", "A-1"]
    assert (report.rows, report.unknown, report.duplicate, report.bad) == (2, 0, 0, 0)


def test_numbers_in_json_are_ids_without_a_point(light: Database, tmp_path: Path) -> None:
    report = match(light, tmp_path, '[42, 42.0, 7.5, true, null, {"x": 1}, [1], 1e400, NaN]', "ids.json")
    assert named(light, report) == ["42", "7.5"]
    assert (report.duplicate, report.bad) == (1, 6)


def test_each_row_is_counted_once(database: Database, tmp_path: Path) -> None:
    content = 'id,city\n00123,x\nnobody,x\n00123,y\n,x\nA-1,x,y\nZoë\n42,x\nשרה,x\n"a,b",\nnobody,z\n'
    report = match(database, tmp_path, content)
    assert named(database, report) == ["00123", "42", "שרה", "a,b"]
    assert report.as_json() | {"file": ""} == {
        "file": "",
        "column": "id",
        "encoding": "utf-8",
        "rows": 10,
        "matched": 4,
        "unknown": 1,
        "duplicate": 2,
        "bad": 3,
        "notes": [],
    }
    report.write_rejects(tmp_path / "rejects.csv")
    with (tmp_path / "rejects.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["line", "id", "reason"],
            ["3", "nobody", "no member has this id"],
            ["4", "00123", "the same id as in line 2"],
            ["5", "", "no id"],
            ["6", "A-1", "3 fields where the header has 2"],
            ["7", "Zoë", "1 fields where the header has 2"],
            ["11", "nobody", "the same id as in line 3"],
        ]


def test_lines_that_cannot_be_read_are_told_by_their_number(light: Database, tmp_path: Path) -> None:
    content = f'id,city\n00123,x\n{"y" * 140_000},x\nA-1,"a"b\n4\x002,x\n42,x\n"Zoë,x\n'
    report = match(light, tmp_path, content)
    assert named(light, report) == ["00123", "42"]
    assert [(reject.line, reject.reason) for reject in report.rejects] == [
        (3, "a field is longer than 128 KiB"),
        (4, "a quote is not where quotes belong"),
        (5, "id holds a NUL or half a character"),
        (7, "a quote is opened and not closed up to line 7"),
    ]


def test_bad_lines_of_ndjson(light: Database, tmp_path: Path) -> None:
    content = (
        '{"id": "42"}\n{"id": \n[1]\n{"id": "a\\ud800"}\n{"city": "x"}\n{"id": "A-1"}\n' + "[" * 9_000 + "\n"
    )
    report = match(light, tmp_path, content, "ids.ndjson")
    assert named(light, report) == ["42", "A-1"]
    assert [reject.line for reject in report.rejects] == [2, 3, 4, 5, 7]


def test_a_name_for_ids_goes_before_values_that_fit_by_chance(light: Database, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="its column id holds stranger"):
        match(light, tmp_path, "id,visits\nstranger,42\n")
    with pytest.raises(UsageError, match="name one of them external_id"):
        match(light, tmp_path, "who,visits\nstranger,42\nguest,42\nother,42\n")


def test_a_column_that_is_there_twice_is_told(light: Database, tmp_path: Path) -> None:
    report = match(light, tmp_path, "id,city,city\n42,x,y\n")
    assert report.matched == 1
    assert report.notes == ("line 1: the column city is there twice: the first is used",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("ids.csv", b"", "is empty"),
        ("ids.csv", b" \n\n", "is empty"),
        ("ids.csv", b"id,city\n", "has a header and no rows"),
        (
            "ids.csv",
            b"id\nnobody\n",
            "none of its 1 rows names a member of this program: its column id holds nobody",
        ),
        ("ids.csv", b"a,b\n1,2\n", "no column holds ids of members; its columns are a, b"),
        ("ids.json", b'[{"id": }]', "line 1: this is not JSON"),
        ("ids.json", b"[\n1,\n", "line 3: this is not JSON"),
        ("ids.json", b"[]", "its list has no items"),
        ("ids.json", b"[{}, [1]]", "none of its rows can be read: line 1: neither an object"),
        ("ids.json", b'"42"', "a list of ids or of objects is needed"),
        ("ids.json", b'{"a": [1], "b": [2]}', "it holds 2 lists"),
        ("ids.json", b"[" * 100_000, "too large|not JSON"),
        ("ids.json", b"[" + b"9" * 5_000 + b"]", "too large"),
        ("ids.csv", b"PK\x03\x04\x14\x00\x06\x00", "a spreadsheet or an archive"),
        ("ids.csv", b"%PDF-1.7\n", "a PDF"),
        ("ids.csv", bytes(range(256)) * 40, "not a text file|save it as UTF-8"),
        ("ids.csv", b"\x00" * 100, "not a text file|is empty"),
        ("ids.csv", "id,n\nZoë,1\nÄÖÜ,2\n".encode() + b"42,\xff\n", "line 4: this is not utf-8"),
        ("ids.csv", b"id,n\n42,\x81\n", "line 2: this is not cp1252"),
        ("ids.csv", b"\xff\xfei\x00d", "line 1: this is not utf-16"),
        ("ids.csv", ",".join(f"c{n}" for n in range(501)).encode(), "501 columns; 500 are allowed"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    light: Database, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        match(light, tmp_path, content, name)
    assert name in str(caught.value)


def test_what_is_no_file_is_refused(light: Database, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, message in [
        (tmp_path / "missing.csv", "there is no file"),
        (tmp_path, "is a folder"),
        (tmp_path / "pipe", "is not an ordinary file"),
        (Path("/dev/null"), "is not an ordinary file"),
        (tmp_path / "a\0b", "cannot read"),
        (tmp_path / ("x" * 300), "cannot read"),
    ]:
        with pytest.raises(UsageError, match=message):
            match_ids(light, "P1", path, home=tmp_path)


def test_rejects_are_never_written_over_their_source(light: Database, tmp_path: Path) -> None:
    report = match(light, tmp_path, "id\n42\nx\n")
    with pytest.raises(UsageError, match="write the rejects to another"):
        report.write_rejects(tmp_path / "ids.csv")
    with pytest.raises(UsageError, match="cannot write"):
        report.write_rejects(tmp_path / "missing" / "rejects.csv")
    assert (tmp_path / "ids.csv").read_text() == "id\n42\nx\n"


def test_staged_rows_have_no_name_that_a_kill_could_leave_behind(light: Database, tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    path.write_text("id\n" + "".join(f"{number}\n" for number in range(6_000)))
    home = tmp_path / "home"
    home.mkdir()
    seen: list[list[Path]] = []
    match_ids(light, "P1", path, home=home, progress=lambda _: seen.append(list(home.iterdir())))
    assert seen == [[], []]


def test_progress_ends_with_all_rows(light: Database, tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    path.write_text("id\n" + "".join(f"{number}\n" for number in range(12_000)))
    told: list[int] = []
    report = match_ids(light, "P1", path, home=tmp_path, progress=told.append)
    assert told == [5_000, 10_000, 12_000]
    assert (report.matched, report.unknown) == (1, 11_999)


@settings(suppress_health_check=list(HealthCheck), max_examples=200)
@given(
    st.binary(max_size=200) | st.text(max_size=80).map(str.encode),
    st.sampled_from([".csv", ".json", ".ndjson", ""]),
)
def test_any_bytes_are_rows_or_a_usage_error(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"any{suffix}"
    path.write_bytes(content)
    try:
        rows = list(open_table(path).rows())
    except UsageError as error:
        assert path.name in str(error)  # noqa: PT017
        return
    assert all(row.problem or row.values for row in rows)


cells = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(str.strip)


@settings(suppress_health_check=list(HealthCheck), max_examples=100)
@given(
    st.lists(st.tuples(cells, cells), min_size=1, max_size=5),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_was_written_is_read(
    tmp_path: Path, rows: list[tuple[str, str]], delimiter: str, end: str
) -> None:
    path = tmp_path / "any.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
        writer.writerows([("id", "city"), *rows])
    assert [tuple(row.values.values()) for row in open_table(path).rows()] == rows
    path = tmp_path / "any.json"
    path.write_text(json.dumps([{"id": one, "city": other} for one, other in rows]))
    assert [tuple(row.values.values()) for row in open_table(path).rows()] == rows
