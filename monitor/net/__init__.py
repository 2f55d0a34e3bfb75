"""The HTTP client for other people's servers: limits, deadline, address policy. The only package that imports
httpx.

`client` sends one request and reads its answer, `decompress` limits the bytes, `deadline` the total time, and
`addresses` decides which addresses may be used. Callers decide what to request, and how often.
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
