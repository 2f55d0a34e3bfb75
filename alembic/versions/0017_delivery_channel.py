"""The channel stands on the delivery, so that what is due on one channel is found without the others."""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

DUE = "state = 'due'"


def upgrade() -> None:
    op.add_column(
        "delivery", sa.Column("channel", sqlmodel.AutoString(), nullable=False, server_default=sa.text("''"))
    )
    op.execute(
        "UPDATE delivery SET channel = coalesce((SELECT subscriber.channel FROM subscriber"
        " WHERE subscriber.id = delivery.subscriber_id), '')"
    )
    op.drop_index("ix_delivery_due_at", "delivery")
    op.create_index(
        "ix_delivery_due",
        "delivery",
        ["channel", "due_at"],
        sqlite_where=sa.text(DUE),
        postgresql_where=sa.text(DUE),
    )
