"""Passes of our own: templates, what is issued, devices, the life of a pass, and how far messages come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.schema import BigId, Json
from store.times import Moment

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "credentials",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=True),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_credentials")),
    )
    op.create_table(
        "devices",
        sa.Column("id", BigId, nullable=False),
        sa.Column("pass_type", sa.Text(), nullable=False),
        sa.Column("library_id", sa.Text(), nullable=False),
        sa.Column("push_token", sa.Text(), nullable=False),
        sa.Column("seen_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("pass_type", "library_id", name=op.f("uq_devices_pass_type_library_id")),
    )
    with op.batch_alter_table("devices", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_devices_push_token"), ["push_token"], unique=False)

    op.create_table(
        "heard",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("until", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("source", "nonce", name=op.f("pk_heard")),
    )
    with op.batch_alter_table("heard", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_heard_until"), ["until"], unique=False)

    op.create_table(
        "templates",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("design", Json, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("tag", sa.BigInteger(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id"], ["programs.id"], name=op.f("fk_templates_program_id_programs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("program_id", "version", name=op.f("pk_templates")),
    )
    op.create_table(
        "template_files",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id", "version"],
            ["templates.program_id", "templates.version"],
            name=op.f("fk_template_files_program_id_templates"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("program_id", "version", "name", name=op.f("pk_template_files")),
    )
    op.create_table(
        "issued",
        sa.Column("pass_id", BigId, nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("pass_type", sa.Text(), nullable=True),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("tag", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.Column("message_tag", sa.BigInteger(), nullable=True),
        sa.Column("placed_at", Moment(), nullable=True),
        sa.Column("at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pass_id"], ["passes.id"], name=op.f("fk_issued_pass_id_passes"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pass_id", name=op.f("pk_issued")),
        sa.UniqueConstraint("serial", name=op.f("uq_issued_serial")),
    )
    with op.batch_alter_table("issued", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_issued_tag"), ["tag"], unique=False)

    op.create_table(
        "pass_events",
        sa.Column("id", BigId, nullable=False),
        sa.Column("pass_id", BigId, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("details", Json, nullable=False),
        sa.ForeignKeyConstraint(
            ["pass_id"], ["passes.id"], name=op.f("fk_pass_events_pass_id_passes"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pass_events")),
    )
    with op.batch_alter_table("pass_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pass_events_pass_id_id"), ["pass_id", "id"], unique=False)

    op.create_table(
        "pushes_due",
        sa.Column("pass_id", BigId, nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("due_at", Moment(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["pass_id"], ["passes.id"], name=op.f("fk_pushes_due_pass_id_passes"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pass_id", name=op.f("pk_pushes_due")),
    )
    with op.batch_alter_table("pushes_due", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pushes_due_due_at"), ["due_at"], unique=False)

    op.create_table(
        "registrations",
        sa.Column("device_id", BigId, nullable=False),
        sa.Column("pass_id", BigId, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("tag", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_registrations_device_id_devices"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["pass_id"], ["passes.id"], name=op.f("fk_registrations_pass_id_passes"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device_id", "pass_id", name=op.f("pk_registrations")),
    )
    with op.batch_alter_table("registrations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_registrations_pass_id"), ["pass_id"], unique=False)

    op.create_table(
        "alert_bookings",
        sa.Column("id", BigId, nullable=False),
        sa.Column("pass_id", BigId, nullable=False),
        sa.Column("delivery_id", BigId, nullable=True),
        sa.Column("at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["deliveries.id"],
            name=op.f("fk_alert_bookings_delivery_id_deliveries"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["pass_id"], ["passes.id"], name=op.f("fk_alert_bookings_pass_id_passes"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_bookings")),
        sa.UniqueConstraint("delivery_id", name=op.f("uq_alert_bookings_delivery_id")),
    )
    with op.batch_alter_table("alert_bookings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_alert_bookings_pass_id_at"), ["pass_id", "at"], unique=False)

    op.create_table(
        "arrivals",
        sa.Column("delivery_id", BigId, nullable=False),
        sa.Column("pass_id", BigId, nullable=False),
        sa.Column("tag", sa.BigInteger(), nullable=True),
        sa.Column("listed_at", Moment(), nullable=True),
        sa.Column("fetched_at", Moment(), nullable=True),
        sa.Column("has_users", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["deliveries.id"],
            name=op.f("fk_arrivals_delivery_id_deliveries"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["pass_id"], ["passes.id"], name=op.f("fk_arrivals_pass_id_passes"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_arrivals")),
    )
    with op.batch_alter_table("arrivals", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_arrivals_pass_id_tag"), ["pass_id", "tag"], unique=False)

    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.add_column(sa.Column("channel", sa.Text(), server_default="passkit", nullable=False))
        batch_op.drop_index(batch_op.f("ix_deliveries_blast_id_state_due_at_id"))
        batch_op.create_index(
            batch_op.f("ix_deliveries_blast_id_state_channel_due_at_id"),
            ["blast_id", "state", "channel", "due_at", "id"],
            unique=False,
        )

    with op.batch_alter_table("programs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("issuer", sa.Text(), server_default="passkit", nullable=False))


def downgrade() -> None:

    with op.batch_alter_table("programs", schema=None) as batch_op:
        batch_op.drop_column("issuer")

    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_deliveries_blast_id_state_channel_due_at_id"))
        batch_op.create_index(
            batch_op.f("ix_deliveries_blast_id_state_due_at_id"),
            ["blast_id", "state", "due_at", "id"],
            unique=False,
        )
        batch_op.drop_column("channel")

    with op.batch_alter_table("arrivals", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_arrivals_pass_id_tag"))

    op.drop_table("arrivals")
    with op.batch_alter_table("alert_bookings", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_alert_bookings_pass_id_at"))

    op.drop_table("alert_bookings")
    with op.batch_alter_table("registrations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_registrations_pass_id"))

    op.drop_table("registrations")
    with op.batch_alter_table("pushes_due", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_pushes_due_due_at"))

    op.drop_table("pushes_due")
    with op.batch_alter_table("pass_events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_pass_events_pass_id_id"))

    op.drop_table("pass_events")
    with op.batch_alter_table("issued", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_issued_tag"))

    op.drop_table("issued")
    op.drop_table("template_files")
    op.drop_table("templates")
    with op.batch_alter_table("heard", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_heard_until"))

    op.drop_table("heard")
    with op.batch_alter_table("devices", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_devices_push_token"))

    op.drop_table("devices")
    op.drop_table("credentials")
