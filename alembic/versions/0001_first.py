"""The whole schema as the program was first published with it."""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

from monitor.storage import columns

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "approval",
        sa.Column("source", sqlmodel.AutoString(), nullable=False),
        sa.Column("hash", sqlmodel.AutoString(), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("source", "hash", name=op.f("pk_approval")),
    )
    op.create_table(
        "body",
        sa.Column("hash", sqlmodel.AutoString(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("encoding", sqlmodel.AutoString(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_body")),
    )
    op.create_table(
        "confirmation",
        sa.Column("channel", sqlmodel.AutoString(), nullable=False),
        sa.Column("address_hash", sqlmodel.AutoString(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "address_hash", name=op.f("pk_confirmation")),
    )
    op.create_table(
        "fetch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sqlmodel.AutoString(), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.Column("outcome", sqlmodel.AutoString(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("reason", sqlmodel.AutoString(), nullable=False),
        sa.Column("url", sqlmodel.AutoString(), nullable=True),
        sa.Column("redirects", columns.Json(), nullable=True),
        sa.Column("headers", columns.Json(), nullable=True),
        sa.Column("wire_bytes", sa.Integer(), nullable=True),
        sa.Column("bytes", sa.Integer(), nullable=True),
        sa.Column("hash", sqlmodel.AutoString(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fetch")),
    )
    with op.batch_alter_table("fetch", schema=None) as batch_op:
        batch_op.create_index("ix_fetch_source_at", ["source", "at"], unique=False)

    op.create_table(
        "heartbeat",
        sa.Column("part", sqlmodel.AutoString(), nullable=False),
        sa.Column("owner", sqlmodel.AutoString(), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("part", "owner", name=op.f("pk_heartbeat")),
    )
    op.create_table(
        "lane",
        sa.Column("channel", sqlmodel.AutoString(), nullable=False),
        sa.Column("name", sqlmodel.AutoString(), nullable=False),
        sa.Column("until", columns.UtcDateTime(), nullable=False),
        sa.Column("reason", sqlmodel.AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "name", name=op.f("pk_lane")),
    )
    op.create_table(
        "listing",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sqlmodel.AutoString(), nullable=False),
        sa.Column("key", sqlmodel.AutoString(), nullable=False),
        sa.Column("agency", sqlmodel.AutoString(), nullable=False),
        sa.Column("name", sqlmodel.AutoString(), nullable=False),
        sa.Column("state", sqlmodel.AutoString(), nullable=True),
        sa.Column("content", columns.Json(), nullable=False),
        sa.Column("from_number", sa.Integer(), nullable=False),
        sa.Column("to_number", sa.Integer(), nullable=True),
        sa.Column("from_at", columns.UtcDateTime(), nullable=False),
        sa.Column("to_at", columns.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listing")),
    )
    with op.batch_alter_table("listing", schema=None) as batch_op:
        batch_op.create_index("ix_listing_source_agency", ["source", "agency"], unique=False)
        batch_op.create_index(
            "uq_listing_source_key_current",
            ["source", "key"],
            unique=True,
            sqlite_where=sa.text("to_number IS NULL"),
            postgresql_where=sa.text("to_number IS NULL"),
        )

    op.create_table(
        "meta",
        sa.Column("name", sqlmodel.AutoString(), nullable=False),
        sa.Column("value", sqlmodel.AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_meta")),
    )
    op.create_table(
        "progress",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("send_mark", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_progress")),
    )
    op.create_table(
        "rate_window",
        sa.Column("who", sqlmodel.AutoString(), nullable=False),
        sa.Column("start", columns.UtcDateTime(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("who", "start", name=op.f("pk_rate_window")),
    )
    op.create_table(
        "signup",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signup")),
    )
    op.create_table(
        "source",
        sa.Column("name", sqlmodel.AutoString(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sqlmodel.AutoString(), nullable=False),
        sa.Column("columns", columns.Json(), nullable=False),
        sa.Column("folders", columns.Json(), nullable=False),
        sa.Column("last_good_fetch", sa.Integer(), nullable=True),
        sa.Column("last_good_at", columns.UtcDateTime(), nullable=True),
        sa.Column("last_good_hash", sqlmodel.AutoString(), nullable=True),
        sa.Column("last_fetch_at", columns.UtcDateTime(), nullable=True),
        sa.Column("next_poll_at", columns.UtcDateTime(), nullable=True),
        sa.Column("blind_notified_at", columns.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_source")),
    )
    op.create_table(
        "subscriber",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("channel", sqlmodel.AutoString(), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=True),
        sa.Column("address_hash", sqlmodel.AutoString(), nullable=True),
        sa.Column("state", sqlmodel.AutoString(), nullable=False),
        sa.Column("origin", sqlmodel.AutoString(), nullable=False),
        sa.Column("language", sqlmodel.AutoString(), nullable=False),
        sa.Column("frequency", sqlmodel.AutoString(), nullable=False),
        sa.Column("timezone", sqlmodel.AutoString(), nullable=True),
        sa.Column("local_hour", sa.Integer(), nullable=True),
        sa.Column("paused_until", columns.UtcDateTime(), nullable=True),
        sa.Column("digest_at", columns.UtcDateTime(), nullable=True),
        sa.Column("digest_since", columns.UtcDateTime(), nullable=True),
        sa.Column("receipts", sa.Boolean(), nullable=False),
        sa.Column("nonce", sqlmodel.AutoString(), nullable=False),
        sa.Column("confirm_until", columns.UtcDateTime(), nullable=True),
        sa.Column("created_at", columns.UtcDateTime(), nullable=False),
        sa.Column("confirmed_at", columns.UtcDateTime(), nullable=True),
        sa.Column("ended_at", columns.UtcDateTime(), nullable=True),
        sa.Column("strikes", sa.Integer(), nullable=False),
        sa.Column("first_strike_at", columns.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriber")),
        sa.UniqueConstraint("channel", "address_hash", name=op.f("uq_subscriber_channel_address_hash")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("subscriber", schema=None) as batch_op:
        batch_op.create_index("ix_subscriber_digest_at", ["digest_at"], unique=False)
        batch_op.create_index("ix_subscriber_state", ["state"], unique=False)

    op.create_table(
        "returned_mail",
        sa.Column("digest", sqlmodel.AutoString(), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_returned_mail")),
    )
    op.create_table(
        "suppression",
        sa.Column("channel", sqlmodel.AutoString(), nullable=False),
        sa.Column("address_hash", sqlmodel.AutoString(), nullable=False),
        sa.Column("reason", sqlmodel.AutoString(), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "address_hash", name=op.f("pk_suppression")),
    )
    op.create_table(
        "validator",
        sa.Column("source", sqlmodel.AutoString(), nullable=False),
        sa.Column("url", sqlmodel.AutoString(), nullable=False),
        sa.Column("etag", sqlmodel.AutoString(), nullable=True),
        sa.Column("last_modified", sqlmodel.AutoString(), nullable=True),
        sa.Column("hash", sqlmodel.AutoString(), nullable=True),
        sa.PrimaryKeyConstraint("source", "url", name=op.f("pk_validator")),
    )
    op.create_table(
        "changeset",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sqlmodel.AutoString(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.Column("fetch_id", sa.Integer(), nullable=True),
        sa.Column("fanned_out_at", columns.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["fetch_id"], ["fetch.id"], name=op.f("fk_changeset_fetch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changeset")),
        sa.UniqueConstraint("source", "number", name=op.f("uq_changeset_source_number")),
    )
    with op.batch_alter_table("changeset", schema=None) as batch_op:
        batch_op.create_index("ix_changeset_fanned_out_at", ["fanned_out_at"], unique=False)

    op.create_table(
        "snapshot",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sqlmodel.AutoString(), nullable=False),
        sa.Column("fetch_id", sa.Integer(), nullable=False),
        sa.Column("at", columns.UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", columns.UtcDateTime(), nullable=False),
        sa.Column("hash", sqlmodel.AutoString(), nullable=False),
        sa.Column("digest", sqlmodel.AutoString(), nullable=False),
        sa.Column("fingerprint", sqlmodel.AutoString(), nullable=False),
        sa.Column("listings", sa.Integer(), nullable=False),
        sa.Column("verdict", sqlmodel.AutoString(), nullable=False),
        sa.Column("reason", sqlmodel.AutoString(), nullable=False),
        sa.Column("problems", columns.Json(), nullable=True),
        sa.ForeignKeyConstraint(["fetch_id"], ["fetch.id"], name=op.f("fk_snapshot_fetch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshot")),
    )
    with op.batch_alter_table("snapshot", schema=None) as batch_op:
        batch_op.create_index("ix_snapshot_source_id", ["source", "id"], unique=False)

    op.create_table(
        "subscription",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("source", sqlmodel.AutoString(), nullable=False),
        sa.Column("place", sqlmodel.AutoString(), nullable=False),
        sa.Column("within", sqlmodel.AutoString(), nullable=True),
        sa.Column("created_at", columns.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name=op.f("fk_subscription_subscriber_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription")),
        sa.UniqueConstraint(
            "subscriber_id", "source", "place", name=op.f("uq_subscription_subscriber_id_source_place")
        ),
    )
    with op.batch_alter_table("subscription", schema=None) as batch_op:
        batch_op.create_index("ix_subscription_source_place", ["source", "place"], unique=False)
        batch_op.create_index("ix_subscription_source_within", ["source", "within"], unique=False)

    op.create_table(
        "change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sqlmodel.AutoString(), nullable=False),
        sa.Column("kind", sqlmodel.AutoString(), nullable=False),
        sa.Column("agency", sqlmodel.AutoString(), nullable=False),
        sa.Column("state", sqlmodel.AutoString(), nullable=False),
        sa.Column("reason", sqlmodel.AutoString(), nullable=False),
        sa.Column("fields", columns.Json(), nullable=False),
        sa.Column("before", columns.Json(), nullable=True),
        sa.Column("after", columns.Json(), nullable=True),
        sa.Column("previous", columns.Json(), nullable=True),
        sa.Column("not_before", columns.UtcDateTime(), nullable=True),
        sa.Column("first_seen_at", columns.UtcDateTime(), nullable=False),
        sa.Column("release_at", columns.UtcDateTime(), nullable=True),
        sa.Column("was_held", sa.Boolean(), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("ended_at", columns.UtcDateTime(), nullable=True),
        sa.Column("changeset_id", sa.Integer(), nullable=True),
        sa.Column("how", sqlmodel.AutoString(), nullable=True),
        sa.Column("confidence", sqlmodel.AutoString(), nullable=True),
        sa.Column("placement", sqlmodel.AutoString(), nullable=True),
        sa.ForeignKeyConstraint(["changeset_id"], ["changeset.id"], name=op.f("fk_change_changeset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change")),
    )
    with op.batch_alter_table("change", schema=None) as batch_op:
        batch_op.create_index("ix_change_changeset_id", ["changeset_id"], unique=False)
        batch_op.create_index("ix_change_source_agency", ["source", "agency"], unique=False)
        batch_op.create_index("ix_change_source_state", ["source", "state"], unique=False)

    op.create_table(
        "delivery",
        sa.Column("id", columns.BigId(), nullable=False),
        sa.Column("kind", sqlmodel.AutoString(), nullable=False),
        sa.Column("changeset_id", sa.Integer(), nullable=True),
        sa.Column("period", sqlmodel.AutoString(), nullable=True),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("state", sqlmodel.AutoString(), nullable=False),
        sa.Column("created_at", columns.UtcDateTime(), nullable=False),
        sa.Column("due_at", columns.UtcDateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_until", columns.UtcDateTime(), nullable=True),
        sa.Column("owner", sqlmodel.AutoString(), nullable=True),
        sa.Column("ambiguous", sa.Boolean(), nullable=False),
        sa.Column("last_error", sqlmodel.AutoString(), nullable=True),
        sa.Column("settled_at", columns.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint(
            "subscriber_id", "changeset_id", name=op.f("uq_delivery_subscriber_id_changeset_id")
        ),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.create_index(
            "uq_delivery_subscriber_id_kind_period",
            ["subscriber_id", "kind", "period"],
            unique=True,
            sqlite_where=sa.text("period IS NOT NULL"),
            postgresql_where=sa.text("period IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_delivery_due_at",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("state = 'due'"),
            postgresql_where=sa.text("state = 'due'"),
        )
        batch_op.create_index(
            "ix_delivery_settled_at_failed",
            ["settled_at"],
            unique=False,
            sqlite_where=sa.text("state = 'failed'"),
            postgresql_where=sa.text("state = 'failed'"),
        )

    op.create_table(
        "change_place",
        sa.Column("change_id", sa.Integer(), nullable=False),
        sa.Column("place", sqlmodel.AutoString(), nullable=False),
        sa.Column("everyone", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["change_id"], ["change.id"], name=op.f("fk_change_place_change_id")),
        sa.PrimaryKeyConstraint("change_id", "place", name=op.f("pk_change_place")),
    )
    with op.batch_alter_table("change_place", schema=None) as batch_op:
        batch_op.create_index("ix_change_place_place", ["place"], unique=False)

    op.create_table(
        "digest_changeset",
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("changeset_id", sa.Integer(), nullable=False),
        sa.Column("delivery_id", columns.BigId(), nullable=False),
        sa.ForeignKeyConstraint(
            ["changeset_id"], ["changeset.id"], name=op.f("fk_digest_changeset_changeset_id")
        ),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["delivery.id"], name=op.f("fk_digest_changeset_delivery_id")
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name=op.f("fk_digest_changeset_subscriber_id")
        ),
        sa.PrimaryKeyConstraint("subscriber_id", "changeset_id", name=op.f("pk_digest_changeset")),
    )
    with op.batch_alter_table("digest_changeset", schema=None) as batch_op:
        batch_op.create_index("ix_digest_changeset_delivery_id", ["delivery_id"], unique=False)
