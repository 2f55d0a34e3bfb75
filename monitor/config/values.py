"""The kinds of values that a configuration holds, read with patience and refused with a reason."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated, Any
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from monitor.sources.formats import FORMATS

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def duration(text: object) -> object:
    """Read "30m", "1h", "5d", "1h 30m" or a number of seconds as a timedelta."""
    if isinstance(text, timedelta):
        return text
    if isinstance(text, int | float) and not isinstance(text, bool):
        return timedelta(seconds=text)
    if isinstance(text, str):
        pieces = re.findall(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip().lower())
        if pieces and re.fullmatch(r"(?:\s*\d+(?:\.\d+)?\s*[smhdw])+\s*", text.strip().lower()):
            return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in pieces))
    raise ValueError('write a time such as "30m", "1h" or "5d"')


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than nothing")
    return value


_PLAIN = re.compile(r"[!-;=?-~]+")


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a web address that starts with https:// (or http://)")
    if parts.username or parts.password:
        raise ValueError("must not carry a user name or a password")
    return value if re.fullmatch(_PLAIN, value) else _plain(parts)


def _plain(parts: SplitResult) -> str:
    """The same address in the letters that a mail's header may hold: a browser shows the others all the same."""
    assert parts.hostname is not None
    try:
        host = parts.hostname.encode("idna").decode()
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise ValueError("must be a web address with a host name that exists") from None
    path, query, fragment = (quote(each, safe="/%:@!$&'()*+,;=~?") for each in parts[2:])
    return urlunsplit((parts.scheme, host + port, path, query, fragment))


def expression(value: str) -> str:
    """A regular expression that can be compiled. Raises ValueError with what is wrong with it."""
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    return value


def known_format(value: str) -> str:
    """The name of a format in the registry. Raises ValueError that lists them."""
    if value not in FORMATS:
        raise ValueError(f"must be one of {', '.join(FORMATS)}{nearest(value, FORMATS)}")
    return value


def check_options(name: str, options: dict[str, Any]) -> None:
    """Check a format's own options. Raises ValueError that names what is wrong with them."""
    try:
        FORMATS[name].options.model_validate(options)
    except ValidationError as error:
        known = FORMATS[name].options.model_fields
        wrong = []
        for detail in error.errors(include_url=False):
            key = ".".join(map(str, detail["loc"]))
            if detail["type"] == "extra_forbidden":
                wrong.append(
                    f"options.{key}: unknown key for the format {name}{nearest(key, known, 'options')}"
                )
            else:
                wrong.append(f"options.{key}: {str(detail['msg']).removeprefix('Value error, ')}")
        raise ValueError("; ".join(wrong)) from None


def _network(value: str) -> str:
    try:
        network = ip_network(value)
    except ValueError:
        raise ValueError(
            f'"{value[:60]}" is no address and no network; write them as "10.0.0.5" and "172.16.0.0/12"'
        ) from None
    if not network.prefixlen:
        raise ValueError(f'"{value}" is everybody: any visitor could then claim to be somebody else')
    return str(network)


Duration = Annotated[timedelta, BeforeValidator(duration), AfterValidator(_positive)]
Wait = Annotated[timedelta, BeforeValidator(duration)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Network = Annotated[str, AfterValidator(_network)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


def nearest(word: str, known: Iterable[str], where: str = "") -> str:
    """The end of an error about an unknown word: the known one that it is most like, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {where + '.' if where else ''}{near[0]}?" if near else ""
