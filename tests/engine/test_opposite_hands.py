"""Two consoles in terminals, commands and a worker want the opposite of one another, in an order by lot."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from jobs import blasts
from store import audit, ledger
from tests.console.terminal import Terminal
from tests.engine.conftest import PATIENCE, House

Build = Callable[..., House]

PASSBELL = (sys.executable, "-c", "from console.cli import main; main()")
KEYS = {"pause": "p", "resume": "r"}
ENDS_IN = {"blast.launch": "running", "blast.paused": "paused", "blast.running": "running"}


def begun(house: House, word: str, blast_id: int) -> subprocess.Popen[str]:
    """A command that is not waited for."""
    words = [*PASSBELL, "blasts", word, str(blast_id), "--json"]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, env=house.surroundings(), stdout=pipe, stderr=pipe, text=True)


def check_answer(word: str, command: subprocess.Popen[str]) -> None:
    """It did as it was told, or names a state of the blast in which that cannot be done."""
    told = command.communicate(timeout=PATIENCE)[1]
    assert command.returncode in (0, 3), told
    if command.returncode == 3:
        named = re.search(r"blast \d+ (?:is|was) (\w+)", json.loads(told)["error"])
        assert named is not None, told
        assert named[1] not in ledger.MAY[word], (word, told)


def check_steps(house: House) -> None:
    """Each step began where the one before it had ended: nobody acted on what was not so."""
    with house.database.read() as connection:
        assert audit.verify(connection)[1] is None
        steps = [one for one in audit.entries(connection) if one.act in ENDS_IN]
    state = "planned"
    for step in steps:
        assert step.details["from"] == state
        state = ENDS_IN[step.act]
    assert [one.act for one in steps].count("blast.launch") == 1
    assert "blast.paused" in {one.act for one in steps}


@pytest.mark.slow
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_those_who_want_the_opposite_see_the_truth_and_nobody_is_messaged_twice(
    build: Build, terminals: list[Terminal]
) -> None:
    house, dice = build(console__start_worker="false"), random.Random(6)
    plan = house.plan()
    id_, count = plan.blast.id, plan.tally.counts["pending"]
    for _ in range(2):
        words = ("console", "--blast", str(id_))
        terminals.append(Terminal(house.settings.home, *words, surroundings=house.surroundings()))
    for one in terminals:
        one.wait_for("PLANNED", f"{count} pending")
    house.say(blasts.set_rate, id_, per_second=5)  # so that it cannot end before they are done
    house.say(blasts.launch, id_, expect=count, ring=lambda _: None)
    house.start_worker()
    commands = []
    for number in range(16):
        if number % 8 == 0:
            word = dice.choice(tuple(KEYS))
            commands.append((word, begun(house, word, id_)))
        for one in dice.sample(terminals, dice.randrange(3)):
            one.send(KEYS[dice.choice(tuple(KEYS))])
        for one in terminals:
            one.look(0.05)
    for word, command in commands:
        check_answer(word, command)
    for one in terminals:
        one.settle(0.3)
    state = house.blast(id_).state
    for one in terminals:
        one.wait_for(state.upper())
    house.say(blasts.set_rate, id_, per_second=None)
    if state == "paused":
        terminals[0].press("r")
    house.wait_for_state(id_, "finished")
    accepted = house.nothing_lost(id_).states["accepted"]
    for one in terminals:
        one.wait_for("FINISHED", f"{accepted} accepted")
        one.press("p")
        one.wait_for("it is finished")
    check_steps(house)
