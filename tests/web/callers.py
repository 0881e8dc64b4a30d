"""Callers of the web face: whole requests through all of it, as a server would hand them over."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from jobs.passes import example
from jobs.passes import programs as program_verbs
from jobs.passes.folder import read_folder
from jobs.passes.issue import issue_to, issuers
from jobs.rehearsal.authority import Authority
from store import members, pass_events, programs
from store.database import Database
from store.members import Member
from store.pass_events import Event
from store.programs import Program
from store.settings import Settings, load
from web.app import application

EVENTS_SECRET = "events-secret-of-the-tests"
SETTINGS = {"web.events_secret": EVENTS_SECRET, "web.url": "https://passes.example.com"}


class Web:
    """The web face in this process, with its store."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database = settings, database
        self._runner = asyncio.Runner()
        self._app = application(settings, database)

    def call(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        client: str = "127.0.0.1",
    ) -> httpx.Response:
        """One request and its answer; redirects are not followed."""
        return self._runner.run(self._call(method, path, body, dict(headers or {}), client))

    async def _call(
        self, method: str, path: str, body: bytes, headers: dict[str, str], client: str
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, client=(client, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="https://passes.example.com") as caller:
            return await caller.request(method, path, content=body, headers=headers)

    def tell(self, body: bytes, *, secret: str = EVENTS_SECRET, at: float | None = None) -> httpx.Response:
        """A signed request to the intake of events."""
        timestamp = str(int(time.time() if at is None else at))
        mac = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        signed = {"X-Passbell-Timestamp": timestamp, "X-Passbell-Signature": f"sha256={mac}"}
        return self.call("POST", "/v1/events", body=body, headers=signed)

    def close(self) -> None:
        """End it, and its database."""
        self._runner.close()
        self.database.close()

    def member(self, program_id: str, external_id: str) -> Member:
        """A member as it stands."""
        with self.database.read() as connection:
            return members.get(connection, program_id, external_id)

    def life(self, program_id: str, external_id: str) -> list[Event]:
        """What happened to a member's passes, in order."""
        with self.database.read() as connection:
            member = members.get(connection, program_id, external_id)
            return pass_events.of_member(connection, member.id)[::-1]


def open_web(url: str, home: Path, authority: Authority, **more: str) -> Web:
    """A web face with an empty store. The rehearsal's authority is a copy: its keys take long to make."""
    shutil.copytree(authority.folder, home / "rehearsal" / "authority", dirs_exist_ok=True)
    settings = load(home, {"store.url": url, **SETTINGS, **more})
    return Web(settings, Database(url))


def own_program(web: Web, folder: Path, name: str = "Café Linden", kind: str | None = None) -> Program:
    """A program of our own with the example's template."""
    place = folder / f"template-{len(name)}-{kind}"
    example.write(place)
    return program_verbs.create(web.database, web.settings, name, read_folder(place), kind=kind, actor="test")


def enrol(web: Web, program: Program, external_id: str, **given: Any) -> None:
    """A member with an Apple and a Google pass."""
    issue_to(
        web.database,
        program,
        external_id,
        {"name": "Ann", "points": 5.0, **given},
        issuers(web.settings, web.database),
        secret=web.settings.consent_secret,
        actor="test",
    )


def add_passkit(web: Web, program_id: str = "P1", name: str = "Kaffee") -> None:
    """A program whose passes PassKit makes."""
    with web.database.write() as connection:
        programs.upsert_program(connection, Program(program_id, web.settings.account, "membership", name))
