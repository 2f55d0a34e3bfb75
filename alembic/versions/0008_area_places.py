"""The ZIPs and states of counties, towns and radiuses that somebody follows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "area_place",
        sa.Column("area", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("statewide", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("area", "place", name=op.f("pk_area_place")),
    )
    op.create_index("ix_area_place_place", "area_place", ["place"])
