"""Notices about a list: it cannot be read, it was switched off, or it can be read again."""

from __future__ import annotations

from monitor.domain import Rendered
from monitor.messages.layout import Mail, clean, render_mail
from monitor.messages.model import ListReadable, ListSwitchedOff, ListUnreadable, Sender
from monitor.messages.phrases import LINKS, Phrases


def render_unreadable(message: ListUnreadable, sender: Sender) -> Rendered:
    """Render the notice that a list could not be read for a long time."""
    say = Phrases(sender, message.language)
    return _render_notice(
        message,
        sender,
        say,
        say("We cannot read this list right now: %(title)s", title=clean(message.title)),
        say(
            "Our last good check of this list was on %(when)s. Until we can read it again, hearing nothing "
            "from us does not mean that nothing has changed.",
            when=say.moment(message.seen_at),
        ),
        say("We keep trying, and will write once more when it works again."),
    )


def render_switched_off(message: ListSwitchedOff, sender: Sender) -> Rendered:
    """Render the notice that the operator no longer monitors a list."""
    say = Phrases(sender, message.language)
    return _render_notice(
        message,
        sender,
        say,
        say("We no longer watch this list: %(title)s", title=clean(message.title)),
        say(
            "Our last good check of this list was on %(when)s. The operator of this service has switched it "
            "off since, so you get no alerts about it.",
            when=say.moment(message.seen_at),
        ),
        say("You do not need to do anything. If we watch it again, we will write once more."),
    )


def render_readable(message: ListReadable, sender: Sender) -> Rendered:
    """Render the notice that a list can be read again."""
    say = Phrases(sender, message.language)
    return _render_notice(
        message,
        sender,
        say,
        say("We can read this list again: %(title)s", title=clean(message.title)),
        say(
            "The list can be read again; our last good check was on %(when)s. What changed in the meantime, "
            "and is still so, comes as alerts, with the times of our checks.",
            when=say.moment(message.seen_at),
        ),
    )


def _render_notice(
    message: ListUnreadable | ListSwitchedOff | ListReadable,
    sender: Sender,
    say: Phrases,
    heading: str,
    *paragraphs: str,
) -> Rendered:
    official = ((clean(message.title), message.official_url),) if message.official_url else ()
    return render_mail(
        Mail(
            language=message.language,
            subject=heading,
            heading=heading,
            paragraphs=paragraphs,
            also=say.also(message.also),
            why=say("You follow this list; you asked on %(date)s.", date=LINKS["asked"]),
            links=(*official, *say.links()),
        ),
        sender,
    )
