"""Polls a source: fetch -> parse -> diff -> judge -> [T1]. The verb that moves a baseline, and the only one.

`journey` is the poll from top to bottom, `belief` what is judged and how T1 writes it, `rebase` what happens when the same bytes are read
otherwise, `holds` what a person says of it.
"""

from monitor.polling.poll import poll
from monitor.polling.review import Hold, approve, reject, standing
from monitor.polling.values import BodySource, PolledSource, PollResult, Result

__all__ = [
    "BodySource",
    "Hold",
    "PollResult",
    "PolledSource",
    "Result",
    "approve",
    "poll",
    "reject",
    "standing",
]
