"""The tables. Names are the field's own words.

Conventions: `id` is ours, `provider_id` is the provider's. Moments are UTC. A row of `deliveries`
exists once per (blast, pass): the database itself refuses a second.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from store.times import Moment

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")
Json = sa.JSON().with_variant(JSONB, "postgresql")

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

credentials = sa.Table(
    "credentials",
    metadata,
    sa.Column("name", sa.Text, primary_key=True, doc="apple | push_key | google"),
    sa.Column("sealed", sa.LargeBinary, nullable=False, doc="encrypted with the key of [keys]"),
    sa.Column("subject", sa.Text, nullable=False, doc="whose it is, in words; nothing secret"),
    sa.Column("expires_at", Moment, doc="NULL: it does not expire"),
    sa.Column("at", Moment, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
)

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

installation = sa.Table(
    "installation",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
"""Facts of the whole store, such as the fingerprint of the secret that its hashes were made with."""

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
        "verdict", sa.Text, nullable=False, doc="what the phone will do: alert | silent | nothing | unproven"
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

pacers = sa.Table(
    "pacers",
    metadata,
    sa.Column("name", sa.Text, primary_key=True, doc="`account:live`, `blast:7`"),
    sa.Column(
        "state",
        Json,
        nullable=False,
        doc="who holds how many of the slots of one second; see jobs/engine/pace.py",
    ),
)

syncs = sa.Table(
    "syncs",
    metadata,
    sa.Column("program_id", sa.ForeignKey("programs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("started_at", Moment, nullable=False),
    sa.Column("offset", sa.Integer, nullable=False, doc="records read so far; where a broken sync goes on"),
)
"""Syncs under way or broken off; a finished one leaves no row."""

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("at", Moment, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("act", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("details", Json, nullable=False),
    sa.Column("previous_hash", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
