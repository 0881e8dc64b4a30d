"""Reconcile: what Google's list says of our passes is taken over where it is certain. On both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from jobs.channels.google_errors import GoogleError
from jobs.intake.google import find, reconcile
from jobs.rehearsal.authority import GOOGLE_ISSUER, Authority
from store import audit, programs
from store.database import Database
from store.errors import Refused
from store.schema import pass_events, passes
from store.schema import programs as programs_table
from store.times import now
from tests.channels.googles import PASS, Bed, add_pass, open_own_store, standing

pytestmark = pytest.mark.anyio
one_store = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
LONG_AGO = now() - timedelta(days=3)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def add(database: Database, name: str, status: str, **more: Any) -> None:
    row = {"member_id": 1, "program_id": "P1", "channel": "google", "keys": {}, "wallets": []}
    row |= {"provider_id": f"{GOOGLE_ISSUER}.{name}", "status": status, "installed_at": LONG_AGO}
    with database.write() as connection:
        newest = connection.scalar(sa.select(sa.func.max(passes.c.id)))
        connection.execute(passes.insert().values(row | {"id": newest + 1} | more))


def statuses(database: Database) -> dict[str, str]:
    with database.read() as connection:
        rows = connection.execute(sa.select(passes.c.provider_id, passes.c.status))
        return {name.partition(".")[2]: status for name, status in rows}


async def run(database: Database, bed: Bed, **more: Any) -> Any:
    with database.read() as connection:
        program = programs.get(connection, "P1", "rehearsal")
    client = bed.client(**more)
    try:
        return await reconcile(database, client, program, actor="test")
    finally:
        await client.close()


async def test_what_is_certain_is_taken_over(current_url: str, authority: Authority) -> None:
    async with standing(authority) as bed:
        database = open_own_store(current_url)
        cases = {
            # name: (our status, somebody has it, Google's state)
            "saved": ("issued", True, "ACTIVE"),
            "never": ("issued", False, "ACTIVE"),
            "left": ("installed", False, "ACTIVE"),
            "back": ("uninstalled", True, "active"),
            "ended": ("installed", True, "EXPIRED"),
            "revived": ("invalidated", False, "ACTIVE"),
            "fresh": ("installed", False, "ACTIVE"),
        }
        for name, (status, saved, state) in cases.items():
            add(database, name, status, **({"installed_at": now()} if name == "fresh" else {}))
            add_pass(bed.google, f"{GOOGLE_ISSUER}.{name}", saved=saved, state=state)
        add(database, "lost", "installed")
        add_pass(bed.google, f"{GOOGLE_ISSUER}.foreign")
        report = await run(database, bed)
        assert report.as_json() == {
            "program": "P1",
            "read": 9,
            "installed": 2,
            "uninstalled": 1,
            "invalidated": 1,
            "unknown": 1,
            "missing": 1,
        }
        assert statuses(database) == {
            PASS.partition(".")[2]: "installed",
            "saved": "installed",
            "never": "issued",
            "left": "uninstalled",
            "back": "installed",
            "ended": "invalidated",
            "revived": "invalidated",
            "fresh": "installed",
            "lost": "installed",
        }
        with database.read() as connection:
            kinds = connection.execute(sa.select(pass_events.c.kind, pass_events.c.source)).all()
            (entry,) = audit.page(connection)
        said = ["installed", "installed", "removed", "updated"]
        assert sorted(kinds) == [(word, "google") for word in said]
        assert (entry.act, entry.details["installed"]) == ("google.reconcile", 2)
        again = await run(database, bed)
        assert (again.installed, again.uninstalled, again.invalidated) == (0, 0, 0)
        database.close()


@one_store
async def test_a_list_that_breaks_off_keeps_what_was_read_and_is_no_reconciliation(
    current_url: str, authority: Authority
) -> None:
    async with standing(authority) as bed:
        database = open_own_store(current_url)
        for number in range(150):
            add(database, f"n{number:03}", "issued")
            add_pass(bed.google, f"{GOOGLE_ISSUER}.n{number:03}")

        async def sleep(seconds: float) -> None:
            bed.faults()

        def progress(done: int, total: int) -> None:
            assert (done, total) == (100, 151)
            bed.faults(invited=False)

        with database.read() as connection:
            program = programs.get(connection, "P1", "rehearsal")
        client = bed.client(sleep=sleep)
        with pytest.raises(GoogleError):
            await reconcile(database, client, program, progress=progress, actor="test")
        await client.close()
        assert list(statuses(database).values()).count("installed") == 100
        with database.read() as connection:
            assert not audit.page(connection)
        database.close()


@one_store
def test_a_program_of_passkits_is_refused(current_url: str) -> None:
    database = open_own_store(current_url)
    with database.write() as connection:
        connection.execute(programs_table.update().values(issuer="passkit"))
        with pytest.raises(Refused, match="PassKit's"):
            find(connection, "P1", "rehearsal")
    database.close()
