"""Gets a source's bytes: conditional GET -> `Fetched` | `NotModified`, or `Failed` with the evidence.

`fetcher` sends requests through `net` and follows redirects and links, `attempt` keeps what was met, `pages`
finds the link on a page. What the bytes say is not this room's business: an HTML page with status 200 is a
`Fetched`.
"""

from monitor.fetch.fetcher import Fetcher
from monitor.fetch.values import Evidence, Failed, Fetched, NotModified, Target, Validators

__all__ = ["Evidence", "Failed", "Fetched", "Fetcher", "NotModified", "Target", "Validators"]
