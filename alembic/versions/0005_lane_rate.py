"""How fast messages may go to a lane."""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

from monitor.storage import columns

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lane_rate",
        sa.Column("channel", sqlmodel.AutoString(), nullable=False),
        sa.Column("name", sqlmodel.AutoString(), nullable=False),
        sa.Column("rate", sa.Float(), nullable=False),
        sa.Column("changed_at", columns.UtcDateTime(), nullable=False),
        sa.Column("next_at", columns.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "name", name=op.f("pk_lane_rate")),
    )
