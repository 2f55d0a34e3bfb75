"""Single messages of the outbox, with the reasons why each waits."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from monitor.channels import EVERYTHING
from monitor.channels.kinds import KINDS, lookup, mask
from monitor.errors import KeyFileError
from monitor.formatting import format_minute
from monitor.keys import KeyFile
from monitor.storage import people
from monitor.storage.deliveries import operator_rows
from monitor.storage.deliveries.operator_rows import DeliveryDetails
from monitor.storage.deliveries.pauses import Pause, read_pauses
from monitor.storage.deliveries.queue import CONFIRM, DUE
from monitor.storage.engine import reading


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """A message of the outbox. ``address`` is masked (None: erased); ``changes`` are the ids of its changes;
    ``waits`` are sentences that say why it is not sent yet, empty if nothing delays it.
    """

    details: DeliveryDetails
    address: str | None
    changes: tuple[int, ...]
    waits: tuple[str, ...]


def view_deliveries(
    engine: Engine,
    keys: KeyFile,
    ids: Collection[int],
    *,
    configured: Collection[str],
    fenced: str | None,
    now: datetime,
) -> tuple[DeliveryView, ...]:
    """Read messages of the outbox by id; unknown ids are skipped.

    ``configured`` are the channels with a transport, ``fenced`` is why nothing is sent (None: sending is
    allowed).
    """
    with reading(engine) as conn:
        found = operator_rows.load_details(conn, ids)
        changes = {each.id: operator_rows.load_changes(conn, each) for each in found}
        pauses = read_pauses(conn, now)
    views = []
    for each in found:
        address = _open_address(keys, each)
        paused = [pause for pause in pauses if pause.channel == each.channel]
        waits = (
            tuple(_say_what_it_waits_for(each, address, paused, keys, configured, fenced, now))
            if each.state == DUE
            else ()
        )
        shown = (
            mask(each.channel, address) if address else None if each.sealed is None else "(cannot be read)"
        )
        views.append(DeliveryView(each, shown, changes[each.id], waits))
    return tuple(views)


def _open_address(keys: KeyFile, each: DeliveryDetails) -> str | None:
    if each.sealed is None:
        return None
    try:
        return keys.open(each.channel, each.sealed)
    except KeyFileError:
        return None


def _say_what_it_waits_for(
    each: DeliveryDetails,
    address: str | None,
    pauses: Collection[Pause],
    keys: KeyFile,
    configured: Collection[str],
    fenced: str | None,
    now: datetime,
) -> Iterator[str]:
    if each.sealed is None:
        yield "Its subscriber has left: the next sender drops it."
    elif address is None:
        yield "The key cannot open its address: put the monitor.key back that belongs to this database."
    if each.suppressed:
        yield "Its address is never written to again: the next sender drops it."
    if fenced:
        yield f"Nothing is sent from this database: {fenced}."
    if each.channel not in configured:
        yield f"The channel {each.channel} is not configured."
    if each.subscriber_state == people.PAUSED and each.kind != CONFIRM:
        yield f"Its subscriber takes a break until {_format(each.paused_until)}."
    lanes = list_stored_lanes(keys, each.channel, address)
    for pause in pauses:
        if pause.name in lanes:
            what = "The channel" if pause.name == EVERYTHING else "Its part of the channel"
            yield f"{what} is paused until {_format(pause.until)}: {pause.reason}."
    if each.lease_until is not None and each.lease_until > now:
        yield f"A sender has it in hand until {_format(each.lease_until)}."
    if each.due_at > now:
        yield f"Its next attempt is on {_format(each.due_at)}."


def list_stored_lanes(keys: KeyFile, channel: str, address: str | None) -> set[str]:
    """The lanes whose pauses delay messages to an address, by their stored names: the whole channel, and its
    own lane, as a keyed hash if that is the address itself.
    """
    if address is None or channel not in KINDS:
        return {EVERYTHING}
    lane = KINDS[channel].lane(address)
    return {EVERYTHING, lookup(keys, channel, address) if lane == address else lane}


def _format(at: datetime | None) -> str:
    return format_minute(at) if at else "-"
