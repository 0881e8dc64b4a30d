"""Members for tests: a small crowd with everything that real data has wrong with it."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from store.database import Database
from store.migrations import migrate
from store.schema import members, passes, programs

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NAMES = [
    "Ann",
    "ann",
    "ÄNNE",
    "änne",
    "Bo%b",
    "b_b",
    "Zoë 🎉",
    "",
    "O'Hara",
    "Ann [/foo]",
    "שרה",
    "a\\b",
    "Émile",
]
VALUES: list[Any] = [
    *("90210", "01234", "true", "false", "gold", "Gold", "", "null", "5", "größe", "2026-01-31"),
    *(True, False, None, 0, 1, -5, 5, 90210, 123456789012345, 10**18, 10**30, -(2**63)),
    *(0.5, 5.0, -2.25, 1e16, 1e22, 1e-7, 1e299, 1.5e308, [], ["gold"], {}, {"a": 1}),
]
KEYS = ["zip", "city", "vip", "n", "favourite store", "größe", "tier", "back\\slash"]


def open_store(url: str, program_id: str = "P1") -> Database:
    """An empty store with one program."""
    database = Database(url)
    migrate(database)
    with database.write() as connection:
        add_program(connection, program_id)
    return database


def add_program(connection: sa.Connection, program_id: str, kind: str = "membership") -> None:
    connection.execute(
        programs.insert().values(id=program_id, account="rehearsal", kind=kind, name="Café", status=[])
    )


def member(external_id: str, **values: Any) -> dict[str, Any]:
    """A member's row with the columns that must be there."""
    row: dict[str, Any] = {column.name: None for column in members.c if column.name != "id"}
    row |= {"program_id": "P1", "external_id": external_id, "name": "", "status": "ENROLLED"}
    return row | {"opted_out": False, "imported": {}, "attributes": {}} | values


def add_members(database: Database, rows: list[dict[str, Any]]) -> None:
    with database.write() as connection:
        connection.execute(members.insert(), rows)


def fill(database: Database, count: int = 300, seed: int = 1) -> None:
    """A crowd that is the same for the same seed on every database."""
    dice = random.Random(seed)
    rows = [{"id": number + 1} | _member(dice, number) for number in range(count)]
    own = [_pass(dice, number) for number in range(count) for _ in range(dice.choice([0, 1, 1, 1, 2]))]
    for number, row in enumerate(own):
        row["provider_id"] = f"pass{number}"
    with database.write() as connection:
        connection.execute(members.insert(), rows)
        connection.execute(passes.insert(), own)


def _member(dice: random.Random, number: int) -> dict[str, Any]:
    moment = [None, NOW, *(NOW - timedelta(days=days, hours=days % 5) for days in (1, 7, 30, 31, 400))]
    return member(
        f"{number:05}",
        name=dice.choice(NAMES),
        email=dice.choice([None, "", f"{number}@example.com"]),
        tier_id=dice.choice([None, "gold", "Gold", "silver", "größe"]),
        points=dice.choice([None, 0.0, 5.0, 5.5, 500.0, -1.0, 1e12]),
        tier_points=dice.choice([None, 0, 5, 500]),
        birthday=dice.choice([None, date(1990, 2, 28), date(2026, 11, 21), date(2026, 1, 31)]),
        status=dice.choice(["ENROLLED", "ACTIVE", "EXPIRED"]),
        opted_out=dice.random() < 0.3,
        expires_at=dice.choice(moment),
        created_at=dice.choice(moment),
        updated_at=dice.choice(moment),
        attributes={key: dice.choice(VALUES) for key in KEYS if dice.random() < 0.7},
    )


def _pass(dice: random.Random, number: int) -> dict[str, Any]:
    return {
        "member_id": number + 1,
        "program_id": "P1",
        "channel": "passkit",
        "keys": {},
        "status": dice.choice(["issued", "installed", "uninstalled"]),
        "wallets": dice.choice([[], ["apple"], ["google"], ["apple", "google"], ["other"]]),
        "installed_at": dice.choice([None, NOW - timedelta(days=3), NOW - timedelta(days=300)]),
    }
