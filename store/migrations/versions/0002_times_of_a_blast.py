"""When a blast leaves: schedules, the undo window, urgency; and an index that the claim reads in order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.times import Moment

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("blasts", sa.Column("send_at", Moment(), nullable=True))
    op.add_column("blasts", sa.Column("sends_from", Moment(), nullable=True))
    op.add_column("blasts", sa.Column("urgent", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("blasts", sa.Column("concurrency", sa.Integer(), nullable=True))
    op.create_index(
        op.f("ix_deliveries_blast_id_state_due_at_id"),
        "deliveries",
        ["blast_id", "state", "due_at", "id"],
        unique=False,
    )
    op.drop_index(op.f("ix_deliveries_blast_id_state_due_at"), table_name="deliveries")


def downgrade() -> None:
    op.create_index(
        op.f("ix_deliveries_blast_id_state_due_at"),
        "deliveries",
        ["blast_id", "state", "due_at"],
        unique=False,
    )
    op.drop_index(op.f("ix_deliveries_blast_id_state_due_at_id"), table_name="deliveries")
    for column in ("concurrency", "urgent", "sends_from", "send_at"):
        op.drop_column("blasts", column)
