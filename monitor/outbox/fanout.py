"""Published changes become deliveries: each is located, and everybody who follows one of its places is owed one message."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy.engine import Engine

from monitor.domain import Confidence, Listing, Placement, PlacementReason
from monitor.errors import MonitorError
from monitor.storage.deliveries import fanout
from monitor.storage.deliveries.fanout import PendingFanOut, Placed, Unplaced
from monitor.storage.engine import reading, transaction

log = logging.getLogger(__name__)

Locate = Callable[[str, Listing], Placement]
"""Where a listing of a source is: (source's name, listing) to placement."""

EVERYWHERE = "US"


def fan_out(engine: Engine, *, locate: Locate, now: datetime) -> int:
    """Write the deliveries of every changeset that has none yet [T2]; returns how many.

    Each changeset is one transaction of its own, and locating happens before it; one that cannot be read waits and holds up no other.
    Running it twice, or in two processes at once, is harmless.
    """
    with reading(engine) as conn:
        waiting = fanout.read_pending(conn)
    written = 0
    for changeset in waiting:
        try:
            written += _fanned_out(engine, changeset, locate, now)
        except MonitorError:
            raise  # the database's, and the next one would meet it as well
        except Exception:
            log.exception("changeset %d of %s cannot be fanned out", changeset.id, changeset.source)
    return written


def _fanned_out(engine: Engine, changeset: PendingFanOut, locate: Locate, now: datetime) -> int:
    with reading(engine) as conn:
        changes = fanout.changes(conn, changeset.id)
    placed = [_placed(change, changeset.source, locate) for change in changes]
    with transaction(engine) as conn:
        if not fanout.take(conn, changeset.id, now):
            return 0
        fanout.place(conn, placed)
        owed = fanout.insert_deliveries(conn, changeset.id, changeset.source, now)
    log.info(
        "changeset %d of %s: %d changes, %d deliveries", changeset.id, changeset.source, len(changes), owed
    )
    return owed


def _placed(change: Unplaced, source: str, locate: Locate) -> Placed:
    """A move or a rename is heard of where the agency was and where it is now; the words are those of where it is now."""
    placements = [_located(source, listing, locate, change.id) for listing in change.listings]
    places: set[str] = {EVERYWHERE}
    everyone: set[str] = set()
    for listing, placement in zip(change.listings, placements, strict=True):
        states = _states(listing, placement)
        places.update(placement.places, states)
        if placement.statewide:
            everyone |= states
    told = placements[-1]
    return Placed(
        change=change.id,
        places=frozenset(places),
        everyone=frozenset(everyone),
        how=told.how,
        confidence=told.confidence.value,
        reason=told.reason,
    )


def _states(listing: Listing, placement: Placement) -> set[str]:
    """The states that a placement concerns: named by it, or that of a listing placed by ZIP. Nothing known reaches "US" alone."""
    named = {place for place in placement.places if not place.isdigit()} - {EVERYWHERE}
    by_zip = any(place.isdigit() for place in placement.places)
    return named | ({listing.state} if by_zip and listing.state else set())


def _located(source: str, listing: Listing, locate: Locate, change: int) -> Placement:
    """One listing that the gazetteer stumbles over is told to its state and holds up no other."""
    try:
        return locate(source, listing)
    except Exception:
        log.exception("change %d of %s could not be located; its state's followers are told", change, source)
        return Placement(
            places=(listing.state or EVERYWHERE,),
            how="not located",
            confidence=Confidence.STATE_ONLY,
            reason=PlacementReason("failed"),
        )
