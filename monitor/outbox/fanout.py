"""Fan-out: each published change is located, and every follower of one of its places gets one delivery."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy.engine import Engine

from monitor.domain import Confidence, Listing, Placement, PlacementReason
from monitor.errors import MonitorError, StoreError
from monitor.storage import eligibility
from monitor.storage.deliveries import fanout
from monitor.storage.deliveries.fanout import PendingFanOut, Placed, Unplaced
from monitor.storage.engine import reading, transaction
from monitor.storage.people import area_places

log = logging.getLogger(__name__)

Locate = Callable[[str, Listing], Placement]
"""Computes the placement of a listing: (name of the source, listing) to placement."""

EVERYWHERE = "US"


def fan_out(engine: Engine, *, locate: Locate, now: datetime) -> int:
    """Write the deliveries of every changeset that has none yet [T2]; returns how many.

    Each changeset is a transaction of its own, after its changes were located. A changeset that cannot be
    read stays pending and does not stop the others. It is idempotent, also in two processes at once.
    """
    with reading(engine) as conn:
        pending = fanout.read_pending(conn)
    written = 0
    for changeset in pending:
        try:
            written += _fan_out_changeset(engine, changeset, locate, now)
        except MonitorError:
            raise  # the database fails, and would fail for the next changeset too
        except Exception:
            log.exception("changeset %d of %s cannot be fanned out", changeset.id, changeset.source)
    return written


def _fan_out_changeset(engine: Engine, changeset: PendingFanOut, locate: Locate, now: datetime) -> int:
    with reading(engine) as conn:
        changes = fanout.load_changes(conn, changeset.id)
    placed = [_place_change(change, changeset.source, locate) for change in changes]
    with transaction(engine) as conn:
        moment = eligibility.next_moment(conn, now)
        if not fanout.mark_fanned_out(conn, changeset.id, moment):
            return 0
        area_places.insert_missing(conn, changeset.source)
        fanout.write_places(conn, placed)
        if changeset.imported:
            return 0  # a quiet change: its places are stored for the pages, but nobody is alerted
        owed = fanout.insert_deliveries(conn, changeset.id, changeset.source, now)
    log.info(
        "changeset %d of %s: %d changes, %d deliveries", changeset.id, changeset.source, len(changes), owed
    )
    return owed


def _place_change(change: Unplaced, source: str, locate: Locate) -> Placed:
    """Place a change: a move or a rename concerns the places before and after; the reason is that of the
    later place.
    """
    placed = [
        (listing, placement or _locate_listing(source, listing, locate, change.id))
        for listing, placement in change.listings
    ]
    concerned = [find_places(listing, placement) for listing, placement in placed]
    _, current = placed[-1]
    return Placed(
        change=change.id,
        places=frozenset().union(*(places for places, _ in concerned)),
        everyone=frozenset().union(*(everyone for _, everyone in concerned)),
        how=current.how,
        confidence=current.confidence.value,
        reason=current.reason,
    )


def find_places(listing: Listing, placement: Placement) -> tuple[frozenset[str], frozenset[str]]:
    """Compute the places that an agency concerns, and the states of which all followers are told."""
    states = frozenset(_states(listing, placement))
    places = frozenset(placement.places) | states | {EVERYWHERE}
    return places, states if placement.statewide else frozenset()


def _states(listing: Listing, placement: Placement) -> set[str]:
    """The states that a placement concerns: those that it names, or the state of a listing placed by ZIP;
    empty if only "US" is known.
    """
    named = {place for place in placement.places if not place.isdigit()} - {EVERYWHERE}
    by_zip = any(place.isdigit() for place in placement.places)
    return named | ({listing.state} if by_zip and listing.state else set())


def _locate_listing(source: str, listing: Listing, locate: Locate, change: int) -> Placement:
    """Locate a listing; if the gazetteer fails on it, it is placed in its state and does not stop the others.
    Raises StoreError if the operator's overrides cannot be read: the next fan-out places it.
    """
    try:
        return locate(source, listing)
    except StoreError:
        raise
    except Exception:
        log.exception("change %d of %s could not be located; it is announced to its state", change, source)
        return Placement(
            places=(listing.state or EVERYWHERE,),
            how="not located",
            confidence=Confidence.STATE_ONLY,
            reason=PlacementReason("failed"),
        )
