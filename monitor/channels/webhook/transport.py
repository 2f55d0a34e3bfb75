"""Posts to webhooks. The status decides: 2xx settles the delivery, 410 ends the subscription, anything else
is retried for three days.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from monitor.channels.webhook.content import RETRACTED, WebhookMessage
from monitor.channels.webhook.section import Shape, WebhookEntry
from monitor.channels.webhook.shapes import shape_request
from monitor.domain import Envelope
from monitor.errors import Permanent, Transient
from monitor.net.post import LONGEST_WAIT, PostAnswer, PostClient, PostFailed

GONE = 410
_NAMES: Mapping[Shape, str] = {"matrix": "event_id", "mastodon": "id"}
_LONGEST_NAME = 255  # of an event (Matrix specification, size limits)


class WebhookChannel:
    """The configured webhooks. An address is the name of an entry: no stored row holds a URL."""

    name = "webhook"
    concurrency = 8

    def __init__(
        self, entries: Mapping[str, WebhookEntry], *, allow_private: bool, clock: Callable[[], datetime]
    ) -> None:
        self._entries = entries
        self._client = PostClient(allow_private=allow_private)
        self._clock = clock

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    def lane(self, address: str) -> str:
        """The entry: an unreachable service delays no other."""
        return address

    async def send(self, message: WebhookMessage, envelope: Envelope) -> str | None:
        """Post a message to the entry with this name; returns the service's id of the post if a reply needs
        it. Raises Transient or Permanent.
        """
        entry = self._entries.get(envelope.address)
        if entry is None:
            raise Transient("this webhook is not in the configuration any more")
        if message.kind == RETRACTED:
            first = make_id(envelope.answers) if envelope.answers else None
            message = replace(message, data={"retracts": first, **message.data})
        request = shape_request(
            entry, message, make_id(envelope.message_id), self._clock(), envelope.answered
        )
        try:
            answer = await self._client.request(request.method, request.url, request.body, request.headers)
        except PostFailed as failed:
            raise Transient(
                f"the webhook {failed.reason}", ambiguous=failed.ambiguous, lane=envelope.address
            ) from None
        judge_answer(answer, envelope.address, self._clock())
        return read_reference(entry.shape, answer)


def make_id(message_id: str) -> str:
    """Compute the id of a message for receivers: the same at each attempt, and it reveals no count."""
    return "msg_" + hashlib.sha256(message_id.encode()).hexdigest()[:32]


def read_reference(shape: Shape, answer: PostAnswer) -> str | None:
    """Read the service's id of an accepted post: Matrix's event, Mastodon's status."""
    if (name := _NAMES.get(shape)) is None:
        return None
    try:
        content: Any = json.loads(answer.body)
    except ValueError:
        return None
    called = content.get(name) if isinstance(content, dict) else None
    return called if isinstance(called, str) and 0 < len(called) <= _LONGEST_NAME else None


def judge_answer(answer: PostAnswer, lane: str, now: datetime) -> None:
    """Return if the message was taken. Raises Permanent when the address is gone, Transient for the rest."""
    if 200 <= answer.status < 300:
        return
    if answer.status == GONE:
        raise Permanent("the webhook answered 410: it is gone", address_gone=True)
    if 300 <= answer.status < 400:
        raise Transient(
            f"the webhook answered {answer.status}: redirects are not followed; write its final address",
            lane=lane,
        )
    raise Transient(f"the webhook answered {answer.status}", retry_after=read_wait(answer, now), lane=lane)


def read_wait(answer: PostAnswer, now: datetime) -> timedelta | None:
    """Read how long the server asks us to wait: Retry-After, or the field of Discord (``retry_after``,
    seconds) or Matrix (``retry_after_ms``, milliseconds).
    """
    if (wait := answer.read_wait(now)) is not None:
        return wait
    seconds = _read_field(answer)
    return None if seconds is None else min(timedelta(seconds=seconds), LONGEST_WAIT)


def _read_field(answer: PostAnswer) -> float | None:
    try:
        content: Any = json.loads(answer.body)
    except ValueError:
        return None
    if not isinstance(content, dict):
        return None
    seconds = _number(content.get("retry_after"))
    if seconds is None and (milliseconds := _number(content.get("retry_after_ms"))) is not None:
        seconds = milliseconds / 1000
    return seconds


def _number(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if 0 <= number < 1e9 else None
