"""Questions to the operator that a button or a signed link answers."""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

from monitor.storage import columns

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "operator_decision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sqlmodel.AutoString(), nullable=False),
        sa.Column("about", sqlmodel.AutoString(), nullable=False),
        sa.Column("nonce", sqlmodel.AutoString(), nullable=False),
        sa.Column("made_at", columns.UtcDateTime(), nullable=False),
        sa.Column("expires_at", columns.UtcDateTime(), nullable=False),
        sa.Column("choice", sqlmodel.AutoString(), nullable=True),
        sa.Column("chosen_at", columns.UtcDateTime(), nullable=True),
        sa.Column("chosen_by", sqlmodel.AutoString(), nullable=True),
        sa.Column("done_at", columns.UtcDateTime(), nullable=True),
        sa.Column("result", sqlmodel.AutoString(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_decision")),
        # tokens name a row by its id: the id of a deleted one is never given again
        sqlite_autoincrement=True,
    )
