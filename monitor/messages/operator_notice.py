"""The notice that tells the operator what needs them, and what is over."""

from __future__ import annotations

from monitor.domain import Rendered
from monitor.messages.layout import Mail, MailSection, clean, render_mail
from monitor.messages.model import OperatorNotice, Sender

_LONGEST = 400  # characters of a problem
_LONGEST_SUBJECT = 90


def render_operator_notice(message: OperatorNotice, sender: Sender) -> Rendered:
    """Say what needs the operator, with the command that helps. Raises ValueError for an empty notice."""
    if not message.opened and not message.ended:
        raise ValueError("a notice to the operator says something")
    opened = tuple(
        clean(problem, _LONGEST) + (f". Run: {remedy}" if remedy else "")
        for problem, remedy in message.opened
    )
    ended = tuple(clean(problem, _LONGEST) for problem in message.ended)
    return render_mail(
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
            "`monitor status` shows everything.",
        ),
        sender,
    )


def _summarize(message: OperatorNotice) -> str:
    if len(message.opened) > 1:
        return f"{len(message.opened)} things need you"
    if message.opened:
        return clean(message.opened[0][0], _LONGEST_SUBJECT)
    first = clean(message.ended[0], _LONGEST_SUBJECT)
    return f"over: {first}" if len(message.ended) == 1 else f"{len(message.ended)} problems are over"
