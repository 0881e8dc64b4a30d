"""A stand-in PassKit per test, served over real HTTP from a thread."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jwt
import pytest

from jobs.rehearsal import REHEARSAL_KEY, REHEARSAL_SECRET
from jobs.rehearsal.passes import EVENT_TICKET, MEMBERSHIP, SINGLE_COUPON, Pass, PassKind
from jobs.rehearsal.server import serve
from jobs.rehearsal.world import World


class Client:
    """Speaks to a stand-in as PassKit's callers do: a new token for each request, bare in the header."""

    def __init__(self, world: World, url: str) -> None:
        self.world = world
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=10, trust_env=False)

    def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, timeout: float = 10
    ) -> httpx.Response:
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"authorization": signed() if token is None else token}
        return self.http.request(method, path, content=content, headers=headers, timeout=timeout)

    def rows(self, path: str, body: Any) -> list[dict[str, Any]]:
        answer = self.call("POST", path, body)
        assert answer.status_code == 200, answer.text
        return [json.loads(line)["result"] for line in answer.text.splitlines()]

    def put(self, path: str, body: Any) -> None:
        answer = self.call("PUT", path, body)
        assert answer.status_code == 200, answer.text

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, f"/_rehearsal/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def faults(self, **settings: Any) -> None:
        self.control("PUT", "faults", settings)

    def class_id(self, kind: PassKind) -> str:
        identifier: str = self.world.of_kind(kind)[0].message["id"]
        return identifier

    @property
    def program(self) -> str:
        return self.class_id(MEMBERSHIP)

    @property
    def campaign(self) -> str:
        return self.class_id(SINGLE_COUPON)

    @property
    def production(self) -> str:
        return self.class_id(EVENT_TICKET)

    def pick(self, kind: PassKind = MEMBERSHIP, *, where: Callable[[Pass], bool] = lambda _: True) -> Pass:
        """The first pass of a kind that fits and has free values."""
        return next(
            entry
            for entry in self.world.passes.values()
            if entry.kind is kind and entry.values and where(entry)
        )


def signed(*, age: float = 10, life: float = 60, secret: str = REHEARSAL_SECRET, **claims: Any) -> str:
    issued = time.time() - age
    wanted = {"uid": REHEARSAL_KEY, "iat": issued, "exp": issued + life} | claims
    return jwt.encode({name: value for name, value in wanted.items() if value is not None}, secret, "HS256")


@pytest.fixture
def rehearse() -> Iterator[Callable[..., Client]]:
    """Starts stand-ins; all of them have ended when the test is over."""
    ends: list[Callable[[], None]] = []

    def start(world: World | None = None, **settings: Any) -> Client:
        world = world or World(7, 400)
        listening = threading.Event()
        found: dict[str, Any] = {}

        async def main() -> None:
            found.update(loop=asyncio.get_running_loop(), stop=asyncio.Event())

            def ready(url: str) -> None:
                found["url"] = url
                listening.set()

            await serve(
                world,
                port=0,
                api_key=REHEARSAL_KEY,
                api_secret=REHEARSAL_SECRET,
                ready=ready,
                stop=found["stop"],
                **settings,
            )

        thread = threading.Thread(target=asyncio.run, args=(main(),))
        thread.start()
        assert listening.wait(10)
        client = Client(world, found["url"])

        def end() -> None:
            client.http.close()
            if thread.is_alive():
                found["loop"].call_soon_threadsafe(found["stop"].set)
            thread.join(10)
            assert not thread.is_alive()

        ends.append(end)
        return client

    yield start
    for end in reversed(ends):
        end()


@pytest.fixture
def passkit(rehearse: Callable[..., Client]) -> Client:
    return rehearse()
