"""Everything that creates, changes or ends a subscriber, each in one transaction."""

from monitor.channels.kinds import mask, normalize_address
from monitor.subscribers.bounces import BounceVerdict, apply_mail, mails
from monitor.subscribers.erasures import Tombstones, reapply_erasures
from monitor.subscribers.key_rotation import rotate
from monitor.subscribers.leak_scan import LeakScanResult, Trace, prove
from monitor.subscribers.operator import (
    CONFIG,
    Added,
    Followed,
    Listed,
    add,
    follow_channels,
    load_subscribers,
    remove,
)
from monitor.subscribers.own_data import export
from monitor.subscribers.personal_links import Link, LinkState, load_link
from monitor.subscribers.preferences import Preferences, change
from monitor.subscribers.retention import Purged, purge, purge_in_turn
from monitor.subscribers.signup import (
    SignupAnswer,
    SignupLimits,
    Wish,
    admit,
    confirm,
    renew,
    request,
)
from monitor.subscribers.unsubscribe import erase, leave
from monitor.subscribers.validation import list_follows

__all__ = [
    "CONFIG",
    "Added",
    "BounceVerdict",
    "Followed",
    "LeakScanResult",
    "Link",
    "LinkState",
    "Listed",
    "Preferences",
    "Purged",
    "SignupAnswer",
    "SignupLimits",
    "Tombstones",
    "Trace",
    "Wish",
    "add",
    "admit",
    "apply_mail",
    "change",
    "confirm",
    "erase",
    "export",
    "follow_channels",
    "leave",
    "list_follows",
    "load_link",
    "load_subscribers",
    "mails",
    "mask",
    "normalize_address",
    "prove",
    "purge",
    "purge_in_turn",
    "reapply_erasures",
    "remove",
    "renew",
    "request",
    "rotate",
]
