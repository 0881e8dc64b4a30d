"""Programs, their members, and the passes that they hold."""

from __future__ import annotations

import sqlalchemy as sa

from store.schema.base import BigId, Json, metadata
from store.times import Moment

programs = sa.Table(
    "programs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, doc="the provider's id; `flights` for boarding records"),
    sa.Column("account", sa.Text, nullable=False, doc="live | rehearsal: whose credentials can send to it"),
    sa.Column("kind", sa.Text, nullable=False, doc="membership | coupon | ticket | flight"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("status", Json, nullable=False, doc="the provider's status words, an array"),
    sa.Column("time_zone", sa.Text),
    sa.Column(
        "issuer",
        sa.Text,
        nullable=False,
        server_default="passkit",
        doc="passkit | passbell: who makes its passes; no sync touches our own",
    ),
    sa.Column("message_field", sa.Text, doc="the field whose texts were read at the last sync"),
    sa.Column("synced_at", Moment, doc="end of the last whole sync"),
)

tiers = sa.Table(
    "tiers",
    metadata,
    sa.Column("program_id", sa.ForeignKey("programs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("id", sa.Text, primary_key=True, doc="tier, offer or ticket type, as the provider calls it"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("template_id", sa.Text),
    sa.Column(
        "message_field_state",
        sa.Text,
        nullable=False,
        doc="ok | no_field | no_change_message | no_placeholder | unknown: can its design alert?",
    ),
)

members = sa.Table(
    "members",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("program_id", sa.ForeignKey("programs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("external_id", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False, server_default=""),
    sa.Column("email", sa.Text),
    sa.Column("phone", sa.Text),
    sa.Column("tier_id", sa.Text),
    sa.Column("points", sa.Float(53)),
    sa.Column("secondary_points", sa.Float(53)),
    sa.Column("tier_points", sa.BigInteger),
    sa.Column("birthday", sa.Date),
    sa.Column("locale", sa.Text),
    sa.Column("time_zone", sa.Text),
    sa.Column(
        "status", sa.Text, nullable=False, doc="the provider's word: ENROLLED, ACTIVE, EXPIRED, DELETED ..."
    ),
    sa.Column("opted_out", sa.Boolean, nullable=False),
    sa.Column("expires_at", Moment),
    sa.Column("created_at", Moment),
    sa.Column("updated_at", Moment),
    sa.Column("imported", Json, nullable=False, doc="attributes from files; a sync leaves them alone"),
    sa.Column("attributes", Json, nullable=False, doc="imported ones overlaid with the pass's own free data"),
    sa.Column("synced_at", Moment, doc="when a sync last saw it"),
    sa.UniqueConstraint("program_id", "external_id"),
    # Search and its count read this index alone, five times as fast as the table at 100,000 members.
    sa.Index("ix_members_search", "program_id", "name", "external_id", "email", "phone"),
    # What predicates ask most: counting them reads this index alone, 1,000,000 members in 0.1 s.
    sa.Index(
        "ix_members_segments",
        *("program_id", "tier_id", "points", "updated_at", "opted_out"),
        *("status", "birthday", "created_at", "expires_at"),
    ),
    # Of indexes that promise the same, SQLite takes the last one made. This is, since it goes through the
    # table nearly from its beginning to its end: a fourth of the time, where a predicate asks for attributes.
    sa.Index(None, "program_id", "status", "opted_out"),
)

passes = sa.Table(
    "passes",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("member_id", sa.ForeignKey("members.id", ondelete="CASCADE"), nullable=False),
    sa.Column("program_id", sa.ForeignKey("programs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("channel", sa.Text, nullable=False, doc="passkit | apple | google"),
    sa.Column(
        "provider_id",
        sa.Text,
        nullable=False,
        doc="the pass's id at the provider (Apple: our serial number; Google: the object's id), "
        "or its key fields as text",
    ),
    sa.Column("keys", Json, nullable=False, doc="key fields of a boarding record; {} elsewhere"),
    sa.Column(
        "status",
        sa.Text,
        nullable=False,
        doc="issued | installed | uninstalled | invalidated | gone | unknown",
    ),
    sa.Column(
        "wallets", Json, nullable=False, doc='array of "apple", "google", "other"; empty where not known'
    ),
    sa.Column("installed_at", Moment),
    sa.Column("shown_text", sa.Text, doc="the message field's present value, as far as we know"),
    sa.Column("shown_at", Moment, doc="when we put it there"),
    sa.UniqueConstraint("program_id", "channel", "provider_id"),
    sa.Index(None, "member_id", "status", "installed_at"),
)
