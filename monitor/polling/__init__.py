"""Polls a source: fetch, parse, diff, judge, write [T1]. Only this room moves a baseline.

`poll` is the poll from top to bottom, `transactions` what each result writes, `apply` what is judged and
how its changes are written, `reparse` what happens when the same bytes are read in another way, `review` an
operator's decisions.
"""

from monitor.polling.poll import poll
from monitor.polling.review import Hold, approve, load_holds, reject
from monitor.polling.values import BodySource, PolledSource, PollResult, Result, UnlinkedSource, fetch_whole

__all__ = [
    "BodySource",
    "Hold",
    "PollResult",
    "PolledSource",
    "Result",
    "UnlinkedSource",
    "approve",
    "fetch_whole",
    "load_holds",
    "poll",
    "reject",
]
