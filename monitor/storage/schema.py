"""All tables, for alembic and tests. They validate nothing and stay inside storage.

Times are aware UTC. Every constraint has a name by convention, so that a migration can find it on SQLite and
PostgreSQL alike.
"""

from __future__ import annotations

from monitor.storage.columns import NAMING, BigId, Json, UtcDateTime, metadata
from monitor.storage.deliveries.tables import (
    AcceptanceRow,
    DeliveryRow,
    DigestChangesetRow,
    LaneRateRow,
    LaneRow,
    PauseSpanRow,
    RefusalRow,
)
from monitor.storage.lists.tables import (
    AgencyNoteRow,
    ApprovalRow,
    BodyRow,
    CaptureRow,
    ChangePlaceRow,
    ChangeRow,
    ChangesetRow,
    FetchRow,
    HistoryImportRow,
    ListingVersionRow,
    LogCheckpointRow,
    LogHeadRow,
    LogLeafRow,
    LogNodeRow,
    SnapshotRow,
    SourceRow,
    ValidatorRow,
)
from monitor.storage.people.tables import (
    AreaPlaceRow,
    BotUpdateRow,
    ConfirmationRow,
    PastStatusRow,
    PastSubscriptionRow,
    RateWindowRow,
    ReturnedMailRow,
    SignupRow,
    SubscriberRow,
    SubscriptionRow,
    SuppressionRow,
)
from monitor.storage.tables import HeartbeatRow, MetaRow, OperatorDecisionRow, ProgressRow

__all__ = [
    "NAMING",
    "AcceptanceRow",
    "AgencyNoteRow",
    "ApprovalRow",
    "AreaPlaceRow",
    "BigId",
    "BodyRow",
    "BotUpdateRow",
    "CaptureRow",
    "ChangePlaceRow",
    "ChangeRow",
    "ChangesetRow",
    "ConfirmationRow",
    "DeliveryRow",
    "DigestChangesetRow",
    "FetchRow",
    "HeartbeatRow",
    "HistoryImportRow",
    "Json",
    "LaneRateRow",
    "LaneRow",
    "ListingVersionRow",
    "LogCheckpointRow",
    "LogHeadRow",
    "LogLeafRow",
    "LogNodeRow",
    "MetaRow",
    "OperatorDecisionRow",
    "PastStatusRow",
    "PastSubscriptionRow",
    "PauseSpanRow",
    "ProgressRow",
    "RateWindowRow",
    "RefusalRow",
    "ReturnedMailRow",
    "SignupRow",
    "SnapshotRow",
    "SourceRow",
    "SubscriberRow",
    "SubscriptionRow",
    "SuppressionRow",
    "UtcDateTime",
    "ValidatorRow",
    "metadata",
]
