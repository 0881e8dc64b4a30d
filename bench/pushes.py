"""How many pushes a second each client brings to a static HTTP/2 sink over TLS, with nothing around it.

    python -m bench.pushes [--count 20000] [--rounds 5] [--node FOLDER]

Ours over pyreqwest and over aioapns, both libraries bare, and Node's @parse/node-apn where npm is present:
all in turn against the same sink, each with the same number of pushes in flight and of connections. A
process of its own for each measurement; the connections are warm before the clock starts.

--node  a folder in which @parse/node-apn is installed; without it npm installs it in a temporary one
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from bench.push_sink import push_sink
from jobs.rehearsal.authority import PASS_TYPE, Authority, ensure

IN_FLIGHT, CONNECTIONS = 400, 2
NODE_APN = "@parse/node-apn@8"
TOKENS = [f"{number:064x}" for number in range(0x1000, 0x2000)]
Push = Callable[[str], Awaitable[object]]
Client = tuple[Push, Callable[[], Awaitable[None]]]
"""How to push to a token, and how to end."""
NODE = """
const [url, folder, count, inFlight, connections, topic] = process.argv.slice(2);
const apn = require('@parse/node-apn');
const { readFileSync } = require('fs');
const client = readFileSync(folder + '/client.pem');
const provider = new apn.MultiProvider({
  cert: client, key: client, ca: readFileSync(folder + '/root.pem'), production: true,
  address: new URL(url).hostname, port: Number(new URL(url).port), clientCount: Number(connections),
});
const push = async (number) => {
  const note = new apn.Notification();
  note.topic = topic;
  note.rawPayload = { aps: {} };  // it would send {} as no body at all
  const token = (0x1000 + number % 0x1000).toString(16).padStart(64, '0');
  const { failed } = await provider.send(note, token);
  if (failed.length) throw new Error(JSON.stringify(failed));
};
const all = async (many) => {
  let next = 0;
  const lane = async () => { while (next < many) await push(next++); };
  await Promise.all(Array.from({ length: Number(inFlight) }, lane));
};
(async () => {
  await all(Number(connections) * 10);
  const spent = process.cpuUsage(), began = process.hrtime.bigint();
  await all(Number(count));
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  const { user, system } = process.cpuUsage(spent);
  console.log(JSON.stringify([seconds, (user + system) / 1e6]));
  process.exit(0);
})().catch((error) => { console.error(error); process.exit(1); });
"""


def main() -> None:
    """Measure and print, or measure one client for the process that asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--node", type=Path)
    parser.add_argument("--one", nargs=3, metavar=("CLIENT", "URL", "HOME"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        client, url, home = given.one
        print(json.dumps(asyncio.run(timed(CLIENTS[client](url, ensure(Path(home))), given.count))))
        return
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        node = given.node or _install(home / "node")
        with push_sink(ensure(home)) as sink:
            _compare(sink.url, home, node, given.count, given.rounds)


def _compare(url: str, home: Path, node: Path | None, count: int, rounds: int) -> None:
    clients = [*CLIENTS, *(["@parse/node-apn"] if node else [])]
    runs: dict[str, list[tuple[float, float]]] = {client: [] for client in clients}
    for _ in range(rounds):
        for client in clients:
            foreign = node if client.startswith("@") else None
            argv = _node(foreign, url, home, count) if foreign else _own(client, url, home, count)
            ended = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=foreign)
            if ended.returncode:
                sys.exit(f"{client} failed: {ended.stderr[-2_000:]}")
            seconds, cpu = json.loads(ended.stdout.splitlines()[-1])
            runs[client].append((count / seconds, cpu / count * 1e6))
    base = statistics.median(rate for rate, _ in runs["pyreqwest, bare"])
    print(f"{count:,} pushes, {IN_FLIGHT} in flight, {CONNECTIONS} connections, {rounds} rounds in turn")
    for client, figures in runs.items():
        rates = sorted(rate for rate, _ in figures)
        middle, cpu = statistics.median(rates), statistics.median(cpu for _, cpu in figures)
        spread = f"{rates[0]:,.0f} to {rates[-1]:,.0f}"
        ratio = f"{middle / base:.2f} of bare pyreqwest"
        print(f"{client:16} {middle:7,.0f}/s ({spread}), {ratio}, {cpu:.0f} us of CPU a push")


def _own(client: str, url: str, home: Path, count: int) -> list[str]:
    return [sys.executable, "-m", "bench.pushes", "--count", str(count), "--one", client, url, str(home)]


def _node(node: Path, url: str, home: Path, count: int) -> list[str]:
    (node / "push.js").write_text(NODE)
    folder = str(ensure(home).folder)
    return ["node", "push.js", url, folder, str(count), str(IN_FLIGHT), str(CONNECTIONS), PASS_TYPE]


def _install(folder: Path) -> Path | None:
    """@parse/node-apn in this folder, None where npm is not here or has no registry."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    folder.mkdir()
    (folder / "package.json").write_text("{}")
    argv = [npm, "install", "--no-audit", "--no-fund", "--silent", NODE_APN]
    ended = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode:
        print(f"without {NODE_APN}, which npm could not install: {ended.stderr[-300:]}", file=sys.stderr)
        return None
    return folder


async def timed(opened: Awaitable[Client], count: int) -> tuple[float, float]:
    """Seconds, and seconds of CPU, for so many pushes."""
    push, close = await opened
    await _all(push, CONNECTIONS * 10)
    spent, began = _cpu(), time.perf_counter()
    await _all(push, count)
    seconds, cpu = time.perf_counter() - began, _cpu() - spent
    await close()
    return seconds, cpu


async def _all(push: Push, count: int) -> None:
    numbers = iter(range(count))

    async def lane() -> None:
        for number in numbers:
            await push(TOKENS[number % len(TOKENS)])

    await asyncio.gather(*(lane() for _ in range(IN_FLIGHT)))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def ours(driver: str, url: str, authority: Authority) -> Client:
    """A pusher as the product opens it."""
    from jobs.channels.apns import Line, open_pusher

    line = Line(
        url,
        authority.client_pem,
        authority.root_pem,
        connections=CONNECTIONS,
        concurrency=IN_FLIGHT,
        driver=driver,  # type: ignore[arg-type]
    )
    pusher = open_pusher(line)

    async def push(token: str) -> None:
        answer = await pusher.push(token, topic=PASS_TYPE, apns_id=str(uuid4()))
        if answer.status != 200:
            sys.exit(f"not accepted: {answer}")

    return push, pusher.close


async def bare_aioapns(url: str, authority: Authority) -> Client:
    """aioapns as its documents show it, led to the sink; one push first, as it needs it."""
    from aioapns import APNs, NotificationRequest
    from aioapns.connection import APNsProductionClientProtocol

    address = urlsplit(url)

    class ToSink(APNsProductionClientProtocol):
        APNS_SERVER, APNS_PORT = address.hostname or "", address.port or 443

    context = ssl.create_default_context(cadata=authority.root_pem.decode())
    context.load_cert_chain(authority.client_path)
    context.set_alpn_protocols(["h2"])
    client = APNs(
        client_cert=str(authority.client_path),
        topic=PASS_TYPE,
        ssl_context=context,
        max_connections=CONNECTIONS,
    )
    client.pool.protocol_class = ToSink

    async def push(token: str) -> None:
        result = await client.send_notification(NotificationRequest(token, {}))
        if not result.is_successful:
            sys.exit(f"not accepted: {result.description}")

    async def close() -> None:
        client.pool.close()

    await push(TOKENS[0])
    return push, close


async def bare_pyreqwest(url: str, authority: Authority) -> Client:
    """As many clients as connections, in turn."""
    from pyreqwest.client import ClientBuilder

    clients = [
        ClientBuilder()
        .http2_prior_knowledge()
        .identity_pem(authority.client_pem)
        .add_root_certificate_pem(authority.root_pem)
        .no_proxy()
        .build()
        for _ in range(CONNECTIONS)
    ]
    turn = iter(range(sys.maxsize))

    async def push(token: str) -> None:
        request = clients[next(turn) % CONNECTIONS].post(f"{url}/3/device/{token}").body_bytes(b"{}")
        answer = await request.headers({"apns-topic": PASS_TYPE, "apns-id": str(uuid4())}).build().send()
        if answer.status != 200:
            sys.exit(f"not accepted: {answer.status}")

    async def close() -> None:
        for client in clients:
            await client.close()

    return push, close


CLIENTS: dict[str, Callable[[str, Authority], Awaitable[Client]]] = {
    "ours, pyreqwest": lambda url, authority: ours("pyreqwest", url, authority),
    "pyreqwest, bare": bare_pyreqwest,
    "ours, aioapns": lambda url, authority: ours("aioapns", url, authority),
    "aioapns, bare": bare_aioapns,
}


if __name__ == "__main__":
    main()
