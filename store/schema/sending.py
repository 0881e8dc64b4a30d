"""Blasts, and what becomes of each of their deliveries."""

from __future__ import annotations

import sqlalchemy as sa

from store.schema.base import BigId, Json, metadata
from store.times import Moment

blasts = sa.Table(
    "blasts",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("account", sa.Text, nullable=False, doc="live | rehearsal, as its program's at the plan"),
    sa.Column("program_id", sa.ForeignKey("programs.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column(
        "message_key", sa.Text, nullable=False, doc="key in the pass's free data that carries the text"
    ),
    sa.Column("audience", sa.Text, nullable=False, doc="in words: who was meant"),
    sa.Column("audience_key", sa.Text, doc="the same for plans of the same choice; see audiences.key"),
    sa.Column("purpose", sa.Text, nullable=False, server_default="marketing", doc="service | marketing"),
    sa.Column("category", sa.Text, doc="what members may decline; NULL: of no category"),
    sa.Column("rules", Json, doc="what the gate went by at the plan; see store/rules.py"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("hold_reason", sa.Text),
    sa.Column(
        "probe_at",
        Moment,
        doc="held: when to look whether the account works again; NULL: an operator decides",
    ),
    sa.Column("rate_per_second", sa.Float(53), doc="a limit of its own under the account's"),
    sa.Column(
        "concurrency",
        sa.Integer,
        doc="deliveries in flight at once in one worker; NULL: as the account's setting allows",
    ),
    sa.Column(
        "urgent", sa.Boolean, nullable=False, server_default=sa.false(), doc="goes before those that are not"
    ),
    sa.Column("send_at", Moment, doc="the moment it is, or was, scheduled for"),
    sa.Column("sends_from", Moment, doc="end of the undo window: nothing is claimed before it"),
    sa.Column("plan_hash", sa.Text, nullable=False),
    sa.Column("planned_at", Moment, nullable=False),
    sa.Column("started_at", Moment),
    sa.Column("finished_at", Moment),
    sa.Index(None, "state"),
    sa.Index(None, "program_id", "audience_key"),
)

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("blast_id", sa.ForeignKey("blasts.id", ondelete="CASCADE"), nullable=False),
    sa.Column("worker", sa.Text, nullable=False),
    sa.Column("claimed_at", Moment, nullable=False),
    sa.Column("settled_at", Moment, doc="when its last delivery was settled"),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("accepted", sa.Integer, nullable=False),
    sa.Column("failed", sa.Integer, nullable=False),
    sa.Column("returned", sa.Integer, nullable=False, doc="back to pending: to be tried again"),
    sa.Index(None, "blast_id"),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("blast_id", sa.ForeignKey("blasts.id", ondelete="CASCADE"), nullable=False),
    sa.Column("pass_id", sa.ForeignKey("passes.id"), nullable=False),
    sa.Column("channel", sa.Text, nullable=False, server_default="passkit", doc="its pass's"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("detail", sa.Text, doc="the reason in plain words"),
    sa.Column("code", sa.Text, doc="the provider's own code"),
    sa.Column(
        "verdict", sa.Text, nullable=False, doc="what the phone will do: alert | silent | unproven | nothing"
    ),
    sa.Column("text", sa.Text, doc="rendered for this member; NULL: the blast's text as it stands"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("attempts_forgiven", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due_at", Moment),
    sa.Column("lease_until", Moment),
    sa.Column("batch_id", BigId),
    sa.Column("accepted_at", Moment),
    sa.UniqueConstraint("blast_id", "pass_id"),
    # With the id at its end the claim reads it in order and sorts nothing.
    sa.Index(None, "blast_id", "state", "channel", "due_at", "id"),
    sa.Index("ix_deliveries_batch_id", "batch_id"),
    sa.Index(
        "ix_deliveries_open_pass",
        "pass_id",
        sqlite_where=sa.text("state IN ('pending', 'sending')"),
        postgresql_where=sa.text("state IN ('pending', 'sending')"),
    ),
    # The past of a pass: caps, budgets, and what predicates ask of messages.
    sa.Index(
        "ix_deliveries_accepted_pass",
        "pass_id",
        "accepted_at",
        sqlite_where=sa.text("state = 'accepted'"),
        postgresql_where=sa.text("state = 'accepted'"),
    ),
)

arrivals = sa.Table(
    "arrivals",
    metadata,
    sa.Column("delivery_id", sa.ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("pass_id", sa.ForeignKey("passes.id", ondelete="CASCADE"), nullable=False),
    sa.Column("tag", sa.BigInteger, doc="Apple: of the change that brought the text onto the pass"),
    sa.Column("listed_at", Moment, doc="Apple: when a phone asked for changes and was told of this one"),
    sa.Column("fetched_at", Moment, doc="Apple: when a phone fetched the pass with this text"),
    sa.Column("has_users", sa.Boolean, doc="Google: whether anybody had saved the pass when it was accepted"),
    sa.Index(None, "pass_id", "tag"),
)
"""How far a message is known to have come beyond the provider's yes."""

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("delivery_id", sa.ForeignKey("deliveries.id", ondelete="CASCADE"), nullable=False),
    sa.Column("batch_id", BigId, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("detail", sa.Text),
    sa.Column("code", sa.Text),
    sa.Index(None, "delivery_id"),
)
"""Tries that did not end accepted; the one that did is the delivery's own row."""

pacers = sa.Table(
    "pacers",
    metadata,
    sa.Column("name", sa.Text, primary_key=True, doc="`account:live`, `blast:7`"),
    sa.Column(
        "state",
        Json,
        nullable=False,
        doc="who holds how many of the slots of one second; see jobs/engine/slots.py",
    ),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, doc="host:pid:nonce"),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("started_at", Moment, nullable=False),
    sa.Column("seen_at", Moment, nullable=False),
)
