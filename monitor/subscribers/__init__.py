"""Everything that creates, changes or ends a subscriber, each in one transaction."""

from monitor.channels.kinds import mask, normalize_address
from monitor.subscribers.bounces import BounceVerdict, apply_mail, mails
from monitor.subscribers.erasures import Tombstones, reapply_erasures
from monitor.subscribers.key_rotation import rotate
from monitor.subscribers.leak_scan import LeakScanResult, Trace, scan_for_leaks
from monitor.subscribers.operator import (
    CONFIG,
    AddResult,
    FollowedChannels,
    ListedSubscriber,
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
    SignupRequest,
    admit,
    confirm,
    renew,
    request,
)
from monitor.subscribers.unsubscribe import erase, leave
from monitor.subscribers.validation import list_follows

__all__ = [
    "CONFIG",
    "AddResult",
    "BounceVerdict",
    "FollowedChannels",
    "LeakScanResult",
    "Link",
    "LinkState",
    "ListedSubscriber",
    "Preferences",
    "Purged",
    "SignupAnswer",
    "SignupLimits",
    "SignupRequest",
    "Tombstones",
    "Trace",
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
    "purge",
    "purge_in_turn",
    "reapply_erasures",
    "remove",
    "renew",
    "request",
    "rotate",
    "scan_for_leaks",
]
