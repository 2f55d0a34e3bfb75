"""One door for subscribers: whoever comes in, changes or leaves does it here, each time in one transaction."""

from monitor.subscribe.asked import checked, mask, wanted
from monitor.subscribe.bounces import Verdict, mails, returned
from monitor.subscribe.exporting import export
from monitor.subscribe.leaving import erase, leave
from monitor.subscribe.operator import (
    CONFIG,
    Added,
    Followed,
    Listed,
    add,
    follow_channels,
    listed,
    remove,
)
from monitor.subscribe.preferences import Preferences, change
from monitor.subscribe.proof import Proof, Trace, prove
from monitor.subscribe.retention import Purged, purge, purge_in_turn
from monitor.subscribe.rotation import rotate
from monitor.subscribe.signup import Answer, Found, Limits, Link, Wish, admit, confirm, look, renew, request
from monitor.subscribe.tombstones import Tombstones, bury

__all__ = [
    "CONFIG",
    "Added",
    "Answer",
    "Followed",
    "Found",
    "Limits",
    "Link",
    "Listed",
    "Preferences",
    "Proof",
    "Purged",
    "Tombstones",
    "Trace",
    "Verdict",
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
