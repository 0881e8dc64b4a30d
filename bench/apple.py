"""The engine over Apple's channel: 10,000 passes on 10,000 devices, the ledger on, at a static HTTP/2 sink.

    python -m bench.apple [--passes 10000] [--rounds 3] [--postgres]

The sink answers 200 to every push and does nothing else, so that what is measured is passbell: one worker
process, from its first claim to its last settlement, and the time from the claim of each delivery to the
moment its acceptance was written down. Beside it the same driver alone, in the same run: the figures to
quote are the ratios. docs/performance.md has a run with its conditions.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from bench.engine import middle
from bench.house import House, house, postgres_url, private, wait, workers
from bench.push_sink import push_sink
from bench.pushes import CLIENTS, timed
from jobs.rehearsal import authority
from jobs.rehearsal.authority import PASS_TYPE, TEAM
from store import devices, issued, programs
from store.issued import NewPass
from store.programs import Program
from store.schema import batches, deliveries, members

PAGE = 2_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--passes", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting to try")
    given = parser.parse_args()
    with ExitStack() as stack:
        made = authority.ensure(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        sink = stack.enter_context(push_sink(made)).url
        store_url = stack.enter_context(postgres_url()) if given.postgres else ""
        home = stack.enter_context(
            house(
                store_url,
                apple__pass_type=PASS_TYPE,
                apple__team=TEAM,
                apple__certificate=made.client_path,
                apple__wwdr=made.folder / "wwdr.pem",
                apple__push_url=sink,
                apple__push_ca=made.root_path,
                apple__rate_per_second=100_000,
                gate__pass_interval_minutes=0,
                **dict(one.replace(".", "__").split("=", 1) for one in given.set),
            )
        )
        fill(home, given.passes)
        rates = []
        for number in range(given.rounds):
            seconds, _ = asyncio.run(timed(CLIENTS["ours, pyreqwest"](sink, made), given.passes))
            alone = given.passes / seconds
            blast_id, rate = blast(home, given.passes, f"Two for one {number}")
            rates.append(rate)
            waits = claim_to_accepted(home, blast_id)
            print(
                f"engine: {rate:8,.0f} accepted/s, {rate / alone:.2f} of the driver alone ({alone:,.0f}/s); "
                f"from claim to accepted p50 {waits[len(waits) // 2]:.2f}, "
                f"p99 {waits[int(len(waits) * 0.99)]:.2f}, most {waits[-1]:.2f} s",
                flush=True,
            )
        print(f"engine: {middle(rates, ',.0f')} accepted/s")


def blast(home: House, count: int, text: str) -> tuple[int, float]:
    """A whole blast in one worker: its id, and messages accepted a second."""
    blast_id = home.launch(home.plan(text, "external_id IS NOT NULL"))
    with workers(home.settings) as crew:
        wait("the blast is finished", lambda: home.state(blast_id) == "finished", crew)
    assert home.states(blast_id)["accepted"] == count
    return blast_id, count / home.seconds(blast_id)


def fill(home: House, count: int) -> None:
    """So many members of one of our own programs, each with an Apple pass on a phone."""
    at = datetime.now(UTC)
    with home.database.write() as connection:
        programs.upsert_program(
            connection, Program("P", home.settings.account, "membership", "Bench", issuer="passbell")
        )
    row = {"program_id": "P", "name": "", "status": "ACTIVE", "opted_out": False}
    for start in range(0, count, PAGE):
        serials = [f"S{number:021}" for number in range(start, min(start + PAGE, count))]
        with home.database.write() as connection:
            new = [row | {"external_id": one, "imported": {}, "attributes": {}} for one in serials]
            ids = list(connection.scalars(members.insert().returning(members.c.id), new))
            passes = [
                NewPass(id_, "P", "apple", serial, serial, PASS_TYPE, "t" * 32)
                for id_, serial in zip(ids, serials, strict=True)
            ]
            issued.add(connection, passes, at=at)
            places = [
                (devices.Place(PASS_TYPE, f"D{serial}", serial), serial.encode().hex()) for serial in serials
            ]
            devices.register_all(connection, places, at=at)


def claim_to_accepted(home: House, blast_id: int) -> list[float]:
    """Seconds from the claim of each delivery to its acceptance in the ledger, the shortest first."""
    query = (
        sa.select(batches.c.claimed_at, deliveries.c.accepted_at)
        .join(batches, batches.c.id == deliveries.c.batch_id)
        .where(deliveries.c.blast_id == blast_id)
    )
    with home.database.read() as connection:
        return sorted((ended - began).total_seconds() for began, ended in connection.execute(query))


if __name__ == "__main__":
    private()
    main()
