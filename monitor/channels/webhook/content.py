"""The content of a webhook: a message as a JSON object with structured fields, and as plain text for
chats.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor import messages
from monitor.domain import AlertedChange, Kind, Listing
from monitor.messages import Message, Sender
from monitor.messages.layout import to_plain_text
from monitor.messages.model import Alert, ChangeRetracted
from monitor.messages.placements import describe_placement

RETRACTED = "agency.retracted"
"""The event that retracts a change."""


@dataclass(frozen=True, slots=True)
class WebhookMessage:
    """``kind`` names the event ("agency.changed", `RETRACTED`, "notice"), ``data`` is its object, ``blocks``
    are pieces of plain text in reading order, ``link`` leads to more.
    """

    kind: str
    data: dict[str, Any]
    subject: str
    blocks: tuple[str, ...]
    link: str | None


def render_webhook(message: Message, sender: Sender) -> WebhookMessage:
    """Render a message for a webhook."""
    rendered = messages.render(message, sender)
    blocks = tuple(filter(None, (to_plain_text(block) for block in rendered.blocks)))
    if isinstance(message, Alert):
        return WebhookMessage(
            "agency.changed", describe_alert(message), rendered.subject, blocks, message.permalink
        )
    if isinstance(message, ChangeRetracted):
        return WebhookMessage(
            RETRACTED, describe_retraction(message), rendered.subject, blocks, message.permalink
        )
    data = {"subject": rendered.subject, "text": "\n\n".join(blocks), "language": message.language}
    return WebhookMessage("notice", data, rendered.subject, blocks, None)


def describe_alert(alert: Alert) -> dict[str, Any]:
    """An alert as an object; docs/webhooks.md describes its fields."""
    return {
        "source": alert.source,
        "list": alert.title,
        "publisher": alert.publisher,
        "language": alert.language,
        "changes": [_describe_change(told, alert.language) for told in alert.told],
        "also_listed": [
            {
                "agency": each.name,
                "list": each.title,
                "placement": describe_placement(each.reason, alert.language),
            }
            for each in (alert.also.agencies if alert.also else ())
        ],
        "meaning": _describe_meaning(alert),
        "was_held": alert.held,
        "late": alert.late,
        "sample": alert.sample,
        "links": {"changes": alert.permalink, "official": alert.official_url},
    }


def describe_retraction(message: ChangeRetracted) -> dict[str, Any]:
    """A retraction as an object. ``change`` is the same as in the first message; the transport adds that
    message's id as ``retracts``.
    """
    return {
        "source": message.source,
        "list": message.title,
        "publisher": message.publisher,
        "language": message.language,
        "change": _describe_change(message.told, message.language),
        "told_at": _iso(message.told_at),
        "retracted_at": _iso(message.retracted_at),
        "reason": message.reason,
        "reason_language": message.reason_language,
        "links": {"change": message.permalink, "official": message.official_url},
    }


def _describe_change(told: AlertedChange, language: str) -> dict[str, Any]:
    change = told.change
    kind = "renamed" if change.renamed else change.kind.value
    if change.kind is Kind.ADDED and change.previous is not None:
        kind = "listed_again"
    return {
        "kind": kind,
        "agency": _describe_listing(change.subject),
        "before": _describe_listing(change.before) if change.kind is Kind.CHANGED else None,
        "fields": list(change.fields),
        "places": list(told.because),
        "placement": describe_placement(told.reason, language) or None,
        "confidence": told.confidence.value,
        "interval": {"not_before": _iso(told.not_before), "not_after": _iso(told.not_after)},
        "gone_at": _iso(told.gone_at),
    }


def _describe_meaning(alert: Alert) -> dict[str, Any] | None:
    if (meaning := alert.meaning) is None:
        return None
    return {
        "text": meaning.text(alert.language),
        "since": meaning.since.isoformat(),
        "citation": meaning.source(alert.language),
    }


def _describe_listing(listing: Listing | None) -> dict[str, Any] | None:
    if listing is None:
        return None
    return {
        "key": listing.key,
        "name": listing.name,
        "city": listing.city,
        "county": listing.county,
        "state": listing.state,
        "own_date": listing.since.isoformat() if listing.since else None,
        "url": listing.url,
        "attributes": dict(listing.attributes),
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None
