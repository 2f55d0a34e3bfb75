"""Indexes for pages, whose cost must not grow with the years."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

WITHDRAWN = "state = 'withdrawn' AND was_held"


def upgrade() -> None:
    op.create_index("ix_listing_source_from_at", "listing", ["source", "from_at"])
    op.create_index("ix_changeset_at", "changeset", ["at"])
    op.create_index("ix_change_state_ended_at", "change", ["state", "ended_at", "id"])
    op.create_index(
        "ix_change_withdrawn_ended_at",
        "change",
        ["ended_at"],
        sqlite_where=sa.text(WITHDRAWN),
        postgresql_where=sa.text(WITHDRAWN),
    )
    op.drop_index("ix_change_place_place", "change_place")
    op.create_index("ix_change_place_place", "change_place", ["place", "everyone", "change_id"])
