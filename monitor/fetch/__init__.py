"""Gets a source's bytes: conditional GET -> `Fetched` | `NotModified`, or `Failed` with the evidence. The only room that knows httpx.

`fetcher` asks and follows, `boundary` says where a source may lead, `deadline` bounds the time, `unpack` the bytes, `pages` finds the
link on a page. What the bytes say is not this room's business: an HTML page with status 200 is a `Fetched`.
"""

from monitor.fetch.fetcher import Fetcher
from monitor.fetch.values import Evidence, Failed, Fetched, FetchLimits, NotModified, Target, Validators

__all__ = [
    "Evidence",
    "Failed",
    "FetchLimits",
    "Fetched",
    "Fetcher",
    "NotModified",
    "Target",
    "Validators",
]
