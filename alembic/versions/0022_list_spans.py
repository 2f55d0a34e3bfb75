"""How long each version of a listing was current, so that a past list is found without the whole history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("listing", sa.Column("span", sa.Integer(), nullable=True))
    widths = " ".join(f"WHEN to_number - from_number <= {2**span} THEN {span}" for span in range(31))
    op.execute(f"UPDATE listing SET span = CASE {widths} END WHERE to_number IS NOT NULL")  # noqa: S608
    op.create_index("ix_listing_source_to_at", "listing", ["source", "to_at"])
    op.create_index("ix_listing_source_span", "listing", ["source", "span", "from_number"])
