"""Requests as they were sent."""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

from monitor.storage import columns

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sent_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("hash", sqlmodel.AutoString(), nullable=False),
        sa.Column("content", columns.Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sent_request")),
        sa.UniqueConstraint("hash", name=op.f("uq_sent_request_hash")),
    )
    for table in ("fetch", "agreement_look"):
        op.add_column(table, sa.Column("request_id", sa.Integer(), nullable=True))
        op.add_column(table, sa.Column("validators", columns.Json(), nullable=True))
