"""Two at once: whatever comes between any two statements of an act, the ledger stays sound.

Each pair of acts is crossed on purpose: right before the nth statement of one the other begins, on a
connection of its own, and runs until it ends or waits for a lock; then the one goes on. That is done for each
n and with the parts changed, so that no order of two transactions is left to chance.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import sqlalchemy as sa

from store.database import Database
from store.errors import Refused
from tests.engine.stage import (
    PASSES,
    Stage,
    cancel,
    claim,
    finish,
    launch,
    pause,
    resume,
    retry,
    settle_again,
    settle_late,
    settle_live,
    tick,
)

PATIENCE = 30.0

Act = Callable[[Stage, Database], None]
Crossed = tuple[bool, str, Counter[str]]
"""Whether one of the two was refused, the blast's state afterwards, and its deliveries by state."""


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
