"""Boarding records. PassKit has no list of them, so a file is the only way to know which there are.

A record is addressed by its key fields: ticket number and leg (and boarding point), or carrier, flight,
date, boarding point and sequence number. PassKit: PUT /flights/boardingRecord takes either set.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any, NamedTuple

import sqlalchemy as sa

from jobs.intake.files import texts
from jobs.intake.rows import Row
from store import keys, suppressions
from store.database import upsert
from store.errors import UsageError
from store.imports import COLUMNS
from store.schema import members, passes, programs

PROGRAM = "flights"
CHANNEL = "passkit"

ID = "\0id"
KEYS = "\0keys"
"""Names of the columns that `keyed` adds; no file can have them."""

BY_TICKET = ("ticketNumber", "ticketLeg")
BY_FLIGHT = ("carrierCode", "flightNumber", "departureDate", "boardingPoint", "sequenceNumber")
WHOLE_NUMBERS = ("ticketLeg", "sequenceNumber")
CODES = ("carrierCode", "boardingPoint")
FIELDS = {name.lower(): name for name in (*BY_TICKET, *BY_FLIGHT)}
PASSENGER = ("name", "passengername", "passenger")


class Record(NamedTuple):
    """A boarding record that is not in the store yet. `flight` holds its key fields and its passenger."""

    id: str
    flight: dict[str, Any]
    attributes: dict[str, Any]


def ensure_flights_program(connection: sa.Connection, account: str) -> str:
    """Make the program that boarding records belong to, if it is not there; returns its id."""
    new = upsert(connection, programs).values(
        id=PROGRAM, account=account, kind="flight", name="Flights", status=[]
    )
    connection.execute(new.on_conflict_do_nothing())
    owner = connection.execute(sa.select(programs.c.account).where(programs.c.id == PROGRAM)).scalar_one()
    if owner != account:
        raise UsageError(f"this store's boarding records belong to {owner}: use another store for {account}")
    return PROGRAM


def keyed(row: Row) -> Row:
    """The row with its canonical id and its key fields, or with the problem that it has none."""
    if row.problem:
        return row
    cells = {letters(name): value for name, value in row.values.items()}
    try:
        keys = keys_of(
            {name: cells[short] for short, name in FIELDS.items() if cells.get(short) not in (None, "")}
        )
    except ValueError as error:
        return row._replace(problem=str(error))
    passenger = next((str(cells[name]).strip() for name in PASSENGER if cells.get(name)), "")
    flight = {"keys": keys, "passenger": passenger}
    return row._replace(values=row.values | {ID: canonical(keys), KEYS: flight})


def keys_of(given: dict[str, Any]) -> dict[str, Any]:
    """Key fields as PassKit spells them, by ticket where there is one. Raises ValueError in words."""
    by_ticket = all(name in given for name in BY_TICKET)
    if not by_ticket and (missing := [name for name in BY_FLIGHT if name not in given]):
        raise ValueError(f"needs ticketNumber and ticketLeg, or also {', '.join(missing)}")
    names = (*BY_TICKET, "boardingPoint") if by_ticket else BY_FLIGHT
    return {name: _value(name, given[name]) for name in names if name in given}


def canonical(keys: dict[str, Any]) -> str:
    """The same text for the same record, however its file spelled it: `BA/117/2026-12-01/LHR/42`."""
    day = keys.get("departureDate")
    spelled = keys | ({"departureDate": date(**day).isoformat()} if day else {})
    return "/".join(str(value) for value in spelled.values())


def create(
    connection: sa.Connection, program_id: str, records: list[Record], secret: keys.Secret = keys.none_here
) -> list[int]:
    """Write new records: a member and its one pass each; returns our ids of the members.

    Installed or not is unknown to us. Who of them is suppressed is found with the consent secret.
    """
    if not records:
        return []
    suppressions.hold(connection)
    rows = [_member(program_id, record) for record in records]
    connection.execute(members.insert(), rows)
    wanted = {record.id: record for record in records}
    query = sa.select(members.c.id, members.c.external_id).where(
        members.c.program_id == program_id, members.c.external_id.in_(texts(connection, list(wanted)))
    )
    made = connection.execute(query).all()
    connection.execute(passes.insert(), [_pass(program_id, number, wanted[name]) for number, name in made])
    ids = [number for number, _ in made]
    suppressions.link(connection, secret, ids)
    return ids


def letters(name: str) -> str:
    """A header without case, blanks and underscores: `Ticket_Number` and `ticketNumber` are the same."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _value(name: str, value: Any) -> Any:
    text = str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()
    if name in WHOLE_NUMBERS:
        if not re.fullmatch("[0-9]{1,9}", text):
            raise ValueError(f"{name} is not a whole number")
        return int(text)
    if name == "departureDate":
        if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise ValueError("departureDate is not written as 2026-01-31")
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise ValueError("departureDate is no day of the calendar") from None
        return {"year": day.year, "month": day.month, "day": day.day}
    if not text or len(text) > 40 or not text.isprintable() or "/" in text:
        raise ValueError(f"{name} has 1 to 40 printable characters other than /")
    return text.upper() if name in CODES else text


def _member(program_id: str, record: Record) -> dict[str, Any]:
    given = {name: value for name, value in record.attributes.items() if value is not None}
    columns = {name: given.pop(name, None) for name in COLUMNS}
    return {
        "program_id": program_id,
        "external_id": record.id,
        "name": record.flight["passenger"],
        "status": "ACTIVE",
        "opted_out": False,
        "imported": given,
        "attributes": given,
        **columns,
    }


def _pass(program_id: str, member_id: int, record: Record) -> dict[str, Any]:
    return {
        "member_id": member_id,
        "program_id": program_id,
        "channel": CHANNEL,
        "provider_id": record.id,
        "keys": record.flight["keys"],
        "status": "unknown",
        "wallets": [],
    }
