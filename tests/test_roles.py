"""Roles: every act has its least one, and the verbs hold to it, whatever screen or command called them."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jobs import (
    audiences,
    audit_export,
    blasts,
    broadcast,
    consents,
    exports,
    house,
    plans,
    preferences,
    rules,
    suppressions,
)
from jobs.intake import google, imports, sync, undo
from jobs.intake.consents import Defaults, import_consents
from jobs.intake.suppressions import import_suppressions
from jobs.passes import credentials, handout, issue
from jobs.passes import programs as own_programs
from jobs.worker import Worker
from jobs.worker_child import start_if_none
from store import audiences as saved
from store import audit, catalogue, members, programs
from store.audiences import Selection
from store.consents import Said
from store.database import Database, StoreUnavailable
from store.errors import Refused
from store.migrations import HEAD, migrate
from store.roles import ACTS, ROLES, Role, needs, why_not
from store.settings import Settings, load
from store.times import now
from store.views import View
from tests.bed.rows import every_row
from tests.console.own import LINDEN, fill_own
from tests.console.seed import CAFE, Clock, fill, stopped
from web.serve import serve

ROOT = Path(__file__).parents[1]
BESIDE = {
    "backup",
    "consent.token",
    "init",
    "passes.link",
    "passes.rehearse",
    "rehearse",
    "serve",
    "worker",
    "write",
}
"""What takes a role and leaves no entry in the audit."""
READ_ONLY = why_not("viewer", "operator")
TAKES_ADMIN = why_not("operator", "admin")

Verb = Callable[[Database], Any]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(tmp_path, {"engine.undo_seconds": "0"})


@pytest.fixture
def full_url(current_url: str, settings: Settings) -> str:
    """A store with programs, members, audiences and blasts in it."""
    database, clock = Database(current_url), Clock()
    with stopped(clock):
        fill(database, settings, clock)
        fill_own(database, settings, clock)
    database.close()
    return current_url


# Every act is in the table


def test_every_act_in_the_source_has_its_least_role() -> None:
    written = {act for folder in ("store", "jobs", "web", "console") for act in _acts(ROOT / folder)}
    assert written == ACTS.keys() - BESIDE


def test_roles_are_steps_and_an_act_that_is_not_known_takes_the_most() -> None:
    assert ROLES == ("viewer", "operator", "admin")
    assert needs("something.new") == "admin"
    assert not why_not("admin", "operator")
    assert TAKES_ADMIN == "This takes an admin, and access.role says operator."
    assert "viewer" not in ACTS.values()


def _acts(folder: Path) -> Iterator[str]:
    """The acts that a folder's modules may write into the audit."""
    for file in folder.rglob("*.py"):
        if "audit.append(" not in (source := file.read_text(encoding="utf-8")):
            continue
        module = ast.parse(source)
        for function in _functions(module):
            for call in _calls(function, "append"):
                if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "audit":
                    (act,) = (one.value for one in call.keywords if one.arg == "act")
                    found = set(_texts(act, function, module)) - {""}
                    assert found, f"{file}:{call.lineno}: which acts these are cannot be seen"
                    yield from found


def _functions(module: ast.Module) -> list[ast.FunctionDef]:
    return [one for one in ast.walk(module) if isinstance(one, ast.FunctionDef)]


def _calls(inside: ast.AST, name: str) -> Iterator[ast.Call]:
    for one in ast.walk(inside):
        if isinstance(one, ast.Call) and ast.unparse(one.func).rpartition(".")[2] == name:
            yield one


def _texts(said: ast.expr, function: ast.FunctionDef, module: ast.Module) -> Iterator[str]:
    """What an expression in a function may be: a word, one of two, a constant, or what its callers give."""
    match said:
        case ast.Constant(value=str(word)):
            yield word
        case ast.IfExp(body=one, orelse=other):
            yield from _texts(one, function, module)
            yield from _texts(other, function, module)
        case ast.JoinedStr(values=[ast.Constant(value=str(head)), ast.FormattedValue(value=tail)]):
            yield from (head + word for word in _texts(tail, function, module))
        case ast.Name(id=name):
            names = [argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)]
            if name in names:
                yield from _given(name, names.index(name), function, module)
            for node in ast.walk(module):
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                    yield from _texts(node.value, function, module)


def _given(name: str, place: int, function: ast.FunctionDef, module: ast.Module) -> Iterator[str]:
    for caller in _functions(module):
        for call in _calls(caller, function.name):
            named = [one.value for one in call.keywords if one.arg == name]
            yield from _texts((named or [call.args[place]])[0], caller, module)


# The verbs hold to it


def operators_verbs(settings: Settings, folder: Path) -> dict[str, Verb]:
    """What takes an operator, as screens and commands call it."""
    nobody: Any = None
    me: dict[str, Any] = {"actor": "ann@desk"}
    everybody, issuers = Selection("all"), issue.Issuers("pass.x", None)
    said, no = Said("marketing", True, "till", now()), Said("marketing", False, "till", now())
    missing = folder / "missing.csv"

    def program(database: Database, id_: str = LINDEN) -> programs.Program:
        with database.read() as connection:
            return programs.get(connection, id_, settings.account)

    def with_blast(verb: Callable[..., Any], blast_id: int, **more: Any) -> Verb:
        return lambda database: verb(database, settings, blast_id, **more, **me)

    def ring(_: int) -> None:
        raise AssertionError("a bell was rung")

    return {
        "audience.save": lambda d: audiences.save(d, CAFE, "new", everybody, **me),
        "audience.delete": lambda d: audiences.delete(d, CAFE, "gold", **me),
        "blast.plan": lambda d: plans.plan(d, settings, program=CAFE, chosen=everybody, text="Hi", **me),
        "blast.plan again": with_blast(plans.plan_again, 6),
        "blast.launch": with_blast(blasts.launch, 6, expect=1, ring=ring),
        "blast.paused": with_blast(blasts.pause, 5),
        "blast.running": with_blast(blasts.resume, 4, ring=ring),
        "blast.cancelled": with_blast(blasts.cancel, 5),
        "blast.retry": with_blast(blasts.retry, 5, ring=ring),
        "blast.rate": with_blast(blasts.set_rate, 5, per_second=1.0),
        "blast.concurrency": with_blast(blasts.set_concurrency, 5, deliveries=1),
        "blast.urgent": with_blast(blasts.set_urgent, 5, urgent=True),
        "consent.give": lambda d: consents.give(d, CAFE, "M-0001", said, **me),
        "consent.withdraw": lambda d: consents.withdraw(d, CAFE, "M-0001", no, **me),
        "consent.token": lambda d: consents.make_token(d, settings, CAFE, "M-0001"),
        "consents.import": lambda d: import_consents(
            d, CAFE, missing, home=folder, defaults=Defaults(), **me
        ),
        "google.reconcile": lambda d: asyncio.run(google.reconcile(d, nobody, program(d), **me)),
        "members.import": lambda d: imports.import_members(
            d, CAFE, missing, account="rehearsal", home=folder, dry_run=False, **me
        ),
        "members.undo": lambda d: undo.undo(d, 1, account="rehearsal", **me),
        "passes.issue": lambda d: issue.issue(d, program(d), everybody, issuers, **me),
        "list.export": lambda d: exports.write(d, folder / "out.csv", exports.of_audit(View()), **me),
        "list.export of all": lambda d: audit_export.export(d, folder / "out.db", **me),
        "member.enrol": lambda d: issue.issue_to(d, program(d), "L-999", {}, issuers, **me),
        "passes.link": lambda d: handout.links_of(d, settings, LINDEN, "L-001"),
        "passes.rehearse": lambda d: house.rehearse(d, settings, program(d), most=1),
        "passes.void": lambda d: issue.void(d, program(d), "L-001", **me),
        "preferences.set": lambda d: preferences.change(d, CAFE, "M-0001", {"most_a_day": 1}, **me),
        "suppression.add": lambda d: suppressions.add(d, settings, "email", "a@b.cd", reason="asked", **me),
        "suppression.export": lambda d: suppressions.export(d, settings, folder / "out.csv", **me),
        "suppression.import": lambda d: import_suppressions(d, settings, missing, **me),
        "sync": lambda d: asyncio.run(sync.sync(d, nobody, settings, **me)),
        "worker": lambda d: Worker(settings, d),
        "backup": lambda d: d.copy_to(folder / "copy.db"),
    }


def admins_verbs(settings: Settings, folder: Path) -> dict[str, Verb]:
    """What takes an admin."""
    nobody: Any = None
    me: dict[str, Any] = {"actor": "ann@desk"}
    missing = folder / "missing.pem"

    def tell_all(database: Database) -> None:
        with database.read() as connection:
            found = programs.get(connection, LINDEN, settings.account)
        asyncio.run(broadcast.broadcast(database, nobody, found, "Hi", expect=10, **me))

    return {
        "credential.add": lambda d: credentials.add_apple(d, settings, missing, **me),
        "credential.add google": lambda d: credentials.add_google(d, settings, missing, **me),
        "credential.add push_key": lambda d: credentials.add_push_key(d, settings, missing, "ABC", **me),
        "credential.remove": lambda d: credentials.remove(d, "apple", **me),
        "google.broadcast": tell_all,
        "program.create": lambda d: own_programs.create(d, settings, "New", nobody, **me),
        "program.rules": lambda d: rules.change(d, settings, CAFE, {"most_a_day": 1}, **me),
        "suppression.remove": lambda d: suppressions.remove(d, 1, **me),
        "suppression.remove value": lambda d: suppressions.remove_value(d, settings, "email", "a@b.cd", **me),
        "template.add": lambda d: own_programs.add_template(d, settings, LINDEN, nobody, **me),
    }


def test_verbs_refuse_a_role_that_is_too_low(full_url: str, settings: Settings, tmp_path: Path) -> None:
    before, files = every_row(full_url), sorted(tmp_path.rglob("*.secret"))
    theirs, admins = operators_verbs(settings, tmp_path), admins_verbs(settings, tmp_path)
    asked: dict[Role, tuple[dict[str, Verb], str]] = {
        "viewer": (theirs | admins, READ_ONLY),
        "operator": (admins, TAKES_ADMIN),
    }
    for role, (verbs, sentence) in asked.items():
        database = Database(full_url, role)
        for act, verb in verbs.items():
            with pytest.raises(Refused) as refusal:
                verb(database)
            assert str(refusal.value) == sentence, act
            assert act.split()[0] in ACTS
        database.close()
    assert every_row(full_url) == before
    assert not (tmp_path / "out.csv").exists()
    assert not (tmp_path / "copy.db").exists()
    assert sorted(tmp_path.rglob("*.secret")) == files


def test_an_entry_above_the_role_takes_its_transaction_back(current_url: str) -> None:
    before = every_row(current_url)
    operator = Database(current_url, "operator")
    with pytest.raises(Refused, match="takes an admin"):
        _pause_and_change_rules(operator)
    assert every_row(current_url) == before
    with operator.write() as connection:
        audit.append(connection, actor="ann", act="blast.paused", subject="5", details={})
    operator.close()
    assert len(every_row(current_url)["audit"]) == 1


def _pause_and_change_rules(database: Database) -> None:
    with database.write() as connection:
        audit.append(connection, actor="ann", act="blast.paused", subject="5", details={})
        audit.append(connection, actor="ann", act="program.rules", subject=CAFE, details={})


def test_a_viewers_connection_writes_nothing_by_any_way(current_url: str) -> None:
    before = every_row(current_url)
    viewer = Database(current_url, "viewer")
    for statement in (
        "INSERT INTO installation (name, value) VALUES ('a', 'b')",
        "DELETE FROM audit",
        "CREATE TABLE mine (x int)",
    ):
        with pytest.raises(StoreUnavailable, match=r"read.?only"), viewer.read() as connection:
            connection.execute(sa.text(statement))
    viewer.close()
    assert every_row(current_url) == before


def test_a_viewers_looks_leave_no_note(full_url: str, settings: Settings) -> None:
    before = every_row(full_url)
    viewer = Database(full_url, "viewer")
    migrate(viewer)
    with viewer.read() as connection:
        everybody = saved.by_name(connection, CAFE, "everybody")
        assert members.count(connection, CAFE) == 300
    assert audiences.count(viewer, CAFE, everybody) == 294  # six have left
    assert catalogue.fresh(viewer, CAFE) == []
    viewer.close()
    assert every_row(full_url) == before


# What has to be there first, and what runs by itself


def test_a_viewer_makes_no_store_and_no_home(store_url: str, tmp_path: Path) -> None:
    if store_url.startswith("sqlite"):
        with pytest.raises(Refused, match=r"there is no store .* and this is read-only"):
            Database(store_url, "viewer")
        assert not (tmp_path / "passbell.db").exists()
        Database(store_url).close()
    database = Database(store_url, "viewer")
    with pytest.raises(Refused, match="has no tables yet, and this is read-only"):
        migrate(database)
    database.close()
    home = tmp_path / "new"
    viewer = load(home, {"access.read_only": "true"})
    with pytest.raises(Refused, match=r"there is no .*consent.secret yet"):
        viewer.consent_secret()
    assert not home.exists()


def test_a_store_of_an_older_version_stays_that_to_a_viewer(current_url: str) -> None:
    database = Database(current_url)
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    database.close()
    before = every_row(current_url)
    viewer = Database(current_url, "viewer")
    with pytest.raises(Refused, match=r"is at revision 0001 and not at .*read-only"):
        migrate(viewer)
    viewer.close()
    assert every_row(current_url) == before
    database = Database(current_url)
    with database.write() as connection:
        connection.execute(sa.text(f"UPDATE alembic_version SET version_num = '{HEAD}'"))
    database.close()


def test_a_viewer_starts_nothing_that_sends_or_answers(current_sqlite_url: str, tmp_path: Path) -> None:
    settings = load(tmp_path, {"access.role": "viewer"})
    database = Database(current_sqlite_url, settings.role)
    assert start_if_none(settings, database) is None
    with pytest.raises(Refused, match="read-only"):
        serve(settings, host="127.0.0.1", port=0, ready=lambda _: None)
    database.close()
    assert not (tmp_path / "worker.log").exists()
