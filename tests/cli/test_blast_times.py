"""Times by command: a schedule in the program's zone, the undo window, a missed time, urgency and limits."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from store import ledger
from store.database import Database
from store.times import now, rfc3339
from tests.cli.conftest import Passbell
from tests.cli.test_commands import LINDEN, PLAN

NEXT_YEAR = now().year + 1
PENDING = 50


def plan(passbell: Passbell, *options: object) -> str:
    done = passbell(*PLAN, "--all", "--text", "Two for one", *options)
    assert done.code == 0
    return done.out


def launch(passbell: Passbell, *options: object) -> tuple[int, str]:
    done = passbell("blasts", "launch", 1, "--expect", PENDING, *options)
    return done.code, done.out + done.err


def test_a_blast_is_scheduled_in_the_zone_of_its_program_and_stopped(passbell: Passbell) -> None:
    morning = (now() + timedelta(days=30)).replace(hour=9, minute=0)
    told = plan(passbell, "--at", f"{morning:%Y-%m-%d %H:%M}", "--urgent")
    assert f"to start: {morning:%Y-%m-%d} 09:00 Europe/Berlin ({morning:%Y-%m-%d} 0" in told
    assert "urgent:   yes" in told
    code, told = launch(passbell)
    assert code == 0
    assert f"blast 1 is scheduled; to start at {morning:%Y-%m-%d} 09:00 Europe/Berlin" in told
    assert "no worker is alive, and only a worker starts it at that time" in told
    later = (morning + timedelta(days=1)).replace(second=0, microsecond=0)
    assert launch(passbell, "--at", later.isoformat())[0] == 0
    shown = passbell("blasts", "show", 1, "--json").json
    assert (shown["state"], shown["urgent"], shown["send_at"]) == ("scheduled", True, rfc3339(later))
    assert (
        f"scheduled, urgent       60         0       0       10  -        {later:%Y-%m-%d}"
        in passbell("blasts", "list").out
    )
    assert passbell("blasts", "cancel", 1).out.startswith("REHEARSAL: blast 1 is cancelled; ")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--at", "tomorrow"], "'tomorrow' is no date and time: write 2026-12-01 09:00"),
        (["--at", "2020-01-01 09:00"], "has passed already"),
        (["--at", f"{NEXT_YEAR + 1}-12-31 09:00"], "is more than 366 days ahead"),
        (["--at", f"{NEXT_YEAR}-01-01 09:00", "--now"], "give one of --at and --now"),
    ],
)
def test_a_time_that_cannot_be_meant_schedules_nothing(
    passbell: Passbell, options: list[str], words: str
) -> None:
    plan(passbell)
    code, told = launch(passbell, *options)
    assert (code, words in told) == (2, True)
    assert passbell("blasts", "show", 1, "--json").json["state"] == "planned"


def test_a_launch_says_how_to_stop_it_and_limits_are_shown(passbell: Passbell) -> None:
    plan(passbell)
    code, told = launch(passbell)
    assert code == 0
    assert re.search(
        r"is running, first message leaves in \d+ s, `passbell blasts cancel 1` stops it; ", told
    )
    assert "no worker is alive, so nothing is sent" in told
    assert "state:       running, first message leaves in " in passbell("blasts", "show", 1).out
    done = passbell("blasts", "rate", 1, 20, "--concurrency", 3)
    assert "; at most 20 requests a second; at most 3 deliveries at once; " in done.out
    assert passbell("blasts", "rate", 1, "--concurrency", 0, "--json").json["concurrency"] is None
    assert passbell("blasts", "rate", 1, "none", "--json").json["rate_per_second"] is None
    for wrong in ([], ["--concurrency", "x"], ["--concurrency", 513], ["x"], [5, "--concurrency", -1]):
        assert passbell("blasts", "rate", 1, *wrong).code == 2
    assert passbell("blasts", "show", 1, "--json").json["rate_per_second"] is None
    assert "; urgent; " in passbell("blasts", "urgent", 1).out
    assert not passbell("blasts", "urgent", 1, "--off", "--json").json["urgent"]


def test_a_missed_blast_is_said_plainly_and_asks(passbell: Passbell, tmp_path: Path) -> None:
    plan(passbell)
    assert launch(passbell, "--at", rfc3339(now() + timedelta(hours=1)))[0] == 0
    database = Database(f"sqlite:///{tmp_path / 'home' / 'passbell.db'}")
    with database.write() as connection:
        ledger.step(connection, 1, "missed", at=now())
    database.close()
    ask = f"send it with `passbell blasts launch 1 --expect {PENDING} --now`"
    listed = passbell("blasts", "list")
    assert "missed" in listed.out
    assert f"blast 1 missed its time, and nothing of it was sent: {ask}" in listed.err
    assert f"Nothing of it was sent: {ask}" in passbell("blasts", "show", 1).out
    code, told = launch(passbell)
    assert (code, "launch it with --now, give it another time with --at" in told) == (3, True)
    assert passbell("blasts", "watch", 1).code == 3
    code, told = launch(passbell, "--now")
    assert (code, "is running, first message leaves in " in told) == (0, True)


def test_a_program_without_a_zone_says_that_times_are_utc(passbell: Passbell, tmp_path: Path) -> None:
    from store.schema import programs

    database = Database(f"sqlite:///{tmp_path / 'home' / 'passbell.db'}")
    with database.write() as connection:
        connection.execute(programs.update().where(programs.c.name == LINDEN).values(time_zone="Mars/Base"))
    database.close()
    written = f"{now() + timedelta(days=3):%Y-%m-%d} 09:00"
    done = passbell(*PLAN, "--all", "--text", "Hello", "--at", written)
    assert f"to start: {written} UTC\n" in done.out
    assert "a time zone that is not known, 'Mars/Base': local times are taken as UTC" in done.err
