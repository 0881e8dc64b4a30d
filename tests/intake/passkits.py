"""PassKits to sync from: the stand-in, run in the test's own loop, and a tiny one that a test scripts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from jobs.channels.passkit_api import Account, PassKit
from jobs.rehearsal import REHEARSAL_KEY, REHEARSAL_SECRET
from jobs.rehearsal.server import serve
from jobs.rehearsal.world import World
from store.settings import Settings, load
from tests.channels.conftest import Request, answer, rows, serving

FIELD = "meta.latestOffer"


def settings(home: Path, **flags: str) -> Settings:
    """Settings with an own home; flags as `passkit__page_size="2"`."""
    return load(home, {name.replace("__", "."): value for name, value in flags.items()})


async def at_once(_: float) -> None:
    """Waits between tries take no time."""


@asynccontextmanager
async def speaking_to(url: str, secret: str = REHEARSAL_SECRET) -> AsyncIterator[PassKit]:
    client = PassKit(Account(url, REHEARSAL_KEY, secret, concurrency=4), sleep=at_once)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def rehearsing(world: World) -> AsyncIterator[str]:
    """The stand-in's URL."""
    stop = asyncio.Event()
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = asyncio.create_task(
        serve(
            world,
            port=0,
            api_key=REHEARSAL_KEY,
            api_secret=REHEARSAL_SECRET,
            ready=ready.set_result,
            stop=stop,
        )
    )
    try:
        yield await ready
    finally:
        stop.set()
        await server


async def control(url: str, path: str, **wanted: Any) -> None:
    """Use one of the stand-in's own doors."""
    async with httpx.AsyncClient(trust_env=False) as http:
        (await http.put(f"{url}/_rehearsal/{path}", json=wanted)).raise_for_status()


def member(number: int, **more: Any) -> dict[str, Any]:
    """A member in PassKit's words."""
    return {
        "id": f"pass{number}",
        "externalId": f"M{number}",
        "tierId": "gold",
        "programId": "P1",
        "person": {"displayName": f"Name {number}"},
        "metaData": {"latestOffer": "hello"},
        "status": "ACTIVE",
        "passMetaData": {"status": "PASS_INSTALLED", "lifecycleEvents": ["INSTALLED_APPLE"]},
    } | more


def template(change_message: str | None = "%@", unique_name: str = FIELD) -> dict[str, Any]:
    """A template with one field."""
    render = {"changeMessage": change_message} if change_message is not None else {}
    data = {"dataFields": [{"uniqueName": unique_name, "appleWalletFieldRenderOptions": render}]}
    return {"template": {"data": data}}


@dataclass
class Tiny:
    """A PassKit with one program, which lists `listed` and knows `known` (by default the same) by id.

    before  called with the request before it is answered; what it returns is the answer instead
    """

    listed: list[Any]
    known: dict[str, Any] | None = None
    programs: list[Any] = field(default_factory=lambda: [{"id": "P1", "name": "Linden", "status": []}])
    tiers: list[Any] = field(
        default_factory=lambda: [{"id": "gold", "programId": "P1", "name": "Gold", "passTemplateId": "T1"}]
    )
    templates: dict[str, Any] = field(default_factory=lambda: {"T1": template()})
    before: Callable[[Request], bytes | None] = lambda _: None
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> bytes | None:
        self.asked.append(request.path)
        return self.before(request) or self.reply(request)

    def reply(self, request: Request) -> bytes:
        path, last = request.path, request.path.rpartition("/")[2]
        if path == "/user/profile":
            return answer({"username": "ann"})
        if path == "/members/programs/list":
            return answer(rows(*self.programs))
        if path == "/members/tiers/list":
            return answer(rows(*self.tiers))
        if path.startswith("/template/data/"):
            return self.one(self.templates.get(last))
        if path.startswith("/members/count/"):
            return answer({"total": len(self.listed)})
        if path.startswith("/members/member/list/"):
            filters = request.json["filters"]
            return answer(rows(*self.listed[filters["offset"] :][: filters["limit"]]))
        if path.startswith("/members/member/id/"):
            known = {one.get("id"): one for one in self.listed} if self.known is None else self.known
            return self.one(known.get(last))
        return answer()

    def one(self, found: Any) -> bytes:
        return not_found() if found is None else answer(found)


def not_found() -> bytes:
    return answer({"code": 5, "message": "not found", "details": []}, 404)


def broken_off() -> bytes:
    """A list that ends in an error which no repeat cures."""
    return answer(json.dumps({"error": {"code": 3, "message": "index out of sorts"}}).encode() + b"\n")


@asynccontextmanager
async def tiny(script: Tiny) -> AsyncIterator[PassKit]:
    """A client of the scripted PassKit."""
    async with serving(script) as server, speaking_to(server.url) as client:
        yield client
