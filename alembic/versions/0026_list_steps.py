"""Indexes by which a copy reads the next steps of a list, whatever came before or comes after."""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_listing_source_agency_number", "listing", ["source", "agency", "from_number"])
    op.drop_index("ix_listing_source_agency", "listing")
    for number in ("from_number", "to_number"):
        op.create_index(f"ix_listing_source_{number}", "listing", ["source", number, "agency"])
