"""An alert as people read it: one value in, one message out; nothing is sent and nothing is looked up.

`view` says in neutral terms what happened to one listing, ``templates/words/LANGUAGE.j2`` makes sentences of that, and the layouts (mail
as text and HTML, posts for Telegram) put them in their place, escaping for where they go. A language is one file of words.
"""

from __future__ import annotations

from monitor.render.alerts import MARKS, ROOM, SHOWN, Entry, Group, Page, alert, fitting, page
from monitor.render.views import LONGEST, Difference, Moment, View, clean, view
from monitor.render.words import WIDTH, Words, asked_on, layout

__all__ = [
    "LONGEST",
    "MARKS",
    "ROOM",
    "SHOWN",
    "WIDTH",
    "Difference",
    "Entry",
    "Group",
    "Moment",
    "Page",
    "View",
    "Words",
    "alert",
    "asked_on",
    "clean",
    "fitting",
    "layout",
    "page",
    "view",
]
