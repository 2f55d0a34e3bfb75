"""The mails of a sign-up: the confirmation, the reply to an existing subscriber, and the welcome."""

from __future__ import annotations

from monitor.domain import Rendered
from monitor.messages.layout import Mail, clean, render_mail
from monitor.messages.model import AlreadySubscribed, Confirmation, Sender, Welcome
from monitor.messages.phrases import LINKS, Phrases


def render_confirmation(message: Confirmation, sender: Sender) -> Rendered:
    """Ask the owner of an address to confirm. Raises ValueError without a site that serves the link."""
    if not sender.managed:
        raise ValueError("a confirmation needs the site that serves its link: set [site] public_url")
    say = Phrases(sender, message.language)
    site = clean(sender.site_name)
    return render_mail(
        Mail(
            language=message.language,
            subject=say("Please confirm: alerts from %(site)s", site=site),
            heading=say("Do you want these alerts?"),
            paragraphs=(
                say(
                    "Somebody, probably you, has asked %(site)s to write to this address when the following "
                    "lists change near these places.",
                    site=site,
                ),
            ),
            button=say("Review and confirm"),
            button_link=LINKS["confirm"],
            after=(
                # a line of its own: how long the time is, is known when the mail is sent
                say("The link works until %(until)s.", until=LINKS["until"]),
                say("Nothing is sent before you confirm on that page."),
                say(
                    "If it was not you, do nothing: the request and your address are deleted after 48 hours."
                ),
            ),
            sections=(say.follows(message.follows, message.schedule, say("Asked for")),),
            why=say("This was asked for on %(date)s.", date=LINKS["asked"]),
        ),
        sender,
    )


def render_already_subscribed(message: AlreadySubscribed, sender: Sender) -> Rendered:
    """Tell an existing subscriber that nothing was changed. Raises ValueError without a site."""
    if not sender.managed:
        raise ValueError("a confirmation needs the site that serves its link: set [site] public_url")
    say = Phrases(sender, message.language)
    return render_mail(
        Mail(
            language=message.language,
            subject=say("You are already subscribed: %(site)s", site=clean(sender.site_name)),
            heading=say("You are already subscribed"),
            paragraphs=(
                say(
                    "Somebody, probably you, just asked for alerts to this address. It already gets "
                    "them, and nothing was changed."
                ),
                say("This is what you follow; change it with the button."),
            ),
            button=say("Change what I get"),
            button_link=LINKS["manage"],
            sections=(say.follows(message.follows, message.schedule),),
            why=say.asked_on(),
            links=say.links(),
        ),
        sender,
    )


def render_welcome(message: Welcome, sender: Sender) -> Rendered:
    """Tell a new subscriber what they will get and which agencies cover their places today, which is not
    news.
    """
    say = Phrases(sender, message.language)
    return render_mail(
        Mail(
            language=message.language,
            subject=say("You are subscribed: %(site)s", site=clean(sender.site_name)),
            heading=say("You will hear from us when something changes"),
            paragraphs=(
                say(
                    "Nothing has changed: this is how things stand today. We write again when an agency near "
                    "you is listed or no longer listed."
                ),
            ),
            sections=(
                say.follows(message.follows, message.schedule),
                *(say.today(today) for today in message.today),
            ),
            why=say.asked_on(),
            links=say.links(),
        ),
        sender,
    )
