"""A random number of each subscriber, for links and envelope senders: ids tell readers how many there are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.storage import columns

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# 60 random bits above the ids of tokens that were sent before (`core.tokens.SMALLEST`). Both come from
# generators of cryptographic strength; a UUID of version 4 has its fixed bits in the middle.
SQLITE = "UPDATE subscriber SET number = (random() & 1152921504606846975) + 1099511627776"
POSTGRESQL = """
    UPDATE subscriber
    SET number = ('x' || substr(hex, 1, 12) || substr(hex, 30, 3))::bit(60)::bigint + 1099511627776
    FROM (SELECT id AS which, replace(gen_random_uuid()::text, '-', '') AS hex FROM subscriber) AS drawn
    WHERE which = id
"""


def upgrade() -> None:
    op.add_column("subscriber", sa.Column("number", columns.BigId(), nullable=True))
    op.execute(SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL)
    op.create_index("uq_subscriber_number", "subscriber", ["number"], unique=True)
