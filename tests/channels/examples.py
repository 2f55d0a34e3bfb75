"""A message and envelopes that the channels' tests send."""

from __future__ import annotations

from datetime import UTC, datetime

from monitor.domain import Envelope, Rendered, placeholder

NOW = datetime(2026, 11, 24, 20, 7, tzinfo=UTC)
SENDER = "Map Monitor <alerts@watch.example>"

MESSAGE = Rendered(
    subject="Hammond Police Department (IN) added to Ring's map — señal",
    text=f"Añadida: “Hammond”.\n.A line that begins with a dot\n\nYou asked on {placeholder('asked')}.\n"
    f"Stop: {placeholder('stop')}\n",
    html=f"<p>Añadida &amp; “Hammond”</p>\n<p>Asked on {placeholder('asked')}</p>\n"
    f'<p><a href="{placeholder("stop")}">Stop</a></p>\n',
    blocks=("<b>Hammond</b> &amp; more", "Asked: " + placeholder("asked")),
)


def clock() -> datetime:
    return NOW


def envelope(address: str = "ann@people.example", delivery: int = 7, **marks: str) -> Envelope:
    words = {"asked": "Feb 3, 2026", "stop": "mailto:alerts@watch.example?subject=stop%20TOKEN"} | {
        name.replace("_", "-"): value for name, value in marks.items()
    }
    return Envelope(
        delivery, address, f"<delivery-{delivery}@watch.example>", subscriber=3, placeholders=words
    )
