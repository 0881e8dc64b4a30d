"""Passes of our own: how they look, which phones hold them, and what is heard of them."""

from __future__ import annotations

import sqlalchemy as sa

from store.schema.base import BigId, Json, metadata
from store.times import Moment

templates = sa.Table(
    "templates",
    metadata,
    sa.Column("program_id", sa.ForeignKey("programs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, doc="1, 2, ...: a change is a new version"),
    sa.Column("design", Json, nullable=False, doc="the template as it was read; see jobs/passes/template.py"),
    sa.Column("hash", sa.Text, nullable=False, doc="over design and files: the same template twice is one"),
    sa.Column("tag", sa.BigInteger, nullable=False, doc="passes with a later tag show this version"),
    sa.Column("at", Moment, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
)
"""How our own passes look. The newest version is in force."""

template_files = sa.Table(
    "template_files",
    metadata,
    sa.Column("program_id", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True, doc="as in the pass: icon@2x.png, de.lproj/logo.png"),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.ForeignKeyConstraint(
        ["program_id", "version"], ["templates.program_id", "templates.version"], ondelete="CASCADE"
    ),
)

issued = sa.Table(
    "issued",
    metadata,
    sa.Column("pass_id", sa.ForeignKey("passes.id", ondelete="CASCADE"), primary_key=True),
    sa.Column(
        "serial", sa.Text, nullable=False, unique=True, doc="in addresses: short, random, never changes"
    ),
    sa.Column("pass_type", sa.Text, doc="Apple: passTypeIdentifier; never changes"),
    sa.Column("token", sa.Text, nullable=False, doc="authenticationToken of an Apple pass; never changes"),
    sa.Column(
        "tag", sa.BigInteger, nullable=False, doc="of the last change: above that of every change before it"
    ),
    sa.Column(
        "changed_at", Moment, nullable=False, doc="Last-Modified: whole seconds, growing with each change"
    ),
    sa.Column("message_tag", sa.BigInteger, doc="the tag of the change that brought the present message"),
    sa.Column("placed_at", Moment, doc="when Google took its object as it is; NULL: not yet, or Apple's"),
    sa.Column("at", Moment, nullable=False, doc="when it was issued"),
    sa.Index(None, "tag"),
)
"""What only passes have that we issue ourselves."""

devices = sa.Table(
    "devices",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("pass_type", sa.Text, nullable=False),
    sa.Column(
        "library_id", sa.Text, nullable=False, doc="the device's own name for itself; knowing it is access"
    ),
    sa.Column("push_token", sa.Text, nullable=False, doc="the newest that it registered with"),
    sa.Column("seen_at", Moment, nullable=False, doc="when it last registered"),
    sa.UniqueConstraint("pass_type", "library_id"),
    sa.Index(None, "push_token"),
)
"""iPhones and watches that hold one of our passes. Without a registration there is no device."""

registrations = sa.Table(
    "registrations",
    metadata,
    sa.Column("device_id", sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("pass_id", sa.ForeignKey("passes.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("at", Moment, nullable=False),
    sa.Column(
        "tag",
        sa.BigInteger,
        doc="of the registration, where the pass had changed before: the phone may hold it as it was",
    ),
    sa.Index(None, "pass_id"),
)

pushes_due = sa.Table(
    "pushes_due",
    metadata,
    sa.Column("pass_id", sa.ForeignKey("passes.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("since", Moment, nullable=False),
    sa.Column("due_at", Moment, doc="NULL: given up"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("detail", sa.Text, doc="why the last try failed"),
    sa.Index(None, "due_at"),
)
"""Our own passes that changed without a blast, and whose phones were not yet told; a worker tells them."""

pass_events = sa.Table(
    "pass_events",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("pass_id", sa.ForeignKey("passes.id", ondelete="CASCADE"), nullable=False),
    sa.Column(
        "kind",
        sa.Text,
        nullable=False,
        doc="created | installed | updated | removed | redeemed | balance_changed, or a word of the business",
    ),
    sa.Column("at", Moment, nullable=False, doc="when it happened, as far as its source tells"),
    sa.Column("source", sa.Text, nullable=False, doc="apple | google | passkit | events | passbell"),
    sa.Column("details", Json, nullable=False),
    sa.Index(None, "pass_id", "id"),
)
"""The life of a pass. Append-only."""

heard = sa.Table(
    "heard",
    metadata,
    sa.Column("source", sa.Text, primary_key=True, doc="google | passkit | events"),
    sa.Column(
        "nonce", sa.Text, primary_key=True, doc="what the sender calls the message; a second is a replay"
    ),
    sa.Column(
        "until", Moment, nullable=False, doc="kept until then: the message is too old to be taken after"
    ),
    sa.Index(None, "until"),
)
"""Messages from outside that were taken in."""

alert_bookings = sa.Table(
    "alert_bookings",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("pass_id", sa.ForeignKey("passes.id", ondelete="CASCADE"), nullable=False),
    sa.Column("delivery_id", sa.ForeignKey("deliveries.id", ondelete="CASCADE"), unique=True),
    sa.Column("at", Moment, nullable=False, doc="booked just before the request left"),
    sa.Index(None, "pass_id", "at"),
)
"""Alerts of Google's budget, 3 in 24 hours: booked before they are sent, since an answer may be lost."""
