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

    op.add_column("source", sa.Column("polls", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("fetch", sa.Column("leaf", columns.BigId(), nullable=True))
    op.add_column("changeset", sa.Column("leaf", columns.BigId(), nullable=True))
    op.create_table(
        "log_leaf",
        sa.Column("number", columns.BigId(), autoincrement=False, nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.Column("content", sqlmodel.AutoString(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_log_leaf")),
    )
    op.create_table(
        "log_node",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", columns.BigId(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "position", name=op.f("pk_log_node")),
    )
    op.create_table(
        "log_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", columns.BigId(), nullable=False),
        sa.Column("peaks", sa.LargeBinary(), nullable=False),
        sa.Column("key", sqlmodel.AutoString(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_head")),
    )
    op.create_table(
        "log_checkpoint",
        sa.Column("size", columns.BigId(), autoincrement=False, nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.Column("note", sqlmodel.AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_log_checkpoint")),
    )
    upgrade_deliveries()


def upgrade_deliveries() -> None:
    """What a digest or notice is about stood in its period ("blind ring 2026-11-24"); now it has columns of
    its own.
    """
    op.add_column(
        "delivery", sa.Column("about", sqlmodel.AutoString(), nullable=False, server_default=sa.text("''"))
    )
    op.add_column("delivery", sa.Column("about_source", sqlmodel.AutoString(), nullable=True))
    digests, notices = "kind = 'digest'", "kind = 'notice'"
    for about, where in (
        ("summary", f"{digests} AND period LIKE 'summary %'"),
        ("last", f"{digests} AND period LIKE 'last %'"),
        ("weekly", f"{digests} AND period LIKE '____-W__'"),
        ("daily", f"{digests} AND about = ''"),
        ("receipt", f"{notices} AND period LIKE 'receipt %'"),
        ("export", f"{notices} AND period LIKE 'export %'"),
        ("blind", f"{notices} AND period LIKE 'blind %'"),
        ("back", f"{notices} AND period LIKE 'back %'"),
    ):
        op.execute(f"UPDATE delivery SET about = '{about}' WHERE {where}")  # noqa: S608 - constants of this file
    # between the word and the day at the end: "blind ", 6 letters, and " 2026-11-24", 11
    for about, start in (("blind", 7), ("back", 6)):
        op.execute(
            f"UPDATE delivery SET about_source = substr(period, {start}, length(period) - {start + 10}) "  # noqa: S608
            f"WHERE {notices} AND about = '{about}'"
        )
