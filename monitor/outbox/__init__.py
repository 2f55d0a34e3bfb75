"""The outbox: `fan_out` turns published changes into deliveries [T2]; `drain` claims [T3], sends and settles
[T4].
"""

from monitor.outbox.canary import insert_due_canary
from monitor.outbox.clone_guard import CloneGuard, FenceState
from monitor.outbox.digests import insert_due_digests
from monitor.outbox.drain import Drained, drain
from monitor.outbox.fanout import Locate, fan_out
from monitor.outbox.load import MessageLoader
from monitor.outbox.notices import insert_due_notices
from monitor.outbox.placement_renewal import PlacingReport, renew_placements
from monitor.outbox.prepare import Recipient
from monitor.outbox.recipient_placeholders import RecipientPlaceholders

__all__ = [
    "CloneGuard",
    "Drained",
    "FenceState",
    "Locate",
    "MessageLoader",
    "PlacingReport",
    "Recipient",
    "RecipientPlaceholders",
    "drain",
    "fan_out",
    "insert_due_canary",
    "insert_due_digests",
    "insert_due_notices",
    "renew_placements",
]
