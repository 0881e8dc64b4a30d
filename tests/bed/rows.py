"""All that a store holds, to be compared with what it held before."""

from __future__ import annotations

import sqlalchemy as sa

from store.database import Database
from store.schema import metadata

Rows = dict[str, list[str]]
"""Each table's rows in words, sorted."""


def every_row(url: str) -> Rows:
    """The rows of all tables."""
    database = Database(url)
    with database.read() as connection:
        found = {
            table.name: sorted(map(repr, connection.execute(sa.select(table)).all()))
            for table in metadata.sorted_tables
        }
    database.close()
    return found
