"""`drain` sends on every configured channel at once, each with a `ChannelSender` of its own."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlalchemy.engine import Engine

from monitor.channels import Channel
from monitor.keys import KeyFile
from monitor.messages import Message
from monitor.outbox.clone_guard import CloneGuard
from monitor.outbox.leases import Leases
from monitor.outbox.load import MessageLoader
from monitor.outbox.outcomes import OutcomeKind
from monitor.outbox.prepare import MessagePreparer, Placeholders
from monitor.outbox.send import ChannelSender
from monitor.storage.deliveries import queue
from monitor.storage.engine import reading

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Drained:
    """The result of a drain, in deliveries. ``due`` counts those still owed, now or later, on any channel; 0
    if it was not requested.
    """

    sent: int = 0
    retried: int = 0
    failed: int = 0
    due: int = 0


async def drain(
    engine: Engine,
    channels: Mapping[str, Channel],
    keys: KeyFile,
    *,
    loader: MessageLoader,
    render: Callable[[str, Message], object],
    placeholders: Placeholders,
    folder: Path,
    domain: str,
    owner: str,
    clock: Callable[[], datetime],
    until: datetime | None = None,
    stop: asyncio.Event | None = None,
    counts_due: bool = True,
    chance: Callable[[], float] = random.random,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Drained:
    """Send what is due on these channels and return when nothing is left to claim.

    Deliveries of other channels stay due. ``until`` excludes deliveries that become due later; without it,
    deliveries that become due while this runs are sent too. ``loader`` loads message values and ``render``
    renders them for a channel. ``folder`` is the data folder with ``fence.json``, ``domain`` is that of the
    Message-IDs. Setting ``stop`` ends it early: nothing more is claimed, messages being sent get
    `send.STOP_GRACE`, the rest is released. ``counts_due`` False skips the count of owed deliveries, which
    scans the whole outbox. Raises FencedError before anything is sent.
    """
    fence = await asyncio.to_thread(CloneGuard, engine, folder)
    stopped = stop or asyncio.Event()
    senders = [
        ChannelSender(
            name,
            channel,
            keys,
            claims=Leases(engine, keys, fence, channel=name, owner=f"{owner}/{name}/{secrets.token_hex(4)}"),
            preparer=MessagePreparer(
                engine,
                keys,
                loader,
                partial(render, name),
                placeholders,
                series=fence.series,
                earlier_series=fence.earlier_series,
                domain=domain,
            ),
            clock=clock,
            until=until,
            stop=stopped,
            chance=chance,
            sleep=sleep,
        )
        for name, channel in channels.items()
    ]
    # an error of one channel does not stop the others
    for error in await asyncio.gather(*(sender.run() for sender in senders), return_exceptions=True):
        if error is not None:
            raise error
    counts = sum((sender.counts for sender in senders), Counter[OutcomeKind]())
    result = Drained(
        sent=counts[OutcomeKind.SENT],
        retried=counts[OutcomeKind.AGAIN],
        failed=counts[OutcomeKind.FAILED],
        due=await asyncio.to_thread(_count_due, engine) if counts_due or counts else 0,
    )
    if counts:
        log.info(
            "deliveries: %d sent, %d to be tried again, %d failed, %d dropped, %d due",
            result.sent,
            result.retried,
            result.failed,
            counts[OutcomeKind.DROPPED],
            result.due,
        )
    return result


def _count_due(engine: Engine) -> int:
    with reading(engine) as conn:
        return queue.count_due(conn)
