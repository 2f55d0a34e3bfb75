"""The quarterly receipt: nothing changed, and how well each list was checked."""

from __future__ import annotations

from monitor.domain import Rendered
from monitor.messages.alert_values import MailSection
from monitor.messages.layout import Mail, render_mail
from monitor.messages.model import Receipt, Sender
from monitor.messages.phrases import LINKS, Phrases


def render_receipt(message: Receipt, sender: Sender) -> Rendered:
    """Render the receipt."""
    say = Phrases(sender, message.language)
    heading = say("Still watching: no change for your places in three months")
    return render_mail(
        Mail(
            language=message.language,
            subject=heading,
            heading=heading,
            paragraphs=(
                say(
                    "You have not heard from us because there was nothing to tell you. Here is how often we "
                    "checked."
                ),
            ),
            sections=(
                *(say.checks(checks) for checks in message.checks),
                say.follows(message.follows, message.schedule),
            ),
            also=say.also(message.also),
            closing=(MailSection(say("How to check this"), _proof(say, sender)),) if sender.head else (),
            why=say(
                "You asked for these alerts on %(date)s. You can turn off this quarterly note where you "
                "change your alerts.",
                date=LINKS["asked"],
            ),
            links=say.links(),
        ),
        sender,
    )


def _proof(say: Phrases, sender: Sender) -> tuple[str, ...]:
    """How a reader can verify the receipt."""
    return (
        say("Count the checks in the file of each list: anybody gets the same numbers."),
        say(
            "The last line of this mail is the signed head of the record. If the record still leads to it, "
            'no earlier check was changed, added or left out since: monitor verify --head "%(head)s"',
            head=sender.head,
        ),
    )
