"""Phones by the thousand: registrations and fetches of passes at given rates, against `passbell serve`.

    python -m bench.web [--registrations 1000] [--fetches 500] [--seconds 30] [--store sqlite|postgres]
                        [--processes 2] [--connections 64]

Requests leave at their moments, whether others were answered or not, and a latency is counted from that
moment: what waits for a slow server is not left out. Each registration is a new device and the first of its
pass, which it makes `installed`; each fetch is of a pass with a message that nobody has fetched before, so
each is signed (RSA, 2,048 bits) and noted in the ledger. All over TLS. The generator is a process of its own
on the same machine: docs/performance.md has a run with its conditions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa
from pyreqwest.client import Client, ClientBuilder

from bench.house import postgres_url, private
from jobs.rehearsal.authority import PASS_TYPE, ensure
from store import arrivals
from store.arrivals import Message
from store.database import Database
from store.migrations import migrate
from store.schema import arrivals as arrivals_table
from store.schema import blasts, deliveries, issued, passes
from store.times import now
from tests.web.seed import PROGRAM, add_passes, seed

COMMAND = (sys.executable, "-c", "from console.cli import main; main()")
WARM_SECONDS = 3.0


def main() -> None:
    """Measure and print; exit 1 where anything was answered otherwise than it should."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--registrations", type=float, default=1000)
    parser.add_argument("--fetches", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--drive", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.drive:
        asyncio.run(drive(given))
        return
    private()
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="passbell-bench-")))
        store = f"sqlite:///{home}/passbell.db"
        if given.store == "postgres":
            store = stack.enter_context(postgres_url())
        most = max(given.registrations, given.fetches) * (given.seconds + WARM_SECONDS)
        _fill(store, int(most) + 1)
        flags = {
            "store.url": store,
            "web.processes": given.processes,
            "web.address_per_minute": 10_000_000,
            "web.device_per_minute": 10_000_000,
        }
        sets = [word for key, value in flags.items() for word in ("--set", f"{key}={value}")]
        command = [*COMMAND, "--home", str(home), *sets, "serve", "--port", "0", "--json"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        stack.callback(_end, server)
        assert server.stdout is not None
        url = json.loads(server.stdout.readline())["url"]
        root = ensure(home).root_pem.decode()
        used = _cpu(server.pid)
        driver = subprocess.run(
            [
                sys.executable,
                "-m",
                "bench.web",
                *sys.argv[1:],
                "--drive",
                json.dumps([url, root]),
            ],
            check=False,
        )
        spent = _cpu(server.pid) - used
        sent = (given.registrations + given.fetches) * (given.seconds + WARM_SECONDS)
        print(f"server: {spent:.1f} s of processor, {1000 * spent / sent:.2f} ms for each request")
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(f"generator: {usage.ru_utime + usage.ru_stime:.1f} s of processor")
    sys.exit(driver.returncode)


async def drive(given: argparse.Namespace) -> None:
    """The generator: both kinds at once, each at its own rate."""
    url, root = json.loads(given.drive)
    builder = ClientBuilder().no_proxy().timeout(timedelta(seconds=30)).max_connections(given.connections)
    builder = builder.add_root_certificate_pem(root.encode())
    client = builder.build()
    kinds = {"registrations": given.registrations, "fetches": given.fetches}
    for label, seconds, first in (("warm", WARM_SECONDS, 0), ("", given.seconds, WARM_SECONDS)):
        outcomes = await asyncio.gather(
            *(
                paced(client, url, kind, rate, seconds, int(first * rate))
                for kind, rate in kinds.items()
                if rate
            )
        )
        for kind, (statuses, latencies, took) in zip([k for k in kinds if kinds[k]], outcomes, strict=True):
            if label:
                continue
            ordered = sorted(latencies)
            shown = {f"p{part}": ordered[int(len(ordered) * part / 100)] * 1000 for part in (50, 99)}
            shown["max"] = ordered[-1] * 1000
            print(
                f"{kind}: {len(ordered) / took:,.0f}/s over {took:.1f} s, answers {dict(statuses)}, "
                + ", ".join(f"{name} {value:.0f} ms" for name, value in shown.items()),
                flush=True,
            )
            wrong = sum(count for status, count in statuses.items() if status not in (200, 201))
            if wrong:
                sys.exit(1)


async def paced(
    client: Client, url: str, kind: str, rate: float, seconds: float, first: int
) -> tuple[Counter[object], list[float], float]:
    """So many a second for so long; answers by status, latencies in seconds, and how long all took."""
    statuses: Counter[object] = Counter()
    latencies: list[float] = []
    send = register if kind == "registrations" else fetch

    async def one(number: int, due: float) -> None:
        try:
            statuses[await send(client, url, number)] += 1
        except Exception as error:  # counted, printed and fatal
            statuses[type(error).__name__] += 1
        latencies.append(time.perf_counter() - due)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            due = began + number / rate
            wait = due - time.perf_counter()
            if wait > 0.001:
                await asyncio.sleep(wait)
            group.create_task(one(first + number, due))
    return statuses, latencies, time.perf_counter() - began


async def register(client: Client, url: str, number: int) -> int:
    """A device that was never seen."""
    path = f"{url}/v1/devices/{number:032x}/registrations/{PASS_TYPE}/S{number:08}"
    request = client.post(path).header("authorization", f"ApplePass token-{number:026}")
    answer = await request.body_text(json.dumps({"pushToken": f"{number:064x}"})).build().send()
    await answer.bytes()
    return answer.status


async def fetch(client: Client, url: str, number: int) -> int:
    """A pass that was never fetched."""
    path = f"{url}/v1/passes/{PASS_TYPE}/S{number:08}"
    request = client.get(path).header("authorization", f"ApplePass token-{number:026}")
    answer = await request.build().send()
    await answer.bytes()
    return answer.status


def _fill(store: str, count: int) -> None:
    database = Database(store)
    migrate(database)
    seed(database, 1000)
    for first in range(1000, count, 1000):
        with database.write() as connection:
            add_passes(connection, range(first, min(first + 1000, count)))
    at = now()
    with database.write() as connection:
        ids = list(connection.scalars(sa.select(passes.c.id)))
        blast = {"account": "rehearsal", "program_id": PROGRAM, "name": "", "text": "Two for one"}
        blast |= {"message_key": "message", "audience": "", "plan_hash": "", "state": "running"}
        blast_id = connection.scalar(blasts.insert().values(**blast, planned_at=at).returning(blasts.c.id))
        row = {"blast_id": blast_id, "channel": "apple", "state": "accepted", "verdict": "alert"}
        told = connection.scalars(
            deliveries.insert().returning(deliveries.c.id, sort_by_parameter_order=True),
            [row | {"pass_id": pass_id} for pass_id in ids],
        )
        texts = [Message(*pair, "Two for one") for pair in zip(told, ids, strict=True)]
        arrivals.put_texts(connection, texts, at=at)
    database.analyze(passes, issued, deliveries, arrivals_table)
    database.close()


def _cpu(pid: int) -> float:
    """Seconds of processor that a process and its children have used so far (Linux)."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    used = 0.0
    for one in (pid, *map(int, children)):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        used += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


def _end(server: subprocess.Popen[str]) -> None:
    server.send_signal(signal.SIGTERM)
    server.wait(30)


if __name__ == "__main__":
    main()
