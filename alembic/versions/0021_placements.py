"""Where accepted listings are, with their versions; and what is owed to people of another gazetteer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.storage.columns import BigId, UtcDateTime

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "placement",
        sa.Column("listing_id", sa.Integer(), nullable=False),
        sa.Column("gazetteer", sa.String(), nullable=False),
        sa.Column("places", sa.String(), nullable=False),
        sa.Column("how", sa.String(), nullable=False),
        sa.Column("confidence", sa.String(), nullable=False),
        sa.Column("statewide", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.id"], name=op.f("fk_placement_listing_id_listing")),
        sa.PrimaryKeyConstraint("listing_id", name=op.f("pk_placement")),
    )
    op.create_table(
        "newly_covered",
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("agency", sa.String(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("delivery_id", BigId(), nullable=True),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name=op.f("fk_newly_covered_subscriber_id_subscriber")
        ),
        sa.PrimaryKeyConstraint("subscriber_id", "source", "agency", name=op.f("pk_newly_covered")),
    )
    op.create_index("ix_newly_covered_delivery_id", "newly_covered", ["delivery_id"])
