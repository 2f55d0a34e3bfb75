"""What is kept from now on."""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

from monitor.storage import columns

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("body", sa.Column("base", sqlmodel.AutoString(), nullable=True))
    op.add_column("body", sa.Column("position", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("body", sa.Column("wire_hash", sqlmodel.AutoString(), nullable=True))
    op.add_column("body", sa.Column("wire_parameters", columns.Json(), nullable=True))
    op.create_index("ix_body_base", "body", ["base"], unique=False)
