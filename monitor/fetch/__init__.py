"""Gets a source's bytes: conditional GET -> `Fetched` | `NotModified`, or `FetchFailed` with the evidence.

`fetcher` sends requests through `net` and follows redirects and links, `attempt` records what happened,
`links` finds the links on a page. This package does not interpret the bytes: an HTML page with status 200 is
a `Fetched`.
"""

from monitor.fetch.attempt import parse_http_date
from monitor.fetch.fetch_result import Fetched, FetchEvidence, FetchFailed, NotModified, Validators
from monitor.fetch.fetcher import Fetcher
from monitor.fetch.target import LinkRule, Target

__all__ = [
    "FetchEvidence",
    "FetchFailed",
    "Fetched",
    "Fetcher",
    "LinkRule",
    "NotModified",
    "Target",
    "Validators",
    "parse_http_date",
]
