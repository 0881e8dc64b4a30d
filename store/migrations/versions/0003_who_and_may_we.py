"""Who, and may we: consents, preferences, suppressions, rules, imports that can be undone; plans compared."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.schema import BigId, Json
from store.times import Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "installation",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_installation")),
    )
    op.create_table(
        "suppressions",
        sa.Column("id", BigId, nullable=False),
        sa.Column("scope", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressions")),
        sa.UniqueConstraint("scope", "kind", "hash", name=op.f("uq_suppressions_scope_kind_hash")),
    )
    op.create_table(
        "catalogue",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("filled", sa.Integer(), nullable=False),
        sa.Column("members", sa.Integer(), nullable=False),
        sa.Column("top", Json, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id"], ["programs.id"], name=op.f("fk_catalogue_program_id_programs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("program_id", "name", name=op.f("pk_catalogue")),
    )
    op.create_table(
        "import_mappings",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("mapping", Json, nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id"],
            ["programs.id"],
            name=op.f("fk_import_mappings_program_id_programs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("program_id", name=op.f("pk_import_mappings")),
    )
    op.create_table(
        "imports",
        sa.Column("id", BigId, nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("mapping", Json, nullable=False),
        sa.Column("counts", Json, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("undone_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["program_id"], ["programs.id"], name=op.f("fk_imports_program_id_programs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_index(op.f("ix_imports_program_id_id"), "imports", ["program_id", "id"], unique=False)
    op.create_table(
        "program_rules",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("consent", sa.Text(), nullable=True),
        sa.Column("quiet_from", sa.Text(), nullable=True),
        sa.Column("quiet_to", sa.Text(), nullable=True),
        sa.Column("most_a_day", sa.Integer(), nullable=True),
        sa.Column("most_a_week", sa.Integer(), nullable=True),
        sa.Column("pass_interval_minutes", sa.Float(precision=53), nullable=True),
        sa.Column("pass_most_a_day", sa.Integer(), nullable=True),
        sa.Column("pass_most_a_month", sa.Integer(), nullable=True),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id"],
            ["programs.id"],
            name=op.f("fk_program_rules_program_id_programs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("program_id", name=op.f("pk_program_rules")),
    )
    op.create_table(
        "audience_sizes",
        sa.Column("audience_id", BigId, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("members", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["audience_id"],
            ["audiences.id"],
            name=op.f("fk_audience_sizes_audience_id_audiences"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("audience_id", "at", name=op.f("pk_audience_sizes")),
    )
    op.create_table(
        "consents",
        sa.Column("id", BigId, nullable=False),
        sa.Column("member_id", BigId, nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("wording", sa.Text(), nullable=True),
        sa.Column("ip", sa.Text(), nullable=True),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_consents_member_id_members"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    op.create_index(
        op.f("ix_consents_member_id_purpose_id"), "consents", ["member_id", "purpose", "id"], unique=False
    )
    op.create_table(
        "import_changes",
        sa.Column("import_id", BigId, nullable=False),
        sa.Column("member_id", BigId, nullable=False),
        sa.Column("before", Json, nullable=True),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["imports.id"],
            name=op.f("fk_import_changes_import_id_imports"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["members.id"],
            name=op.f("fk_import_changes_member_id_members"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("import_id", "member_id", name=op.f("pk_import_changes")),
    )
    op.create_index(op.f("ix_import_changes_member_id"), "import_changes", ["member_id"], unique=False)
    op.create_table(
        "opt_outs_due",
        sa.Column("member_id", BigId, nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("due_at", Moment(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_opt_outs_due_member_id_members"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_opt_outs_due")),
    )
    op.create_index(op.f("ix_opt_outs_due_due_at"), "opt_outs_due", ["due_at"], unique=False)
    op.create_table(
        "preference_changes",
        sa.Column("id", BigId, nullable=False),
        sa.Column("member_id", BigId, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("before", Json, nullable=False),
        sa.Column("after", Json, nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["members.id"],
            name=op.f("fk_preference_changes_member_id_members"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_preference_changes")),
    )
    op.create_index(
        op.f("ix_preference_changes_member_id_id"), "preference_changes", ["member_id", "id"], unique=False
    )
    op.create_table(
        "preferences",
        sa.Column("member_id", BigId, nullable=False),
        sa.Column("declined", Json, nullable=False),
        sa.Column("quiet_from", sa.Text(), nullable=True),
        sa.Column("quiet_to", sa.Text(), nullable=True),
        sa.Column("most_a_day", sa.Integer(), nullable=True),
        sa.Column("most_a_week", sa.Integer(), nullable=True),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_preferences_member_id_members"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_preferences")),
    )
    op.create_table(
        "suppressed",
        sa.Column("member_id", BigId, nullable=False),
        sa.Column("suppression_id", BigId, nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_suppressed_member_id_members"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["suppression_id"],
            ["suppressions.id"],
            name=op.f("fk_suppressed_suppression_id_suppressions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("member_id", "suppression_id", name=op.f("pk_suppressed")),
    )
    op.create_index(op.f("ix_suppressed_suppression_id"), "suppressed", ["suppression_id"], unique=False)
    op.add_column("audiences", sa.Column("description", sa.Text(), server_default="", nullable=False))
    op.add_column("blasts", sa.Column("audience_key", sa.Text(), nullable=True))
    op.add_column("blasts", sa.Column("purpose", sa.Text(), server_default="marketing", nullable=False))
    op.add_column("blasts", sa.Column("category", sa.Text(), nullable=True))
    op.add_column("blasts", sa.Column("rules", Json, nullable=True))
    op.create_index(
        op.f("ix_blasts_program_id_audience_key"), "blasts", ["program_id", "audience_key"], unique=False
    )
    op.create_index(
        "ix_deliveries_accepted_pass",
        "deliveries",
        ["pass_id", "accepted_at"],
        unique=False,
        sqlite_where=sa.text("state = 'accepted'"),
        postgresql_where=sa.text("state = 'accepted'"),
    )
    op.create_index(
        "ix_members_segments",
        "members",
        [
            *("program_id", "tier_id", "points", "updated_at", "opted_out"),
            *("status", "birthday", "created_at", "expires_at"),
        ],
        unique=False,
    )
    op.create_index(
        op.f("ix_passes_member_id_status_installed_at"),
        "passes",
        ["member_id", "status", "installed_at"],
        unique=False,
    )
    op.drop_index(op.f("ix_passes_member_id_status"), table_name="passes")
    # Made anew, to be the last one made: SQLite takes it where several would do.
    name = op.f("ix_members_program_id_status_opted_out")
    op.drop_index(name, table_name="members")
    op.create_index(name, "members", ["program_id", "status", "opted_out"], unique=False)


def downgrade() -> None:
    op.create_index(op.f("ix_passes_member_id_status"), "passes", ["member_id", "status"], unique=False)
    op.drop_index(op.f("ix_passes_member_id_status_installed_at"), table_name="passes")
    op.drop_index("ix_members_segments", table_name="members")
    op.drop_index(
        "ix_deliveries_accepted_pass",
        table_name="deliveries",
        sqlite_where=sa.text("state = 'accepted'"),
        postgresql_where=sa.text("state = 'accepted'"),
    )
    op.drop_index(op.f("ix_blasts_program_id_audience_key"), table_name="blasts")
    op.drop_column("blasts", "rules")
    op.drop_column("blasts", "category")
    op.drop_column("blasts", "purpose")
    op.drop_column("blasts", "audience_key")
    op.drop_column("audiences", "description")
    op.drop_index(op.f("ix_suppressed_suppression_id"), table_name="suppressed")
    op.drop_table("suppressed")
    op.drop_table("preferences")
    op.drop_index(op.f("ix_preference_changes_member_id_id"), table_name="preference_changes")
    op.drop_table("preference_changes")
    op.drop_index(op.f("ix_opt_outs_due_due_at"), table_name="opt_outs_due")
    op.drop_table("opt_outs_due")
    op.drop_index(op.f("ix_import_changes_member_id"), table_name="import_changes")
    op.drop_table("import_changes")
    op.drop_index(op.f("ix_consents_member_id_purpose_id"), table_name="consents")
    op.drop_table("consents")
    op.drop_table("audience_sizes")
    op.drop_table("program_rules")
    op.drop_index(op.f("ix_imports_program_id_id"), table_name="imports")
    op.drop_table("imports")
    op.drop_table("import_mappings")
    op.drop_table("catalogue")
    op.drop_table("suppressions")
    op.drop_table("installation")
