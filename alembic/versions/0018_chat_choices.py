"""Quiet hours of a chat, and a line of its own under each post."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("subscriber", sa.Column("quiet_from", sa.Integer(), nullable=True))
    op.add_column("subscriber", sa.Column("quiet_to", sa.Integer(), nullable=True))
    op.add_column("subscriber", sa.Column("own_line", sa.String(), nullable=True))
