"""The tables that migrations make are the tables that the code names, and what was in them stays."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext

from store import claims, ledger, migrations
from store.database import Database
from store.migrations import HEAD, migrate, revision
from store.schema import metadata

BEFORE = datetime(2026, 11, 20, 9, tzinfo=UTC)
OLD_ROWS: dict[str, dict[str, object]] = {
    "programs": {"id": "P1", "account": "live", "kind": "membership", "name": "Kaffee", "status": "[]"},
    "members": {
        "id": 1,
        "program_id": "P1",
        "external_id": "m1",
        "status": "ENROLLED",
        "opted_out": False,
        "imported": "{}",
        "attributes": "{}",
    },
    "passes": {
        "id": 1,
        "member_id": 1,
        "program_id": "P1",
        "channel": "passkit",
        "provider_id": "x1",
        "keys": "{}",
        "status": "installed",
        "wallets": "[]",
    },
    "blasts": {
        "id": 1,
        "account": "live",
        "program_id": "P1",
        "name": "Friday",
        "text": "Two for one",
        "message_key": "latestOffer",
        "audience": "all",
        "state": "running",
        "rate_per_second": 20.0,
        "plan_hash": "abc",
        "planned_at": BEFORE,
    },
    "deliveries": {
        "id": 1,
        "blast_id": 1,
        "pass_id": 1,
        "state": "pending",
        "verdict": "alert",
        "due_at": BEFORE,
    },
}
"""A row for each table that a blast needs, as the first version wrote them."""


def to_revision(database: Database, wanted: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    with database.write() as connection:
        config.attributes["connection"] = connection
        if wanted == "base":
            command.downgrade(config, wanted)
        else:
            command.upgrade(config, wanted)


def insert(connection: sa.Connection, table: str, row: dict[str, object]) -> None:
    """Insert as an older version did: with no column that the code knows today and it did not."""
    known = metadata.tables[table].c
    columns = [sa.Column(name, known[name].type) for name in row]
    values = {name: [] if value == "[]" else {} if value == "{}" else value for name, value in row.items()}
    connection.execute(sa.Table(table, sa.MetaData(), *columns).insert().values(values))


def test_migrations_make_what_the_schema_says(store_url: str) -> None:
    database = Database(store_url)
    migrate(database)
    assert revision(database) == HEAD
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    to_revision(database, "base")
    with database.read() as connection:
        assert sa.inspect(connection).get_table_names() == ["alembic_version"]
    database.close()


def test_a_blast_of_the_first_version_goes_on_after_the_upgrade(store_url: str) -> None:
    database = Database(store_url)
    to_revision(database, "0001")
    with database.write() as connection:
        for table, row in OLD_ROWS.items():
            insert(connection, table, row)
    migrate(database)
    with database.write() as connection:
        blast = ledger.get(connection, 1)
        assert (blast.state, blast.rate_per_second, blast.planned_at) == ("running", 20, BEFORE)
        assert (blast.urgent, blast.concurrency, blast.send_at, blast.sends_from) == (False, None, None, None)
        assert ledger.due_blasts(connection, "live", at=BEFORE) == [(1, "passkit")]
        _, (one,) = claims.claim(
            connection, 1, worker="w", limit=5, lease_until=BEFORE, at=BEFORE, look=lambda *_: {}
        )
    assert (one.text, one.provider_id) == ("Two for one", "x1")
    database.close()
