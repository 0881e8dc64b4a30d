"""Google's objects: Google is given each of our Google passes as it is now, once it was issued or changed.

`issued.placed_at` says whether Google has it so: NULL until its yes was written, and again with each change
outside of blasts. So whatever ends a run, or is lost on the way, the next run goes on: an object that is
there already is a 409, and is changed instead.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from jobs.account import google_line
from jobs.channels.google_api import Google
from jobs.channels.google_errors import PASSING, GoogleError
from jobs.engine.pace import Pacer
from jobs.names import host_name
from jobs.passes import google_design, holders, template
from jobs.passes.holders import Held
from jobs.passes.template import Template
from store import templates
from store.database import Database
from store.schema import deliveries, issued, passes
from store.settings import Settings
from store.times import now

CALLBACKS = "/callbacks/google"
"""Where the web face takes Google's word of saves and removals."""
CHUNK = 200
TRIES = 3
WAIT = 0.5
"""Seconds before the second try of a request that may be cured by it; twice that before the third."""
ACCOUNT_WIDE = ("key_refused", "forbidden", "protocol", "network")
"""Kinds of error that all objects would meet: the run ends."""

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Placed:
    """What became of the objects: `placed` went to Google, `left` wait for the next run; why: last error."""

    placed: int = 0
    left: int = 0
    why: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The report as the commands print it."""
        return {"placed": self.placed, "left": self.left, "why": self.why}


def place(
    database: Database,
    settings: Settings,
    program_id: str,
    *,
    progress: Progress = lambda done, total: None,
) -> Placed:
    """Give Google the program's objects that it has not as they are, and their class first.

    Never raises for what Google or the network does. Costs nothing where nothing waits.
    """
    with database.read() as connection:
        total = connection.execute(_waiting(program_id).with_only_columns(sa.func.count())).scalar_one()
        if not total:
            return Placed()
        newest = templates.newest(connection, program_id)
    run = _Run(database, settings, program_id, template.of(newest), newest.version, progress)
    return asyncio.run(run.whole(total))


class _Run:
    def __init__(
        self,
        database: Database,
        settings: Settings,
        program_id: str,
        design: Template,
        version: int,
        progress: Progress,
    ) -> None:
        self._database, self._settings, self._program_id = database, settings, program_id
        self._design, self._version, self._progress = design, version, progress
        self._placed = Placed()
        self._over = False
        self._answered = 0

    async def whole(self, total: int) -> Placed:
        """All of them, chunk by chunk; what Google took is written after each."""
        self._progress(0, total)
        limits = self._settings.google
        pacer = Pacer(
            self._database,
            f"account:{self._settings.account}:google",
            f"{host_name()}:{os.getpid()}:issuing",
            limits.rate_per_second,
            timeout=3 * limits.timeout_seconds,
            concurrency=limits.concurrency,
        )
        try:
            line = await asyncio.to_thread(google_line, self._settings, self._database)
            google = Google(line, pace=pacer.slot)
            try:
                await self._all(google, total)
            finally:
                await google.close()
        finally:
            await pacer.close()
        self._placed.left = total - self._placed.placed
        return self._placed

    async def _all(self, google: Google, total: int) -> None:
        url = self._settings.web.url
        kind, body = google_design.class_body(
            self._design,
            issuer=google.issuer,
            program_id=self._program_id,
            callback_url=url + CALLBACKS if url.startswith("https:") else None,
        )
        # A class of the first template is as it was made; a later template has changed it.
        if not await self._insert(google, f"{kind}Class", body, exists=self._version == 1):
            return
        last = 0
        while not self._over and (chunk := await asyncio.to_thread(self._next, last)):
            last = chunk[-1].pass_id
            room = asyncio.Semaphore(google.account.concurrency)
            taken = await asyncio.gather(*(self._one(google, held, room, total) for held in chunk))
            done = [held for held, took in zip(chunk, taken, strict=True) if took]
            await asyncio.to_thread(self._note, done)
            self._placed.placed += len(done)

    async def _one(self, google: Google, held: Held, room: asyncio.Semaphore, total: int) -> bool:
        state = "INACTIVE" if held.holder.voided else "ACTIVE"
        kind, body = google_design.object_body(self._design, held.holder, issuer=google.issuer, state=state)
        async with room:
            took = not self._over and await self._insert(google, f"{kind}Object", body)
        self._answered += took
        self._progress(self._answered, total)
        return took

    async def _insert(
        self, google: Google, resource: str, body: dict[str, Any], exists: bool = False
    ) -> bool:
        """Make it, or where it is there change it, unless `exists` is enough. False: Google would not."""
        wait = WAIT
        for number in range(TRIES):
            try:
                try:
                    await google.insert(resource, body)
                except GoogleError as error:
                    if error.kind != "conflict":
                        raise
                    if not exists:
                        await google.patch(resource, body["id"], body)
                return True
            except GoogleError as error:
                self._placed.why = f"{error.label}: {error.message}" if error.label else error.message
                if error.kind not in PASSING or number == TRIES - 1:
                    self._over = self._over or error.kind in ACCOUNT_WIDE
                    return False
                await asyncio.sleep(error.retry_after or wait)
                wait *= 2
        return False

    def _next(self, after: int) -> Sequence[Held]:
        with self._database.read() as connection:
            query = _waiting(self._program_id).where(passes.c.id > after).order_by(passes.c.id).limit(CHUNK)
            return holders.read(connection, list(connection.scalars(query)))

    def _note(self, taken: Sequence[Held]) -> None:
        """Google has these as they were read; what changed meanwhile goes on waiting."""
        if not taken:
            return
        with self._database.write() as connection:
            connection.execute(
                issued.update()
                .where(issued.c.pass_id == sa.bindparam("pass"), issued.c.tag == sa.bindparam("seen"))
                .values(placed_at=now()),
                [{"pass": held.pass_id, "seen": held.tag} for held in taken],
            )


def _waiting(program_id: str) -> sa.Select[Any]:
    return (
        sa.select(passes.c.id)
        .join(issued, issued.c.pass_id == passes.c.id)
        .where(passes.c.program_id == program_id, passes.c.channel == "google", issued.c.placed_at.is_(None))
        # A message on its way writes the same object: what it shows is known once it is settled.
        .where(~sa.exists().where(deliveries.c.pass_id == passes.c.id, deliveries.c.state == "sending"))
    )
