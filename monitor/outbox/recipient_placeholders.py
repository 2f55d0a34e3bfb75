"""The values of a message's placeholders, which differ by recipient."""

from __future__ import annotations

from datetime import datetime

from monitor.channels.placeholders import OWN_LINE
from monitor.core import tokens
from monitor.core.tokens import Purpose
from monitor.keys import KeyFile
from monitor.messages import locale
from monitor.outbox.prepare import Recipient


class RecipientPlaceholders:
    """Computes when a recipient subscribed, until when they may confirm, their links, and the bounce token.

    ``sender_address`` is the bare address of the sender, ``public_url`` the site's URL (None: there is no
    site, and only mail to the sender unsubscribes). Only working links are included: pages and one-click (RFC
    8058) need the site.
    """

    def __init__(self, keys: KeyFile, sender_address: str, public_url: str | None, timezone: str) -> None:
        self._keys, self._sender_address, self._timezone = keys, sender_address, timezone
        self._site = public_url.rstrip("/") if public_url else None

    def __call__(self, recipient: Recipient) -> dict[str, str]:
        """The values by placeholder."""
        # only the needed tokens, because one costs about as much as all other values of a recipient
        token = self._token(recipient, Purpose.UNSUBSCRIBE)
        by_mail = f"mailto:{self._sender_address}?subject=unsubscribe%20{token}"
        values = {
            "asked": self._day(recipient.asked_at, recipient.language),
            "stop": by_mail,
            "bounce": self._token(recipient, Purpose.BOUNCE),
        }
        if recipient.confirm_until is not None:
            values["until"] = locale.moment(recipient.confirm_until, self._timezone, recipient.language)
        if recipient.own_line is not None:
            values[OWN_LINE] = recipient.own_line
        if self._site is None:
            return values
        manage = f"{self._site}/manage/{self._token(recipient, Purpose.MANAGE)}"
        unsubscribe = f"{self._site}/unsubscribe/{token}"
        if recipient.confirm_until is not None:
            values["confirm"] = f"{self._site}/confirm/{self._token(recipient, Purpose.CONFIRM)}"
        return values | {
            "manage": manage,
            "unsubscribe": unsubscribe,
            "stop": manage,
            "stop-by-mail": by_mail,
            "one-click": unsubscribe,
        }

    def _token(self, recipient: Recipient, purpose: Purpose) -> str:
        return tokens.make(self._keys.token_key, purpose, recipient.number, recipient.nonce)

    def _day(self, when: datetime, language: str) -> str:
        return locale.day(locale.local_day(when, self._timezone), language)
