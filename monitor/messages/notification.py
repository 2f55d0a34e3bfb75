"""What a notification in a browser says: a message as a title, a few lines and a page to open.

The signed head of the record is left out: nobody keeps notifications, and the page that one opens has it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta

from monitor import messages
from monitor.domain import Rendered
from monitor.messages import Message, Sender
from monitor.messages.alert import alert_page
from monitor.messages.layout import clean, to_plain_text
from monitor.messages.model import (
    AgenciesToday,
    Alert,
    AlreadySubscribed,
    Canary,
    ChangeRetracted,
    Confirmation,
    Digest,
    Export,
    ListPlaces,
    ListReadable,
    ListSwitchedOff,
    ListUnreadable,
    Receipt,
    Welcome,
)
from monitor.messages.phrases import LINKS, Phrases
from monitor.messages.place_names import join_names

OWN_PAGE = "push"
"""The page on which somebody changes or ends the alerts of their browser, within the site."""
KEPT = timedelta(days=28)
"""How long a relay keeps a message for a browser that is switched off: the longest that all of them take."""
_CONFIRM_WITHIN = timedelta(hours=48)  # as long as the link in it works

_TITLE, _BODY, _ALSO = 120, 700, 250  # characters: more is not shown anywhere
_NAMED = 3  # places in a title
_HIGH, _NORMAL, _LOW = "high", "normal", "low"


@dataclass(frozen=True, slots=True)
class PushMessage:
    """A notification. ``link`` is the page that it opens, within the site or whole, and may be a placeholder.

    ``confirm`` is the placeholder of the link that the browser confirms by itself; "" where nothing is to be
    confirmed. ``topic`` names what a newer message replaces at the relay and on the screen ("": nothing
    does), ``urgency`` is that of RFC 8030, 5.3, ``kept`` how long the relay keeps it.
    """

    language: str
    title: str
    body: str
    link: str
    confirm: str = ""
    topic: str = ""
    urgency: str = _NORMAL
    kept: timedelta = KEPT

    def payload(self, tag: str, room: int) -> bytes:
        """What the service worker gets, as JSON of at most ``room`` bytes: the end of the body is cut."""
        shown = {"title": self.title, "lang": self.language, "url": self.link, "tag": tag}
        if self.confirm:
            shown["confirm"] = self.confirm
        body = self.body
        while True:
            data = json.dumps(shown | {"body": body}, ensure_ascii=False, separators=(",", ":")).encode()
            if len(data) <= room or not body:
                return data
            body = body[: len(body) * 9 // 10].rstrip(" …") + "…" if len(body) > 10 else ""


def render_notification(message: Message, sender: Sender) -> PushMessage:
    """Render a message as a notification."""
    say = Phrases(sender, message.language)
    match message:
        case Alert():
            return _render_alert(message, sender)
        case Digest():
            headlines = [alert_page(alert, sender).headline for alert in message.alerts]
            single = message.alerts[0].permalink if len(message.alerts) == 1 else None
            rendered = messages.render(message, sender)
            title = rendered.subject.removesuffix(f" · {clean(sender.site_name)}")
            return _build(message, sender, title, "\n".join(headlines), single or "changes")
        case Confirmation():
            return _build(
                message,
                sender,
                _title_of_places(say, message.follows),
                say("This browser is being connected. It takes a few seconds."),
                LINKS["confirm"],
                confirm=LINKS["confirm"],
                topic="subscribed",
                urgency=_HIGH,
                kept=_CONFIRM_WITHIN,
            )
        case AlreadySubscribed():
            title = _title_of_places(say, message.follows)
            return _build(message, sender, title, say("Nothing was changed. Tap to change what you get."))
        case Welcome():
            lines = [*(_describe_today(say, today) for today in message.today), say("Tap to change or stop.")]
            title = _title_of_places(say, message.follows)
            return _build(message, sender, title, "\n".join(lines), topic="subscribed")
        case ChangeRetracted():
            return _render_text(message, sender, link=message.permalink or OWN_PAGE, urgency=_HIGH)
        case ListUnreadable() | ListReadable() | ListSwitchedOff():
            # what is true of a list now replaces what was
            return _render_text(message, sender, topic=f"list {message.title}")
        case Receipt():
            return _render_text(message, sender, topic="receipt", urgency=_LOW)
        case Export():
            facts = "\n".join(f"{name}: {value}" for name, value in message.facts)
            return _build(message, sender, say("What we store about you"), facts)
        case Canary():
            return _render_text(message, sender, urgency=_HIGH)
        case _:
            return _render_text(message, sender)


def _render_alert(alert: Alert, sender: Sender) -> PushMessage:
    """The news, when it happened, and what being listed means, in one sentence."""
    page = alert_page(alert, sender)
    names = [f"{entry.name}: {entry.brief}" for group in page.groups for entry in group.entries]
    lines = [*page.notes, *names, *page.facts, page.rest, page.gist, page.because]
    if not page.groups:
        lines.insert(0, page.opening)
    return _build(
        alert,
        sender,
        page.subject,
        "\n".join(filter(None, lines)),
        alert.permalink or "changes",
        urgency=_HIGH,
    )


def _render_text(
    message: Message, sender: Sender, *, link: str = OWN_PAGE, topic: str = "", urgency: str = _NORMAL
) -> PushMessage:
    """The paragraphs of the same message as a post, under its subject."""
    rendered: Rendered = messages.render(message, sender)
    first = to_plain_text(rendered.blocks[0]) if rendered.blocks else rendered.text
    body = first.partition("\n")[2] or first
    return _build(message, sender, rendered.subject, body, link, topic=topic, urgency=urgency)


def _build(
    message: Message,
    sender: Sender,
    title: str,
    body: str,
    link: str = OWN_PAGE,
    *,
    confirm: str = "",
    topic: str = "",
    urgency: str = _NORMAL,
    kept: timedelta = KEPT,
) -> PushMessage:
    section = Phrases(sender, message.language).also(getattr(message, "also", None))
    # what is told beside the news is not cut off by it
    also = "" if section is None else "\n" + _cut(f"{section.title}: {'; '.join(section.lines)}", _ALSO)
    return PushMessage(
        message.language,
        clean(title, _TITLE),
        _cut(body, _BODY - len(also)) + also,
        link,
        confirm,
        topic,
        urgency,
        kept,
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _title_of_places(say: Phrases, follows: tuple[ListPlaces, ...]) -> str:
    places = list(dict.fromkeys(place for each in follows for place in each.places))
    names = join_names([say.place(place) for place in places[:_NAMED]])
    if len(places) > _NAMED:
        names = say("%(places)s and %(count)d more", places=names, count=len(places) - _NAMED)
    return say("You get alerts for %(places)s", places=names)


def _describe_today(say: Phrases, today: AgenciesToday) -> str:
    """How one list stands for one place, on one line."""
    section = say.today(today)
    if not today.total or today.blind:
        return f"{section.title}: {section.lines[0]}" if section.lines else section.title
    counted = say.count("%(count)s agency is listed", "%(count)s agencies are listed", today.total)
    return f"{section.title}: {counted}"
