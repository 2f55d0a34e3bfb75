"""The export: everything that is stored about a person, sent to that person."""

from __future__ import annotations

from monitor.domain import Rendered
from monitor.messages.alert_values import MailSection
from monitor.messages.layout import Mail, clean, render_mail
from monitor.messages.model import Export, Sender
from monitor.messages.phrases import Phrases


def render_export(message: Export, sender: Sender) -> Rendered:
    """Render the export."""
    say = Phrases(sender, message.language)
    return render_mail(
        Mail(
            language=message.language,
            subject=say("What %(site)s stores about you", site=clean(sender.site_name)),
            heading=say("What we store about you"),
            paragraphs=(
                say(
                    "This is everything, beside this address itself (stored encrypted), a keyed hash to find "
                    "it, the random number that your links are made with, and which messages were sent to "
                    "you when."
                ),
            ),
            sections=(
                MailSection(say("Stored"), tuple(f"{name}: {value}" for name, value in message.facts)),
                say.follows(message.follows),
            ),
            why=say.asked_on(),
            links=say.links(),
        ),
        sender,
    )
