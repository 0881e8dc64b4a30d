"""Many hands at once, in no order that was chosen: each is told the truth, and none sends twice."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jobs import blasts
from store import audit, ledger
from store.database import Database
from store.errors import Refused
from tests.engine.stage import PASSES, Stage, quiet, tick
from tests.store.test_ledger import accepted, failed

PATIENCE = 30.0
PASSBELL = (sys.executable, "-c", "from console.cli import main; main()")


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
