"""Polls a source: fetch, parse, diff, judge, write [T1]. Only this package moves a baseline.

`poll` is the poll from top to bottom, `transactions` writes each kind of result, `apply` judges changes and
writes them, `reparse` handles bytes that are parsed differently after a change of the parser or the
configuration, and `review` carries out an operator's decisions.
"""

from monitor.polling.poll import poll
from monitor.polling.poll_result import PollOutcome, PollResult
from monitor.polling.polled_source import BodySource, PolledSource, UnlinkedSource, fetch_whole
from monitor.polling.review import Hold, approve, load_holds, reject

__all__ = [
    "BodySource",
    "Hold",
    "PollOutcome",
    "PollResult",
    "PolledSource",
    "UnlinkedSource",
    "approve",
    "fetch_whole",
    "load_holds",
    "poll",
    "reject",
]
