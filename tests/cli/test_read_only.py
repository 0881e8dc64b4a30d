"""Commands of those who may only look, or may change no rules: they are refused, and nothing happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import psycopg
import pytest

from console.cli.root import root
from store.database import Database
from store.roles import why_not
from store.settings import load
from tests.bed.rows import Rows, every_row
from tests.cli.conftest import Passbell
from tests.console.own import LINDEN, fill_own
from tests.console.seed import CAFE, Clock, fill, stopped
from tests.console.terminal import Terminal

Command = tuple[str, ...]

OPERATORS: tuple[Command, ...] = (
    ("backup", "copy.db"),
    ("rehearse", "--port", "0"),
    ("worker",),
    ("serve",),
    ("sync",),
    ("programs", "reconcile", LINDEN),
    ("members", "import", CAFE, "missing.csv"),
    ("members", "undo", "1"),
    ("passes", "issue", LINDEN, "--all", "--yes"),
    ("passes", "rehearse", LINDEN),
    ("passes", "link", LINDEN, "L-001"),
    ("passes", "void", LINDEN, "L-001", "--yes"),
    ("audiences", "save", CAFE, "new", "--all"),
    ("audiences", "combine", CAFE, "new", "--union", "gold"),
    ("audiences", "delete", CAFE, "gold"),
    ("consents", "give", CAFE, "M-0001", "--source", "till"),
    ("consents", "withdraw", CAFE, "M-0001", "--source", "till"),
    ("consents", "import", CAFE, "missing.csv"),
    ("consents", "token", CAFE, "M-0001"),
    ("preferences", "set", CAFE, "M-0001", "--most-a-day", "1"),
    ("suppressions", "add", "--email", "a@b.cd", "--reason", "asked"),
    ("suppressions", "import", "missing.csv"),
    ("suppressions", "export", "out.csv"),
    ("audit", "export", "audit.ndjson"),
    ("audit", "list", "--export", "out.csv"),
    ("blasts", "deliveries", "1", "--export", "out.csv"),
    ("members", "list", CAFE, "--export", "out.csv"),
    ("blasts", "plan", "--program", CAFE, "--text", "Hello", "--all"),
    ("blasts", "replan", "6"),
    ("blasts", "launch", "6", "--expect", "1"),
    ("blasts", "pause", "5"),
    ("blasts", "resume", "4"),
    ("blasts", "cancel", "5"),
    ("blasts", "retry", "5"),
    ("blasts", "rate", "5", "1"),
    ("blasts", "urgent", "5"),
)
ADMINS: tuple[Command, ...] = (
    ("init",),
    ("programs", "create", "New", "--template", "template"),
    ("programs", "rules", CAFE, "--most-a-day", "1"),
    ("programs", "broadcast", LINDEN, "--text", "Hello", "--expect", "10"),
    ("templates", "add", LINDEN, "template"),
    ("credentials", "add", "apple", "--certificate", "missing.p12"),
    ("credentials", "add", "google", "missing.json"),
    ("credentials", "add", "push_key", "missing.p8", "--key-id", "ABC"),
    ("credentials", "remove", "google"),
    ("suppressions", "remove", "1"),
)
LOOKS: tuple[Command, ...] = (
    ("programs", "list"),
    ("programs", "show", CAFE),
    ("programs", "fields", CAFE),
    ("programs", "rules", CAFE),
    ("templates", "new", "another"),
    ("templates", "check", "template"),
    ("templates", "list", LINDEN),
    ("credentials", "list"),
    ("members", "list", CAFE),
    ("members", "show", CAFE, "M-0001"),
    ("members", "imports", CAFE),
    ("members", "import", CAFE, "members.csv", "--dry-run"),
    ("passes", "list", LINDEN),
    ("passes", "show", LINDEN, "L-001"),
    ("passes", "events", LINDEN, "L-001"),
    ("audiences", "list"),
    ("audiences", "presets", CAFE),
    ("audiences", "show", CAFE, "gold"),
    ("audiences", "explain", CAFE, "gold"),
    ("consents", "show", CAFE, "M-0001"),
    ("preferences", "show", CAFE, "M-0001"),
    ("suppressions", "list"),
    ("blasts", "list"),
    ("blasts", "show", "1"),
    ("blasts", "deliveries", "1"),
    ("blasts", "batches", "1"),
    ("blasts", "incident", "1"),
    ("blasts", "preview", "--program", CAFE, "--all", "--text", "Hello"),
    ("blasts", "throughput", "1"),
    ("keys", "list"),
    ("overview",),
    ("why", CAFE, "M-0001"),
    ("audit", "list"),
    ("audit", "verify"),
)
OWN = {"keys set", "keys restore"}
"""Whoever looks may do so with keys of their own: they change nothing for others."""
ELSEWHERE = {"blasts watch", "console", "consents redeem", "demo", "doctor", "drill", "templates show"}
"""Watch tells by its code how a blast ended, and doctor how all stands; demo and drill have homes of their
own, the console a terminal; nobody can make up a token; and the templates of the seed cannot be drawn."""


@pytest.fixture
def full(empty: Passbell, current_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Passbell:
    """`passbell` on a store with programs, members, audiences and blasts in it, and beside it a template."""
    settings = load(tmp_path / "home", {"engine.undo_seconds": "0"})
    database, clock = Database(current_url), Clock()
    with stopped(clock):
        fill(database, settings, clock)
        fill_own(database, settings, clock)
    database.close()
    settings.consent_secret()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "members.csv").write_text("external_id,city\nM-0001,Graz\n")
    assert empty("templates", "new", "template").code == 0
    return lambda *arguments: empty("--set", f"store.url={current_url}", *arguments)


def held(url: str, home: Path) -> tuple[Rows, dict[str, bytes]]:
    """All that a store holds, and the files of its home."""
    return every_row(url), {path.name: path.read_bytes() for path in home.iterdir()}


def test_what_takes_a_higher_role_is_refused_and_what_is_to_be_seen_is_shown(
    full: Passbell, current_url: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    (home / "passbell.toml").write_text('[access]\nrole = "operator"\n')
    before = held(current_url, home)
    for command in (*OPERATORS, *ADMINS):
        done = full("--read-only", *command)
        assert (done.code, done.out) == (3, ""), (command, done)
        assert why_not("viewer", "operator") in done.err, command
    for command in ADMINS:
        done = full(*command)
        assert (done.code, done.out) == (3, ""), (command, done)
        assert why_not("operator", "admin") in done.err, command
    for command in LOOKS:
        done = full("--read-only", *command)
        assert done.code == 0, (command, done.err)
    told = full("--read-only", "passes", "show", LINDEN, "L-001", "--json").json
    assert told["passes"]
    assert told["download_link"] is None
    assert not full("--read-only", "programs", "broadcast", LINDEN, "--text", "Hello", "--json").json["sent"]
    raised = full("--set", "access.role=admin", "programs", "list")
    assert (raised.code, raised.out) == (2, "")
    assert "--set: `access.role` can only take away, and " in raised.err
    assert raised.err.endswith("passbell.toml says operator\n")
    assert held(current_url, home) == before
    assert not {"copy.db", "out.csv"} & {path.name for path in tmp_path.iterdir()}
    assert full("blasts", "pause", "5").code == 0
    assert full("consents", "give", CAFE, "M-0001", "--source", "till").code == 0


@pytest.fixture
def only_reads(current_postgres_url: str) -> Iterator[str]:
    """The URL of the same store, for an account that may only SELECT."""
    with psycopg.connect(current_postgres_url, autocommit=True) as owner:
        owner.execute("CREATE ROLE looker LOGIN")
        owner.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker")
    yield current_postgres_url.replace("passbell@", "looker@")
    with psycopg.connect(current_postgres_url, autocommit=True) as owner:
        owner.execute("DROP OWNED BY looker")
        owner.execute("DROP ROLE looker")


ONLY_READS = (
    "lets this account only read: look by `passbell --read-only`, or let the owner of its tables grant "
    "INSERT, UPDATE and DELETE on all of them"
)
WRITES = (*OPERATORS, ("programs", "rules", CAFE, "--most-a-day", "1"))
STATELESS = (("passes", "link", LINDEN, "L-001"), ("consents", "token", CAFE, "M-0001"))
"""They take a role, and change nothing."""
ELSEHOW = {"backup", "rehearse"}
"""Postgres has a backup of its own, and a rehearsal's PassKit is beside the store."""


@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
def test_an_account_of_postgres_that_may_only_select_sees_all_and_is_told_what_it_may_not(
    full: Passbell, only_reads: str, current_url: str
) -> None:
    before = every_row(current_url)
    looker = ("--set", f"store.url={only_reads}")
    for command in LOOKS:
        more = ("--json",) if command[:2] != ("templates", "new") else ()
        # The templates of the seed cannot be drawn: whoever gets links with the passes gets none here.
        role = ("--read-only",) if command[:2] == ("passes", "show") else ()
        done = full(*looker, *role, *command, *more)
        assert done.code == 0, (command, done.err)
    for command in WRITES:
        if command[0] not in ELSEHOW and command not in STATELESS:
            done = full(*looker, *command)
            assert (done.code, done.out) == (3, ""), (command, done)
            assert ONLY_READS in done.err, (command, done.err)
    told = full(*looker, "doctor", "--json").lines
    assert [one["level"] for one in told if ONLY_READS in one["sentence"]] == ["fail"]
    told = full(*looker, "--read-only", "doctor", "--json").lines
    assert [one["level"] for one in told if one["subject"] == "store"] == ["ok"]
    assert full(*looker, "backup", "copy.db").err.endswith("is in Postgres: back it up with pg_dump\n")
    with psycopg.connect(current_url, autocommit=True) as owner:
        owner.execute("UPDATE alembic_version SET version_num = '0003'")
    done = full(*looker, "--read-only", "programs", "list")
    assert done.code == 3
    assert "is at revision 0003 and not at 0004, and this is read-only: let an operator open it" in done.err
    done = full(*looker, "programs", "list")
    assert done.code == 3
    assert ONLY_READS in done.err
    with psycopg.connect(current_url, autocommit=True) as owner:
        owner.execute("UPDATE alembic_version SET version_num = '0004'")
        # What a standby says of each transaction, for an account that may do all.
        owner.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO looker")
        owner.execute("ALTER ROLE looker SET default_transaction_read_only = on")
    assert full(*looker, "programs", "list", "--json").lines
    for command in (("sync",), ("worker",), ("blasts", "pause", "5")):
        done = full(*looker, *command)
        assert (done.code, done.out) == (3, ""), (command, done)
        assert "is on a server that only reads, as a standby does: look by `passbell --read-only`" in done.err
    assert every_row(current_url) == before


@pytest.mark.slow
@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
def test_the_console_of_such_an_account_shows_all_and_says_what_it_may_not(
    full: Passbell, only_reads: str, current_url: str, tmp_path: Path
) -> None:
    before = every_row(current_url)
    for role, told in (((), "this account only read"), (("--read-only",), "This is read-only")):
        words = ("--set", f"store.url={only_reads}", *role, "console", "--blast", "5")
        terminal = Terminal(tmp_path / "home", *words, size=(160, 40))
        try:
            terminal.wait_for("RUNNING", "p Pause", "WORKER")
            terminal.press("p")
            terminal.wait_for(told)
            terminal.press("1")
            terminal.wait_for("Café Central", "members")
            terminal.send("q")
            assert terminal.ended() == 0
        finally:
            if terminal.child.poll() is None:
                terminal.kill()
    assert every_row(current_url) == before


def test_every_command_is_looked_at_here() -> None:
    known = {*OPERATORS, *ADMINS, *LOOKS}
    for name in _every_command(root, click.Context(root)):
        words = tuple(name.split())
        assert name in OWN | ELSEWHERE or any(command[: len(words)] == words for command in known), name


def test_a_missing_store_and_home_are_not_made_by_looking(empty: Passbell, tmp_path: Path) -> None:
    done = empty("--read-only", "programs", "list")
    assert done.code == 3
    assert "there is no store" in done.err
    assert not (tmp_path / "home").exists()


def test_doctor_starts_nothing_for_a_viewer(empty: Passbell, tmp_path: Path) -> None:
    assert empty("init").code == 0
    before = {path.name for path in (tmp_path / "home").iterdir()}
    found = empty("--read-only", "--set", "passkit.base_url=pub1", "doctor", "--json").lines
    assert ("warn", "stand-in") in {(one["level"], one["subject"]) for one in found}
    assert {path.name for path in (tmp_path / "home").iterdir()} == before


def test_doctor_says_the_role(passbell: Passbell) -> None:
    found = {one["subject"]: one["sentence"] for one in passbell("--read-only", "doctor", "--json").lines}
    assert found["role"] == "the role here is viewer, who looks, and can change and send nothing"


def _every_command(group: click.Group, context: click.Context, before: str = "") -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _every_command(command, context, f"{before}{name} ")
        else:
            yield f"{before}{name}"
