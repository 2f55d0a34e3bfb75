"""Messages that are no alert, as people read them: confirmations, welcomes, digests and notices. Values in, one message out.

Sentences are written here in English and said in the reader's language by `i18n`; alerts within a digest are `render`'s. Links that
belong to one person are marks, filled in by the channel.
"""

from __future__ import annotations

from monitor.letters.kinds import confirm, digest, export, receipt, sight, welcome
from monitor.letters.phrases import Today, Wanted, Watch, place, schedule, standing
from monitor.letters.sheet import MailSection, Voice

__all__ = [
    "MailSection",
    "Today",
    "Voice",
    "Wanted",
    "Watch",
    "confirm",
    "digest",
    "export",
    "place",
    "receipt",
    "schedule",
    "sight",
    "standing",
    "welcome",
]
