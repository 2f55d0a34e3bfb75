"""Decides which URLs may be requested. A list served from another host is another publisher's list."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

import httpx

Url = httpx.URL
InvalidUrl = httpx.InvalidURL

# My Maps writes NetworkLinks to its own host, whichever host served the file.
MY_MAPS_HOSTS = frozenset({"google.com", "www.google.com"})
MY_MAPS_PATH = "/maps/d/"


def host_of(url: Url) -> str:
    """The host in lower case and ASCII, without a final dot."""
    return url.raw_host.decode("ascii").lower().rstrip(".")


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """The rule for one source: its own host and those that the operator named, and never from https back to
    http.

    Ports must be the scheme's default or the configured one. ``network_link`` adds the rule for a KML
    NetworkLink: it may lead to My Maps, and only by https (or http if the configured URL is http and has the
    same host, for tests and local networks).
    """

    home: Url
    hosts: frozenset[str]
    network_link: bool = False

    @classmethod
    def around(cls, home: str, hosts: Iterable[str] = (), *, network_link: bool = False) -> AddressPolicy:
        """The policy around a configured address, with further hosts; raises InvalidUrl."""
        url = Url(home)
        named = (host_of(Url(scheme="https", host=host)) for host in hosts)
        return cls(url, frozenset({host_of(url), *named}), network_link)

    def names(self, url: Url) -> bool:
        """Whether the configuration names this URL's host, so that it may be on a private network."""
        return host_of(url) in self.hosts

    def find_objection(self, url: Url, came_from: Url | None = None) -> str | None:
        """Why a URL must not be requested, as text that follows "redirected to" or "leads to"; None if it
        may.
        """
        if url.scheme not in ("http", "https") or not url.host:
            return "something that is not an http or https address"
        if url.userinfo:
            return "an address with a password in it"
        host = host_of(url)
        if host not in self.hosts and not (self.network_link and _is_my_maps(url)):
            return f"{host}, which is not an allowed host"
        if url.port not in (None, self.home.port):
            return f"port {url.port} of {host}, which is not an allowed port"
        if url.scheme == "http" and self._must_be_https(host, came_from):
            return f"{host} without encryption"
        return None

    def _must_be_https(self, host: str, came_from: Url | None) -> bool:
        if self.network_link and not (self.home.scheme == "http" and host == host_of(self.home)):
            return True
        return came_from is not None and came_from.scheme == "https"


def _is_my_maps(url: Url) -> bool:
    # ``path`` is unquoted and its dot segments are resolved; %2e%2e is not, and might be by the server
    return host_of(url) in MY_MAPS_HOSTS and url.path.startswith(MY_MAPS_PATH) and ".." not in url.path


def is_public(address: str) -> bool:
    """Whether an IP address is public. IPv4 addresses within IPv6 ones (mapped, 6to4, Teredo, NAT64) are
    judged by the IPv4 address.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            ip = inner
    return ip.is_global and not ip.is_multicast


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
