"""Each kind of mail that is no alert: values in, one message out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from monitor import render
from monitor.domain import Alert, Message
from monitor.letters.phrases import LINKS, Today, Wanted, Watch, follows, links, said, standing, watch
from monitor.letters.sheet import MailSection, Sheet, Voice, message
from monitor.messages import locale
from monitor.render import clean


def confirm(voice: Voice, wanted: Sequence[Wanted], schedule: str, *, known: bool) -> Message:
    """Ask whether the owner of an address wants this; or tell somebody ``known`` that they are subscribed already."""
    _ = said(voice)
    site = clean(voice.site_name)
    if known:
        return message(
            voice,
            Sheet(
                language=voice.language,
                subject=_("You are subscribed already: %(site)s", site=site),
                heading=_("You are subscribed already"),
                paragraphs=(
                    _(
                        "Somebody, probably you, has just asked for alerts to this address. It gets them already, and nothing was changed."
                    ),
                    _("This is what you follow; change it with the button."),
                ),
                button=_("Change what I get"),
                button_link=LINKS["manage"],
                sections=follows(voice, wanted, schedule),
                why=_("You asked on %(date)s.", date=LINKS["asked"]),
                links=links(voice),
            ),
        )
    return message(
        voice,
        Sheet(
            language=voice.language,
            subject=_("Please confirm: alerts from %(site)s", site=site),
            heading=_("Do you want these alerts?"),
            paragraphs=(
                _(
                    "Somebody, probably you, has asked %(site)s to write to this address when the following lists change near these places.",
                    site=site,
                ),
            ),
            button=_("See it and say yes"),
            button_link=LINKS["confirm"],
            after=(
                _(
                    "The link works until %(until)s. Nothing is sent before you say yes on that page.",
                    until=LINKS["until"],
                ),
                _("If it was not you, do nothing: the request and your address are deleted after 48 hours."),
            ),
            sections=follows(voice, wanted, schedule, _("Asked for")),
            why=_("This was asked for on %(date)s.", date=LINKS["asked"]),
        ),
    )


def welcome(voice: Voice, wanted: Sequence[Wanted], schedule: str, today: Sequence[Today]) -> Message:
    """Say what somebody will get, and who covers their places today: that is no news, and is said as none."""
    _ = said(voice)
    return message(
        voice,
        Sheet(
            language=voice.language,
            subject=_("You are subscribed: %(site)s", site=clean(voice.site_name)),
            heading=_("You will hear from us when something changes"),
            paragraphs=(
                _(
                    "Nothing has changed: this is how things stand today. We write again when an agency near you is listed or no longer listed."
                ),
            ),
            sections=(*follows(voice, wanted, schedule), *(standing(voice, each) for each in today)),
            why=_("You asked on %(date)s.", date=LINKS["asked"]),
            links=links(voice),
        ),
    )


def digest(voice: Voice, about: str, alerts: Sequence[Alert]) -> Message:
    """All changes of a day, a week or a pause, or since the last digest. Raises ValueError when there is none: no digest without a change in it."""
    if not alerts:
        raise ValueError("a digest without a change")
    _ = said(voice)
    count = sum(len(alert.told) for alert in alerts)
    changes = locale.translations(voice.language).ngettext("%(count)d change", "%(count)d changes", count) % {
        "count": count
    }
    heading = {
        "daily": _("Your daily digest: %(changes)s", changes=changes),
        "weekly": _("Your weekly digest: %(changes)s", changes=changes),
        "last": _("Since your last digest: %(changes)s", changes=changes),
    }.get(about) or _("While you paused: %(changes)s", changes=changes)
    pages = tuple(render.page(alert, render.ROOM // len(alerts)) for alert in alerts)
    return message(
        voice,
        Sheet(
            language=voice.language,
            subject=f"{heading} · {clean(voice.site_name)}",
            heading=heading,
            alerts=pages,
            why=_("You asked on %(date)s.", date=LINKS["asked"]),
            links=links(voice),
        ),
    )


def sight(
    voice: Voice, title: str, official_url: str, seen_at: datetime | None, *, back: bool, watched: bool = True
) -> Message:
    """One list could not be read for long, or is not watched any more, or can be read again."""
    _ = said(voice)
    title = clean(title)
    when = locale.moment(seen_at, voice.timezone, voice.language) if seen_at else ""
    if back:
        heading = _("We can read it again: %(title)s", title=title)
        paragraphs: tuple[str, ...] = (
            _(
                "The list can be read again; our last good check was on %(when)s. What changed in the meantime and still stands is told in alerts, with the times of our checks.",
                when=when,
            ),
        )
    elif not watched:
        heading = _("We do not watch it any more: %(title)s", title=title)
        paragraphs = (
            _(
                "Our last good check of this list was on %(when)s. Whoever runs this service has switched it off since, so you get no alerts about it.",
                when=when,
            ),
            _("You need not do anything: should it be watched again, we write once more."),
        )
    else:
        heading = _("We cannot read it at the moment: %(title)s", title=title)
        paragraphs = (
            _(
                "Our last good check of this list was on %(when)s. Until we can read it again, no alert does not mean that nothing has changed.",
                when=when,
            ),
            _("We keep trying, and write once more when it works again."),
        )
    return message(
        voice,
        Sheet(
            language=voice.language,
            subject=heading,
            heading=heading,
            paragraphs=paragraphs,
            why=_("You follow this list; you asked on %(date)s.", date=LINKS["asked"]),
            links=(*(((title, official_url),) if official_url else ()), *links(voice)),
        ),
    )


def receipt(voice: Voice, wanted: Sequence[Wanted], schedule: str, watched: Sequence[Watch]) -> Message:
    """Still watching: nothing has changed for a quarter, and this is how well we looked."""
    _ = said(voice)
    heading = _("Still watching: no change for your places in three months")
    return message(
        voice,
        Sheet(
            language=voice.language,
            subject=heading,
            heading=heading,
            paragraphs=(
                _(
                    "You have not heard from us because there was nothing to tell. This is how well we looked."
                ),
            ),
            sections=(*(watch(voice, each) for each in watched), *follows(voice, wanted, schedule)),
            why=_(
                "You asked on %(date)s. You can switch this quarterly note off where you change your alerts.",
                date=LINKS["asked"],
            ),
            links=links(voice),
        ),
    )


def export(voice: Voice, wanted: Sequence[Wanted], facts: Sequence[tuple[str, str]]) -> Message:
    """Everything that is stored about somebody, sent to themselves."""
    _ = said(voice)
    return message(
        voice,
        Sheet(
            language=voice.language,
            subject=_("What %(site)s stores about you", site=clean(voice.site_name)),
            heading=_("What we store about you"),
            paragraphs=(
                _(
                    "This is everything, beside this address itself (stored encrypted), a keyed hash to find it, the random number that your links are made with, and which messages were sent to you when."
                ),
            ),
            sections=(
                MailSection(_("Stored"), tuple(f"{name}: {value}" for name, value in facts)),
                *follows(voice, wanted, ""),
            ),
            why=_("You asked on %(date)s.", date=LINKS["asked"]),
            links=links(voice),
        ),
    )
