"""Messages: one value per message, and its rendering in the reader's language. Pure: no database, no
configuration.

`model` holds the values, one module per kind renders it with the templates, `locale` holds the one catalog.
"""

from __future__ import annotations

from dataclasses import replace
from html import escape

from monitor.domain import Rendered
from monitor.messages import model
from monitor.messages.model import Message, Sender

__all__ = ["Message", "Sender", "render"]


def render(message: Message, sender: Sender) -> Rendered:
    """Render a message in its language. Values that differ by recipient stay placeholders. Its last line is
    the head of the public record, so that readers keep a copy of it. Raises ValueError for an empty message.
    """
    rendered = _render(message, sender)
    if not sender.head or not rendered.blocks:
        return rendered
    return replace(rendered, blocks=(*rendered.blocks, f"<code>{escape(sender.head)}</code>"))


def _render(message: Message, sender: Sender) -> Rendered:
    from monitor.messages import (
        alert,
        digest,
        export,
        list_notices,
        operator_notice,
        receipt,
        retraction,
        signup,
    )

    match message:
        case model.Alert():
            return alert.render_alert(message, sender)
        case model.ChangeRetracted():
            return retraction.render_retraction(message, sender)
        case model.Confirmation():
            return signup.render_confirmation(message, sender)
        case model.AlreadySubscribed():
            return signup.render_already_subscribed(message, sender)
        case model.Welcome():
            return signup.render_welcome(message, sender)
        case model.Digest():
            return digest.render_digest(message, sender)
        case model.ListUnreadable():
            return list_notices.render_unreadable(message, sender)
        case model.ListSwitchedOff():
            return list_notices.render_switched_off(message, sender)
        case model.ListReadable():
            return list_notices.render_readable(message, sender)
        case model.Receipt():
            return receipt.render_receipt(message, sender)
        case model.Export():
            return export.render_export(message, sender)
        case model.Canary():
            return operator_notice.render_canary(message, sender)
        case model.OperatorNotice():
            return operator_notice.render_operator_notice(message, sender)
