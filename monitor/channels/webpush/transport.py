"""Posts to the relays of browsers (RFC 8030). 2xx settles the delivery, 404 and 410 end the subscription,
anything else is retried.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Self

from monitor.channels.placeholders import fill
from monitor.channels.webpush.encryption import LARGEST_PLAINTEXT, encrypt
from monitor.channels.webpush.endpoint import PushAddress, encode, host_of_endpoint
from monitor.channels.webpush.vapid import Vapid
from monitor.domain import Envelope
from monitor.errors import Permanent, Transient, UsageError
from monitor.messages.notification import PushMessage
from monitor.net.post import PostAnswer, PostClient, PostFailed

_GONE = frozenset({404, 410})
"""The status codes of relays for a subscription that has ended (RFC 8030, 7.3)."""
_ROOM = 3000  # bytes of a payload; all relays accept a body of 4,096
_HTTPS_PORT = 443
_TOPIC_BYTES = 24  # 32 characters in base64url, which is the limit (RFC 8030, 5.4)


class WebPushChannel:
    """The relays of browsers. An address is a subscription, see `endpoint`."""

    name = "webpush"
    concurrency = 16

    def __init__(
        self,
        sign_key: Callable[[], Vapid],
        *,
        clock: Callable[[], datetime],
        allow_private: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._sign_key = sign_key
        self._vapid: Vapid | None = None
        self._clock, self._allow_private = clock, allow_private
        self._client = PostClient(allow_private=allow_private, tls=tls)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    def lane(self, address: str) -> str:
        """The relay."""
        return host_of_endpoint(address)

    async def send(self, message: PushMessage, envelope: Envelope) -> None:
        """Encrypt a message for one browser and post it to its relay. Raises Transient or Permanent."""
        try:
            target = PushAddress.parse(envelope.address)
        except UsageError as error:
            raise Permanent(str(error), address_gone=True) from None
        if not self._allow_private and target.port != _HTTPS_PORT:
            raise Permanent("the endpoint has a port that no relay has", address_gone=True)
        personal = replace(
            message,
            link=fill(message.link, envelope.placeholders),
            confirm=fill(message.confirm, envelope.placeholders),
        )
        # a duplicate replaces the first message, at the relay and on the screen; no relay can guess the topic
        topic = _name_topic(target, message.topic or envelope.message_id)
        body = encrypt(personal.payload(topic, min(_ROOM, LARGEST_PLAINTEXT)), target.p256dh, target.auth)
        now = self._clock()
        headers = {
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(int(message.kept.total_seconds())),
            "Urgency": message.urgency,
            "Topic": topic,
            "Authorization": self._open_vapid().authorize(target.origin, now),
        }
        try:
            answer = await self._client.request("POST", target.endpoint, body, headers)
        except PostFailed as failed:
            raise Transient(
                f"the relay {failed.reason}", ambiguous=failed.ambiguous, lane=target.host
            ) from None
        judge_answer(answer, target.host, now)

    def check(self) -> str:
        """The public key with which browsers subscribe. Raises KeyFileError."""
        return self._open_vapid().public_key

    def _open_vapid(self) -> Vapid:
        if self._vapid is None:
            self._vapid = self._sign_key()
        return self._vapid


def _name_topic(target: PushAddress, what: str) -> str:
    return encode(hmac.digest(target.auth, what.encode(), hashlib.sha256)[:_TOPIC_BYTES])


def judge_answer(answer: PostAnswer, host: str, now: datetime) -> None:
    """Return if the relay took the message. Raises Permanent when the subscription has ended, Transient for
    the rest.

    A relay's own failure pauses the relay. A refusal for one subscription pauses nothing else: a stranger may
    subscribe with the key of another service.
    """
    status = answer.status
    if 200 <= status < 300:
        return
    if status in _GONE:
        raise Permanent(f"the relay answered {status}: the subscription has ended", address_gone=True)
    wait = answer.read_wait(now)
    if status == 413:
        raise Transient("the relay answered 413: our message is too long", unexplained=True)
    if status == 429:
        raise Transient(
            "the relay answered 429: too many messages",
            retry_after=wait,
            lane=host,
            policy=True,
            slower=True,
        )
    if status >= 500:
        raise Transient(f"the relay answered {status}", retry_after=wait, lane=host)
    if 300 <= status < 400:
        raise Transient(f"the relay answered {status}: redirects are not followed")
    raise Transient(f"the relay answered {status}: it refuses the message for this browser", retry_after=wait)
