from __future__ import annotations

import csv
import io
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jobs.passes import issue as verbs
from jobs.passes import place
from jobs.passes.links import read_link_token
from jobs.passes.programs import create
from jobs.passes.template import Template, read
from jobs.rehearsal.authority import GOOGLE_ISSUER, PASS_TYPE, Authority
from jobs.rehearsal.google import Google
from store import audit, issued, programs
from store.audiences import Selection
from store.database import Database
from store.errors import Refused
from store.schema import issued as issued_table
from store.schema import members, passes, pushes_due
from store.times import now
from tests.passes.issuing import Shop, answering, open_home

one_store = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
BY = verbs.Issuers(PASS_TYPE, GOOGLE_ISSUER)


@pytest.fixture(scope="module")
def standing(made: Authority) -> Iterator[tuple[Google, str]]:
    with answering(made) as found:
        yield found


@pytest.fixture
def bare(
    current_url: str, tmp_path: Path, made: Authority, standing: tuple[Google, str], capsys: Any
) -> Shop:
    google, url = standing
    for kept in google.world.kept.values():
        kept.clear()
    open_home(tmp_path / "home", made, url)
    shop = Shop(tmp_path / "home", current_url, google, capsys)
    shop.faults()
    return shop


@pytest.fixture
def shop(bare: Shop, linden: Template) -> Shop:
    with bare.store() as database:
        bare.program = create(database, bare.settings, "Linden", linden, actor="ann").id
    return bare


def rows(database: Database) -> list[Any]:
    query = (
        sa.select(members.c.external_id, passes.c.channel, passes.c.status, issued_table)
        .join(passes, passes.c.id == issued_table.c.pass_id)
        .join(members, members.c.id == passes.c.member_id)
        .order_by(passes.c.id)
    )
    with database.read() as connection:
        return list(connection.execute(query))


def acts(database: Database) -> list[tuple[str, dict[str, Any]]]:
    with database.read() as connection:
        return [(entry.act, entry.details) for entry in audit.entries(connection)]


@one_store
def test_the_life_of_one_members_passes(shop: Shop) -> None:
    done = shop.passes("issue", "--external-id", "KL 7/ü", "--name", "Ada Berger", "--points", "120")
    assert done["issued"] == {"apple": 1, "google": 1}
    assert done["google"] == {"placed": 1, "left": 0, "why": None}
    apple, google = done["passes"]
    assert (apple["channel"], google["channel"]) == ("apple", "google")
    assert len(apple["serial"]) == 22
    assert google["provider_id"] == f"{GOOGLE_ISSUER}.{google['serial']}"
    assert done["save_link"].startswith("https://pay.google.com/gp/v/save/")
    token = done["download_link"].rpartition("/")[2]
    with shop.store() as database:
        (one, two) = rows(database)
        assert read_link_token(shop.settings.consent_secret, token, now()) == one.pass_id
        assert (one.pass_type, two.pass_type) == (PASS_TYPE, None)
        assert len(one.token) >= 32
    assert shop.objects[google["serial"]]["state"] == "ACTIVE"
    assert shop.google.world.kept["genericClass"].keys() == {f"{GOOGLE_ISSUER}.{shop.program}"}

    again = shop.passes("issue", "--external-id", "KL 7/ü")
    assert again["issued"] == {"apple": 0, "google": 0}
    assert [one["serial"] for one in again["passes"]] == [apple["serial"], google["serial"]]
    changed = shop.passes("issue", "--external-id", "KL 7/ü", "--points", "121")
    assert [one["tag"] for one in changed["passes"]] == [apple["tag"] + 1] * 2
    assert changed["google"]["placed"] == 1
    assert "121" in str(shop.objects[google["serial"]])

    link = shop.passes("link", "KL 7/ü", "--out", shop.home / "card.png")
    assert link["save_link"]
    assert (shop.home / "card.png").read_bytes().startswith(b"\x89PNG")
    shown = shop("passes", "link", "Linden", "KL 7/ü", "--qr").out
    assert "▀" in shown
    assert "\x1b" not in shown
    listed = shop("members", "show", "Linden", "KL 7/ü").out
    assert f"apple pass {apple['serial']}: issued, on 0 devices" in listed

    assert shop("passes", "void", "Linden", "KL 7/ü").code == 2
    assert shop.passes("void", "KL 7/ü", "--yes")["voided"] == 2
    assert shop.objects[google["serial"]]["state"] == "INACTIVE"
    assert shop.passes("void", "KL 7/ü", "--yes")["voided"] == 0
    shown = shop.passes("show", "KL 7/ü")
    assert [one["status"] for one in shown["passes"]] == ["invalidated"] * 2
    assert (shown["download_link"], shown["save_link"]) == (None, None)
    assert [one["kind"] for one in shown["events"]] == ["voided", "voided", "created", "created"]
    assert len(shop("passes", "events", "Linden", "KL 7/ü", "--json").lines) == 4
    assert shop("passes", "link", "Linden", "KL 7/ü").code == 3
    assert shop.passes("issue", "--external-id", "KL 7/ü")["issued"] == {"apple": 0, "google": 0}
    with shop.store() as database:
        done_acts = [act for act, _ in acts(database)]
    assert done_acts[1:] == ["member.enrol", "passes.issue", "member.change", "passes.void"]


HOSTILE = [
    "../../etc/passwd",
    "..",
    ".hidden",
    "=cmd()",
    "ab/CD",
    "AB-1",
    "ab-1",
    "\x1b[2J",
    "ü" * 100,
    "-rf",
]


@one_store
def test_a_file_enrols_issues_and_is_written_out(shop: Shop, tmp_path: Path) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("external_id", "name", "points", "tier", "birthday", "visits"))
    writer.writerows((name, "Zoë", "7", "gold", "1990-01-31", "3") for name in HOSTILE)
    file, out = shop.file(text.getvalue()), tmp_path / "out" / "deep"
    done = shop.passes("issue", "--file", file, "--yes", "--out", out, "--qr", "svg")
    assert done["import"]["created"] == len(HOSTILE)
    assert done["issued"] == {"apple": len(HOSTILE), "google": len(HOSTILE)}
    assert done["out"]["passes"] == done["out"]["codes"] == len(HOSTILE)
    with (out / "index.csv").open(newline="") as index:
        written = list(csv.DictReader(index))
    harmless = {"=cmd()": "'=cmd()", "-rf": "'-rf", "\x1b[2J": "\ufffd[2J"}
    assert [row["external_id"] for row in written] == [harmless.get(name, name) for name in HOSTILE]
    names = [row["file"] for row in written]
    assert {one.name for one in out.iterdir()} == {*names, "index.csv", "qr"}
    assert len({name.casefold() for name in names}) == len(HOSTILE)
    assert not any(name.startswith((".", "-")) for name in names)
    assert names[5] == "AB-1.pkpass"
    with zipfile.ZipFile(out / names[0]) as made:
        assert {"pass.json", "manifest.json", "signature"} <= set(made.namelist())
        assert written[0]["serial"] in made.read("pass.json").decode()
    assert sorted(one.stem for one in (out / "qr").iterdir()) == sorted(Path(name).stem for name in names)

    again = shop.passes("issue", "--file", file, "--yes", "--out", out)
    assert (again["import"]["unchanged"], again["issued"]) == (len(HOSTILE), {"apple": 0, "google": 0})
    assert "nothing is new" in shop("passes", "issue", "Linden", "--all", "--yes").err
    undone = shop("members", "undo", done["import"]["id"])
    assert (undone.code, "were issued passes" in undone.err) == (3, True)
    for command in (["passes", "list", "Linden"], ["passes", "show", "Linden", "\x1b[2J"]):
        assert "\x1b" not in shop(*command).out
    assert len(shop("passes", "list", "Linden", "--json").lines) == 2 * len(HOSTILE)


def test_a_pass_changes_with_what_it_shows(shop: Shop) -> None:
    shop.passes(
        "issue",
        "--file",
        shop.file(
            "id,name,points,visits,birthday,tier,phone\nA,Ada,1,1,1990-01-31,gold,+43 1\nB,Bo,1,1,,,\n"
        ),
        "--yes",
    )
    with shop.store() as database:
        with database.write() as connection:
            connection.execute(passes.update().values(status="installed"))
        before = {(row.external_id, row.channel): row for row in rows(database)}
        file = shop.file("id,visits,email\nA,2,a@example.org\nB,9,b@example.org\n")
        assert shop("members", "import", "Linden", file).code == 0
        assert [row.tag for row in rows(database)] == [row.tag for row in before.values()]
        done = shop("members", "import", "Linden", shop.file("id,points\nA,2\nB,1\n"), "--json").json
        assert (done["changed"], done["unchanged"]) == (1, 1)
        after = {(row.external_id, row.channel): row for row in rows(database)}
        assert {key for key, row in after.items() if row.tag != before[key].tag} == {
            ("A", "apple"),
            ("A", "google"),
        }
        changed = after["A", "apple"]
        assert changed.changed_at > before["A", "apple"].changed_at
        assert (after["A", "google"].placed_at, after["B", "google"].placed_at is None) == (None, False)
        with database.read() as connection:
            told = set(connection.scalars(sa.select(pushes_due.c.pass_id)))
        assert told == {changed.pass_id, after["A", "google"].pass_id}
        assert shop("members", "undo", done["import"]).code == 0
        assert {row.external_id for row in rows(database) if row.tag > changed.tag} == {"A"}
        with database.read() as connection:
            points = sa.select(members.c.points).order_by(members.c.id)
            assert list(connection.scalars(points)) == [1.0, 1.0]


def crowd(shop: Shop, database: Database, count: int) -> programs.Program:
    """So many members, enrolled by a file."""
    lines = "".join(f"M{number},N{number}\n" for number in range(count))
    assert shop("members", "import", "Linden", shop.file(f"id,name\n{lines}")).code == 0
    with database.read() as connection:
        return programs.get(connection, shop.program, "rehearsal")


def test_a_run_that_is_stopped_leaves_whole_chunks(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "CHUNK", 3)

    def stop(done: int, total: int) -> None:
        assert total == 8
        if done == 6:
            raise KeyboardInterrupt

    with shop.store() as database:
        program = crowd(shop, database, 8)
        everybody = Selection("all")
        with pytest.raises(KeyboardInterrupt):
            verbs.issue(database, program, everybody, BY, actor="ann", progress=stop)
        assert len(rows(database)) == 12
        with monkeypatch.context() as patch:
            patch.setattr(audit, "append", lambda *_, **__: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                verbs.issue(database, program, everybody, BY, actor="ann")
        assert len(rows(database)) == 12
        rest = verbs.issue(database, program, everybody, BY, actor="ann", limit=1)
        assert rest.issued == {"apple": 1, "google": 1}
        assert verbs.issue(database, program, everybody, BY, actor="ann").new == 2
        assert verbs.issue(database, program, everybody, BY, actor="ann").new == 0
        held = [(row.external_id, row.channel) for row in rows(database)]
        assert len(held) == len(set(held)) == 16
        counts = [details["issued"]["apple"] for act, details in acts(database) if act == "passes.issue"]
        assert counts == [3, 3, 1, 1]


def test_two_at_once_issue_each_pass_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "CHUNK", 5)
    with shop.store() as database:
        program = crowd(shop, database, 30)
        reports: list[verbs.Report] = []

        def run() -> None:
            reports.append(verbs.issue(database, program, Selection("all"), BY, actor="ann"))

        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(report.new for report in reports) == len(rows(database)) == 60


@one_store
def test_google_is_given_what_it_did_not_take(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "WAIT", 0.0)
    shop.faults(error_before=1.0, on="Object")
    done = shop("passes", "issue", "Linden", "--external-id", "A", "--json")
    assert (done.code, shop.objects) == (3, {})
    assert done.json["google"]["left"] == 1
    assert done.json["save_link"] is None
    assert done.json["download_link"]
    # Done, and the answer was lost: the next try finds it there, and changes it instead.
    shop.faults(error_after=1.0, on="POST /walletobjects/v1/genericObject", times=1)
    assert shop.passes("issue", "--external-id", "A")["google"]["placed"] == 1
    assert len(shop.objects) == 1
    shop.faults(invited=False)
    refused = shop("passes", "issue", "Linden", "--external-id", "B", "--json")
    assert (refused.code, refused.json["google"]["left"]) == (3, 1)
    with shop.store() as database:
        assert [
            row.external_id for row in rows(database) if row.placed_at is None and row.channel == "google"
        ] == ["B"]
    shop.faults()
    assert shop.passes("issue", "--all", "--yes")["google"] == {"placed": 1, "left": 0, "why": None}


@one_store
def test_who_lacks_what_the_template_shows_gets_no_pass(bare: Shop, linden: Template) -> None:
    table = dict(linden.table) | {"fields": [*linden.table["fields"]]}
    table["fields"].append({"place": "back", "key": "zip", "label": "Zip", "value": "{zip}"})
    del table["strings"]
    with bare.store() as database:
        create(database, bare.settings, "Linden", read(table, linden.files), actor="ann")
        done = bare.passes("issue", "--file", bare.file("id,zip\nA,1010\nB,\n"), "--yes", "--wallet", "apple")
        assert done["issued"] == {"apple": 1}
        assert (done["lacking"], done["lacking_such_as"]) == ({"zip": 1}, ["B"])
        told = bare("passes", "issue", "Linden", "--external-id", "C")
        assert (told.code, "lacks zip" in told.err) == (3, True)
        with database.read() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(members)) == 2


@one_store
def test_what_cannot_be_is_said(shop: Shop) -> None:
    with shop.store() as database, database.write() as connection:
        programs.upsert_program(connection, programs.Program("P1", "rehearsal", "membership", "Hosted"))
    for arguments, code, told in (
        (("issue", "Hosted", "--all", "--yes"), 2, "own programs only"),
        (("issue", "Linden"), 2, "exactly one option"),
        (("issue", "Linden", "--external-id", "A", "--all"), 2, "one member"),
        (("issue", "Linden", "--external-id", "A" * 201), 2, "200 characters"),
        (("issue", "Linden", "--all", "--name", "x"), 2, "--external-id only"),
        (("link", "Linden", "A", "--out", "card.gif"), 2, "as .png or .svg"),
        (("show", "Linden", "nobody"), 2, "no member"),
    ):
        done = shop("passes", *arguments)
        assert (done.code, told in done.err) == (code, True), (arguments, done.err)
    assert shop("members", "import", "Linden", shop.file("id,name\nA,x\n")).code == 0
    assert "give --yes" in shop("passes", "issue", "Linden", "--all").err
    assert shop("passes", "issue", "Linden", "--where", "points > 5", "--yes").code == 0
    listed = shop("programs", "list").out
    assert [line.split()[-1] for line in listed.splitlines() if "Linden" in line] == ["-"]
    live = ("--set", "apple.pass_type=pass.com.example", "passes", "issue", "Linden", "--all")
    assert shop(*live).code in (2, 3)


def test_a_void_pass_is_told_to_its_phones(shop: Shop) -> None:
    shop.passes("issue", "--external-id", "A", "--wallet", "apple")
    with shop.store() as database:
        with database.write() as connection:
            connection.execute(passes.update().values(status="installed"))
            program = programs.get(connection, shop.program, "rehearsal")
        (before,) = rows(database)
        assert verbs.void(database, program, "A", actor="ann") == [before.pass_id]
        with database.read() as connection:
            assert list(connection.scalars(sa.select(pushes_due.c.pass_id))) == [before.pass_id]
            found = issued.by_id(connection, before.pass_id)
        assert found is not None
        assert (found.status, found.tag) == ("invalidated", before.tag + 1)
        with database.write() as connection:
            connection.execute(members.update().values(status="DELETED"))
        with pytest.raises(Refused, match="has left"):
            verbs.issue_to(database, program, "A", {}, BY, actor="ann")
