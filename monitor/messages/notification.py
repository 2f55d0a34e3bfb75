"""Browser notifications: a message as a title, a few lines and a page to open.

The signed head of the record is left out: nobody keeps notifications, and the opened page shows it.
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
"""The path of the page on which people change or end the alerts of their browser."""
KEPT = timedelta(days=28)
"""How long a relay keeps a message for a browser that is offline: the longest time that all relays accept."""
_CONFIRM_WITHIN = timedelta(hours=48)  # as long as its link works

_TITLE, _BODY, _ALSO = 120, 700, 250  # characters; no browser shows more
_NAMED = 3  # the most places in a title
_HIGH, _NORMAL, _LOW = "high", "normal", "low"


@dataclass(frozen=True, slots=True)
class PushMessage:
    """A notification. ``link`` is the page that it opens, a path or a whole URL, and may be a placeholder.

    ``confirm`` is the placeholder of the link that the browser confirms by itself; "" if there is nothing to
    confirm. A newer message with the same ``topic`` replaces this one at the relay and on the screen (""
    never); ``urgency`` is defined in RFC 8030, 5.3, ``kept`` is how long the relay keeps it.
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
        """The payload for the service worker, as JSON of at most ``room`` bytes: the end of the body
        is cut.
        """
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
            # a newer notice about a list replaces the older one
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
    """Render the paragraphs of the post of the same message, with its subject as the title."""
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
    # placed so that a long body does not cut it off
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
    """Describe the state of one list for one place, on one line."""
    section = say.today(today)
    if not today.total or today.blind:
        return f"{section.title}: {section.lines[0]}" if section.lines else section.title
    counted = say.count("%(count)s agency is listed", "%(count)s agencies are listed", today.total)
    return f"{section.title}: {counted}"
