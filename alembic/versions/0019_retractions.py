"""Retractions of changes, when a listing that is back had gone, and what servers call messages."""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

from monitor.storage.columns import BigId, Json, UtcDateTime

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

RETRACTED = "retracted_at IS NOT NULL"


def upgrade() -> None:
    op.add_column("change", sa.Column("retracted_at", UtcDateTime(), nullable=True))
    op.add_column("change", sa.Column("retraction", Json, nullable=True))
    op.add_column("change", sa.Column("gone_at", UtcDateTime(), nullable=True))
    op.create_index(
        "ix_change_retracted_at",
        "change",
        ["retracted_at"],
        sqlite_where=sa.text(RETRACTED),
        postgresql_where=sa.text(RETRACTED),
    )
    # each claim looks for quiet hours
    op.create_index(
        "ix_subscriber_quiet",
        "subscriber",
        ["timezone", "quiet_from", "quiet_to"],
        sqlite_where=sa.text("quiet_from IS NOT NULL"),
        postgresql_where=sa.text("quiet_from IS NOT NULL"),
    )
    op.add_column("delivery", sa.Column("reference", sqlmodel.AutoString(), nullable=True))
    op.add_column("delivery", sa.Column("sent_with", BigId, nullable=True))
    # published changes of agencies that are listed again: when the removal before was first seen
    back = sa.table(
        "change",
        *map(sa.column, ("id", "source", "agency", "kind", "state", "previous", "first_seen_at", "gone_at")),
    )
    gone = back.alias("gone")
    op.execute(
        sa.update(back)
        .where(back.c.kind == "added", back.c.state == "published", back.c.previous.is_not(None))
        .values(
            gone_at=sa.select(sa.func.max(gone.c.first_seen_at))
            .where(
                gone.c.source == back.c.source,
                gone.c.agency == back.c.agency,
                gone.c.kind == "removed",
                gone.c.state == "published",
                gone.c.id < back.c.id,
            )
            .scalar_subquery()
        )
    )
