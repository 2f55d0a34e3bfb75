"""A subscriber's new address in place of the old one, as when a browser renews its push subscription.

Only the owner knows the old address as a whole, and the new one must be where the old one was
(`ChannelKind.may_move`), so that nobody leads messages to a server that has not proved that it wants them.
The site, which may not read or write addresses, stores a form; the sender decides about it with the sign-ups.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping

from sqlalchemy.engine import Connection

from monitor.channels.kinds import kind_of, lookup, normalise_address
from monitor.channels.outline import seal_address
from monitor.errors import UsageError
from monitor.keys import KeyFile
from monitor.storage import people

log = logging.getLogger(__name__)

_OLD = "instead of"


def format_move(channel: str, old: str, new: str) -> str:
    """The form of a move, as it is stored encrypted. Raises UsageError for an address that is none, and for a
    new one elsewhere.
    """
    old, new = normalise_address(channel, old), normalise_address(channel, new)
    if not kind_of(channel).may_move(old, new):
        raise UsageError("the new address is not where the old one was: sign up again")
    text = json.dumps({"channel": channel, "address": new, _OLD: old})
    return text.ljust(-(-len(text) // 512) * 512)  # as every form, so that its size does not reveal it


def is_move(form: Mapping[str, str]) -> bool:
    """Whether a stored form is a move."""
    return _OLD in form


def move(conn: Connection, keys: KeyFile, form: Mapping[str, str]) -> bool:
    """Give the subscriber with the old address the new one; False if nobody has it, if the new one has a
    subscriber already, or if it is never written to.
    """
    channel, new = form["channel"], form["address"]
    one = people.find(conn, channel, lookup(keys, channel, form[_OLD]), for_change=True)
    address = seal_address(keys, channel, new)
    if (
        one is None
        or people.find(conn, channel, address.hashed) is not None
        or people.load_reason(conn, channel, address.hashed) is not None
    ):
        return False
    people.update_address(conn, one.id, address)
    log.info("subscriber %d (%s) has a new address", one.id, channel)
    return True
