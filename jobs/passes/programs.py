"""The verbs of programs whose passes we issue: make one, give it a template. Each with its audit entry."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from jobs.passes import changes, template
from jobs.passes.template import STYLES, Template
from store import audit, programs, templates, texts, zones
from store.database import Database
from store.errors import Refused, UsageError
from store.fields import fields_of
from store.programs import Program, Tier
from store.schema import issued, passes
from store.settings import Settings
from store.times import now

CHUNK = 5_000
LONGEST_NAME = 80
TIER = Tier("standard", "Standard", None, "ok")
"""Members may name other tiers; the design is one, and it alerts: every template has a message field."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a template: its version, whether that is new, and how many passes it changed."""

    program_id: str
    version: int
    new: bool
    passes: int

    def as_json(self) -> dict[str, Any]:
        """The outcome as the commands print it."""
        return {"program": self.program_id, "version": self.version, "new": self.new, "passes": self.passes}


def create(
    database: Database,
    settings: Settings,
    name: str,
    design: Template,
    *,
    kind: str | None = None,
    time_zone: str | None = None,
    actor: str,
) -> Program:
    """Make a program of our own with its first template. `kind` is the template's unless it is given.

    Raises UsageError for a wrong name, kind or time zone, Refused where a program has that name.
    """
    database.check_role("program.create")
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME:
        raise UsageError(f"a program's name has 1 to {LONGEST_NAME} characters: {len(name)} were given")
    if texts.spell(name) != name:
        raise UsageError("the program's name holds a control character: take it out")
    if kind is not None and kind not in STYLES:
        raise UsageError(f"a program is one of {', '.join(STYLES)}, not {kind!r}")
    if time_zone is not None and not zones.known(time_zone):
        raise UsageError(f"{time_zone!r} is no time zone, such as Europe/Vienna")
    at = now()
    made = Program(
        id=f"own-{secrets.token_hex(4)}",
        account=settings.account,
        kind=kind or design.kind,
        name=name,
        time_zone=time_zone,
        message_field=f"meta.{design.message.key}",
        issuer="passbell",
    )
    with database.write() as connection:
        taken = {known.casefold(): id_ for id_, known in programs.names(connection, settings.account).items()}
        if name.casefold() in taken:
            raise Refused(
                f"there is a program {name!r} already ({taken[name.casefold()]}): choose another name"
            )
        programs.upsert_program(connection, made)
        programs.set_message_field(connection, made.id, f"meta.{design.message.key}")
        programs.replace_tiers(connection, made.id, [TIER])
        templates.add(connection, made.id, design.table, design.files, at=at, actor=actor)
        details = {"name": name, "kind": made.kind, "issuer": made.issuer, "template": 1}
        audit.append(connection, actor=actor, act="program.create", subject=made.id, details=details, at=at)
    return made


def add_template(
    database: Database,
    settings: Settings,
    program: str,
    design: Template,
    *,
    actor: str,
    progress: Progress = lambda done, total: None,
) -> Added:
    """Make this the program's template. All its passes have changed then, and their phones are told.

    The template in force given again changes nothing; but passes that an earlier run did not come to, since
    it was ended, are changed now. Raises Refused for a program whose passes PassKit makes, UsageError for a
    text that names a field which members do not have.
    """
    database.check_role("template.add")
    at = now()
    with database.write() as connection:
        found = own(connection, program, settings)
        _check_names(connection, found.id, design)
        _check_google(connection, found.id, design)
        version, new = templates.add(connection, found.id, design.table, design.files, at=at, actor=actor)
        if new:
            programs.set_message_field(connection, found.id, f"meta.{design.message.key}")
            details = {"version": version, "style": design.style, "google": design.google.type}
            audit.append(
                connection, actor=actor, act="template.add", subject=found.id, details=details, at=at
            )
        since = templates.get(connection, found.id, version).tag
    return Added(found.id, version, new, _change_passes(database, found.id, since, progress))


def own(connection: sa.Connection, program: str, settings: Settings) -> Program:
    """The program, if its passes are ours. Raises Refused for one that PassKit makes passes of."""
    found = programs.get(connection, program, settings.account)
    if found.issuer != "passbell":
        raise Refused(
            f"PassKit makes the passes of {found.name}: their design is changed in PassKit's portal"
        )
    return found


def _check_names(connection: sa.Connection, program_id: str, design: Template) -> None:
    """Refuse a name that no member has and that has no word in its stead; without members nobody knows."""
    known = fields_of(connection, program_id)
    own_names = [name for name, field in known.items() if field.source == "attribute"]
    if own_names:
        lacking = [name for name, instead in design.names.items() if not instead]
        for name in lacking:
            texts.check_fields(f"{{{name}}}", [*texts.BUILT_IN, *own_names])


def _check_google(connection: sa.Connection, program_id: str, design: Template) -> None:
    """Refuse another type at Google once passes were issued there: Google would not find them under it."""
    before = templates.listed(connection, program_id)
    held = sa.exists().where(passes.c.program_id == program_id, passes.c.channel == "google")
    if not before or not connection.scalar(sa.select(held)):
        return
    was = template.of(before[0]).google.type
    if was != design.google.type:
        raise Refused(
            f"this program's passes are of the type {was} at Google, and cannot become {design.google.type}: "
            "make another program for it"
        )


def _change_passes(database: Database, program_id: str, since: int, progress: Progress) -> int:
    """Change each pass that was last changed before this tag, a transaction a chunk: phones that ask in
    the meantime are not kept waiting. Returns how many there were."""
    wanted = (passes.c.program_id == program_id, issued.c.tag <= since)
    joined = passes.join(issued, issued.c.pass_id == passes.c.id)
    with database.read() as connection:
        total = connection.execute(sa.select(sa.func.count()).select_from(joined).where(*wanted)).scalar_one()
    after = done = 0
    while True:
        with database.write() as connection:
            query = sa.select(passes.c.id).select_from(joined).where(*wanted, passes.c.id > after)
            ids = list(connection.scalars(query.order_by(passes.c.id).limit(CHUNK)))
            if not ids:
                return done
            changes.passes_changed(connection, ids, at=now())
        after, done = ids[-1], done + len(ids)
        progress(done, max(total, done))
