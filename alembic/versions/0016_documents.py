"""Documents about agencies, from the operator's file."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.storage.columns import UtcDateTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TEXTS = ("uid", "source", "agency", "name", "name_key", "state", "kind", "title", "url", "date")
MORE_TEXTS = ("publisher", "archived_url", "note")


def upgrade() -> None:
    op.create_table(
        "document",
        sa.Column("id", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in TEXTS),
        sa.Column("day", sa.String(), nullable=True),
        *(sa.Column(name, sa.String(), nullable=False) for name in MORE_TEXTS),
        sa.Column("first_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document")),
        sa.UniqueConstraint("uid", name=op.f("uq_document_uid")),
    )
    op.create_index("ix_document_agency", "document", ["agency"])
    op.create_index("ix_document_name_key", "document", ["name_key"])
    op.create_index("ix_document_kind_day", "document", ["kind", "day"])
