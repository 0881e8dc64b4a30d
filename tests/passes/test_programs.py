"""Programs of our own: made with a template, changed by a new version, planned for like any other."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from jobs import plans
from jobs.passes import programs as verbs
from jobs.passes import template
from jobs.passes.folder import read_folder
from jobs.passes.template import Template
from store import audit, issued, programs, templates
from store.audiences import Selection
from store.database import Database
from store.errors import Refused, UsageError
from store.issued import NewPass
from store.programs import Program
from store.schema import issued as issued_table
from store.schema import members, passes, pushes_due
from store.settings import Settings, load
from store.times import now
from tests.cli.conftest import Done, run
from tests.passes.conftest import Change

one_store = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(tmp_path / "home", {})


@pytest.fixture
def own(database: Database, settings: Settings, linden: Template) -> Program:
    return verbs.create(database, settings, " Linden ", linden, time_zone="Europe/Vienna", actor="ann")


def enrol(database: Database, program: Program, count: int) -> list[int]:
    """Members, each with an installed Apple pass that was last changed an hour ago. Returns pass ids."""
    at = now() - timedelta(hours=1)
    same = {"status": "ACTIVE", "opted_out": False, "imported": {}, "attributes": {"seat": "1"}}
    rows = [
        {"program_id": program.id, "external_id": f"C{number}", "name": "Ann", **same}
        for number in range(count)
    ]
    with database.write() as connection:
        members_ = list(connection.scalars(members.insert().returning(members.c.id), rows))
        new = [
            NewPass(id_, program.id, "apple", f"s{id_}", f"s{id_}", "pass.a", "t" * 32) for id_ in members_
        ]
        ids = issued.add(connection, new, at=at)
        connection.execute(passes.update().values(status="installed", installed_at=at))
    return ids


def tags(database: Database) -> list[int]:
    with database.read() as connection:
        query = issued_table.select().order_by(issued_table.c.pass_id)
        return [row.tag for row in connection.execute(query)]


def test_a_program_is_made_with_its_template(
    database: Database, settings: Settings, own: Program, linden: Template
) -> None:
    assert own.id.startswith("own-")
    with database.read() as connection:
        found = programs.get(connection, "Linden", settings.account)
        (tier,) = programs.list_tiers(connection, own.id)
        stored = templates.newest(connection, own.id)
        (entry,) = audit.page(connection)
    assert found == own
    assert (found.kind, found.issuer, found.message_field) == ("membership", "passbell", "meta.message")
    assert tier.message_field_state == "ok"
    assert (stored.version, template.of(stored)) == (1, linden)
    assert (entry.act, entry.subject) == ("program.create", own.id)
    with pytest.raises(Refused, match="there is a program 'linden' already"):
        verbs.create(database, settings, "linden", linden, actor="ann")


@one_store
@pytest.mark.parametrize(
    ("name", "more", "told"),
    [
        ("  ", {}, "has 1 to 80 characters"),
        ("x" * 81, {}, "has 1 to 80 characters"),
        ("a\x1bb", {}, "holds a control character"),
        ("a", {"kind": "card"}, "a program is one of membership"),
        ("a", {"time_zone": "Mars"}, "is no time zone"),
    ],
)
def test_a_program_that_is_refused(
    database: Database, settings: Settings, linden: Template, name: str, more: dict[str, str], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        verbs.create(database, settings, name, linden, actor="ann", **more)


def test_a_new_version_changes_every_pass_and_the_same_one_none(
    database: Database,
    settings: Settings,
    own: Program,
    linden: Template,
    changed: Change,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verbs, "CHUNK", 2)
    ids = enrol(database, own, 5)
    before = tags(database)
    other = read_folder(changed(('label = "Points"', 'label = "Stars"')))
    added = verbs.add_template(database, settings, own.id, other, actor="ann")
    assert (added.version, added.new, added.passes) == (2, True, 5)
    assert min(tags(database)) > max(before)
    assert len(set(tags(database))) == 3, "a transaction for each chunk"
    with database.read() as connection:
        told = connection.execute(pushes_due.select()).all()
        assert [one.version for one in templates.listed(connection, own.id)] == [2, 1]
    assert sorted(row.pass_id for row in told) == ids
    tags_then = tags(database)
    again = verbs.add_template(database, settings, own.id, other, actor="ann")
    assert (again.version, again.new) == (2, False)
    # A pass changed in the second of the template itself may be changed once more; never with a new version.
    assert again.passes in (0, 5)
    assert len(tags(database)) == len(tags_then)
    # Back to the first: a version of its own, since the newest is in force.
    assert verbs.add_template(database, settings, own.id, linden, actor="ann").version == 3


def test_a_run_that_was_ended_is_completed(
    database: Database, settings: Settings, own: Program, changed: Change
) -> None:
    ids = enrol(database, own, 3)
    before = tags(database)
    other = read_folder(changed(('label = "Points"', 'label = "Stars"')))

    class Ended(Exception):
        pass

    def end(done: int, total: int) -> None:
        raise Ended

    verbs_chunk, verbs.CHUNK = verbs.CHUNK, 1
    try:
        with pytest.raises(Ended):
            verbs.add_template(database, settings, own.id, other, actor="ann", progress=end)
    finally:
        verbs.CHUNK = verbs_chunk
    assert tags(database)[1:] == before[1:]
    again = verbs.add_template(database, settings, own.id, other, actor="ann")
    assert not again.new
    assert again.passes >= 2
    assert min(tags(database)) > max(before)
    with database.read() as connection:
        assert len(connection.execute(pushes_due.select()).all()) == len(ids)


@one_store
def test_programs_of_passkit_are_left_alone(database: Database, settings: Settings, linden: Template) -> None:
    with database.write() as connection:
        programs.upsert_program(connection, Program("p1", "rehearsal", "membership", "Theirs"))
    with pytest.raises(Refused, match="PassKit makes the passes of Theirs"):
        verbs.add_template(database, settings, "Theirs", linden, actor="ann")
    with database.read() as connection, pytest.raises(UsageError, match="has no template"):
        templates.newest(connection, "p1")


@one_store
def test_a_name_that_no_member_has_is_refused(
    database: Database, settings: Settings, own: Program, changed: Change
) -> None:
    enrol(database, own, 3)
    found = read_folder(changed(("{points|0}", "{saet}")))
    with pytest.raises(UsageError, match=r"did you mean \{seat\}"):
        verbs.add_template(database, settings, own.id, found, actor="ann")


def test_a_blast_is_planned_as_for_any_program(database: Database, settings: Settings, own: Program) -> None:
    enrol(database, own, 3)
    plan = plans.plan(
        database, settings, program=own.id, chosen=Selection("all"), text="Apfelstrudel", actor="ann"
    )
    assert plan.tally.counts["pending"] == 3
    assert plan.tally.verdicts["alert"] == 3


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def passbell(*words: object) -> Done:
        code = run("--home", tmp_path / "home", *words)
        told = capsys.readouterr()
        return Done(code, told.out, told.err)

    linden = tmp_path / "linden"
    assert passbell("templates", "new", linden, "--json").json["files"][0] == "template.toml"
    assert passbell("templates", "new", linden).code == 3
    assert passbell("templates", "check", linden, "--json").json["style"] == "storeCard"
    assert "is in order" in passbell("templates", "check", linden).out
    made = passbell("programs", "create", "Linden", "--template", linden, "--json").json
    assert made["issuer"] == "passbell"
    table = linden / "template.toml"
    table.write_text(table.read_text().replace('label = "Points"', 'label = "Stars"'))
    assert passbell("templates", "add", "Linden", linden, "--json").json["version"] == 2
    assert "no change: it is version 2" in passbell("templates", "add", "Linden", linden).out
    listed = passbell("templates", "list", "Linden", "--json").lines
    assert [one["version"] for one in listed] == [2, 1]
    assert "VERSION" in passbell("templates", "list", "Linden").out
    shown = passbell("templates", "show", "Linden", "--version", 1, "--json").json
    assert shown["design"]["fields"][0]["label"] == "Points"
    assert "Stars" in passbell("templates", "show", "Linden").out
    assert passbell("templates", "show", "Linden", "--version", 9).code == 2
    (linden / "x\x1b[2J").write_text("")
    refused = passbell("templates", "check", linden)
    assert refused.code == 2
    assert "\x1b" not in refused.err
