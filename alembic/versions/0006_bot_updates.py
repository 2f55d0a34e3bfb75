"""Updates that the bot's webhook received, until the bot has answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.storage import columns

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bot_update",
        sa.Column("update_id", columns.BigId(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("update_id", name=op.f("pk_bot_update")),
    )
