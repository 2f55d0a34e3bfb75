"""The registry of the kinds of channels: a new kind is one file or folder beside this module, and a line in
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


def normalize_address(channel: str, address: str) -> str:
    """Return the address in the form that is stored and sent to. Raises UsageError for one that its channel
    cannot reach.
    """
    kind = kind_of(channel)
    address = address.strip()
    # a line break in an address would inject a command to the relay; libraries have let it through
    if not address or any(unicodedata.category(char).startswith("C") for char in address):
        raise UsageError("the address is empty or has invisible characters in it")
    return kind.normalize(address)


def recognize(address: str) -> str:
    """Find the channel whose addresses look like this. Raises UsageError if there is none."""
    for name, kind in KINDS.items():
        if kind.recognizes(address):
            return name
    raise UsageError(
        f"this is not an address of a known channel ({', '.join(KINDS)}): check it, or name the channel"
    )


def mask(channel: str, address: str) -> str:
    """Shorten an address as its channel does; for a channel that no longer exists, show nothing of it."""
    known = KINDS.get(channel)
    return known.mask(address) if known else "…"


def lookup(keys: KeyFile, channel: str, address: str) -> str:
    """Compute the keyed hash under which an address is found, in any spelling. Raises UsageError for an
    unknown channel.
    """
    return keys.lookup(channel, kind_of(channel).comparable(address))


def hash_lane(keys: KeyFile, channel: str, lane: str) -> str:
    """Compute the keyed hash of a lane, for rows that must not reveal the domain of a person's mailbox."""
    return keys.compute_lookup(first_hash_lane(keys, channel, lane))


def first_hash_lane(keys: KeyFile, channel: str, lane: str) -> str:
    """Compute the same hash with the first lookup key, which a rotation does not change."""
    return keys.first_lookup(channel, f"lane\0{lane}")


def first_lookup(keys: KeyFile, channel: str, address: str) -> str:
    """Compute the same hash with the first lookup key, for use outside the database."""
    return keys.first_lookup(channel, kind_of(channel).comparable(address))
