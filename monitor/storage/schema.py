"""The rows, as SQLModel tables. They validate nothing and stay inside storage: `store` translates between rows and domain values.

Times are aware UTC. JSON columns hold what only `store` reads back. Every constraint has a name by convention, so that a later
migration can find it on SQLite and PostgreSQL alike.
"""

from __future__ import annotations

from monitor.storage.columns import NAMING, BigId, Json, UtcDateTime, metadata
from monitor.storage.deliveries.tables import Delivery, DigestChangeset, Lane
from monitor.storage.lists.tables import (
    Approval,
    Body,
    Change,
    ChangePlace,
    Changeset,
    Fetch,
    ListingVersion,
    Snapshot,
    Source,
    Validator,
)
from monitor.storage.people.tables import (
    Confirmation,
    RateWindow,
    ReturnedMail,
    Signup,
    Subscriber,
    Subscription,
    Suppression,
)
from monitor.storage.tables import Heartbeat, Meta, Progress

__all__ = [
    "NAMING",
    "Approval",
    "BigId",
    "Body",
    "Change",
    "ChangePlace",
    "Changeset",
    "Confirmation",
    "Delivery",
    "DigestChangeset",
    "Fetch",
    "Heartbeat",
    "Json",
    "Lane",
    "ListingVersion",
    "Meta",
    "Progress",
    "RateWindow",
    "ReturnedMail",
    "Signup",
    "Snapshot",
    "Source",
    "Subscriber",
    "Subscription",
    "Suppression",
    "UtcDateTime",
    "Validator",
    "metadata",
]
