"""Sync: programs, tiers and members as PassKit has them, into the store; page by page, resumable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from jobs.channels import passkit_records as records
from jobs.channels.passkit_api import PassKit
from jobs.channels.passkit_errors import PassKitError
from jobs.intake.discovery import NO_FLIGHTS, discover, kinds, patiently, read_tiers, region_hint
from store import audit, catalogue, enrolments, programs
from store.database import Database, upsert
from store.errors import PassbellError, UsageError
from store.programs import Program, Tier
from store.schema import members, passes, syncs
from store.settings import Settings
from store.times import now

RESUMABLE = timedelta(hours=24)
"""A sync that broke off longer ago than this begins anew."""

NAMED = 20
"""Unreadable records that a report names; the others are counted."""

Json = dict[str, Any]


LOOKS_WHEN_SHORT = 2
"""So often a list that ended before PassKit's own count is asked to go on."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one program is.

    stage  `members` while its list is read, `missing` while those it did not show are asked for
    """

    program_id: str
    name: str
    stage: str
    done: int
    total: int


@dataclass(slots=True)
class ProgramReport:
    """What a sync did to one program.

    read        records that were read, in this run
    began_at    the record it began with: more than 0 where it went on from a sync that broke off
    gone        passes that PassKit knows no more
    unreadable  records that were skipped; `named` tells the first of them and why
    """

    program_id: str
    name: str
    kind: str
    began_at: int = 0
    read: int = 0
    gone: int = 0
    unreadable: int = 0
    named: list[str] = field(default_factory=list)

    def skip(self, why: ValueError) -> None:
        """Count a record that cannot be read."""
        self.unreadable += 1
        if len(self.named) < NAMED:
            self.named.append(str(why))

    def as_json(self) -> Json:
        """The report as the command prints it and the audit keeps it."""
        return {
            "program": self.program_id,
            "name": self.name,
            "kind": self.kind,
            "began_at": self.began_at,
            "read": self.read,
            "gone": self.gone,
            "unreadable": self.unreadable,
            "unreadable_named": list(self.named),
        }


@dataclass(frozen=True, slots=True)
class SyncReport:
    """The programs that were synced, and in `notes` what PassKit would not or could not tell."""

    programs: list[ProgramReport]
    notes: list[str]

    def as_json(self) -> Json:
        """The report as the command prints it."""
        return {"programs": [one.as_json() for one in self.programs], "notes": list(self.notes)}


class SyncBroken(PassbellError):
    """A sync stopped in the middle. What was read is kept, and the next one goes on from there."""


async def sync(
    database: Database,
    client: PassKit,
    settings: Settings,
    *,
    program: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    actor: str,
) -> SyncReport:
    """Read one program (by id, name or the beginning of either), or all of them.

    Each page is committed with its place, so that a sync that breaks off (SyncBroken) goes on from
    there if it is run again within a day. Members whom the list did not show are asked for one by one
    before they count as gone: PassKit's lists are read by offset, and a deletion meanwhile moves the
    rest up. An unreadable record is skipped and reported. Two syncs of one program at once do the work
    twice and no harm. Raises PassbellError with a hint if the account seems to live in another region.
    """
    database.check_role("sync")
    found, notes = await discover(client, settings.account)
    if not found and (hint := await region_hint(client)):
        raise PassbellError(hint)
    await asyncio.to_thread(_keep_programs, database, found)
    chosen = found
    if program is not None:
        chosen = [await asyncio.to_thread(_choose, database, settings, program, found)]
    done = []
    for one in chosen:
        run = _Run(database, client, settings, one, progress or (lambda _: None))
        done.append(await run.whole(actor))
        notes += run.notes
    return SyncReport(done, [*notes, NO_FLIGHTS])


class _Run:
    """The sync of one program."""

    def __init__(
        self,
        database: Database,
        client: PassKit,
        settings: Settings,
        program: Program,
        progress: Callable[[Progress], None],
    ) -> None:
        self._database, self._client, self._settings, self._program = database, client, settings, program
        self._progress = progress
        self._kind = kinds(client)[program.kind]
        self._report = ProgramReport(program.id, program.name, program.kind)
        self.notes: list[str] = []
        self._offset = 0
        self._total = 0
        self._started_at = now()

    async def whole(self, actor: str) -> ProgramReport:
        """All of it, to the audit entry."""
        try:
            await self._read_tiers()
            await asyncio.to_thread(self._take_up)
            self._total = await patiently(lambda: self._kind.count(self._program.id))
            self._tell("members", self._offset, self._total)
            await self._read_holders()
            for _ in range(LOOKS_WHEN_SHORT):
                if self._offset < self._total:  # an empty answer, which ends a list, may have come too early
                    await self._read_holders()
            await self._look_for_missing()
        except PassKitError as error:
            raise SyncBroken(
                f"the sync of {self._program.name!r} broke off after {self._offset:,} of "
                f"{max(self._total, self._offset):,}: {error}; run it again to go on from there"
            ) from error
        await asyncio.to_thread(self._finish, actor)
        if self._offset < self._total:
            self.notes.append(
                f"{self._program.name}: PassKit counts {self._total:,} and listed {self._offset:,}: "
                "some may be missing here, so run the sync again"
            )
        return self._report

    async def _read_tiers(self) -> None:
        found, time_zone, self.notes = await read_tiers(
            self._client, self._program, self._settings.passkit.message_field
        )
        await asyncio.to_thread(self._keep_tiers, found, self._program.time_zone or time_zone)

    async def _read_holders(self) -> None:
        asked_at = now()
        pages = self._kind.holders(self._program.id, self._offset, self._settings.passkit.page_size)
        async for offset, rows in pages:
            await asyncio.to_thread(self._keep_page, rows, asked_at, offset + len(rows))
            self._report.read += len(rows)
            self._tell("members", self._offset, self._total)
            asked_at = now()

    async def _look_for_missing(self) -> None:
        """Ask for each pass that the list did not show; PassKit's own 404 says that it is gone."""
        width = self._client.account.concurrency
        after, looked_at = 0, 0
        while missing := await asyncio.to_thread(self._unseen, after, width):
            after = missing[-1].pass_id
            asked_at = now()
            answers = await asyncio.gather(
                *(self._ask(one.provider_id) for one in missing), return_exceptions=True
            )
            rows, gone = [], []
            for one, answer in zip(missing, answers, strict=True):
                if isinstance(answer, BaseException):
                    raise answer
                if answer is None:
                    gone.append(one.pass_id)
                else:
                    rows.append(answer)
            await asyncio.to_thread(self._keep_found, rows, gone, asked_at)
            self._report.gone += len(gone)
            looked_at += len(missing)
            self._tell("missing", looked_at, looked_at)

    async def _ask(self, provider_id: str) -> Json | None:
        """The pass's record, or None where PassKit has it no more."""
        try:
            return await patiently(lambda: self._kind.holder(provider_id))
        except PassKitError as error:
            if error.kind != "not_found":
                raise
            return None

    def _tell(self, stage: str, done: int, total: int) -> None:
        self._progress(Progress(self._program.id, self._program.name, stage, done, max(done, total)))

    def _keep_tiers(self, found: Sequence[Tier], time_zone: str | None) -> None:
        program = self._program
        if time_zone != program.time_zone:
            program = Program(
                program.id, program.account, program.kind, program.name, program.status, time_zone
            )
        with self._database.write() as connection:
            programs.upsert_program(connection, program)
            programs.replace_tiers(connection, program.id, found)

    def _take_up(self) -> None:
        """Go on where a sync broke off, if it did so lately; else note the beginning of this one."""
        with self._database.write() as connection:
            left = connection.execute(sa.select(syncs).where(syncs.c.program_id == self._program.id)).first()
            if left is not None and self._started_at - RESUMABLE < left.started_at <= self._started_at:
                self._started_at, self._offset = left.started_at, left.offset
                self._report.began_at = left.offset
            self._note_place(connection)

    def _keep_page(self, rows: Iterable[Json], asked_at: datetime, offset: int) -> None:
        holders = self._readable(rows)
        with self._database.write() as connection:
            self._upsert(connection, holders, asked_at)
            self._offset = offset
            self._note_place(connection)

    def _keep_found(self, rows: Iterable[Json], gone: Sequence[int], asked_at: datetime) -> None:
        holders = self._readable(rows)
        with self._database.write() as connection:
            self._upsert(connection, holders, asked_at)
            enrolments.mark_gone(connection, gone)

    def _upsert(
        self, connection: sa.Connection, holders: Sequence[Mapping[str, Any]], asked_at: datetime
    ) -> None:
        enrolments.upsert_page(
            connection,
            self._program.id,
            holders,
            message_key=self._settings.message_key,
            seen_at=asked_at,
            secret=self._settings.consent_secret,
        )

    def _readable(self, rows: Iterable[Json]) -> list[Json]:
        holders = []
        for row in rows:
            try:
                holders.append(enrolments.storable(records.holder(self._program.kind, row)))
            except ValueError as error:
                self._report.skip(error)
        return holders

    def _unseen(self, after: int, limit: int) -> list[enrolments.Unseen]:
        with self._database.read() as connection:
            return enrolments.unseen(connection, self._program.id, self._started_at, after, limit)

    def _note_place(self, connection: sa.Connection) -> None:
        statement = upsert(connection, syncs).values(
            program_id=self._program.id, started_at=self._started_at, offset=self._offset
        )
        place = {name: statement.excluded[name] for name in ("started_at", "offset")}
        connection.execute(statement.on_conflict_do_update(index_elements=["program_id"], set_=place))

    def _finish(self, actor: str) -> None:
        at = now()
        with self._database.write() as connection:
            programs.mark_synced(
                connection,
                self._program.id,
                message_field=self._settings.passkit.message_field,
                at=at,
            )
            connection.execute(syncs.delete().where(syncs.c.program_id == self._program.id))
            catalogue.refresh(connection, self._program.id)
            audit.append(
                connection,
                actor=actor,
                act="sync",
                subject=self._program.id,
                details=self._report.as_json(),
                at=at,
            )
        self._database.analyze(members, passes)


def _keep_programs(database: Database, found: Iterable[Program]) -> None:
    with database.write() as connection:
        for program in found:
            programs.upsert_program(connection, program)


def _choose(database: Database, settings: Settings, wanted: str, found: Sequence[Program]) -> Program:
    with database.read() as connection:
        program = programs.get(connection, wanted, settings.account)
    if program.own:
        raise UsageError(
            f"{program.name} is our own program, so there is nothing to sync: members come by "
            "`passbell members import`"
        )
    if program.kind == "flight":
        raise UsageError(NO_FLIGHTS)
    for one in found:
        if one.id == program.id:
            return one
    raise UsageError(f"PassKit no longer lists the program {program.name!r} ({program.id})")
