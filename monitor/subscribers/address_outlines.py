"""Fills in the outlines of addresses that an earlier version of the program stored without one."""

from __future__ import annotations

import logging

from sqlalchemy.engine import Engine

from monitor.channels.outline import AddressOutline
from monitor.errors import KeyFileError
from monitor.keys import KeyFile
from monitor.storage import database_facts, people
from monitor.storage import engine as db

log = logging.getLogger(__name__)

_AT_ONCE = 1000  # subscribers in one transaction


def are_missing(engine: Engine) -> bool:
    """Read whether a migration has left outlines to fill in."""
    with db.reading(engine) as conn:
        return database_facts.get(conn, database_facts.OUTLINES_MISSING) is not None


def fill_outlines(engine: Engine, keys: KeyFile) -> int:
    """Fill in every missing outline; returns how many. It costs one query if none is missing.

    An address that the key does not decrypt is skipped, as the sender does.
    """
    if not are_missing(engine):
        return 0
    filled, last = 0, 0
    while True:
        with db.transaction(engine) as conn:
            found = people.load_without_outline(conn, after=last, limit=_AT_ONCE)
            outlines: dict[int, bytes] = {}
            for subscriber, channel, sealed in found:
                last = subscriber
                try:
                    address = keys.open(channel, sealed)
                except KeyFileError:
                    log.warning("the address of subscriber %d cannot be opened with this key", subscriber)
                    continue
                outlines[subscriber] = AddressOutline.compute(keys, channel, address).seal(keys, channel)
            people.write_outlines(conn, outlines)
            filled += len(outlines)
            if len(found) < _AT_ONCE:
                database_facts.delete(conn, database_facts.OUTLINES_MISSING)
                break
    log.info("prepared %d addresses for the site", filled)
    return filled
