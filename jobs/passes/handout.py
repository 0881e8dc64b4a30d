"""What is handed to holders: links, and folders of passes for those who send them by themselves."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from jobs import formulas
from jobs.channels.google_api import credentials, save_link
from jobs.passes import codes, holders, template
from jobs.passes.credentials import apple_identity, google_account
from jobs.passes.holders import Held
from jobs.passes.links import download_link
from jobs.passes.pkpass import Blank, build
from jobs.passes.signing import Signer
from store import audiences, roles, templates
from store.audiences import Audience, Selection
from store.database import Database
from store.errors import PassbellError
from store.schema import issued, members, passes
from store.settings import Settings
from store.times import now

if TYPE_CHECKING:
    from google.oauth2.service_account import Credentials

CHUNK = 200
LONGEST_NAME = 80
INDEX = "index.csv"
COLUMNS = ("external_id", "serial", "file", "download_link", "save_link")

Progress = Callable[[int, int], None]

_ODD = re.compile("[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Links:
    """How a holder gets a pass: on an iPhone or by any browser, and into Google Wallet.

    None: there is no such pass, or Google has not taken its object yet.
    """

    download: str | None = None
    save: str | None = None

    @property
    def best(self) -> str | None:
        """The one for a QR code: a save link is too long to be read well from a screen."""
        return self.download or self.save

    def as_json(self) -> dict[str, Any]:
        """The links as the commands print them."""
        return {"download_link": self.download, "save_link": self.save}


@dataclass(slots=True)
class Handed:
    """What was written: passes, QR codes, and those who had nothing to be handed."""

    folder: Path
    passes: int = 0
    codes: int = 0
    rows: int = 0
    names: set[str] = field(default_factory=set, repr=False)

    def as_json(self) -> dict[str, Any]:
        """The report as the commands print it."""
        return {"folder": str(self.folder), "passes": self.passes, "codes": self.codes, "rows": self.rows}


class Maker:
    """Makes links and passes of one program; keys are read once, and only where they are needed."""

    def __init__(self, database: Database, settings: Settings, program_id: str) -> None:
        self._settings, self._database = settings, database
        with database.read() as connection:
            self._design = template.of(templates.newest(connection, program_id))
        self._at = now()
        self._signs: Credentials | None = None
        self._apple: Callable[[Held], bytes] | None = None

    def links(self, held: Sequence[Held], placed: Sequence[int]) -> Links:
        """The links of one member's passes. `placed`: the passes that Google has. Void passes have none."""
        download: str | None = None
        save: list[str] = []
        for one in held:
            if one.holder.voided:
                continue
            if one.channel == "apple" or (download is None and one.pass_id in placed):
                download = download_link(self._settings, one.pass_id, at=self._at)
            if one.channel == "google" and one.pass_id in placed:
                save.append(one.provider_id)
        return Links(download, self._save_link(save) if save else None)

    def pkpass(self, held: Held) -> bytes:
        """The signed file of an Apple pass, as it is now."""
        if self._apple is None:
            identity = apple_identity(self._settings, self._database)
            blank, signer, url = Blank(self._design), Signer(identity), self._settings.web_url
            self._apple = lambda one: build(blank, one.holder, identity, signer, url)
        return self._apple(held)

    def _save_link(self, object_ids: Sequence[str]) -> str:
        if self._signs is None:
            self._signs = credentials(google_account(self._settings, self._database))
        kind = self._design.google.type
        return save_link(self._signs, self._settings.google.save_url, [(kind, id_) for id_ in object_ids])


def links_of(database: Database, settings: Settings, program_id: str, external_id: str) -> Links:
    """The links of one member's passes. Raises Refused for a viewer: who has a link has the pass."""
    roles.check(database.role, "passes.link")
    mine = sa.and_(members.c.program_id == program_id, members.c.external_id == external_id)
    with database.read() as connection:
        found = list(_held(connection, mine))
    if not found:
        return Links()
    return Maker(database, settings, program_id).links(*found[0])


def write(
    database: Database,
    settings: Settings,
    program_id: str,
    chosen: Audience | Selection,
    folder: Path,
    *,
    qr: str | None = None,
    progress: Progress = lambda done, total: None,
) -> Handed:
    """Write the passes of an audience into a folder: NAME.pkpass, index.csv with the links, and qr/NAME.png
    or .svg. Files of an earlier run are written anew.

    Raises PassbellError where the folder cannot be written.
    """
    maker, report = Maker(database, settings, program_id), Handed(folder)
    with database.read() as connection:
        who = sa.and_(members.c.program_id == program_id, audiences.condition(connection, program_id, chosen))
        total = connection.execute(sa.select(sa.func.count()).select_from(members).where(who)).scalar_one()
    try:
        (folder / "qr" if qr else folder).mkdir(parents=True, exist_ok=True)
        with (folder / INDEX).open("w", encoding="utf-8", newline="") as file:
            index = csv.writer(file)
            index.writerow(COLUMNS)
            last = 0
            while True:
                # Read in chunks, so that no read of the store lasts as long as the writing.
                with database.read() as connection:
                    chunk = list(_held(connection, sa.and_(who, members.c.id > last), CHUNK))
                    ids = sa.select(members.c.id).where(who, members.c.id > last).order_by(members.c.id)
                    seen = connection.scalars(ids.limit(CHUNK)).all()
                for held, placed in chunk:
                    _hand(maker, report, index, held, placed, qr)
                if not seen:
                    return report
                last = seen[-1]
                progress(report.rows, total)
    except OSError as error:
        raise PassbellError(f"cannot write {error.filename or folder}: {error.strerror}") from None


def _hand(
    maker: Maker, report: Handed, index: Any, held: Sequence[Held], placed: Sequence[int], qr: str | None
) -> None:
    links = maker.links(held, placed)
    external_id = held[0].holder.external_id
    name = _name(external_id, held[0].holder.serial, report.names)
    files = [one for one in held if one.channel == "apple" and not one.holder.voided]
    for one in files:
        (report.folder / f"{name}.pkpass").write_bytes(maker.pkpass(one))
        report.passes += 1
    if qr and links.best:
        (report.folder / "qr" / f"{name}.{qr}").write_bytes(codes.image(links.best, qr))
        report.codes += 1
    file = f"{name}.pkpass" if files else ""
    index.writerow((_cell(external_id), held[0].holder.serial, file, links.download or "", links.save or ""))
    report.rows += 1


def _cell(text: str) -> str:
    """A text that neither a spreadsheet takes for a formula nor a terminal for a command."""
    shown = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
    return formulas.shut(shown)


def _name(external_id: str, serial: str, taken: set[str]) -> str:
    """A file's name for a holder: the external id where that is plain and free, else with some of the serial.

    It never leads out of the folder, hides, or differs from another only by case.
    """
    plain = _ODD.sub("_", external_id)[:LONGEST_NAME].lstrip("._-")
    name = plain if plain == external_id else f"{plain or 'pass'}-{serial[:10]}"
    if name.casefold() in taken:
        name = f"{plain or 'pass'}-{serial}"
    taken.add(name.casefold())
    return name


def _held(
    connection: sa.Connection, who: sa.ColumnElement[bool], limit: int | None = None
) -> Iterator[tuple[list[Held], list[int]]]:
    """Each of the first members with their passes, and the ids of those that Google has."""
    first = sa.select(members.c.id).where(who).order_by(members.c.id).limit(limit)
    query = (
        sa.select(passes.c.id, passes.c.member_id, issued.c.placed_at)
        .join(issued, issued.c.pass_id == passes.c.id)
        .where(passes.c.member_id.in_(first))
        .order_by(passes.c.member_id, passes.c.id)
    )
    rows = connection.execute(query).all()
    held = {one.pass_id: one for one in holders.read(connection, [row.id for row in rows])}
    placed = {row.id for row in rows if row.placed_at is not None}
    by_member: dict[int, list[Held]] = {}
    for row in rows:
        by_member.setdefault(row.member_id, []).append(held[row.id])
    for mine in by_member.values():
        yield (
            sorted(mine, key=lambda one: one.channel),
            [one.pass_id for one in mine if one.pass_id in placed],
        )
