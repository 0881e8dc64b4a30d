"""What members said, and what a program allows."""

from __future__ import annotations

import sqlalchemy as sa

from store.schema.base import BigId, Json, metadata
from store.times import Moment

consents = sa.Table(
    "consents",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("member_id", sa.ForeignKey("members.id", ondelete="CASCADE"), nullable=False),
    sa.Column("purpose", sa.Text, nullable=False, doc="service | marketing"),
    sa.Column("given", sa.Boolean, nullable=False, doc="false: withdrawn"),
    sa.Column(
        "source", sa.Text, nullable=False, doc="where it was said: passkit, console, token, a form ..."
    ),
    sa.Column("wording", sa.Text, doc="version of the words that were agreed to"),
    sa.Column("ip", sa.Text),
    sa.Column("at", Moment, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    # With the id at its end the newest is found without a sort.
    sa.Index(None, "member_id", "purpose", "id"),
)
"""Append-only: the newest of a member and purpose holds."""

opt_outs_due = sa.Table(
    "opt_outs_due",
    metadata,
    sa.Column("member_id", sa.ForeignKey("members.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("since", Moment, nullable=False),
    sa.Column("due_at", Moment, doc="NULL: given up, since it cannot be told"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("detail", sa.Text, doc="why the last try failed, or why there is none"),
    sa.Index(None, "due_at"),
)
"""Withdrawals that the provider was not yet told; a worker tells it, and the row goes."""

preferences = sa.Table(
    "preferences",
    metadata,
    sa.Column("member_id", sa.ForeignKey("members.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("declined", Json, nullable=False, doc="array of categories that the member does not want"),
    sa.Column("quiet_from", sa.Text, doc="HH:MM in the member's time zone; NULL: as the program has it"),
    sa.Column("quiet_to", sa.Text, doc="HH:MM; equal to quiet_from: no quiet hours at all"),
    sa.Column("most_a_day", sa.Integer, doc="messages in any 24 hours; NULL: as the program has it"),
    sa.Column("most_a_week", sa.Integer, doc="messages in any 7 days"),
    sa.Column("updated_at", Moment, nullable=False),
)
"""What a member asked for. Language and time zone are the member's own `locale` and `time_zone`."""

preference_changes = sa.Table(
    "preference_changes",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("member_id", sa.ForeignKey("members.id", ondelete="CASCADE"), nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("before", Json, nullable=False, doc="what changed, as it was"),
    sa.Column("after", Json, nullable=False, doc="the same, as it became"),
    sa.Index(None, "member_id", "id"),
)

suppressions = sa.Table(
    "suppressions",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column(
        "scope", sa.Text, nullable=False, server_default="", doc="a program's id; empty: every program"
    ),
    sa.Column("kind", sa.Text, nullable=False, doc="external_id | email | phone"),
    sa.Column("hash", sa.Text, nullable=False, doc="keyed, of the normalised value; the value is not kept"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("expires_at", Moment, doc="NULL: never"),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.UniqueConstraint("scope", "kind", "hash"),
)
"""Who must not be messaged, whatever else is known of them, and even if they enrol anew."""

suppressed = sa.Table(
    "suppressed",
    metadata,
    sa.Column("member_id", sa.ForeignKey("members.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("suppression_id", sa.ForeignKey("suppressions.id", ondelete="CASCADE"), primary_key=True),
    sa.Index(None, "suppression_id"),
)
"""Members that a suppression means: found when either of the two is written."""

program_rules = sa.Table(
    "program_rules",
    metadata,
    sa.Column("program_id", sa.ForeignKey("programs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("consent", sa.Text, doc="unless_withdrawn | given; NULL, here and below: as the settings say"),
    sa.Column("quiet_from", sa.Text, doc="HH:MM in the member's time zone, else the program's"),
    sa.Column("quiet_to", sa.Text, doc="HH:MM; equal to quiet_from: no quiet hours"),
    sa.Column("most_a_day", sa.Integer, doc="messages to one member in any 24 hours"),
    sa.Column("most_a_week", sa.Integer, doc="the same in any 7 days"),
    sa.Column("pass_interval_minutes", sa.Float(53), doc="between two messages to one pass"),
    sa.Column("pass_most_a_day", sa.Integer, doc="messages to one pass in any 24 hours"),
    sa.Column("pass_most_a_month", sa.Integer, doc="the same in any 30 days"),
    sa.Column("updated_at", Moment, nullable=False),
)
"""What a program allows, where it differs from the settings."""
