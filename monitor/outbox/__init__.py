"""The outbox: `fan_out` turns published changes into deliveries [T2]; `drain` claims [T3], sends and settles [T4]."""

from monitor.outbox.clone_guard import CloneGuard, FenceState
from monitor.outbox.contents import Compose, Content, Letter, Marks, Recipient, Write
from monitor.outbox.digests import digests_due
from monitor.outbox.drain import Drained, drain
from monitor.outbox.fanout import Locate, fan_out
from monitor.outbox.notices import notices_due

__all__ = [
    "CloneGuard",
    "Compose",
    "Content",
    "Drained",
    "FenceState",
    "Letter",
    "Locate",
    "Marks",
    "Recipient",
    "Write",
    "digests_due",
    "drain",
    "fan_out",
    "notices_due",
]
