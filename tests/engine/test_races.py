"""Two at once: whatever comes between any two statements of an act, the ledger stays sound.

Each pair of acts is crossed on purpose: right before the nth statement of one the other begins, on a
connection of its own, and runs until it ends or waits for a lock; then the one goes on. That is done for each
n and with the parts changed, so that no order of two transactions is left to chance.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jobs import blasts
from jobs.engine.tick import Ticker
from store import audit, claims, ledger, schedules, settlements
from store.claims import Claimed
from store.database import Database
from store.errors import Refused
from store.schema import attempts, batches, deliveries
from store.schema import audit as audit_table
from store.schema import blasts as blast_table
from store.settings import Settings, load
from store.settlements import Settlement
from store.times import now
from tests.store.crowd import open_store
from tests.store.test_ledger import accepted, again, failed, planned

PASSES = 7
PATIENCE = 30.0
LEASE = timedelta(hours=1)
PASSBELL = (sys.executable, "-c", "from console.cli import main; main()")

TABLES = (blast_table, batches, deliveries, attempts, audit_table)
ENDS = ("accepted", "skipped", "held_out")

Act = Callable[["Stage", Database], None]
Crossed = tuple[bool, str, Counter[str]]
"""Whether one of the two was refused, the blast's state afterwards, and its deliveries by state."""


def quiet(_: int) -> None:
    """A bell that nobody hears."""


class Stage:
    """One blast with a delivery in each state, and two hands that act on it, each on its own connections."""

    def __init__(self, url: str, home: Path) -> None:
        self.url = url
        self.settings: Settings = load(home, {"store.url": url, "engine.undo_seconds": "0"})
        self.mine, self.theirs = open_store(url), Database(url)
        self.open = ExitStack()
        self.eyes = self.open.enter_context(self.theirs.read())
        self.scene = ""

    def set(self, scene: str) -> None:
        """A blast as it stands in this scene, and nothing else.

        planned    nothing was sent
        scheduled  its moment has come
        midway     it runs, and a delivery is in each state; one is `flying`, one has lost its lease (`stray`)
        held       the same, held, and it is time to look whether it may go on
        settled    it runs, and nothing is open
        """
        if self.scene != scene:
            self.replace({})
            self.build(scene)
            with self.mine.read() as connection:
                self.rows = {table: connection.execute(sa.select(table)).mappings().all() for table in TABLES}
            self.scene = scene
        self.replace(self.rows)

    def replace(self, rows: Mapping[sa.Table, Sequence[Any]]) -> None:
        """All there is of blasts is these rows."""
        with self.mine.write() as connection:
            for table in reversed(TABLES):
                connection.execute(table.delete())
            for table, its in rows.items():
                if its:
                    connection.execute(table.insert(), [dict(row) for row in its])

    def build(self, scene: str) -> None:
        at = now()
        self.blast_id = planned(self.mine, PASSES, 1)
        if scene == "planned":
            return
        if scene == "scheduled":
            with self.mine.write() as connection:
                schedules.schedule(connection, self.blast_id, send_at=at, at=at)
            return
        blasts.launch(self.mine, self.settings, self.blast_id, expect=PASSES, actor="test", ring=quiet)
        first, (one, two) = self.claim(self.mine, 2)
        self.settle(self.mine, first, [accepted(one), failed(two, "timeout")])
        self.live, (self.flying,) = self.claim(self.mine, 1)
        self.late, (self.stray,) = self.claim(self.mine, 1, lease=timedelta(0))
        if scene == "settled":
            self.settle(self.mine, self.live, [accepted(self.flying)])
            self.settle(self.mine, self.late, [accepted(self.stray)])
            batch_id, rest = self.claim(self.mine, PASSES)
            self.settle(self.mine, batch_id, [accepted(each) for each in rest])
        if scene == "held":
            with self.mine.write() as connection:
                ledger.step(
                    connection, self.blast_id, "held", at=at, hold_reason="the provider is down", probe_at=at
                )

    def claim(self, database: Database, limit: int, lease: timedelta = LEASE) -> tuple[int, list[Claimed]]:
        at = now()
        with database.write() as connection:
            return claims.claim(
                connection,
                self.blast_id,
                worker="w",
                limit=limit,
                lease_until=at + lease,
                at=at,
                look=lambda *_: {},
            )

    def settle(self, database: Database, batch_id: int, ended: list[Settlement]) -> int:
        with database.write() as connection:
            return settlements.settle(connection, self.blast_id, batch_id, ended, at=now())

    def say(self, verb: Callable[..., Any], database: Database, **more: Any) -> Any:
        return verb(database, self.settings, self.blast_id, actor="test", **more)

    def said(self, act: str) -> int:
        """How many entries of an act the audit has."""
        query = sa.select(sa.func.count()).where(audit_table.c.act == act)
        with self.mine.read() as connection:
            return connection.execute(query).scalar_one()

    def look(self) -> tuple[str, Counter[str]]:
        """The blast's state and its deliveries by state, after seeing that the ledger is sound."""
        with self.mine.read() as connection:
            state = ledger.get(connection, self.blast_id).state
            rows = connection.execute(sa.select(deliveries)).all()
            of_batches = connection.execute(sa.select(batches)).all()
            assert audit.verify(connection)[1] is None
        counts = Counter(row.state for row in rows)
        assert sum(counts[each] for each in ledger.STATES) == PASSES
        if state == "finished":
            assert not counts["pending"] + counts["sending"]
        if state == "cancelled":
            assert not counts["pending"]
        states = {row.id: row.state for row in rows}
        assert all(states[row["id"]] == row["state"] for row in self.rows[deliveries] if row["state"] in ENDS)
        for batch in of_batches:
            ended = Counter(row.state for row in rows if row.batch_id == batch.id)
            assert batch.accepted == ended["accepted"]
            assert ended.total() <= batch.size
        return state, counts

    def somebody_waits(self) -> bool:
        """On Postgres: whether a connection waits for a lock."""
        return bool(self.eyes.scalar(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")))

    def close(self) -> None:
        self.open.close()
        self.mine.close()
        self.theirs.close()


def launch(stage: Stage, database: Database) -> None:
    stage.say(blasts.launch, database, expect=PASSES, ring=quiet)


def pause(stage: Stage, database: Database) -> None:
    stage.say(blasts.pause, database)


def resume(stage: Stage, database: Database) -> None:
    stage.say(blasts.resume, database, ring=quiet)


def cancel(stage: Stage, database: Database) -> None:
    stage.say(blasts.cancel, database)


def retry(stage: Stage, database: Database) -> None:
    stage.say(blasts.retry, database, ring=quiet)


def claim(stage: Stage, database: Database) -> None:
    stage.claim(database, 2)


def finish(stage: Stage, database: Database) -> None:
    with database.write() as connection:
        ledger.finish_if_done(connection, stage.blast_id, at=now())


def tick(stage: Stage, database: Database) -> None:
    Ticker(
        database,
        stage.settings,
        "w",
        pump=lambda *_: None,
        pumping=set,
        look=lambda: None,
    ).tick()


def settle_live(stage: Stage, database: Database) -> None:
    stage.settle(database, stage.live, [accepted(stage.flying)])


def settle_again(stage: Stage, database: Database) -> None:
    stage.settle(database, stage.live, [again(stage.flying, now())])


def settle_late(stage: Stage, database: Database) -> None:
    stage.settle(database, stage.late, [again(stage.stray, now(), "unknown")])


@contextmanager
def crossed(stage: Stage, nth: int, other: Callable[[], None]) -> Iterator[threading.Event]:
    """Begins `other` right before the nth statement of this thread; the event says whether there was one.

    The statement goes out once the other has ended or waits for a lock. On SQLite whoever writes is alone, so
    there only the beginnings of transactions count.
    """
    here, begun, number = threading.get_ident(), threading.Event(), 0
    thread = threading.Thread(target=other)
    sqlite = stage.mine.dialect == "sqlite"

    def before(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal number
        if threading.get_ident() != here or begun.is_set() or (sqlite and not statement.startswith("BEGIN")):
            return
        number += 1
        if number == nth:
            begun.set()
            thread.start()
            while thread.is_alive() and not (not sqlite and stage.somebody_waits()):
                thread.join(0.001)

    sa.event.listen(sa.Engine, "before_cursor_execute", before)
    try:
        yield begun
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", before)
        if begun.is_set():
            thread.join(PATIENCE)
            assert not thread.is_alive()


def cross(stage: Stage, scene: str, one: Act, other: Act) -> Iterator[Crossed]:
    """Both acts on the same scene, the other before each statement of the one.

    Anything but a refusal that either of them raises, a deadlock above all, fails the test.
    """
    for nth in range(1, 100):
        stage.set(scene)
        errors: list[Exception] = []
        with crossed(stage, nth, partial(attempt, stage, other, stage.theirs, errors)) as begun:
            attempt(stage, one, stage.mine, errors)
        if not begun.is_set():
            return
        refused = [error for error in errors if isinstance(error, Refused)]
        assert errors == refused, f"{one.__name__} against {other.__name__}, before its statement {nth}"
        yield bool(refused), *stage.look()


def attempt(stage: Stage, act: Act, database: Database, errors: list[Exception]) -> None:
    """Do it, and keep what it raises: half of this runs in threads."""
    try:
        act(stage, database)
    except Exception as error:
        errors.append(error)


def both_ways(stage: Stage, scene: str, one: Act, other: Act) -> Iterator[Crossed]:
    """The two acts crossed, with either as the one that is interrupted."""
    yield from cross(stage, scene, one, other)
    if one is not other:
        yield from cross(stage, scene, other, one)


@pytest.fixture
def stage(current_url: str, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(current_url, tmp_path)
    yield made
    made.close()


def test_two_launches_at_once_are_one_launch(stage: Stage) -> None:
    for refused, state, _ in both_ways(stage, "planned", launch, launch):
        assert not refused
        assert (state, stage.said("blast.launch")) == ("running", 1)


def test_a_launch_at_the_moment_of_its_schedule_is_one_launch(stage: Stage) -> None:
    for _, state, _ in both_ways(stage, "scheduled", launch, tick):
        assert state == "running"
        assert stage.said("blast.launch") + stage.said("blast.started") == 1
    for _, state, _ in cross(stage, "scheduled", tick, tick):
        assert (state, stage.said("blast.started")) == ("running", 1)


def test_a_launch_against_a_pause_or_a_cancel(stage: Stage) -> None:
    for refused, state, _ in both_ways(stage, "planned", launch, pause):
        assert state == ("running" if refused else "paused")
    for scene, other in (("planned", launch), ("scheduled", tick)):
        for _, state, counts in both_ways(stage, scene, cancel, other):
            assert state == "cancelled"
            assert counts["skipped"] == PASSES


def test_a_cancel_against_whatever_a_worker_does(stage: Stage) -> None:
    for other in (claim, settle_live, settle_again, tick):
        for refused, state, _ in both_ways(stage, "midway", cancel, other):
            assert not refused
            assert state == "cancelled"
    for _, state, _ in both_ways(stage, "settled", cancel, finish):
        assert state in ("cancelled", "finished")


def test_a_cancel_against_other_words(stage: Stage) -> None:
    for scene, other in (("midway", retry), ("held", resume)):
        for _, state, _ in both_ways(stage, scene, cancel, other):
            assert state == "cancelled"


def test_a_pause_against_whatever_a_worker_does(stage: Stage) -> None:
    for refused, state, _ in both_ways(stage, "midway", pause, claim):
        assert (refused, state) == (False, "paused")
    for refused, state, _ in both_ways(stage, "settled", pause, finish):
        assert state == ("finished" if refused else "paused")


def test_a_retry_against_the_end_of_its_blast(stage: Stage) -> None:
    for other in (finish, tick):
        for refused, state, counts in both_ways(stage, "settled", retry, other):
            assert not refused
            assert (state, counts["pending"]) == ("running", 1)
    for refused, _, _ in cross(stage, "midway", retry, retry):
        assert refused  # the one that came second found nothing failed any more
        assert stage.said("blast.retry") == 1


def test_workers_against_each_other(stage: Stage) -> None:
    for _, _, counts in cross(stage, "midway", claim, claim):
        assert counts["sending"] == 2 + 2  # all that was pending, each by one of them
    for _, _, counts in cross(stage, "midway", tick, tick):
        assert (counts["pending"], counts["sending"]) == (3, 1)
    for other in (claim, settle_late):
        for _, state, _ in both_ways(stage, "midway", tick, other):
            assert state == "running"


def test_hands_in_a_crowd_take_each_delivery_once(stage: Stage) -> None:
    stage.set("midway")
    databases = [Database(stage.url) for _ in range(4)]

    def work(database: Database) -> list[int]:
        took = []
        for _ in range(6):
            batch_id, claimed = stage.claim(database, 1)
            took += [one.id for one in claimed]
            if claimed:
                stage.settle(database, batch_id, [accepted(one) for one in claimed])
            tick(stage, database)
        return took

    with ThreadPoolExecutor(len(databases)) as crowd:
        took = [each for hand in crowd.map(work, databases) for each in hand]
    assert len(took) == len(set(took)) == 3  # two that waited, and the stray one
    for database in databases:
        database.close()
    state, counts = stage.look()
    assert (state, counts["accepted"], counts["sending"]) == ("running", 4, 1)


@pytest.mark.parametrize("seed", range(4))
def test_hands_that_want_the_opposite_are_told_the_truth(stage: Stage, seed: int) -> None:
    """Two consoles, one in a browser, and commands: each is a hand with a store of its own."""
    stage.set("planned")
    hands = {f"hand {number}": Database(stage.url) for number in range(4)}
    refused: list[tuple[str, str]] = []

    def act(actor: str) -> list[str]:
        dice, done = random.Random(f"{seed} {actor}"), []
        for _ in range(12):
            (word,) = dice.choices(tuple(WORDS), weights=(3, 4, 4, 3, 3, 0.4))
            try:
                state = WORDS[word](stage, hands[actor], actor)
            except Refused as error:
                refused.append((word, str(error)))
            else:
                assert state in (ENDS_IN.get(word), None) or word == "launch", (word, state)
                done.append(word)
        return done

    with ThreadPoolExecutor(len(hands)) as crowd:
        did = dict(zip(hands, crowd.map(act, hands), strict=True))
    for word, sentence in refused:
        named = re.search(r"^blast \d+ (?:is|was) (\w+)", sentence)
        assert named or "no failed deliveries" in sentence, (word, sentence)
        assert named is None or named[1] not in ledger.MAY.get(word, ()), (word, sentence)
    state, _ = stage.look()
    with stage.mine.read() as connection:
        told = [one for one in audit.entries(connection) if one.act in ENTRIES]
    before = "planned"
    for one in told:
        assert one.details["from"] in (before, "finished"), told  # a worker's end has no entry
        before = ENTRIES[one.act]
    assert state in (before, "finished")
    for actor, words in did.items():
        mine = Counter(one.act for one in told if one.actor == actor)
        assert all(
            mine[f"blast.{ENDS_IN[word]}"] <= words.count(word) for word in ("pause", "resume", "cancel")
        )
    assert [one.act for one in told].count("blast.launch") <= 1
    for database in hands.values():
        database.close()


def _worked(stage: Stage, database: Database, actor: str) -> None:
    """A worker takes two, of which one fails; then comes a tick."""
    batch_id, claimed = stage.claim(database, 2)
    if claimed:
        stage.settle(
            database, batch_id, [accepted(claimed[0]), *(failed(one, "timeout") for one in claimed[1:])]
        )
    tick(stage, database)


def _by(verb: Callable[..., Any], **more: Any) -> Callable[[Stage, Database, str], Any]:
    def said(stage: Stage, database: Database, actor: str) -> Any:
        found = verb(database, stage.settings, stage.blast_id, actor=actor, **more)
        return getattr(found, "state", None)

    return said


WORDS: dict[str, Callable[[Stage, Database, str], Any]] = {
    "launch": _by(blasts.launch, expect=PASSES, ring=quiet),
    "pause": _by(blasts.pause),
    "resume": _by(blasts.resume, ring=quiet),
    "retry": _by(blasts.retry, ring=quiet),
    "work": _worked,
    "cancel": _by(blasts.cancel),
}
ENDS_IN = {"pause": "paused", "resume": "running", "cancel": "cancelled"}
ENTRIES = {"blast.launch": "running"} | {f"blast.{state}": state for state in ENDS_IN.values()}


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_two_commands_that_launch_at_once_launch_once(stage: Stage) -> None:
    stage.set("planned")
    home = ("--home", str(stage.settings.home), "--set", f"store.url={stage.url}")
    command = [*PASSBELL, *home, "blasts", "launch", str(stage.blast_id), "--expect", str(PASSES)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [child.communicate(timeout=PATIENCE)[0] for child in both]
    assert [child.returncode for child in both] == [0, 0]
    assert all("running" in words for words in told)
    assert (stage.look()[0], stage.said("blast.launch")) == ("running", 1)
