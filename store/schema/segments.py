"""Who is meant: saved audiences, and what is known of a program's fields."""

from __future__ import annotations

import sqlalchemy as sa

from store.schema.base import BigId, Json, metadata
from store.times import Moment

audiences = sa.Table(
    "audiences",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("program_id", sa.ForeignKey("programs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, doc="all | where | file"),
    sa.Column("expression", sa.Text, doc="the predicate of kind `where`; the file's name of kind `file`"),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("created_at", Moment, nullable=False),
    sa.UniqueConstraint("program_id", "name"),
)

audience_members = sa.Table(
    "audience_members",
    metadata,
    sa.Column("audience_id", sa.ForeignKey("audiences.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("member_id", sa.ForeignKey("members.id", ondelete="CASCADE"), primary_key=True),
)

audience_sizes = sa.Table(
    "audience_sizes",
    metadata,
    sa.Column("audience_id", sa.ForeignKey("audiences.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("at", Moment, primary_key=True),
    sa.Column("members", sa.Integer, nullable=False),
)
"""How many members a saved audience had, at the moments when somebody asked."""

catalogue = sa.Table(
    "catalogue",
    metadata,
    sa.Column("program_id", sa.ForeignKey("programs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("type", sa.Text, nullable=False, doc="text | number | boolean | moment | date | any"),
    sa.Column("source", sa.Text, nullable=False, doc="member | pass | attribute | past"),
    sa.Column("filled", sa.Integer, nullable=False, doc="members that have a value"),
    sa.Column("members", sa.Integer, nullable=False, doc="members that were looked at"),
    sa.Column("top", Json, nullable=False, doc="array of [value, members], the commonest first"),
    sa.Column("at", Moment, nullable=False),
)
"""What is known of each field of a program, as last counted."""
