"""When polls first saw a version of a listing and first missed it, where that was before it was believed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.storage import columns

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("seen_at", "gone_at"):
        op.add_column("listing", sa.Column(name, columns.UtcDateTime(), nullable=True))
    _date_versions()
    for name, indexed in (("seen_at", ["source", "seen_at", "from_at"]), ("gone_at", ["source", "gone_at"])):
        present = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"ix_listing_source_{name}", "listing", indexed, sqlite_where=present, postgresql_where=present
        )


def _date_versions() -> None:
    """Date the versions by the published changes that ended and began them, oldest first."""
    moment = columns.UtcDateTime()
    listing = sa.table(
        "listing",
        sa.column("id"),
        sa.column("source"),
        sa.column("agency"),
        sa.column("from_number"),
        sa.column("to_number"),
        sa.column("from_at", moment),
        sa.column("seen_at", moment),
        sa.column("gone_at", moment),
    ).c
    change = sa.table(
        "change",
        sa.column("id"),
        sa.column("source"),
        sa.column("agency"),
        sa.column("state"),
        sa.column("changeset_id"),
        sa.column("first_seen_at", moment),
    ).c
    changeset = sa.table("changeset", sa.column("id"), sa.column("number"), sa.column("at", moment)).c
    conn = op.get_bind()
    late = conn.execute(
        sa.select(change.source, change.agency, change.first_seen_at, changeset.number)
        .join_from(change.id.table, changeset.id.table, changeset.id == change.changeset_id)
        .where(change.state == "published", change.first_seen_at < changeset.at)
        .order_by(change.source, changeset.number, change.id)
    ).all()
    table = listing.id.table
    for source, agency, seen, number in late:
        of_agency = (listing.source == source, listing.agency == agency)
        before = conn.execute(
            sa.select(listing.id, listing.from_at, listing.seen_at).where(
                *of_agency, listing.to_number == number
            )
        ).first()
        after = conn.execute(
            sa.select(listing.id, listing.from_at).where(*of_agency, listing.from_number == number)
        ).first()
        at = seen if before is None else max(seen, before.seen_at or before.from_at)
        if before is not None:
            conn.execute(sa.update(table).where(listing.id == before.id).values(gone_at=at))
        if after is not None and at < after.from_at:
            conn.execute(sa.update(table).where(listing.id == after.id).values(seen_at=at))
