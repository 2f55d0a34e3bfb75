"""Places that the operator gives agencies by a notice or by a command."""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

from monitor.storage import columns

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "place_override",
        sa.Column("source", sqlmodel.AutoString(), nullable=False),
        sa.Column("key", sqlmodel.AutoString(), nullable=False),
        sa.Column("name", sqlmodel.AutoString(), nullable=False),
        sa.Column("state", sqlmodel.AutoString(), nullable=False),
        sa.Column("places", sqlmodel.AutoString(), nullable=False),
        sa.Column("note", sqlmodel.AutoString(), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("source", "key", name=op.f("pk_place_override")),
    )
    op.add_column("operator_decision", sa.Column("answer", sqlmodel.AutoString(), nullable=True))
