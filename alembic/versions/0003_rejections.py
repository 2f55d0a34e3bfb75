"""A rejected publication knows when it is judged change by change."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.storage import columns

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("snapshot", sa.Column("release_at", columns.UtcDateTime(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("snapshot") as batch:
        batch.drop_column("release_at")
