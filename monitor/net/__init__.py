"""The HTTP client for everybody else's servers: limits, deadline, address policy. The only room that knows
httpx.

`client` sends one request and reads its answer, `decompress` bounds the bytes, `deadline` the whole time, and
`addresses` decides which addresses may be used. What to ask for, and how often, is for the callers.
"""

from monitor.net.addresses import AddressPolicy, InvalidUrl, Url
from monitor.net.client import Answer, HttpClient
from monitor.net.deadline import Deadline
from monitor.net.exchange_errors import BadBody, ExchangeFailed
from monitor.net.limits import MIB, SizeLimits
from monitor.net.sent_request import SentRequest

__all__ = [
    "MIB",
    "AddressPolicy",
    "Answer",
    "BadBody",
    "Deadline",
    "ExchangeFailed",
    "HttpClient",
    "InvalidUrl",
    "SentRequest",
    "SizeLimits",
    "Url",
]
