"""The newest changes of a state are found by an index, however many there were before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.storage.columns import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

HAS_TIME = "published_at IS NOT NULL"


def upgrade() -> None:
    op.add_column("change_place", sa.Column("published_at", UtcDateTime(), nullable=True))
    op.execute(
        "UPDATE change_place SET published_at = "
        "(SELECT ended_at FROM change WHERE change.id = change_place.change_id) WHERE length(place) = 2"
    )
    op.create_index(
        "ix_change_place_newest",
        "change_place",
        ["place", "published_at", "change_id"],
        sqlite_where=sa.text(HAS_TIME),
        postgresql_where=sa.text(HAS_TIME),
    )
