"""A stand-in Google whose every request is held against the published schema, and a store with its passes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from starlette.types import Message, Receive, Scope, Send

from jobs.channels import google_api
from jobs.channels.base import Parcel
from jobs.rehearsal.authority import GOOGLE_ISSUER, Authority
from jobs.rehearsal.google import Google
from jobs.rehearsal.google_faults import Faults
from jobs.rehearsal.google_server import serving
from store import templates
from store.database import Database
from store.schema import blasts, deliveries, members, passes, programs
from store.times import now
from tests.passes.schema import check_request
from tests.store.crowd import NOW, member, open_store

PASS = f"{GOOGLE_ISSUER}.a.b-1"
CLASS = f"{GOOGLE_ISSUER}.P1"


@dataclass
class Clock:
    """Seconds since 1970, which a test moves."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return now().timestamp() + self.ahead


@dataclass
class Bed:
    """The stand-in, where it is, and what the schema had against requests to it."""

    google: Google
    account: google_api.Account
    clock: Clock
    wrong: list[str] = field(default_factory=list)

    def faults(self, **wanted: Any) -> None:
        self.google.faults = replace(Faults(rate=10_000), **wanted)

    @property
    def calls(self) -> list[str]:
        """The calls since the last look, in no order."""
        found = sorted(self.google.stats.by_call.elements())
        self.google.stats.by_call.clear()
        return found

    @property
    def kept(self) -> Any:
        """The pass as the stand-in has it."""
        return self.google.world.kept["genericObject"][PASS]

    def client(self, **more: Any) -> google_api.Google:
        return google_api.Google(self.account, **more)


@asynccontextmanager
async def standing(
    authority: Authority, *, unchecked: bool = False, seconds: float = 5.0
) -> AsyncIterator[Bed]:
    """A stand-in with one class and one pass that somebody has saved. `unchecked`: requests may be wrong."""
    info = json.loads(authority.service_account.read_text())
    clock = Clock()
    google = Google(info, GOOGLE_ISSUER, authority.google_root, clock=clock)
    inner, wrong = google.app, list[str]()

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "/walletobjects/" not in scope["path"]:
            await inner(scope, receive, send)
            return
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        query = scope["query_string"].decode()
        url = scope["path"] + (f"?{query}" if query else "")
        try:
            check_request(scope["method"], url, json.loads(body) if body else None)
        except AssertionError as error:
            wrong.append(f"{scope['method']} {url}: {error}")
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return unread.pop() if unread else await receive()

        await inner(scope, again, send)

    google.app = watched  # type: ignore[assignment]
    world = google.world
    world.insert("genericClass", {"id": CLASS})
    add_pass(google, PASS)
    async with serving(google) as url:
        account = google_api.Account(
            base_url=url, issuer=GOOGLE_ISSUER, info=info, token_url=f"{url}/token", timeout=seconds
        )
        bed = Bed(google, account, clock, wrong)
        bed.faults()
        yield bed
    if not unchecked:
        assert not wrong, wrong


def text(value: str) -> Any:
    return {"defaultValue": {"language": "en", "value": value}}


def add_pass(google: Google, identifier: str, *, saved: bool = True, **more: Any) -> None:
    body = {"id": identifier, "classId": CLASS, "cardTitle": text("Café"), "header": text("Lee")}
    google.world.insert("genericObject", body | more)
    if saved:
        google.world.save("genericObject", identifier)


def open_own_store(url: str, *, deliveries_: int = 1) -> Database:
    """A store with a program of our own, its template, a Google pass (id 1) and deliveries 1, 2, ..."""
    database = open_store(url)
    with database.write() as connection:
        connection.execute(programs.update().values(issuer="passbell"))
        table = {"kind": "membership", "organisation": "Café", "description": "The card of our café"}
        templates.add(connection, "P1", table, {}, at=NOW, actor="test")
        connection.execute(members.insert(), [member("E1", id=1)])
        row = {"member_id": 1, "program_id": "P1", "keys": {}, "wallets": ["google"], "status": "installed"}
        connection.execute(passes.insert(), [row | {"id": 1, "channel": "google", "provider_id": PASS}])
        for number in range(1, deliveries_ + 1):
            add_delivery(connection, number)
    return database


def add_delivery(connection: sa.Connection, number: int) -> None:
    """A delivery to pass 1, with a blast of its own and the same number."""
    connection.execute(
        blasts.insert().values(
            id=number,
            account="rehearsal",
            program_id="P1",
            name="",
            text="",
            message_key="message",
            audience="all",
            state="running",
            plan_hash="",
            planned_at=NOW,
        )
    )
    connection.execute(
        deliveries.insert().values(
            id=number, blast_id=number, pass_id=1, channel="google", state="sending", verdict="alert"
        )
    )


def parcel(number: int = 1, words: str = "Fresh Zopf", **more: Any) -> Parcel:
    """Delivery `number` to pass 1."""
    told: dict[str, Any] = {"title": "Café", "delivery_id": number, "pass_id": 1} | more
    return Parcel("membership", PASS, "E1", "P1", "", "message", words, **told)


async def run(call: Callable[[], Any]) -> Any:
    """Database calls off the loop."""
    return await asyncio.to_thread(call)
