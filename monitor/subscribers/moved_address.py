"""Replaces a subscriber's address, for example when a browser renews its push subscription.

Only the owner knows the whole old address, and the new one must be at the same place
(`ChannelKind.may_move`), so that nobody can direct messages to a server that has not proved that it wants
them. The site, which may not read or write addresses, stores a form; the sender decides about it with the
sign-ups.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping

from sqlalchemy.engine import Connection

from monitor.channels.kinds import kind_of, lookup, normalize_address
from monitor.channels.outline import seal_address
from monitor.errors import UsageError
from monitor.keys import KeyFile
from monitor.storage import people

log = logging.getLogger(__name__)

_OLD = "instead of"


def format_move(channel: str, old: str, new: str) -> str:
    """Format a move as a form, which is stored encrypted. Raises UsageError for an invalid address, and for a
    new one at another place.
    """
    old, new = normalize_address(channel, old), normalize_address(channel, new)
    if not kind_of(channel).may_move(old, new):
        raise UsageError("the new address is not where the old one was: sign up again")
    text = json.dumps({"channel": channel, "address": new, _OLD: old})
    # padded like every form, so that its size does not reveal it
    return text.ljust(-(-len(text) // 512) * 512)


def is_move(form: Mapping[str, str]) -> bool:
    """Whether a stored form is a move."""
    return _OLD in form


def move(conn: Connection, keys: KeyFile, form: Mapping[str, str]) -> None:
    """Replace the old address of a subscriber by the new one. Nothing changes if nobody has the old one, if
    the new one has a subscriber already, or if the new one is suppressed.
    """
    channel, new = form["channel"], form["address"]
    one = people.find(conn, channel, lookup(keys, channel, form[_OLD]), for_change=True)
    address = seal_address(keys, channel, new)
    if (
        one is None
        or people.find(conn, channel, address.hashed) is not None
        or people.load_reason(conn, channel, address.hashed) is not None
    ):
        return
    people.update_address(conn, one.id, address)
    log.info("subscriber %d (%s) has a new address", one.id, channel)
