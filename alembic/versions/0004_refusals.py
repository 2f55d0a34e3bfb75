"""What a mail server refused, when it last took something, and how long lanes have paused."""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

from monitor.storage import columns

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pause_span",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("channel", sqlmodel.AutoString(), nullable=False),
        sa.Column("name", sqlmodel.AutoString(), nullable=False),
        sa.Column("since", columns.UtcDateTime(), nullable=False),
        sa.Column("until", columns.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pause_span")),
    )
    op.create_index("ix_pause_span_channel_name", "pause_span", ["channel", "name", "until"], unique=False)
    op.create_table(
        "acceptance",
        sa.Column("channel", sqlmodel.AutoString(), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("channel", name=op.f("pk_acceptance")),
    )
    op.create_table(
        "refusal",
        sa.Column("id", columns.BigId(), nullable=False),
        sa.Column("channel", sqlmodel.AutoString(), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("delivery_id", columns.BigId(), nullable=True),
        sa.Column("lane", sqlmodel.AutoString(), nullable=False),
        sa.Column("answer", sqlmodel.AutoString(), nullable=False),
        sa.Column("error", sqlmodel.AutoString(), nullable=False),
        sa.Column("verdict", sqlmodel.AutoString(), nullable=False),
        sa.Column("state", sqlmodel.AutoString(), nullable=False),
        sa.Column("alone", sa.Boolean(), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refusal")),
    )
    open_ = sa.text("state = 'open'")
    op.create_index(
        "ix_refusal_open", "refusal", ["channel"], unique=False, sqlite_where=open_, postgresql_where=open_
    )
    op.create_index("ix_refusal_at", "refusal", ["at"], unique=False)
    op.create_index("ix_refusal_subscriber_id", "refusal", ["subscriber_id"], unique=False)
