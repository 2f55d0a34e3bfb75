"""The request body that each service accepts, and its limits. Sources: the services' own documentation of
2026.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from monitor.channels.webhook.content import WebhookMessage
from monitor.channels.webhook.section import Shape, WebhookEntry, decode_secret
from monitor.channels.webhook.signature import sign


@dataclass(frozen=True, slots=True)
class HookRequest:
    """One HTTP request to a service."""

    url: str
    body: bytes
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """One message for one entry. ``id`` is the same at each attempt; ``answered`` is the service's id of the
    post that this one replies to.
    """

    entry: WebhookEntry
    message: WebhookMessage
    id: str
    now: datetime
    answered: str = ""

    @property
    def url(self) -> str:
        return self.entry.url.get_secret_value()


def shape_request(
    entry: WebhookEntry, message: WebhookMessage, id: str, now: datetime, answered: str = ""
) -> HookRequest:
    """Create the request for an entry's service."""
    return SHAPES[entry.shape](Job(entry, message, id, now, answered))


def cut_text(message: WebhookMessage, limit: int, length: Callable[[str], int] = len) -> str:
    """Cut the message to text of at most ``limit`` (in units of ``length``): whole blocks, and if some are
    left out, the link to all.
    """
    whole = "\n\n".join(message.blocks) or message.subject
    if length(whole) <= limit:
        return whole
    more = f"\n\n… {message.link}" if message.link else "\n\n…"
    text = ""
    for block in message.blocks:
        joined = f"{text}\n\n{block}" if text else block
        if length(joined + more) > limit:
            break
        text = joined
    if not text:
        text = message.blocks[0] if message.blocks else message.subject
        while text and length(text + more) > limit:
            text = text[:-1]
    return text + more


def _standard(job: Job) -> HookRequest:
    body = _json(
        {
            "type": job.message.kind,
            "timestamp": job.now.astimezone(UTC).isoformat(timespec="seconds"),
            "data": job.message.data,
        }
    )
    secrets = [secret for secret in (job.entry.secret, job.entry.next_secret) if secret is not None]
    keys = [decode_secret(secret.get_secret_value()) for secret in secrets]
    return HookRequest(job.url, body, headers=_JSON | sign(body, job.id, job.now, keys))


def _discord(job: Job) -> HookRequest:
    # a mention in an agency's name must notify nobody; 2,000 characters; link embeds are off (flag 4)
    content = cut_text(job.message, 2000, lambda text: len(_escape_markdown(text)))
    return HookRequest(
        job.url,
        _json({"content": _escape_markdown(content), "allowed_mentions": {"parse": []}, "flags": 4}),
        headers=dict(_JSON),
    )


def _slack(job: Job) -> HookRequest:
    text = cut_text(job.message, 3500)
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, entity)
    return HookRequest(
        job.url, _json({"text": text, "unfurl_links": False, "mrkdwn": False}), headers=dict(_JSON)
    )


def _teams(job: Job) -> HookRequest:
    # an Adaptive Card, as the Workflows webhook accepts it; messages are limited to 28 KB
    text = cut_text(job.message, 24_000, lambda text: len(_json(_card_lines(text))))
    card: dict[str, Any] = {"type": "AdaptiveCard", "version": "1.4", "body": _card_lines(text)}
    if job.message.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Details", "url": job.message.link}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return HookRequest(job.url, _json({"type": "message", "attachments": [attachment]}), headers=dict(_JSON))


def _ntfy(job: Job) -> HookRequest:
    # JSON goes to the server's root and names the topic; 4,096 bytes
    parts = urlsplit(job.url)
    root = urlunsplit((parts.scheme, parts.netloc, "/", "", ""))
    content: dict[str, Any] = {
        "topic": parts.path.strip("/"),
        "title": job.message.subject[:200],
        "message": cut_text(job.message, 3500, lambda text: len(text.encode())),
    }
    if job.message.link:
        content["click"] = job.message.link
    return HookRequest(root, _json(content), headers=_JSON | _bearer(job))


def _matrix(job: Job) -> HookRequest:
    # PUT with a transaction id: sent twice, it is still one message
    room = quote(job.entry.room or "", safe="")
    url = f"{job.url.rstrip('/')}/_matrix/client/v3/rooms/{room}/send/m.room.message/{job.id}"
    body: dict[str, Any] = {"msgtype": "m.text", "body": cut_text(job.message, 30_000)}
    if job.answered:
        body["m.relates_to"] = {"m.in_reply_to": {"event_id": job.answered}}
    return HookRequest(url, _json(body), "PUT", _JSON | _bearer(job))


def _mastodon(job: Job) -> HookRequest:
    url = f"{job.url.rstrip('/')}/api/v1/statuses"
    # "@" would mention somebody
    text = cut_text(job.message, 500).replace("@", "@\u200b")
    headers = _JSON | _bearer(job) | {"Idempotency-Key": job.id}
    content = {"status": text[:500], "visibility": "public"}
    if job.answered:
        content["in_reply_to_id"] = job.answered
    return HookRequest(url, _json(content), headers=headers)


def _signal(job: Job) -> HookRequest:
    # signal-cli-rest-api, version 2 of its messages
    content = {
        "number": job.entry.sender,
        "recipients": [job.entry.recipient],
        "message": cut_text(job.message, 2000),
    }
    return HookRequest(f"{job.url.rstrip('/')}/v2/send", _json(content), headers=dict(_JSON))


SHAPES: dict[Shape, Callable[[Job], HookRequest]] = {
    "standard": _standard,
    "discord": _discord,
    "slack": _slack,
    "teams": _teams,
    "ntfy": _ntfy,
    "matrix": _matrix,
    "mastodon": _mastodon,
    "signal": _signal,
}
"""The services, by the name that the configuration gives them."""

_JSON = {"Content-Type": "application/json"}
_MARKDOWN = re.compile(r"(https?://\S+)|([\\*_~`|>#\[\]])")


def _escape_markdown(text: str) -> str:
    """Escape text so that Discord shows it as it is: an agency's name must not become bold, a heading or a
    spoiler. Our own links stay intact (those in names are inert already).
    """
    return _MARKDOWN.sub(lambda found: found[1] or f"\\{found[2]}", text)


def _card_lines(text: str) -> list[dict[str, Any]]:
    """A text as parts of a card. A RichTextBlock, unlike a TextBlock, does not render Markdown; it does not
    render line breaks either, so each line has its own block.
    """
    return [
        {
            "type": "RichTextBlock",
            "spacing": "None" if number else "Default",
            "inlines": [{"type": "TextRun", "text": line}],
        }
        for block in text.split("\n\n")
        for number, line in enumerate(block.splitlines())
    ]


def _bearer(job: Job) -> dict[str, str]:
    token = job.entry.token
    return {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}


def _json(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
