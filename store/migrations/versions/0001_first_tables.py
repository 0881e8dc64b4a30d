"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.schema import BigId, Json
from store.times import Moment

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", BigId, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", Json, nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_table(
        "pacers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", Json, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_pacers")),
    )
    op.create_table(
        "programs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", Json, nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("message_field", sa.Text(), nullable=True),
        sa.Column("synced_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_programs")),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("seen_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.create_table(
        "audiences",
        sa.Column("id", BigId, nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("expression", sa.Text(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id"], ["programs.id"], name=op.f("fk_audiences_program_id_programs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audiences")),
        sa.UniqueConstraint("program_id", "name", name=op.f("uq_audiences_program_id_name")),
    )
    op.create_table(
        "blasts",
        sa.Column("id", BigId, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("message_key", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("hold_reason", sa.Text(), nullable=True),
        sa.Column("probe_at", Moment(), nullable=True),
        sa.Column("rate_per_second", sa.Float(precision=53), nullable=True),
        sa.Column("plan_hash", sa.Text(), nullable=False),
        sa.Column("planned_at", Moment(), nullable=False),
        sa.Column("started_at", Moment(), nullable=True),
        sa.Column("finished_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_blasts_program_id_programs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blasts")),
    )
    op.create_index(op.f("ix_blasts_state"), "blasts", ["state"], unique=False)
    op.create_table(
        "members",
        sa.Column("id", BigId, nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("tier_id", sa.Text(), nullable=True),
        sa.Column("points", sa.Float(precision=53), nullable=True),
        sa.Column("secondary_points", sa.Float(precision=53), nullable=True),
        sa.Column("tier_points", sa.BigInteger(), nullable=True),
        sa.Column("birthday", sa.Date(), nullable=True),
        sa.Column("locale", sa.Text(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("opted_out", sa.Boolean(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=True),
        sa.Column("created_at", Moment(), nullable=True),
        sa.Column("updated_at", Moment(), nullable=True),
        sa.Column("imported", Json, nullable=False),
        sa.Column("attributes", Json, nullable=False),
        sa.Column("synced_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["program_id"], ["programs.id"], name=op.f("fk_members_program_id_programs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
        sa.UniqueConstraint("program_id", "external_id", name=op.f("uq_members_program_id_external_id")),
    )
    op.create_index(
        op.f("ix_members_program_id_status_opted_out"),
        "members",
        ["program_id", "status", "opted_out"],
        unique=False,
    )
    op.create_index(
        "ix_members_search", "members", ["program_id", "name", "external_id", "email", "phone"], unique=False
    )
    op.create_table(
        "syncs",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("offset", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id"], ["programs.id"], name=op.f("fk_syncs_program_id_programs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("program_id", name=op.f("pk_syncs")),
    )
    op.create_table(
        "tiers",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("template_id", sa.Text(), nullable=True),
        sa.Column("message_field_state", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id"], ["programs.id"], name=op.f("fk_tiers_program_id_programs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("program_id", "id", name=op.f("pk_tiers")),
    )
    op.create_table(
        "audience_members",
        sa.Column("audience_id", BigId, nullable=False),
        sa.Column("member_id", BigId, nullable=False),
        sa.ForeignKeyConstraint(
            ["audience_id"],
            ["audiences.id"],
            name=op.f("fk_audience_members_audience_id_audiences"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["members.id"],
            name=op.f("fk_audience_members_member_id_members"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("audience_id", "member_id", name=op.f("pk_audience_members")),
    )
    op.create_table(
        "batches",
        sa.Column("id", BigId, nullable=False),
        sa.Column("blast_id", BigId, nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("claimed_at", Moment(), nullable=False),
        sa.Column("settled_at", Moment(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("returned", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["blast_id"], ["blasts.id"], name=op.f("fk_batches_blast_id_blasts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
    )
    op.create_index(op.f("ix_batches_blast_id"), "batches", ["blast_id"], unique=False)
    op.create_table(
        "passes",
        sa.Column("id", BigId, nullable=False),
        sa.Column("member_id", BigId, nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("keys", Json, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("wallets", Json, nullable=False),
        sa.Column("installed_at", Moment(), nullable=True),
        sa.Column("shown_text", sa.Text(), nullable=True),
        sa.Column("shown_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_passes_member_id_members"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["program_id"], ["programs.id"], name=op.f("fk_passes_program_id_programs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passes")),
        sa.UniqueConstraint(
            "program_id", "channel", "provider_id", name=op.f("uq_passes_program_id_channel_provider_id")
        ),
    )
    op.create_index(op.f("ix_passes_member_id_status"), "passes", ["member_id", "status"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", BigId, nullable=False),
        sa.Column("blast_id", BigId, nullable=False),
        sa.Column("pass_id", BigId, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempts_forgiven", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", Moment(), nullable=True),
        sa.Column("lease_until", Moment(), nullable=True),
        sa.Column("batch_id", BigId, nullable=True),
        sa.Column("accepted_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["blast_id"], ["blasts.id"], name=op.f("fk_deliveries_blast_id_blasts"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["pass_id"], ["passes.id"], name=op.f("fk_deliveries_pass_id_passes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("blast_id", "pass_id", name=op.f("uq_deliveries_blast_id_pass_id")),
    )
    op.create_index("ix_deliveries_batch_id", "deliveries", ["batch_id"], unique=False)
    op.create_index(
        op.f("ix_deliveries_blast_id_state_due_at"),
        "deliveries",
        ["blast_id", "state", "due_at"],
        unique=False,
    )
    op.create_index(
        "ix_deliveries_open_pass",
        "deliveries",
        ["pass_id"],
        unique=False,
        sqlite_where=sa.text("state IN ('pending', 'sending')"),
        postgresql_where=sa.text("state IN ('pending', 'sending')"),
    )
    op.create_table(
        "attempts",
        sa.Column("id", BigId, nullable=False),
        sa.Column("delivery_id", BigId, nullable=False),
        sa.Column("batch_id", BigId, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["deliveries.id"],
            name=op.f("fk_attempts_delivery_id_deliveries"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    op.create_index(op.f("ix_attempts_delivery_id"), "attempts", ["delivery_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_attempts_delivery_id"), table_name="attempts")
    op.drop_table("attempts")
    op.drop_index(
        "ix_deliveries_open_pass",
        table_name="deliveries",
        sqlite_where=sa.text("state IN ('pending', 'sending')"),
        postgresql_where=sa.text("state IN ('pending', 'sending')"),
    )
    op.drop_index(op.f("ix_deliveries_blast_id_state_due_at"), table_name="deliveries")
    op.drop_index("ix_deliveries_batch_id", table_name="deliveries")
    op.drop_table("deliveries")
    op.drop_index(op.f("ix_passes_member_id_status"), table_name="passes")
    op.drop_table("passes")
    op.drop_index(op.f("ix_batches_blast_id"), table_name="batches")
    op.drop_table("batches")
    op.drop_table("audience_members")
    op.drop_table("tiers")
    op.drop_table("syncs")
    op.drop_index("ix_members_search", table_name="members")
    op.drop_index(op.f("ix_members_program_id_status_opted_out"), table_name="members")
    op.drop_table("members")
    op.drop_index(op.f("ix_blasts_state"), table_name="blasts")
    op.drop_table("blasts")
    op.drop_table("audiences")
    op.drop_table("workers")
    op.drop_table("programs")
    op.drop_table("pacers")
    op.drop_table("audit")
