"""The report of a blast: what it tells, and that nothing others wrote does anything in it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from jobs import blasts, incident
from store import audit, ledger
from store.database import Database
from store.errors import PassbellError, UsageError
from store.schema import blasts as blasts_table
from store.schema import deliveries as deliveries_table
from store.settings import Settings, load
from tests.cli.conftest import run
from tests.console.seed import ACTOR, Clock, fill, stopped

FINISHED, HELD, CANCELLED, PAUSED, RUNNING, PLANNED = range(1, 7)
HOSTILE = "`` [x](http://e.x) <script>|| # **b** @all \x1b[31m\u202e\n# h"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the seeded store, in which a blast was held, let go on and held again."""
    home = tmp_path_factory.mktemp("incident")
    settings, clock = load(home, {"engine.undo_seconds": "0"}), Clock()
    database = Database(settings.store_url)
    with stopped(clock):
        fill(database, settings, clock)
        _go_through(database, settings, clock)
    database.close()
    return home


def _go_through(database: Database, settings: Settings, clock: Clock) -> None:
    for place in range(2):
        with database.write() as connection:
            clock.move(minutes=1)
            ledger.step(connection, RUNNING, "held", at=clock.at, hold_reason=HOSTILE)
            told = {"reason": HOSTILE}
            audit.append(
                connection, actor="w:1", act="blast.held", subject=str(RUNNING), details=told, at=clock.at
            )
        if not place:
            clock.move(seconds=90)
            blasts.resume(database, settings, RUNNING, actor=ACTOR, ring=lambda _: None)
    with database.write() as connection:
        named = blasts_table.update().where(blasts_table.c.id == RUNNING)
        connection.execute(named.values(name=HOSTILE, text=HOSTILE))
        failed = deliveries_table.update().where(
            deliveries_table.c.blast_id == RUNNING, deliveries_table.c.state == "failed"
        )
        connection.execute(failed.values(detail=HOSTILE, code="HTTP 500 / 13"))


def look(home: Path, blast_id: int) -> incident.Incident:
    settings = load(home)
    database = Database(settings.store_url)
    try:
        with database.read() as connection:
            return incident.look(connection, settings.account, blast_id)
    finally:
        database.close()


def test_holds_are_told_with_their_times_and_who_ended_them(home: Path) -> None:
    found = look(home, RUNNING)
    first, second = found.holds
    assert first.until is not None
    assert first.until - first.since == timedelta(seconds=90)
    assert (first.ended_by, second.until) == (ACTOR, None)
    told = incident.markdown(found)
    assert "(0:01:30), ended by `ann@desk`" in told
    assert "It is held. It waits for a person. `passbell blasts resume 5` goes on at once." in told
    assert "3 passes failed and did not get it: `passbell blasts retry 5` tries them again." in told
    assert "- 3 passes, `refused`, provider's code `HTTP 500 / 13`" in told
    assert "Europe/Vienna (2026-11-21 " in told
    assert "| planned | 199 |" in told
    assert "`ann@desk` launched it" in told


def test_what_others_wrote_does_nothing(home: Path) -> None:
    told = incident.markdown(look(home, RUNNING))
    assert all(one.isprintable() or one == "\n" for one in told)
    tokens = MarkdownIt("commonmark").enable("table").parse(told)
    inner = [child for token in tokens for child in token.children or ()]
    assert {token.type for token in [*tokens, *inner]}.isdisjoint(
        {"html_block", "html_inline", "link_open", "image", "fence", "code_block"}
    )
    assert [token.tag for token in tokens if token.type == "heading_open"].count("h1") == 1


@given(st.text(max_size=60))
def test_a_code_span_holds_any_text(text: str) -> None:
    span = incident.code(text)
    assert "\n" not in span
    assert all(one.isprintable() or one in incident.JOINERS for one in span)
    (paragraph,) = [t for t in MarkdownIt("commonmark").parse(f"- {span}") if t.type == "inline"]
    kinds = [child.type for child in paragraph.children or ()]
    assert kinds == ["code_inline"] or span == "(empty)"


def test_what_is_over_has_nothing_open(home: Path) -> None:
    found = look(home, CANCELLED)
    assert list(incident.still_open(found)) == []
    assert incident.markdown(found).endswith("## Still open\n\nNothing.\n")


def test_the_commands_print_and_write_and_never_overwrite(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "report.md"
    with stopped(Clock()):  # it says how long what goes on has lasted
        assert run("--home", home, "blasts", "incident", RUNNING) == 0
        printed = capsys.readouterr().out
        assert printed.startswith("# Blast 5: ")
        assert run("--home", home, "blasts", "incident", RUNNING, "--output", file) == 0
    assert file.read_text(encoding="utf-8").splitlines()[4:] == printed.splitlines()[4:]
    assert file.stat().st_mode & 0o777 == 0o600
    assert run("--home", home, "blasts", "incident", RUNNING, "--output", file) == UsageError.exit_code
    assert "exists already" in capsys.readouterr().err
    assert run("--home", home, "blasts", "incident", RUNNING, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (len(told["holds"]), told["failures"][0]["count"]) == (2, 3)
    assert told["open"][0].startswith("It is held. It waits for a person.")
    assert run("--home", home, "blasts", "throughput", RUNNING, "--json") == 0
    assert sum(json.loads(capsys.readouterr().out)["done"]) == 60
    assert run("--home", home, "blasts", "throughput", PLANNED) == 0
    assert "Nothing was claimed yet." in capsys.readouterr().out
    with pytest.raises(PassbellError, match="cannot write"):
        incident.save("", tmp_path / "nowhere" / "report.md")
