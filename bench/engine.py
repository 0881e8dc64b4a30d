"""Where the time goes: plan, ledger, client and engine, one after the other in one run.

    python -m bench.engine [plan] [ledger] [send] [memory] [--passes 10000] [--rounds 3]

plan    the whole verb over 10,000, 100,000 and 1,000,000 members
ledger  deliveries claimed and settled in one process without any sending
send    the bare client and the engine over it, against a static sink (nginx); the engine on SQLite and
        on Postgres, over pyreqwest and over httpx
memory  a worker's peak after the same work, in a blast of 10,000 and in one of 1,000,000

The figures to quote are the ratios: the machine may be shared. docs/performance.md has a run with its
conditions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack
from datetime import timedelta

import httpx
from pyreqwest.client import Client, ClientBuilder

from bench.house import KEY, SECRET, House, fill, house, peak_memory, postgres_url, private, wait, workers
from bench.sink import Sink, sink
from jobs.channels.base import Outcome, Parcel
from jobs.channels.passkit import PassKitChannel
from jobs.channels.passkit_api import Account, PassKit
from store import claims, settlements
from store.settlements import Settlement
from store.times import now

CONCURRENCY = 16
SIZES = (10_000, 100_000, 1_000_000)
BATCH = 250


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=["plan", "ledger", "send", "memory", []])
    parser.add_argument("--passes", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    parts = given.parts or ["plan", "ledger", "send", "memory"]
    if "plan" in parts:
        plan_time(given.rounds)
    if "ledger" in parts:
        ledger_rate(given.passes)
    if "send" in parts:
        side_by_side(given.passes, given.rounds)
    if "memory" in parts:
        memory(given.passes)


def plan_time(rounds: int) -> None:
    """The whole verb: predicate, gate, insert, hash, audit, commit."""
    for count in SIZES:
        with house() as home:
            fill(home, count)
            for words, text in {"one text": "Two for one", "own texts": "{first_name}, two for one"}.items():
                seconds = []
                for number in range(rounds):
                    began = time.perf_counter()
                    plan = home.plan(f"{text} {number}")
                    seconds.append(time.perf_counter() - began)
                    assert plan.tally.counts["pending"] == count
                print(f"plan, {count:>9,} members, {words}: {middle(seconds)} s", flush=True)


def ledger_rate(count: int) -> None:
    """Claimed and settled as accepted, in batches, with nothing sent in between."""
    with postgres_url() as url:
        for words, store_url in {"SQLite": "", "Postgres": url}.items():
            with house(store_url) as home:
                fill(home, count)
                blast_id = home.launch(home.plan("Two for one"))
                began = time.perf_counter()
                while claim_and_settle(home, blast_id):
                    pass
                seconds = time.perf_counter() - began
                assert home.states(blast_id)["accepted"] == count
                print(f"claim and settle, {words}: {count / seconds:,.0f} deliveries/s", flush=True)


def claim_and_settle(home: House, blast_id: int) -> bool:
    """One batch; False where nothing is due any more."""
    at = now()
    with home.database.write() as connection:
        batch_id, claimed = claims.claim(
            connection,
            blast_id,
            worker="bench",
            limit=BATCH,
            lease_until=at + timedelta(minutes=1),
            at=at,
            look=lambda *_: {},
        )
    ended = [Settlement(one.id, one.pass_id, "accepted", "accepted", shown_text=one.text) for one in claimed]
    if ended:
        with home.database.write() as connection:
            settlements.settle(connection, blast_id, batch_id, ended, at=now())
    return bool(claimed)


def side_by_side(count: int, rounds: int) -> None:
    """The bare clients and the engine take turns, so that a slow moment hits all of them."""
    few = max(1, count // 5)  # httpx is that much slower
    with ExitStack() as stack:
        static = stack.enter_context(sink())
        url = stack.enter_context(postgres_url())
        homes = {
            "engine, SQLite": stack.enter_context(ready(static, "pyreqwest", "")),
            "engine, Postgres": stack.enter_context(ready(static, "pyreqwest", url)),
            "engine over httpx": stack.enter_context(ready(static, "httpx", "")),
        }
        runs: dict[str, Callable[[int], float]] = {
            "bare pyreqwest": lambda _: asyncio.run(bare(count, over_pyreqwest(static))),
            "bare httpx": lambda _: asyncio.run(bare(few, over_httpx(static))),
            "our client": lambda _: asyncio.run(bare(count, over_ours(static, "pyreqwest"))),
            "our client over httpx": lambda _: asyncio.run(bare(few, over_ours(static, "httpx"))),
        }
        for name, home in homes.items():
            size = few if "httpx" in name else count
            fill(home, size)
            runs[name] = lambda number, home=home, size=size: blast(home, size, number)  # type: ignore[misc]
        rates: dict[str, list[float]] = {name: [] for name in runs}
        for number in range(rounds):
            for name, run in runs.items():
                rates[name].append(run(number))
                print(f"{name:24} {rates[name][-1]:8,.0f} passes/s", flush=True)
        for ours, theirs in (
            ("engine, SQLite", "bare pyreqwest"),
            ("engine, SQLite", "our client"),
            ("engine, Postgres", "bare pyreqwest"),
            ("engine, Postgres", "our client"),
            ("engine over httpx", "bare httpx"),
            ("engine over httpx", "our client over httpx"),
        ):
            ratios = [mine / other for mine, other in zip(rates[ours], rates[theirs], strict=True)]
            print(f"{ours} / {theirs}: {middle(ratios)}")


def ready(
    static: Sink, transport: str, store_url: str, rate: float = 10_000
) -> AbstractContextManager[House]:
    """A house whose PassKit is the sink, by default at a rate that never binds."""
    return house(
        store_url,
        passkit__base_url=static.url,
        passkit__api_key=KEY,
        passkit__api_secret=SECRET,
        passkit__rate_per_second=rate,
        passkit__concurrency=CONCURRENCY,
        passkit__transport=transport,
    )


def blast(home: House, count: int, number: int) -> float:
    """Passes a second of a whole blast in one worker, from its first claim to its last settlement."""
    blast_id = home.launch(home.plan(f"Two for one {number}"))
    with workers(home.settings) as crew:
        wait("the blast is finished", lambda: home.state(blast_id) == "finished", crew)
    assert home.states(blast_id)["accepted"] == count
    return count / home.seconds(blast_id)


Send = Callable[[str], Awaitable[None]]


async def bare(count: int, open_send: Callable[[AsyncExitStack], Send]) -> float:
    """Passes a second that a client alone brings a text to: no ledger, no queue, no pace."""
    async with AsyncExitStack() as stack:
        ids = iter([f"{number:022}" for number in range(count)])

        async def one_after_another(send: Send) -> None:
            for identifier in ids:
                await send(identifier)

        senders = [one_after_another(send) for send in (open_send(stack) for _ in range(CONCURRENCY))]
        began = time.perf_counter()
        await asyncio.gather(*senders)
        return count / (time.perf_counter() - began)


def over_pyreqwest(static: Sink) -> Callable[[AsyncExitStack], Send]:
    """The least that can be done with pyreqwest: read the member, write it back with the text."""
    shared: list[Client] = []

    def open_send(stack: AsyncExitStack) -> Send:
        if not shared:
            shared.append(ClientBuilder().no_proxy().build())
            stack.push_async_callback(shared[0].close)
        client = shared[0]

        async def send(identifier: str) -> None:
            read = client.get(f"{static.url}/members/member/id/{identifier}").header("authorization", token())
            answer = await read.build().send()
            change = changed(json.loads(bytes(await answer.bytes())))
            write = client.put(f"{static.url}/members/member").header("authorization", token())
            answer = await write.header("content-type", "application/json").body_text(change).build().send()
            assert json.loads(bytes(await answer.bytes()))["id"]

        return send

    return open_send


def over_httpx(static: Sink) -> Callable[[AsyncExitStack], Send]:
    """The same with httpx, one connection a client: the fastest way of httpx that we know."""

    def open_send(stack: AsyncExitStack) -> Send:
        client = httpx.AsyncClient(
            base_url=static.url, trust_env=False, limits=httpx.Limits(max_connections=1)
        )
        stack.push_async_callback(client.aclose)

        async def send(identifier: str) -> None:
            headers = {"authorization": token(), "content-type": "application/json"}
            answer = await client.get(f"/members/member/id/{identifier}", headers=headers)
            change = changed(json.loads(answer.content))
            answer = await client.put("/members/member", content=change, headers=headers)
            assert json.loads(answer.content)["id"]

        return send

    return open_send


def over_ours(static: Sink, transport: str) -> Callable[[AsyncExitStack], Send]:
    """The engine's own channel, without the engine."""
    shared: list[PassKitChannel] = []

    def open_send(stack: AsyncExitStack) -> Send:
        if not shared:
            account = Account(static.url, KEY, SECRET, concurrency=CONCURRENCY, transport=transport)
            shared.append(PassKitChannel(PassKit(account)))
            stack.push_async_callback(shared[0].close)
        channel = shared[0]

        async def send(identifier: str) -> None:
            parcel = Parcel("membership", identifier, "M", "P", "gold", "latestOffer", "Two for one")
            assert (await channel.send(parcel)).outcome is Outcome.ACCEPTED

        return send

    return open_send


def token() -> str:
    """A signed token, as our client makes it: the same one for all requests of a second."""
    second = int(time.time())
    if second not in _tokens:
        import jwt

        _tokens.clear()
        claims = {"uid": KEY, "iat": second - 10, "exp": second + 50}
        _tokens[second] = jwt.encode(claims, SECRET, algorithm="HS256")
    return _tokens[second]


_tokens: dict[int, str] = {}


def changed(record: dict[str, object]) -> str:
    """The update of a member, as our client writes it."""
    data = record["metaData"]
    assert isinstance(data, dict)
    change = {
        "id": record["id"],
        "programId": record["programId"],
        "tierId": record["tierId"],
        "operation": "OPERATION_PATCH",
        "metaData": data | {"latestOffer": "Two for one"},
        "person": record["person"],
    }
    return json.dumps(change, separators=(",", ":"))


def memory(count: int) -> None:
    """A worker's peak after `count` deliveries of a small and of a big blast."""
    peaks = {size: peak for size in (SIZES[0], SIZES[-1]) for peak in peak_after(count, size)}
    for size, peak in peaks.items():
        print(f"worker, {count:,} deliveries of a blast of {size:,}: peak {peak:.0f} MB")
    small, big = peaks.values()
    print(f"the big one takes {big - small:+.0f} MB")


def peak_after(count: int, size: int) -> Iterator[float]:
    with sink() as static, ready(static, "pyreqwest", "") as home:
        fill(home, size)
        blast_id = home.launch(home.plan("Two for one"))
        with workers(home.settings) as crew:
            wait("enough is sent", lambda: home.states(blast_id)["accepted"] >= min(count, size), crew)
            yield peak_memory(crew[0])


def middle(values: list[float], form: str = ".2f") -> str:
    """The median, with the least and the most."""
    low, high = format(min(values), form), format(max(values), form)
    return f"{format(statistics.median(values), form)} ({low} to {high})"


if __name__ == "__main__":
    private()
    main()
