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
    NewlyCoveredRow,
    PauseSpanRow,
    RefusalRow,
)
from monitor.storage.lists.agreement_tables import AgreementCopyRow, AgreementLookRow, AgreementRow
from monitor.storage.lists.log_tables import LogCheckpointRow, LogHeadRow, LogLeafRow, LogNodeRow
from monitor.storage.lists.operator_tables import AgencyNoteRow, DocumentRow, PlaceOverrideRow
from monitor.storage.lists.tables import (
    ApprovalRow,
    BodyRow,
    CaptureRow,
    ChangePlaceRow,
    ChangeRow,
    ChangesetRow,
    FetchRow,
    HistoryImportRow,
    ListingVersionRow,
    PlacementRow,
    SentRequestRow,
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
    "AgreementCopyRow",
    "AgreementLookRow",
    "AgreementRow",
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
    "DocumentRow",
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
    "NewlyCoveredRow",
    "OperatorDecisionRow",
    "PastStatusRow",
    "PastSubscriptionRow",
    "PauseSpanRow",
    "PlaceOverrideRow",
    "PlacementRow",
    "ProgressRow",
    "RateWindowRow",
    "RefusalRow",
    "ReturnedMailRow",
    "SentRequestRow",
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
