"""The operator's notes on agencies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.storage.columns import Json, UtcDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agency_note",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("agency", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("texts", Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agency_note")),
    )
    op.create_index("ix_agency_note_source_agency", "agency_note", ["source", "agency"])
    op.create_index("ix_agency_note_at", "agency_note", ["at"])
