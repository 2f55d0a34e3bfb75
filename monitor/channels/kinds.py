"""The registry of the kinds of channels: a new one is one file or folder beside this module, and its line in
`KINDS`.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from monitor.channels import ChannelKind
from monitor.channels.email import EmailKind
from monitor.channels.telegram import TelegramKind
from monitor.channels.webhook import WebhookKind
from monitor.channels.webpush import WebPushKind
from monitor.errors import UsageError
from monitor.keys import KeyFile
from monitor.settings_types import nearest

KINDS: dict[str, ChannelKind[Any]] = {
    kind.name: kind
    for kind in (
        EmailKind(),
        TelegramKind(),
        WebhookKind(),
        WebPushKind(),
    )
}


def kind_of(channel: str) -> ChannelKind[Any]:
    """The kind with this name. Raises UsageError that names the known ones and the nearest."""
    known = KINDS.get(channel)
    if known is None:
        raise UsageError(
            f"there is no channel {channel[:60]!r}; known: {', '.join(KINDS)}{nearest(channel, KINDS)}"
        )
    return known


def normalise_address(channel: str, address: str) -> str:
    """Return the address as it is stored and written to. Raises UsageError for one that its channel cannot
    reach.
    """
    kind = kind_of(channel)
    address = address.strip()
    # a line break in an address is a command to the relay; libraries have let it through
    if not address or any(unicodedata.category(char).startswith("C") for char in address):
        raise UsageError("the address is empty or has invisible characters in it")
    return kind.normalise(address)


def recognise(address: str) -> str:
    """The name of the channel whose addresses have this form. Raises UsageError if there is none."""
    for name, kind in KINDS.items():
        if kind.recognises(address):
            return name
    raise UsageError(
        f"this is not an address of a known channel ({', '.join(KINDS)}): check it, or name the channel"
    )


def mask(channel: str, address: str) -> str:
    """Shorten an address as its channel does; rows of a channel that is not known any more show nothing."""
    known = KINDS.get(channel)
    return known.mask(address) if known else "…"


def lookup(keys: KeyFile, channel: str, address: str) -> str:
    """The keyed hash under which an address is found, however it is spelled. Raises UsageError for an unknown
    channel.
    """
    return keys.lookup(channel, kind_of(channel).comparable(address))


def hash_lane(keys: KeyFile, channel: str, lane: str) -> str:
    """Compute the keyed hash of a lane, for rows that must not tell in which domain a person's mailbox is."""
    return keys.compute_lookup(first_hash_lane(keys, channel, lane))


def first_hash_lane(keys: KeyFile, channel: str, lane: str) -> str:
    """The same under the first look-up key, which a rotation does not change."""
    return keys.first_lookup(channel, f"lane\0{lane}")


def first_lookup(keys: KeyFile, channel: str, address: str) -> str:
    """The same under the first look-up key, for what lies outside the database."""
    return keys.first_lookup(channel, kind_of(channel).comparable(address))
