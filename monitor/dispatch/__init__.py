"""The outbox: `fan_out` turns published changes into deliveries [T2]; `drain` claims [T3], sends and settles [T4]."""

from monitor.dispatch.contents import Compose, Content, Letter, Marks, Recipient, Write
from monitor.dispatch.digests import digests_due
from monitor.dispatch.draining import Drained, drain
from monitor.dispatch.fanout import Locate, fan_out
from monitor.dispatch.fence import Fence, FenceState
from monitor.dispatch.notices import notices_due

__all__ = [
    "Compose",
    "Content",
    "Drained",
    "Fence",
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
