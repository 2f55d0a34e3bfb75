"""Messages that are no alert, as people read them: confirmations, welcomes, digests and notices. Values in, one message out.

Sentences are written here in English and said in the reader's language by `i18n`; alerts within a digest are `render`'s. Links that
belong to one person are marks, filled in by the channel.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor import i18n, render
from monitor.domain import Alert, Message, mark
from monitor.render import Page, clean
from monitor.states import STATES

LINKS = {name: mark(name) for name in ("confirm", "manage", "unsubscribe", "stop", "asked")}
"""The recipient's own links, as they stand in a message until it is sent."""

SHOWN = 40
"""Agencies that a welcome names for one place; it counts the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Who speaks, and how. ``managed``: a site serves the links, so that mails may name them."""

    site_name: str
    contact: str
    timezone: str
    language: str = "en"
    managed: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody follows on one list: its title, and the places."""

    title: str
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """Who covers a place today, on one list: (name, why) each. ``total`` counts all; ``seen_at`` is the last good check.

    ``state_only``: none of them is the place's own, they cover its whole state. ``blind``: the list cannot be read right now.
    """

    place: str
    title: str
    agencies: tuple[tuple[str, str], ...]
    total: int
    seen_at: datetime | None
    state_only: bool = False
    blind: bool = False


@dataclass(frozen=True, slots=True)
class Watch:
    """How a list was watched: its title, the good checks, the last one, and the time without one."""

    title: str
    good: int
    last_good_at: datetime | None
    blind: timedelta


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it, a line each."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Everything that the layout shows, as plain text in one language, in reading order."""

    language: str
    subject: str
    heading: str
    paragraphs: tuple[str, ...] = ()
    button: str = ""
    button_link: str = ""
    after: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    alerts: tuple[Page, ...] = ()
    why: str = ""
    links: tuple[tuple[str, str], ...] = ()


def confirm(voice: Voice, wanted: Sequence[Wanted], schedule: str, *, known: bool) -> Message:
    """Ask whether the owner of an address wants this; or tell somebody ``known`` that they are subscribed already."""
    _ = _said(voice)
    site = clean(voice.site_name)
    if known:
        return _message(
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
                sections=_follows(voice, wanted, schedule),
                why=_("You asked on %(date)s.", date=LINKS["asked"]),
                links=_links(voice),
            ),
        )
    return _message(
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
                _("The link works for 48 hours. Nothing is sent before you say yes on that page."),
                _("If it was not you, do nothing: the request and your address are deleted after 48 hours."),
            ),
            sections=_follows(voice, wanted, schedule, _("Asked for")),
            why=_("This was asked for on %(date)s.", date=LINKS["asked"]),
        ),
    )


def welcome(voice: Voice, wanted: Sequence[Wanted], schedule: str, today: Sequence[Today]) -> Message:
    """Say what somebody will get, and who covers their places today: that is no news, and is said as none."""
    _ = _said(voice)
    return _message(
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
            sections=(*_follows(voice, wanted, schedule), *(standing(voice, each) for each in today)),
            why=_("You asked on %(date)s.", date=LINKS["asked"]),
            links=_links(voice),
        ),
    )


def digest(voice: Voice, about: str, alerts: Sequence[Alert]) -> Message:
    """All changes of a day, a week or a pause. Raises ValueError when there is none: no digest without a change in it."""
    if not alerts:
        raise ValueError("a digest without a change")
    _ = _said(voice)
    count = sum(len(alert.told) for alert in alerts)
    changes = i18n.translations(voice.language).ngettext("%(count)d change", "%(count)d changes", count) % {
        "count": count
    }
    heading = {
        "daily": _("Your daily digest: %(changes)s", changes=changes),
        "weekly": _("Your weekly digest: %(changes)s", changes=changes),
    }.get(about) or _("While you paused: %(changes)s", changes=changes)
    pages = tuple(render.page(alert) for alert in alerts)
    return _message(
        voice,
        Sheet(
            language=voice.language,
            subject=f"{heading} · {clean(voice.site_name)}",
            heading=heading,
            alerts=pages,
            why=_("You asked on %(date)s.", date=LINKS["asked"]),
            links=_links(voice),
        ),
    )


def sight(voice: Voice, title: str, official_url: str, seen_at: datetime | None, *, back: bool) -> Message:
    """One list could not be read for long, or can be again."""
    _ = _said(voice)
    title = clean(title)
    when = i18n.moment(seen_at, voice.timezone, voice.language) if seen_at else ""
    if back:
        heading = _("We can read it again: %(title)s", title=title)
        paragraphs: tuple[str, ...] = (
            _(
                "The list can be read again since %(when)s. What changed in the meantime and still stands is told in alerts, with the times of our checks.",
                when=when,
            ),
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
    return _message(
        voice,
        Sheet(
            language=voice.language,
            subject=heading,
            heading=heading,
            paragraphs=paragraphs,
            why=_("You follow this list; you asked on %(date)s.", date=LINKS["asked"]),
            links=((title, official_url), *_links(voice)),
        ),
    )


def receipt(voice: Voice, wanted: Sequence[Wanted], schedule: str, watched: Sequence[Watch]) -> Message:
    """Still watching: nothing has changed for a quarter, and this is how well we looked."""
    _ = _said(voice)
    heading = _("Still watching: no change for your places in three months")
    return _message(
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
            sections=(*(_watch(voice, each) for each in watched), *_follows(voice, wanted, schedule)),
            why=_(
                "You asked on %(date)s. You can switch this quarterly note off where you change your alerts.",
                date=LINKS["asked"],
            ),
            links=_links(voice),
        ),
    )


def export(voice: Voice, wanted: Sequence[Wanted], facts: Sequence[tuple[str, str]]) -> Message:
    """Everything that is stored about somebody, sent to themselves."""
    _ = _said(voice)
    return _message(
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
                Section(_("Stored"), tuple(f"{name}: {value}" for name, value in facts)),
                *_follows(voice, wanted, ""),
            ),
            why=_("You asked on %(date)s.", date=LINKS["asked"]),
            links=_links(voice),
        ),
    )


def schedule(voice: Voice, frequency: str, timezone: str | None, hour: int | None) -> str:
    """When somebody is written to, as a sentence."""
    _ = _said(voice)
    if frequency == "at_once":
        return _("You get each change as soon as our checks find it.")
    at = _hour(hour or 0, voice.language)
    zone = (timezone or "UTC").replace("_", " ")
    if frequency == "weekly":
        return _(
            "You get one mail a week, on Mondays at %(hour)s (%(zone)s), if something has changed.",
            hour=at,
            zone=zone,
        )
    return _("You get one mail a day, at %(hour)s (%(zone)s), if something has changed.", hour=at, zone=zone)


def place(name: str, language: str) -> str:
    """A place as it is called: "60601", "Illinois", "the whole country"."""
    return (
        i18n.translations(language).gettext("the whole country") if name == "US" else STATES.get(name, name)
    )


def _hour(hour: int, language: str) -> str:
    """An hour of the day: "8 am", "8 a.m."."""
    half = ("a.m.", "p.m.") if language == "es" else ("am", "pm")
    return f"{(hour + 11) % 12 + 1} {half[hour >= 12]}"


def _follows(
    voice: Voice, wanted: Sequence[Wanted], when: str, title: str | None = None
) -> tuple[Section, ...]:
    """What somebody follows, a list a line, and when they are written to."""
    _ = _said(voice)
    lines = [
        f"{clean(each.title)}: {', '.join(place(name, voice.language) for name in each.places)}"
        for each in wanted
    ]
    return (Section(title or _("What you follow"), (*lines, *((when,) if when else ()))),)


def standing(voice: Voice, today: Today) -> Section:
    """Who covers a place today, in words: three different sentences for none, only state-wide ones, and a list that cannot be seen."""
    _ = _said(voice)
    seen = i18n.moment(today.seen_at, voice.timezone, voice.language) if today.seen_at else ""
    where = place(today.place, voice.language)
    title = f"{where[:1].upper()}{where[1:]} · {clean(today.title)}"
    lines: list[str] = []
    if today.blind:
        lines.append(
            _("We cannot see this list right now. Our last good check was on %(when)s.", when=seen)
            if seen
            else _("We have not been able to see this list yet.")
        )
    if today.seen_at is not None:
        if not today.total:
            lines.append(_("No agency listed at our check on %(when)s.", when=seen))
        elif today.state_only:
            lines.append(_("No agency of this place is listed; these cover the whole state:"))
        lines += [
            f"{clean(name)}: {i18n.placement(clean(why), voice.language)}" if why else clean(name)
            for name, why in today.agencies[:SHOWN]
        ]
        left = today.total - min(len(today.agencies), SHOWN)
        if left:
            lines.append(
                i18n.translations(voice.language).ngettext(
                    "%(count)d more agency", "%(count)d more agencies", left
                )
                % {"count": left}
                if today.agencies
                else i18n.translations(voice.language).ngettext(
                    "%(count)s agency is listed", "%(count)s agencies are listed", left
                )
                % {"count": i18n.number(left, voice.language)}
            )
    return Section(title, tuple(lines))


def _watch(voice: Voice, watch: Watch) -> Section:
    _ = _said(voice)
    lines = [
        i18n.translations(voice.language).ngettext(
            "%(count)s good check", "%(count)s good checks", watch.good
        )
        % {"count": i18n.number(watch.good, voice.language)}
    ]
    if watch.last_good_at is not None:
        lines.append(
            _("The last one: %(when)s", when=i18n.moment(watch.last_good_at, voice.timezone, voice.language))
        )
    hours = round(watch.blind / timedelta(hours=1))
    lines.append(
        i18n.translations(voice.language).ngettext(
            "%(count)d hour without one", "%(count)d hours without one", hours
        )
        % {"count": hours}
        if hours
        else _("Never longer without one than between two checks")
    )
    return Section(clean(watch.title), tuple(lines))


def _links(voice: Voice) -> tuple[tuple[str, str], ...]:
    _ = _said(voice)
    if voice.managed:
        return ((_("Change, pause or stop"), LINKS["manage"]), (_("Unsubscribe"), LINKS["unsubscribe"]))
    return ((_("Stop these alerts"), LINKS["stop"]),)


def _message(voice: Voice, sheet: Sheet) -> Message:
    words = render.Words(voice.language)
    sender = words("sender", clean(voice.site_name), clean(voice.contact))
    values = {"sheet": sheet, "sender": sender}
    return Message(
        subject=sheet.subject,
        text=render.layout("email/letter.txt", **values),
        html=render.layout("email/letter.html", **values),
        blocks=tuple(_blocks(sheet)),
    )


def _blocks(sheet: Sheet) -> Iterator[str]:
    """The same for Telegram; without the links, which belong to mails."""
    yield "\n".join([f"<b>{html.escape(sheet.heading)}</b>", *map(html.escape, sheet.paragraphs)])
    for section in sheet.sections:
        yield _piece(f"<u>{html.escape(section.title)}</u>", section.lines)
    for page in sheet.alerts:
        yield f"<u>{html.escape(page.title)}</u>"
        yield from (_post(page.headline, page.facts) if not page.groups else _entries(page))


def _entries(page: Page) -> Iterable[str]:
    for group in page.groups:
        for entry in group.entries:
            yield from _post(f"{entry.name}: {entry.brief}", entry.facts)


def _post(headline: str, facts: Sequence[str]) -> Iterable[str]:
    return [_piece(f"<b>{html.escape(headline)}</b>", facts)]


def _piece(title: str, lines: Sequence[str]) -> str:
    """A title, already escaped, and lines below it, as many as a post can hold."""
    return render.fitting(lambda kept: "\n".join([title, *map(html.escape, kept)]), tuple(lines))


def _said(voice: Voice) -> Callable[..., str]:
    """Says a sentence in the voice's language; words stand in it as ``%(name)s``."""
    gettext = i18n.translations(voice.language).gettext

    def say(sentence: str, **words: object) -> str:
        return gettext(sentence) % words if words else gettext(sentence)

    return say
