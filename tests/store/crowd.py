"""Members for tests: a small crowd with everything that real data has wrong with it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from store.database import Database
from store.migrations import migrate
from store.schema import blasts, deliveries, members, passes, programs

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


def add_past(database: Database, seed: int = 2) -> None:
    """Two blasts of one name and one of another to the crowd's passes, and texts that were put onto passes.

    Accepted moments lie at the edges of the last 30 days; some of the members' updates are our own doing.
    """
    dice = random.Random(seed)
    edges = [timedelta(days=30), timedelta(days=30, microseconds=1), timedelta(days=3), timedelta(days=90)]
    blast: dict[str, Any] = {"account": "rehearsal", "program_id": "P1", "text": "x", "message_key": "offer"}
    blast |= {"audience": "all", "state": "finished", "plan_hash": "h", "planned_at": NOW}
    names = ["Two for one", "Two for one", "It's late"]
    with database.write() as connection:
        connection.execute(
            blasts.insert(), [blast | {"id": place + 1, "name": name} for place, name in enumerate(names)]
        )
        held = connection.execute(sa.select(passes.c.id).order_by(passes.c.id)).scalars().all()
        rows = [
            {"blast_id": dice.choice([1, 2, 3]), "pass_id": id_, "verdict": "alert"}
            | dice.choice(
                [{"state": "accepted", "accepted_at": NOW - edge} for edge in edges]
                + [{"state": state, "accepted_at": None} for state in ("failed", "skipped", "pending")]
            )
            for id_ in held
            if dice.random() < 0.6
        ]
        connection.execute(deliveries.insert(), rows)
        touched = connection.execute(
            sa.select(passes.c.id, members.c.updated_at)
            .join(members, members.c.id == passes.c.member_id)
            .where(members.c.updated_at.is_not(None))
            .order_by(passes.c.id)
        ).all()
        for id_, updated_at in touched:
            if dice.random() < 0.5:
                apart = dice.choice([-61, -60.999999, -1, 0.5, 600, 600.999999, 601, 7_000])
                change = {"shown_text": "x", "shown_at": updated_at + timedelta(seconds=apart)}
                connection.execute(passes.update().where(passes.c.id == id_).values(**change))


ZIPS: list[Any] = [
    "90210",
    "90210",
    "01234",
    "10115",
    "",
    90210,
    90210.5,
    True,
    None,
    ["90210"],
    {"zip": "90210"},
]
TIERS = ["gold", "silver", "bronze", None]
COLUMNS = "id program_id external_id name tier_id points birthday status opted_out created_at updated_at"


def many(count: int, seed: int = 3) -> Iterator[dict[str, Any]]:
    """So many members, one at a time: values and moments are missing, zips are of every kind or missing."""
    dice = random.Random(seed)
    for number in range(1, count + 1):
        updated = NOW - timedelta(seconds=dice.randrange(400 * 86_400))
        attributes = {"city": "Berlin", "visits": dice.randrange(100), "likes": "espresso and a croissant"}
        if dice.random() < 0.8:
            attributes["zip"] = dice.choice(ZIPS)
        yield {
            "id": number,
            "program_id": "P1",
            "external_id": f"M{number:07}",
            "name": f"{dice.choice(['Anna', 'Ben', 'Cleo'])} {dice.randrange(count)}",
            "tier_id": dice.choice(TIERS),
            "points": dice.choice([None, float(dice.randrange(1_000)), 500.0, 500.5]),
            "birthday": date(1950, 1, 1) + timedelta(days=dice.randrange(20_000)),
            "status": dice.choice(["ENROLLED", "ACTIVE"]),
            "opted_out": dice.random() < 0.1,
            "created_at": updated - timedelta(days=100),
            "updated_at": updated if dice.random() < 0.9 else None,
            "attributes": attributes,
        }


def fill_many(database: Database, rows: Iterable[dict[str, Any]]) -> None:
    """Write members as `many` gives them as fast as a database takes them, each with an installed pass.

    Every third was sent a message, within the last 60 days.
    """
    names = [*COLUMNS.split(), "attributes", "imported"]
    own = ["id", "member_id", "program_id", "channel", "provider_id", "keys", "status", "wallets"]
    own.append("installed_at")
    sent = ["blast_id", "pass_id", "state", "verdict", "accepted_at"]
    with database.write() as connection:
        blast = {"id": 1, "account": "rehearsal", "program_id": "P1", "name": "Two for one", "text": "x"}
        blast |= {"message_key": "offer", "audience": "all", "state": "finished", "plan_hash": "h"}
        connection.execute(blasts.insert().values(**blast, planned_at=NOW))
        tables: dict[str, tuple[list[str], list[tuple[Any, ...]]]] = {
            "members": (names, []),
            "passes": (own, []),
            "deliveries": (sent, []),
        }
        for row in rows:
            id_ = row["id"]
            when = NOW - timedelta(days=id_ % 500, seconds=id_ % 7_919)
            told = (id_, id_, "P1", "passkit", f"{id_:022}", "{}", "installed", '["apple"]', when)
            tables["members"][1].append(
                (*(row[name] for name in names[:-2]), json.dumps(row["attributes"]), "{}")
            )
            tables["passes"][1].append(told)
            if id_ % 3 == 0:
                at = NOW - timedelta(days=id_ % 60, seconds=id_ % 86_399)
                tables["deliveries"][1].append((1, id_, "accepted", "alert", at))
            if len(tables["members"][1]) >= BATCH:
                _write(connection, tables)
        _write(connection, tables)
    database.analyze(members, passes, deliveries)


BATCH = 50_000


def _write(connection: sa.Connection, tables: dict[str, tuple[list[str], list[tuple[Any, ...]]]]) -> None:
    raw: Any = connection.connection.driver_connection
    for table, (names, rows) in tables.items():
        if connection.dialect.name == "postgresql":
            with raw.cursor().copy(f"COPY {table} ({', '.join(names)}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            places = ", ".join("?" * len(names))
            spelled = [tuple(map(_as_sqlite, row)) for row in rows]
            raw.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})", spelled)
        rows.clear()


def _as_sqlite(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    return value.isoformat() if isinstance(value, date) else value
