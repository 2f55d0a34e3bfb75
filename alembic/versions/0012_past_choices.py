"""What people followed, and how they were told, until they changed it."""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

from monitor.storage import columns

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "past_subscription",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("source", sqlmodel.AutoString(), nullable=False),
        sa.Column("place", sqlmodel.AutoString(), nullable=False),
        sa.Column("within", sqlmodel.AutoString(), nullable=True),
        sa.Column("since", columns.UtcDateTime(), nullable=False),
        sa.Column("until", columns.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name=op.f("fk_past_subscription_subscriber_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_past_subscription")),
    )
    op.create_table(
        "past_status",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("state", sqlmodel.AutoString(), nullable=False),
        sa.Column("frequency", sqlmodel.AutoString(), nullable=False),
        sa.Column("until", columns.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name=op.f("fk_past_status_subscriber_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_past_status")),
    )
    for table in ("past_subscription", "past_status"):
        op.create_index(f"ix_{table}_subscriber_id", table, ["subscriber_id"])
