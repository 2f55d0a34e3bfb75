"""The stored forms of an address: the encrypted address, a hash to find it, and its outline.

The outline is all that the site needs of an address. It is encrypted in a column of its own, so that `monitor
web` can run under a database role without the right to read addresses.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from monitor.channels.kinds import first_hash_lane, first_lookup, kind_of, lookup, mask
from monitor.errors import KeyFileError
from monitor.keys import KeyFile

_HASH_BYTES = 32  # SHA-256


def sealed_as(channel: str) -> str:
    """The associated data of an outline, see `KeyFile.seal`: an encrypted address cannot replace it."""
    return f"outline {channel}"


@dataclass(frozen=True, slots=True)
class AddressOutline:
    """What the site may know about an address.

    ``masked`` is shown to its owner. The others are hashes with the first lookup key (`KeyFile.first_lookup`,
    64 hex digits), which a rotation does not change: ``address`` for erasures, ``mailbox`` and ``domain`` for
    the limits of confirmations (None: the domain has none), ``lane`` for refusals that come back by mail.
    """

    masked: str
    address: str
    mailbox: str
    lane: str
    domain: str | None = None

    @classmethod
    def compute(cls, keys: KeyFile, channel: str, address: str) -> AddressOutline:
        """Compute the outline of an address."""
        kind = kind_of(channel)
        domain = kind.shared_domain(address)
        return cls(
            masked=mask(channel, address),
            address=first_lookup(keys, channel, address),
            mailbox=keys.first_lookup("mailbox", kind.mailbox(address)),
            lane=first_hash_lane(keys, channel, kind.lane(address)),
            domain=None if domain is None else keys.first_lookup("mail domain", domain),
        )

    def seal(self, keys: KeyFile, channel: str) -> bytes:
        """Encrypt it. The hashes are stored as bytes: there is one outline for each subscriber."""
        hashes = b"".join(
            bytes.fromhex(each) for each in (self.address, self.mailbox, self.lane, self.domain or "")
        )
        return keys.seal(sealed_as(channel), f"{base64.b64encode(hashes).decode()} {self.masked}")


@dataclass(frozen=True, slots=True)
class SealedAddress:
    """The three forms in which an address is stored. ``hashed`` finds it."""

    sealed: bytes
    outline: bytes
    hashed: str


def seal_address(keys: KeyFile, channel: str, address: str) -> SealedAddress:
    """Encrypt an address for the database."""
    return SealedAddress(
        sealed=keys.seal(channel, address),
        outline=AddressOutline.compute(keys, channel, address).seal(keys, channel),
        hashed=lookup(keys, channel, address),
    )


def open_outline(keys: KeyFile, channel: str, sealed: bytes) -> AddressOutline:
    """Decrypt an outline. Raises KeyFileError if another key encrypted it, or if it is not an outline."""
    encoded, separator, masked = keys.open(sealed_as(channel), sealed).partition(" ")
    hashes = base64.b64decode(encoded)
    if not separator or len(hashes) not in (3 * _HASH_BYTES, 4 * _HASH_BYTES):
        raise KeyFileError("the outline of an address is damaged")
    address, mailbox, lane, *domain = (
        hashes[at : at + _HASH_BYTES].hex() for at in range(0, len(hashes), _HASH_BYTES)
    )
    return AddressOutline(masked, address, mailbox, lane, domain[0] if domain else None)
