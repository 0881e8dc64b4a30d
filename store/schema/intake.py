"""What comes from files and from the provider."""

from __future__ import annotations

import sqlalchemy as sa

from store.schema.base import BigId, Json, metadata
from store.times import Moment

import_mappings = sa.Table(
    "import_mappings",
    metadata,
    sa.Column("program_id", sa.ForeignKey("programs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("mapping", Json, nullable=False, doc="column of a file to what it becomes"),
    sa.Column("updated_at", Moment, nullable=False),
)
"""How files of a program were read last."""

imports = sa.Table(
    "imports",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("program_id", sa.ForeignKey("programs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("mapping", Json, nullable=False),
    sa.Column("counts", Json, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("undone_at", Moment),
    sa.Index(None, "program_id", "id"),
)

import_changes = sa.Table(
    "import_changes",
    metadata,
    sa.Column("import_id", sa.ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("member_id", sa.ForeignKey("members.id", ondelete="CASCADE"), primary_key=True),
    sa.Column(
        "before", Json, doc="what the import changed of the member, as it was; NULL: it made the member"
    ),
    sa.Index(None, "member_id"),
)
"""What an import changed, so that it can be undone."""

syncs = sa.Table(
    "syncs",
    metadata,
    sa.Column("program_id", sa.ForeignKey("programs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("started_at", Moment, nullable=False),
    sa.Column("offset", sa.Integer, nullable=False, doc="records read so far; where a broken sync goes on"),
)
"""Syncs under way or broken off; a finished one leaves no row."""
