"""Field types and base classes of configuration sections, for every room that defines a section of its own.

This is the lowest layer: each kind of channel derives its section from these classes, and `config` collects
the sections from the registry.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, ClassVar
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

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


def format_duration(value: timedelta) -> str:
    """Write a time as `duration` reads it, such as "1h 30m"."""
    left, pieces = int(value.total_seconds()), []
    for unit, seconds in sorted(_UNITS.items(), key=lambda each: -each[1]):
        number, left = divmod(left, seconds)
        if number:
            pieces.append(f"{number}{unit}")
    return " ".join(pieces) or "0s"


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than zero")
    return value


def at_least(shortest: timedelta) -> AfterValidator:
    """Refuse a shorter time. Pydantic's own limits would show Python's notation to the operator."""

    def check(value: timedelta) -> timedelta:
        if value < shortest:
            raise ValueError(f"must be {format_duration(shortest)} or more")
        return value

    return AfterValidator(check)


_PLAIN = re.compile(r"[!-;=?-~]+")


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a web address that starts with https:// (or http://)")
    if parts.username or parts.password:
        raise ValueError("must not carry a user name or a password")
    return value if re.fullmatch(_PLAIN, value) else _plain(parts)


def _plain(parts: SplitResult) -> str:
    """The same address in the characters that an email header may hold; a browser still shows the original
    ones.
    """
    assert parts.hostname is not None
    try:
        host = parts.hostname.encode("idna").decode()
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise ValueError("must be a web address with a host name that exists") from None
    path, query, fragment = (quote(part, safe="/%:@!$&'()*+,;=~?") for part in parts[2:])
    return urlunsplit((parts.scheme, host + port, path, query, fragment))


def expression(value: str) -> str:
    """A regular expression that can be compiled. Raises ValueError with what is wrong with it."""
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    return value


def _network(value: str) -> str:
    try:
        network = ip_network(value)
    except ValueError:
        raise ValueError(
            f'"{value[:60]}" is neither an address nor a network;'
            ' write them as "10.0.0.5" and "172.16.0.0/12"'
        ) from None
    if not network.prefixlen:
        raise ValueError(f'"{value}" covers every address: any visitor could claim to be another one')
    return str(network)


Duration = Annotated[timedelta, BeforeValidator(duration), AfterValidator(_positive)]
Wait = Annotated[timedelta, BeforeValidator(duration)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Network = Annotated[str, AfterValidator(_network)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of an error text about an unknown word: the most similar known word, or "" if none is
    similar.
    """
    near = _find_similar(word, list(known))
    return f"; did you mean {near[0]}?" if near else ""


def nearest_key(key: str, known: Iterable[str], where: str = "") -> str:
    """The end of an error text about an unknown key of a table: the most similar known one, else one that
    shares a word with it (public_url for base_url), else all that are known.
    """
    known, pieces = list(known), set(key.split("_"))
    near = _find_similar(key, known) or [each for each in known if pieces & set(each.split("_"))]
    if not near:
        return f"; known: {', '.join(known)}"
    return f"; did you mean {where + '.' if where else ''}{near[0]}?"


def _find_similar(word: str, known: list[str]) -> list[str]:
    return difflib.get_close_matches(word, known, n=1, cutoff=0.6)


class Section(BaseModel):
    """Base class of all sections: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, validate_default=False)


class ChannelSection(Section):
    """Base class of a channel's section.

    ``secrets``: keys that may be given as ``KEY_file``, with dots in tables of the section and "*" for any
    name. ``files``: keys with a path, relative to the configuration file.
    """

    secrets: ClassVar[tuple[str, ...]] = ()
    files: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def contradictions(cls, table: Mapping[str, Any], site: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield (key, problem) for keys that do not go together.

        ``table`` is the section and ``site`` the ``[site]`` section, both as TOML read them and not
        validated.
        """
        return iter(())


def host_of(url: object) -> str | None:
    """The host name of a URL, or None."""
    try:
        return urlsplit(str(url or "")).hostname
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host in {"localhost", "localhost."}:
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
