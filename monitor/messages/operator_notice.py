"""The notice that tells the operator what needs attention, and what is over."""

from __future__ import annotations

from dataclasses import replace

from monitor.domain import Rendered
from monitor.formatting import format_minute
from monitor.messages.alert_values import MailSection
from monitor.messages.layout import Mail, clean, neutralize, render_mail
from monitor.messages.model import Canary, OperatorNotice, Sender

_LONGEST = 400  # the most characters of a problem
_LONGEST_SUBJECT = 90
_LONGEST_BUTTON = 50
_LINKS = (
    "Everybody who has one of these links can decide, once and within three days: do not forward this mail. "
    "Nothing happens before a button on the page is pressed."
)


def render_operator_notice(message: OperatorNotice, sender: Sender) -> Rendered:
    """Render what needs the operator's attention, with the command that helps. Raises ValueError for an empty
    notice.
    """
    if not message.opened and not message.ended:
        raise ValueError("a notice to the operator says something")
    opened = tuple(_advise(problem, remedy) for problem, remedy in message.opened)
    ended = tuple(_quote(problem, _LONGEST) for problem in message.ended)
    rendered = render_mail(
        Mail(
            language=message.language,
            subject=f"[{clean(sender.site_name)}] {_summarize(message)}",
            heading="This service needs you" if opened else "This is over",
            sections=tuple(
                MailSection(title, lines)
                for title, lines in (("What needs you", opened), ("What is over", ended))
                if lines
            ),
            why="You get this because your address stands in [operator] notify of the configuration. "
            "`monitor status` shows everything."
            + (f" {_LINKS}" if any(decision.url for decision in message.decisions) else ""),
            links=tuple(
                (f"Decide: {_quote(decision.about, _LONGEST_SUBJECT)}", decision.url)
                for decision in message.decisions
                if decision.url
            ),
        ),
        sender,
    )
    buttons = tuple(
        (f"Decide: {_quote(decision.about, _LONGEST_BUTTON)}", target)
        for decision in message.decisions
        if (target := decision.command or _public(decision.url))
    )
    return replace(rendered, buttons=buttons)


def render_canary(message: Canary, sender: Sender) -> Rendered:
    """Render the operator's test message."""
    at = format_minute(message.queued_at)
    return render_mail(
        Mail(
            language=message.language,
            subject=f"[{clean(sender.site_name)}] test message of {at}",
            heading="Messages arrive",
            paragraphs=(
                f"This test message was queued on {at} and took the way of an alert: outbox, sender, mail "
                "server or chat.",
                "If the next one does not come, alerts do not arrive either: look at `monitor status`.",
            ),
            why="You get this because your address stands in [operator] canary of the configuration.",
        ),
        sender,
    )


def _advise(problem: str, remedy: str) -> str:
    """A problem and the command that helps, once: many problems name it themselves, unless it was cut off."""
    quoted = _quote(problem, _LONGEST)
    if not remedy or f"`{remedy}`" in quoted:
        return quoted
    return f"{quoted.removesuffix('.')}. Run: {remedy}"


def _quote(problem: str, limit: int) -> str:
    """Quote a problem, which may contain text by a publisher or a mail server, so that no program turns it
    into a link; a longer one is cut after a word.
    """
    whole = clean(problem, limit + 1)
    if len(whole) > limit:
        start = whole[:limit]
        whole = f"{(start.rpartition(' ')[0] or start[:-1]).rstrip(' ,;:.')}…"
    return neutralize(whole)


def _public(url: str) -> str:
    """A link that a chat may show on a button: Telegram refuses links that are not public."""
    return url if url.startswith("https://") else ""


def _summarize(message: OperatorNotice) -> str:
    if len(message.opened) > 1:
        return f"{len(message.opened)} things need you"
    if message.opened:
        return _quote(message.opened[0][0], _LONGEST_SUBJECT)
    first = _quote(message.ended[0], _LONGEST_SUBJECT)
    return f"over: {first}" if len(message.ended) == 1 else f"{len(message.ended)} problems are over"
