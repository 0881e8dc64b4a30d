"""What ledger and queue cost: a plan over many members, and a blast beside bare httpx clients, in one run.

    python bench/engine.py [--members 100000] [--passes 3000] [--rounds 3]

The bare clients do what a blast does for each pass (read it, write it back with the text; a token signed
for each request) against the same stand-in, with no ledger, no queue and no pace. `one pool` is a plain
httpx.AsyncClient; `lanes` is one httpx client for each request in flight, as passbell uses them. The
figures to quote are the ratios: the machine may be shared.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jwt
import sqlalchemy as sa

from jobs import blasts, worker_child
from jobs.account import open_client
from jobs.intake.sync import sync
from jobs.rehearsal import REHEARSAL_KEY, REHEARSAL_SECRET, standing
from store import enrolments, ledger, migrations, programs
from store.audiences import Selection
from store.database import Database
from store.programs import Program, Tier
from store.schema import batches, passes
from store.settings import Settings, load

CONCURRENCY = 16


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--passes", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        plan_time(Path(folder) / "plan", given.members, given.rounds)
    with tempfile.TemporaryDirectory() as folder:
        side_by_side(Path(folder), given.passes, given.rounds)


def plan_time(home: Path, count: int, rounds: int) -> None:
    """Time the whole verb: predicate, gate, insert, hash, audit, commit."""
    settings = load(home)
    database = Database(settings.store_url)
    migrations.migrate(database)
    fill(database, settings, count)
    texts = {"one text": "Two for one", "a text of their own": "{first_name|friend}, two for one"}
    for words, text in texts.items():
        seconds = []
        for number in range(rounds):
            began = time.perf_counter()
            plan = blasts.plan(
                database,
                settings,
                program="P",
                chosen=Selection("where", "points >= 0 AND tier = 'gold'"),
                text=f"{text} {number}",
                actor="bench",
            )
            seconds.append(time.perf_counter() - began)
            assert plan.tally.planned == count
        print(f"plan over {count:,} members, {words}: {statistics.median(seconds):.2f} s (of {rounds})")
    database.close()


def fill(database: Database, settings: Settings, count: int) -> None:
    """So many installed members in one program."""
    at = datetime.now(UTC)
    with database.write() as connection:
        program = Program("P", settings.account, "membership", "Bench")
        programs.upsert_program(connection, program)
        programs.replace_tiers(connection, "P", [Tier("gold", "Gold", "T", "ok")])
        programs.mark_synced(connection, "P", message_field=settings.passkit.message_field, at=at)
    for start in range(0, count, 5_000):
        page = [enrolments.storable(holder(number)) for number in range(start, min(start + 5_000, count))]
        with database.write() as connection:
            enrolments.upsert_page(connection, "P", page, message_key=settings.message_key, seen_at=at)


def holder(number: int) -> dict[str, Any]:
    """A member as a sync reads it."""
    return {
        "provider_id": f"{number:022}",
        "external_id": f"M{number:07}",
        "tier_id": "gold",
        "name": f"Anna {number} Lind",
        "email": f"anna{number}@example.com",
        "phone": "",
        "points": float(number % 900),
        "secondary_points": None,
        "tier_points": None,
        "birthday": None,
        "status": "ACTIVE",
        "opted_out": False,
        "expires_at": None,
        "created_at": None,
        "updated_at": None,
        "pass_status": "PASS_INSTALLED",
        "wallets": ["apple"],
        "installed_at": None,
        "meta": {"zip": f"{number % 99999:05}", "city": "Wien"},
        "keys": {},
    }


def side_by_side(home: Path, count: int, rounds: int) -> None:
    """The bare clients and the blast take turns, so that a slow moment hits all of them."""
    flags = {
        "rehearsal.members": str(count),
        "passkit.rate_per_second": "10000",
        "passkit.concurrency": str(CONCURRENCY),
    }
    settings = load(home, flags)
    url = standing.address(settings)
    database = Database(settings.store_url)
    migrations.migrate(database)
    try:
        asyncio.run(read_all(database, settings))
        rates: dict[str, list[float]] = {"one pool": [], "lanes": [], "blast": []}
        for number in range(rounds):
            ids = installed(database)
            rates["one pool"].append(asyncio.run(bare(url, ids, f"pool {number}", lanes=1)))
            rates["lanes"].append(asyncio.run(bare(url, ids, f"lanes {number}", lanes=CONCURRENCY)))
            rates["blast"].append(blast(database, settings, f"blast {number}"))
            print(
                ", ".join(f"{name} {values[-1]:,.0f} passes/s" for name, values in rates.items()), flush=True
            )
        for name in ("one pool", "lanes"):
            ratios = [ours / bare for ours, bare in zip(rates["blast"], rates[name], strict=True)]
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            print(f"blast / bare httpx, {name}: {statistics.median(ratios):.2f} ({spread})")
    finally:
        standing.stop(settings)
        database.close()


async def read_all(database: Database, settings: Settings) -> None:
    client = open_client(settings)
    try:
        await sync(database, client, settings, program=None, progress=None, actor="bench")
    finally:
        await client.close()


def biggest(database: Database, settings: Settings) -> str:
    with database.read() as connection:
        rows = programs.list_programs(connection, settings.account)
    return max(rows, key=lambda row: row.members).program.id


def installed(database: Database) -> list[str]:
    """The first 1,500 members' passes that a blast would message."""
    query = sa.select(passes.c.provider_id).where(passes.c.status == "installed").order_by(passes.c.id)
    with database.read() as connection:
        return list(connection.scalars(query.limit(1_500)))


async def bare(url: str, ids: list[str], text: str, *, lanes: int) -> float:
    """Passes a second that httpx alone brings the text to."""
    waiting = iter(ids)
    clients = [
        httpx.AsyncClient(
            base_url=url,
            trust_env=False,
            timeout=30,
            limits=httpx.Limits(max_connections=CONCURRENCY // lanes, max_keepalive_connections=CONCURRENCY),
        )
        for _ in range(lanes)
    ]

    async def one_after_another(client: httpx.AsyncClient) -> None:
        for identifier in waiting:
            path = f"/members/member/id/{identifier}"
            record = (await client.get(path, headers=signed())).raise_for_status().json()
            change = {
                "id": record["id"],
                "programId": record["programId"],
                "tierId": record["tierId"],
                "operation": "OPERATION_PATCH",
                "metaData": record["metaData"] | {"latestOffer": text},
            }
            (await client.put("/members/member", json=change, headers=signed())).raise_for_status()

    began = time.perf_counter()
    await asyncio.gather(*(one_after_another(clients[number % lanes]) for number in range(CONCURRENCY)))
    seconds = time.perf_counter() - began
    for client in clients:
        await client.aclose()
    return len(ids) / seconds


def signed() -> dict[str, str]:
    claims = {"uid": REHEARSAL_KEY, "iat": int(time.time()) - 10, "exp": int(time.time()) + 50}
    return {"authorization": jwt.encode(claims, REHEARSAL_SECRET, "HS256")}


def blast(database: Database, settings: Settings, text: str) -> float:
    """Passes a second of a whole blast in one worker, from its first claim to its last settlement."""
    plan = blasts.plan(
        database,
        settings,
        program=biggest(database, settings),
        chosen=Selection("all"),
        text=text,
        actor="bench",
    )
    expect = plan.tally.counts["pending"]
    worker = worker_child.start(settings)
    try:
        blasts.launch(database, settings, plan.blast.id, expect=expect, actor="bench", ring=lambda _: None)
        wait(lambda: state(database, plan.blast.id) == "finished", worker)
    finally:
        assert worker.stdin is not None
        worker.stdin.close()
        worker.wait(30)
    with database.read() as connection:
        assert ledger.tally(connection, plan.blast.id).states["accepted"] == expect
        began, ended = connection.execute(
            sa.select(sa.func.min(batches.c.claimed_at), sa.func.max(batches.c.settled_at)).where(
                batches.c.blast_id == plan.blast.id
            )
        ).one()
    seconds: float = (ended - began).total_seconds()
    return expect / seconds


def state(database: Database, blast_id: int) -> str:
    with database.read() as connection:
        return ledger.get(connection, blast_id).state


def wait(done: Callable[[], bool], worker: subprocess.Popen[bytes]) -> None:
    while not done():
        if worker.poll() is not None:
            sys.exit("the worker died")
        time.sleep(0.2)


if __name__ == "__main__":
    os.umask(0o077)
    main()
