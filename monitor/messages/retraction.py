"""A retraction: the operator withdraws an announced change, and says why."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from zoneinfo import ZoneInfo

from monitor.domain import Rendered
from monitor.messages import locale
from monitor.messages.change_view import Moment, describe_change, neutralize_description
from monitor.messages.layout import Mail, clean, neutralize, render_mail
from monitor.messages.model import ChangeRetracted, Sender
from monitor.messages.phrases import LINKS, Phrases
from monitor.messages.sentences import sentences_of

LONGEST_REASON = 1000
"""Characters of a reason in one language."""


def render_retraction(message: ChangeRetracted, sender: Sender) -> Rendered:
    """Render a retraction. Its subject repeats the headline of the retracted change."""
    say, sentences = Phrases(sender, message.language), sentences_of(message.language)
    zone = ZoneInfo(sender.timezone)
    change = neutralize_description(describe_change(message.told, zone, (), message.language))
    title = clean(message.title)
    heading = sentences.retracted_headline(sentences.headline(change, title))
    what = sentences.sentence(change, title)
    if message.told_at is None:
        opening = say("We told you: %(what)s We take this back.", what=what)
    else:
        day = locale.day(locale.local_day(message.told_at, sender.timezone), message.language)
        opening = say("On %(day)s we told you: %(what)s We take this back.", day=day, what=what)
    retracted_at = Moment(message.retracted_at.astimezone(zone))
    reason = sentences.retracted(retracted_at, _reason(message, say))
    kept = say("The public record keeps both what we announced and this retraction.")
    details = ((say("Details and proof"), message.permalink),) if message.permalink else ()
    official = ((title, message.official_url),) if message.official_url else ()
    mail = render_mail(
        Mail(
            language=message.language,
            subject=heading,
            heading=heading,
            paragraphs=(opening, reason, kept),
            why=say(
                "You get this because you were told of the change; you asked on %(date)s.",
                date=LINKS["asked"],
            ),
            links=(*details, *official, *say.links()),
        ),
        sender,
    )
    links = [f'<a href="{escape(link)}">{escape(label)}</a>' for label, link in (*details, *official)]
    return replace(mail, blocks=(*mail.blocks, " · ".join(links))) if links else mail


def _reason(message: ChangeRetracted, say: Phrases) -> str:
    reason = neutralize(clean(message.reason, LONGEST_REASON))
    if message.reason_language == message.language:
        return reason
    return say("%(text)s (in English)", text=reason)
