"""Bring a store's tables up to this version's, once, however many processes try at the same time."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from store.database import Database, lock
from store.errors import PassbellError, Refused

HEAD = "0004"
"""The newest revision; kept here so that a store that is current costs one query and no Alembic."""


class SchemaForeign(PassbellError):
    """The database is somebody else's: nothing is added to it."""


class SchemaNewer(PassbellError):
    """The store was made by a newer passbell: this one must not touch it."""


def revision(database: Database) -> str | None:
    """The revision the store is at; None for an empty database."""
    with database.read() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def check_schema(connection: sa.Connection) -> None:
    """Raises SchemaNewer where the tables are no longer HEAD's, since a newer passbell came meanwhile."""
    at = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    if at != HEAD:
        raise SchemaNewer(f"the store is at revision {at} now, and this passbell is made for {HEAD}")


def migrate(database: Database) -> None:
    """Upgrade to HEAD in one transaction. Raises SchemaNewer for a store from the future.

    Raises Refused for whoever may only read, unless there is nothing to do.
    """
    at = revision(database)
    if at == HEAD:
        return
    if database.role == "viewer":
        is_at = "has no tables yet" if at is None else f"is at revision {at} and not at {HEAD}"
        raise Refused(f"the store {database} {is_at}, and this is read-only: let an operator open it once")
    with database.write() as connection:
        lock(connection, "migrations")
        _upgrade(database, connection)


def _upgrade(database: Database, connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    at = MigrationContext.configure(connection).get_current_revision()
    # A SQLite file is one program's; a Postgres database may be shared, with a queue for one.
    if at is None and database.dialect == "sqlite" and sa.inspect(connection).get_table_names():
        raise SchemaForeign(f"{database} holds tables that are not passbell's: name a store of its own")
    if at is not None and at not in known:
        raise SchemaNewer(
            f"the store {database} is at revision {at}, which this passbell does not know: upgrade passbell"
        )
    command.upgrade(config, "head")
