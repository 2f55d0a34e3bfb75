"""One door for subscribers: whoever comes in, changes or leaves does it here, each time in one transaction."""

from monitor.subscribers.bounces import BounceVerdict, mails, returned
from monitor.subscribers.erasures import Tombstones, bury
from monitor.subscribers.export import export
from monitor.subscribers.key_rotation import rotate
from monitor.subscribers.leak_scan import LeakScanResult, Trace, prove
from monitor.subscribers.operator import CONFIG, Added, Followed, Listed, add, follow_channels, listed, remove
from monitor.subscribers.preferences import Preferences, change
from monitor.subscribers.retention import Purged, purge, purge_in_turn
from monitor.subscribers.signup import (
    Answer,
    Link,
    LinkState,
    SignupLimits,
    Wish,
    admit,
    confirm,
    look,
    renew,
    request,
)
from monitor.subscribers.unsubscribe import erase, leave
from monitor.subscribers.validation import checked, mask, wanted

__all__ = [
    "CONFIG",
    "Added",
    "Answer",
    "BounceVerdict",
    "Followed",
    "LeakScanResult",
    "Link",
    "LinkState",
    "Listed",
    "Preferences",
    "Purged",
    "SignupLimits",
    "Tombstones",
    "Trace",
    "Wish",
    "add",
    "admit",
    "bury",
    "change",
    "checked",
    "confirm",
    "erase",
    "export",
    "follow_channels",
    "leave",
    "listed",
    "look",
    "mails",
    "mask",
    "prove",
    "purge",
    "purge_in_turn",
    "remove",
    "renew",
    "request",
    "returned",
    "rotate",
    "wanted",
]
