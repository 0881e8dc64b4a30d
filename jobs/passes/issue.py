"""The verbs of own passes: issue them to one member or to an audience, and void one.

Passes come to be in the store, in chunks of one transaction each: whatever ends a run, chunks are whole, and
the next run goes on with those who have none yet. Google gets its objects afterwards (jobs/passes/place.py);
an Apple pass is made when somebody downloads it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from jobs.intake import own
from jobs.passes import changes, template
from store import audiences, audit, catalogue, imports, keys, programs, suppressions, templates, texts
from store import issued as store
from store.audiences import Audience, Selection, in_words
from store.database import Database, lock, lock_rows
from store.errors import Refused, UsageError
from store.issued import NewPass
from store.pass_events import Event
from store.pass_events import add as add_events
from store.programs import INACTIVE, Program
from store.schema import members, passes
from store.settings import Settings
from store.times import now

if TYPE_CHECKING:
    from jobs.passes.template import Template

CHANNELS = ("apple", "google")
CHUNK = 500
NAMED = 5
"""Members of whom a report says that they cannot get a pass."""

Progress = Callable[[int, int], None]
"""Told after each chunk how many members have been seen to, and how many there are."""


@dataclass(frozen=True, slots=True)
class Issuers:
    """In whose name passes are issued. pass_type: Apple's, issuer: Google's id; None: no such passes."""

    pass_type: str | None
    issuer: str | None

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that passes are issued on."""
        return tuple(name for name, id_ in zip(CHANNELS, (self.pass_type, self.issuer), strict=True) if id_)


@dataclass(slots=True)
class Report:
    """What an issuing did.

    members   who were meant
    issued    new passes by channel
    lacking   members without a pass, since they lack a field that the template shows, by the field's name
    samples   up to five external ids of those
    changed   a member was enrolled, or given other values
    """

    program_id: str
    channels: tuple[str, ...]
    members: int = 0
    issued: dict[str, int] = field(default_factory=dict)
    lacking: dict[str, int] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)
    changed: bool = False

    @property
    def new(self) -> int:
        """How many passes are new."""
        return sum(self.issued.values())

    def as_json(self) -> dict[str, Any]:
        """The report as the commands print it."""
        return {
            "program": self.program_id,
            "channels": list(self.channels),
            "members": self.members,
            "issued": {channel: self.issued.get(channel, 0) for channel in self.channels},
            "lacking": self.lacking,
            "lacking_such_as": self.samples,
        }


def issuers(settings: Settings, database: Database, wallet: str | None = None) -> Issuers:
    """Who issues: what is set up, or in a rehearsal the stand-ins; `wallet` (apple, google or both) asks for
    less, or insists.

    Raises UsageError where what is asked for is not set up, PassbellError where it is wrong.
    """
    from jobs.passes.credentials import apple_identity, google_account
    from jobs.rehearsal import authority

    wanted = CHANNELS if wallet in (None, "both") else (wallet,)
    ready = {
        "apple": bool(settings.apple.pass_type) or not settings.live,
        "google": bool(settings.google.issuer) or not settings.live,
    }
    missing = [name for name in wanted if not ready[name]]
    if missing and (wallet is not None or len(missing) == len(CHANNELS)):
        told = {"apple": "apple.pass_type", "google": "google.issuer"}
        raise UsageError(f"{' and '.join(told[name] for name in missing)} is not set: see `passbell doctor`")
    apple, google = (name in wanted and ready[name] for name in CHANNELS)
    if settings.live and apple and not settings.web.url:
        raise UsageError("web.url is not set: Apple passes carry it for ever, so none is issued without it")
    pass_type = apple_identity(settings, database).pass_type if apple else None
    if google:
        google_account(settings, database)
    return Issuers(pass_type, (settings.google.issuer or authority.GOOGLE_ISSUER) if google else None)


def own_program(connection: sa.Connection, program: str, account: str) -> Program:
    """The program, which has to be one of our own. Raises UsageError."""
    found = programs.get(connection, program, account)
    if not found.own:
        raise UsageError(
            f"{found.name} is PassKit's: passbell issues passes of its own programs only, which "
            "`passbell programs create` makes"
        )
    return found


def issue(
    database: Database,
    program: Program,
    chosen: Audience | Selection,
    by: Issuers,
    *,
    actor: str,
    limit: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Report:
    """Give each member of an audience the passes that it has not; who has left gets none.

    A second run finds nothing to do. `limit`: so many members at most. A chunk is one transaction with its
    audit entry, so a run that is stopped leaves whole ones, and the next one goes on.
    """
    database.check_role("passes.issue")
    report = Report(program.id, by.channels)
    at = now()
    with database.read() as connection:
        design = template.of(templates.newest(connection, program.id))
        query = _meant(connection, program, chosen, at).with_only_columns(sa.func.count())
        report.members = connection.execute(query).scalar_one()
        waiting = query.where(_without(by.channels))
        total = min(connection.execute(waiting).scalar_one(), limit or report.members)
    last = done = 0
    while done < total:
        with database.write() as connection:
            _alone(connection, program.id)
            query = _meant(connection, program, chosen, at).where(_without(by.channels), members.c.id > last)
            rows = connection.execute(query.order_by(members.c.id).limit(min(CHUNK, total - done))).all()
            fit = [row for row in rows if _has_all(design, row, report)]
            counts = _add(connection, program.id, fit, by, at=now())
            if counts:
                _record(connection, program.id, counts, in_words(chosen), actor)
        for channel, count in counts.items():
            report.issued[channel] = report.issued.get(channel, 0) + count
        if not rows:
            break
        last, done = rows[-1].id, done + len(rows)
        progress(done, total)
    if report.new:
        database.analyze(passes)
    return report


def waiting(database: Database, program: Program, chosen: Audience | Selection, by: Issuers) -> int:
    """How many members of an audience lack a pass."""
    with database.read() as connection:
        query = _meant(connection, program, chosen, now()).where(_without(by.channels))
        return connection.execute(query.with_only_columns(sa.func.count())).scalar_one()


def issue_to(
    database: Database,
    program: Program,
    external_id: str,
    given: Mapping[str, Any],
    by: Issuers,
    *,
    secret: keys.Secret = keys.none_here,
    actor: str,
) -> Report:
    """Give one member its passes. Who is not a member yet is enrolled; `given` is what else it has now, by
    column of a member.

    Raises UsageError for a value that cannot be kept, Refused where the member has left, or lacks what the
    template shows: nothing is written then.
    """
    with database.write() as connection:
        report = issue_in(connection, program, external_id, given, by, secret=secret, actor=actor)
        if report.changed:
            catalogue.refresh(connection, program.id)
    return report


def issue_in(
    connection: sa.Connection,
    program: Program,
    external_id: str,
    given: Mapping[str, Any],
    by: Issuers,
    *,
    secret: keys.Secret = keys.none_here,
    actor: str,
) -> Report:
    """`issue_to` in a transaction of the caller's, who sees to the catalogue where `report.changed`."""
    report = Report(program.id, by.channels, members=1)
    if why := own.problem(external_id):
        raise UsageError(why)
    _alone(connection, program.id)
    suppressions.hold(connection)
    design = template.of(templates.newest(connection, program.id))
    mine = sa.and_(members.c.program_id == program.id, members.c.external_id == external_id)
    known = imports.states(connection, mine, own=True).get(external_id)
    act = ""
    if known is None:
        own.enrol(connection, program.id, [own.Stranger(external_id, given)], secret)
        act = "member.enrol"
    elif (change := imports.changed(known, given)) is not None:
        own.update(connection, [change], secret)
        touched = {known.member_id: changes.names(change.before)}
        changes.members_changed(connection, program.id, touched, at=now())
        act = "member.change"
    row = connection.execute(sa.select(members).where(mine)).one()
    if row.status in INACTIVE:
        raise Refused(f"{external_id!r} is {row.status}: who has left gets no pass")
    lacks = connection.execute(sa.select(members.c.id).where(mine, _without(by.channels))).first()
    if lacks is not None:
        if not _has_all(design, row, report):
            raise Refused(
                f"{external_id!r} lacks {', '.join(report.lacking)}, which the template shows: give it "
                "first, or let the template say what to show instead, such as {points|0}"
            )
        report.issued = _add(connection, program.id, [row], by, at=now())
    # The audit comes last: whoever changes passes takes the store's tag first, and then its lock.
    if act:
        _audit_member(connection, program.id, act, external_id, sorted(given), actor)
    if report.new:
        _record(connection, program.id, report.issued, external_id, actor)
    report.changed = known is None or bool(given)
    return report


def void(database: Database, program: Program, external_id: str, *, actor: str) -> list[int]:
    """Make a member's passes invalid, on phones, too: they show it once they have fetched the change.

    It cannot be taken back, and the member gets no others. Returns the ids of the passes; none where all were
    void before.
    """
    at = now()
    with database.write() as connection:
        _alone(connection, program.id)
        mine = sa.and_(members.c.program_id == program.id, members.c.external_id == external_id)
        query = (
            sa.select(passes.c.id)
            .join(members, members.c.id == passes.c.member_id)
            .where(mine, passes.c.channel.in_(CHANNELS), passes.c.status != "invalidated")
            .order_by(passes.c.id)
        )
        ids = list(connection.scalars(query))
        if ids:
            # Told first: who is told goes by the state that phones know.
            changes.passes_changed(connection, ids, at=at)
            connection.execute(passes.update().where(passes.c.id.in_(ids)).values(status="invalidated"))
            add_events(connection, [Event(id_, "voided", at, "passbell") for id_ in ids])
            _audit_member(connection, program.id, "passes.void", external_id, [], actor)
    return ids


def _alone(connection: sa.Connection, program_id: str) -> None:
    """Imports of a program and the issuing of its passes come one after the other: they lock its members."""
    lock(connection, f"imports:{program_id}")


def _meant(
    connection: sa.Connection, program: Program, chosen: Audience | Selection, at: datetime
) -> sa.Select[Any]:
    who = audiences.condition(connection, program.id, chosen, now=at)
    return sa.select(members).where(
        members.c.program_id == program.id, members.c.status.not_in(INACTIVE), who
    )


def _without(channels: Sequence[str]) -> sa.ColumnElement[bool]:
    """Members who have no pass on one of these channels; a void one is one, too."""
    return sa.or_(
        *(
            ~sa.exists().where(passes.c.member_id == members.c.id, passes.c.channel == channel)
            for channel in channels
        )
    )


def _has_all(design: Template, row: Any, report: Report) -> bool:
    """Whether the member has what the template shows; counted where not."""
    lacks = design.missing(texts.values_of(row._mapping))
    for name in lacks:
        report.lacking[name] = report.lacking.get(name, 0) + 1
    if lacks and len(report.samples) < NAMED:
        report.samples.append(row.external_id)
    return not lacks


def _add(
    connection: sa.Connection, program_id: str, rows: Sequence[Any], by: Issuers, *, at: datetime
) -> dict[str, int]:
    """The passes that these members lack; how many on each channel."""
    query = sa.select(passes.c.member_id, passes.c.channel).where(
        passes.c.member_id.in_([row.id for row in rows]), passes.c.channel.in_(CHANNELS)
    )
    held = {(member_id, channel) for member_id, channel in connection.execute(query)}
    new = [
        _new(program_id, row.id, channel, by)
        for row in rows
        for channel in by.channels
        if (row.id, channel) not in held
    ]
    # Members before the tag, as whoever changes a member does: a new pass locks its member.
    lock_rows(connection, members.c.id, [row.id for row in rows])
    store.add(connection, new, at=at)
    counts: dict[str, int] = {}
    for one in new:
        counts[one.channel] = counts.get(one.channel, 0) + 1
    return counts


def _new(program_id: str, member_id: int, channel: str, by: Issuers) -> NewPass:
    serial = secrets.token_urlsafe(16)
    apple = channel == "apple"
    return NewPass(
        member_id=member_id,
        program_id=program_id,
        channel=channel,
        serial=serial,
        provider_id=serial if apple else f"{by.issuer}.{serial}",
        pass_type=by.pass_type if apple else None,
        token=secrets.token_urlsafe(32),
    )


def _record(
    connection: sa.Connection, program_id: str, counts: Mapping[str, int], who: str, actor: str
) -> None:
    details = {"issued": dict(counts), "who": who}
    audit.append(connection, actor=actor, act="passes.issue", subject=program_id, details=details)


def _audit_member(
    connection: sa.Connection, program_id: str, act: str, external_id: str, names: list[str], actor: str
) -> None:
    details: dict[str, Any] = {"member": external_id} | ({"fields": names} if names else {})
    audit.append(connection, actor=actor, act=act, subject=program_id, details=details)
