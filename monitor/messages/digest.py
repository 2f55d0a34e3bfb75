"""A digest: all changes of a day, a week or a pause, or since the last digest."""

from __future__ import annotations

from monitor.domain import Rendered
from monitor.messages.alert import ROOM, alert_page, render_next_steps
from monitor.messages.alert_values import MailSection
from monitor.messages.layout import Mail, clean, render_mail
from monitor.messages.model import Digest, Sender
from monitor.messages.phrases import Phrases


def render_digest(message: Digest, sender: Sender) -> Rendered:
    """Render a digest. Raises ValueError when it has no change."""
    if not message.alerts:
        raise ValueError("a digest without a change")
    say = Phrases(sender, message.language)
    count = sum(len(alert.told) for alert in message.alerts)
    changes = say.count("%(count)s change", "%(count)s changes", count)
    match message.about:
        case "daily":
            heading = say("Your daily digest: %(changes)s", changes=changes)
        case "weekly":
            heading = say("Your weekly digest: %(changes)s", changes=changes)
        case "last":
            heading = say("Since your last digest: %(changes)s", changes=changes)
        case "summary":
            heading = say("While you paused: %(changes)s", changes=changes)
    room = ROOM // len(message.alerts)
    alerts = tuple(alert_page(alert, sender, room) for alert in message.alerts)
    steps = render_next_steps(message.alerts, sender, alerts[0].language)
    return render_mail(
        Mail(
            language=message.language,
            subject=f"{heading} · {clean(sender.site_name)}",
            heading=heading,
            also=say.also(message.also),
            alerts=alerts,
            closing=(MailSection(alerts[0].steps_title, steps),),
            why=say.asked_on(),
            links=say.links(),
        ),
        sender,
    )
