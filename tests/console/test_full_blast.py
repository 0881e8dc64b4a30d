"""A blast from the first word to its last figure, on a real terminal, by keys alone and by mouse alone.

Nothing is played: a console's process on a pty, the worker that it starts, and the stand-in PassKit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from store.schema import passes
from tests.bed.nursery import Nursery
from tests.console.terminal import CTRL_R, ENTER, ESCAPE, TAB, Terminal
from tests.engine.conftest import House

pytestmark = pytest.mark.slow
SMALL = (80, 24)
TEXT = "Two for one 🎉 until six"
Open = Callable[..., Terminal]


@pytest.fixture
def house(tmp_path: Path, nursery: Nursery) -> Iterator[House]:
    """A home with a stand-in and 60 members; every count has to be named, and there is time to undo."""
    flags = {
        "rehearsal__members": "60",
        "engine__undo_seconds": "1.5",
        "engine__max_attempts": "2",
        "console__type_count_from": "1",
    }
    made = House(tmp_path, f"sqlite:///{tmp_path / 'passbell.db'}", {}, nursery, **flags)
    yield made
    made.close()


@pytest.fixture
def open_console(house: House) -> Iterator[Open]:
    """Opens consoles in this home; all have ended when the test is over."""
    opened: list[Terminal] = []

    def open_one(*words: str) -> Terminal:
        surroundings = house.surroundings()
        opened.append(Terminal(house.settings.home, *words, size=SMALL, surroundings=surroundings))
        return opened[-1]

    yield open_one
    for one in opened:
        if one.child.poll() is None:
            one.kill()


def count_asked(terminal: Terminal) -> str:
    """The count that the launch wants to have named."""
    terminal.wait_for("to make sure")
    found = re.search(r"Type (\d+) to make sure", terminal.shown)
    assert found
    return found[1]


def test_by_keys_alone_in_80_by_24(house: House, open_console: Open) -> None:
    terminal = open_console()
    terminal.wait_for("NEEDS YOU", "REHEARSAL", "1 worker")
    terminal.press("3")
    terminal.wait_for("Plan and launch", "All active members", "alert")
    terminal.press("e", TEXT)
    terminal.wait_for("K   Two for one")  # on the lock screen
    terminal.press(CTRL_R)
    count = count_asked(terminal)
    terminal.press(ENTER)  # Cancel has the focus
    terminal.wait_for("Plan and launch", f"{len(TEXT)} of 500")
    terminal.press(CTRL_R)
    assert count_asked(terminal) == count
    terminal.press(*count, ENTER, ENTER)
    terminal.wait_for("#2 Two for one", "seconds until the first message leaves")
    terminal.wait_for("FINISHED", f"{count} accepted + 0 failed", "1 claimed")
    tally = house.nothing_lost(2)
    assert tally.states["accepted"] == int(count)
    assert house.tally(1).states["pending"] == int(count)  # the plan that was not launched

    terminal.press("s")
    terminal.wait_for("passes a second", "p95")
    terminal.press("w")
    terminal.wait_for("Nothing has failed.")
    terminal.press("d")
    terminal.wait_for("Deliveries: all", "KL-0000")
    terminal.press(ENTER)
    terminal.wait_for("Tries: 1", "the phone shows the text on its lock screen")
    terminal.press("w")
    terminal.wait_for("Messaged: accepted at", "a delivery was planned")
    terminal.press(ESCAPE, ESCAPE)
    terminal.wait_for("Deliveries: all")
    terminal.press("i")
    terminal.wait_for("# Blast 2: `Two for one")
    terminal.press("c")
    terminal.wait_for("Copied")
    assert f"| accepted | {count} |" in terminal.copied[-1]
    terminal.press(ESCAPE, "q")
    assert terminal.ended() == 0


def test_by_mouse_alone(house: House, open_console: Open) -> None:
    """No key at all: the text is one that was planned before, for others."""
    house.plan(TEXT, kind="where", expression="tier = 'gold'")
    terminal = open_console()
    terminal.wait_for("NEEDS YOU", "REHEARSAL", "1 worker")
    terminal.click("3 Compose")
    terminal.wait_for("Plan and launch", "All active members", "alert")
    terminal.click("^t earlier")
    terminal.click(TEXT, line="Two for one")
    terminal.wait_for("K   Two for one", "will get it")
    terminal.click("Plan and launch")
    count = count_asked(terminal)
    terminal.wheel("messages will be sent", 8)
    terminal.wait_for("opted out of messages")
    for digit in count:
        terminal.click(f" {digit} ", line="←")
    terminal.click(f"Launch to {count}")
    terminal.wait_for("#2 Two for one", "Stop it (x)")
    terminal.wait_for("FINISHED", f"{count} accepted + 0 failed", "1 claimed")
    assert house.nothing_lost(2).states["accepted"] == int(count)

    terminal.click("speed")
    terminal.wait_for("passes a second", "p95")
    terminal.click("why failed")
    terminal.wait_for("Nothing has failed.")
    terminal.click("d all")
    terminal.wait_for("Deliveries: all", "KL-0000")
    terminal.wheel("KL-0000", 12)
    terminal.click("accepted", line="KL-0000", times=2)
    terminal.wait_for("Tries: 1")
    terminal.click("why", line="close")
    terminal.wait_for("Messaged: accepted at")
    terminal.click("esc Back")
    terminal.wait_for("Tries: 1")
    terminal.click("close", line="why")
    terminal.wait_for("Deliveries: all")
    terminal.click("i report")
    terminal.wait_for("# Blast 2: `Two for one")
    terminal.click("Copy (c)")
    terminal.wait_for("Copied")
    assert f"| accepted | {count} |" in terminal.copied[-1]
    terminal.click("Close")
    terminal.wait_for("Deliveries: all", "q Quit")
    terminal.click("q Quit")
    assert terminal.ended() == 0


def test_on_call_one_reason_is_tried_again(house: House, open_console: Open) -> None:
    """At three in the morning over ssh: what failed and why, one reason again, its end, and the report."""
    house.faults(unavailable=0.4, server_error=0.2)
    blast_id = house.launch(TEXT)
    house.start_worker()
    house.wait_for_state(blast_id, "finished")
    failed = house.tally(blast_id).failed_by_reason
    house.faults()
    count = failed.pop("unavailable")
    left = sum(failed.values())
    terminal = open_console("console", "--blast", str(blast_id))
    terminal.wait_for("FINISHED", f"{left + count} failed", "! ")
    terminal.press("w")
    terminal.wait_for("Why failed", f"{count}  service unavailable", "HTTP 503")
    terminal.press("t")
    terminal.wait_for("Try which failed deliveries again?", "Why  service unavailable", f"Retry {count}")
    terminal.press(ENTER)  # Cancel has the focus
    terminal.wait_for("Why failed")
    assert house.tally(blast_id).failed_by_reason == failed | {"unavailable": count}
    terminal.press("t")
    terminal.wait_for(f"Retry {count}")
    terminal.press(TAB, ENTER)
    house.wait_for_state(blast_id, "finished")
    terminal.wait_for("FINISHED", f"{left} failed")
    assert house.tally(blast_id).failed_by_reason == failed
    terminal.press("i")
    terminal.wait_for("# Blast 1: `Two for one")
    terminal.press("c")
    terminal.wait_for("Copied")
    report = terminal.copied[-1]
    assert f"| failed | {left} |" in report
    assert "tried failed ones again" in report
    terminal.press(ESCAPE, "q")
    assert terminal.ended() == 0


def test_killed_while_it_syncs_the_next_sync_goes_on(house: House, open_console: Open) -> None:
    """What was read is kept, nobody is there twice, and nobody is thought to be gone."""
    before = passes_known(house)
    house.faults(latency_ms=1500)
    first = open_console()
    first.wait_for("NEEDS YOU", "REHEARSAL")
    first.press("1")
    first.wait_for("Kaffeehaus Linden", "KL-0000")
    first.send("S")
    first.wait_for("Reading")
    first.kill()
    assert passes_known(house) == before
    house.faults()
    second = open_console()
    second.wait_for("Kaffeehaus Linden", "KL-0000")  # where it was left
    second.press("S")
    second.wait_for("Synced", "records")
    assert passes_known(house) == before
    second.press("q")
    assert second.ended() == 0


def passes_known(house: House) -> set[tuple[str, str]]:
    """Each pass of the store with its state."""
    with house.database.read() as connection:
        found = connection.execute(sa.select(passes.c.provider_id, passes.c.status))
        return {(row.provider_id, row.status) for row in found}
