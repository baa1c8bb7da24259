"""Which addresses may be called: a name that is allowed, on a public address, pinned once resolved."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from assay.datasets.values import visible
from assay.errors import BadInput, EndpointFailed

__all__ = ["Access", "Place", "listed_hosts", "parse_url", "resolve"]

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], list[str]]

_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16",  # link-local, where clouds put their metadata services
        "fe80::/10",
        "fd00:ec2::/32",  # Amazon's metadata service
        "100.100.100.200/32",  # Alibaba's
        "168.63.129.16/32",  # Azure's
        "192.0.0.192/32",  # Oracle's
        "0.0.0.0/8",
        "::/128",
        "2001::/32",  # Teredo, which leads to other addresses than it seems to
    )
)
"""Refused even where private addresses are allowed: nobody serves a model there."""
# Each character fits in one place only, so that no name takes more than one look at it.
_HOST = re.compile(r"^(?=.{1,253}$)[a-z0-9_][a-z0-9_-]{0,62}(\.[a-z0-9_-]{1,63})*$")
_PATH = re.compile(r"^[A-Za-z0-9._~%/:@!$&'()*+,;=-]*$")


_CARRIERS = tuple(
    ipaddress.ip_network(network)
    for network in (
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",  # its prefix for local use
        "::/96",  # IPv4-compatible
        "::ffff:0:0:0/96",  # IPv4-translated
    )
)
"""Networks of IPv6 whose last 32 bits are an IPv4 address."""


class Place(NamedTuple):
    """An address taken apart. `base` is its path without a slash at the end."""

    scheme: str
    host: str
    port: int
    base: str

    @property
    def name(self) -> str:
        """Host and port as people write them."""
        return self._shown if self.port == _PORTS[self.scheme] else f"{self._shown}:{self.port}"

    def is_listed(self, hosts: frozenset[str]) -> bool:
        """Whether one of these is this host and port; the scheme's own port may be written or not."""
        return self.name in hosts or f"{self._shown}:{self.port}" in hosts

    @property
    def _shown(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Access:
    """What whoever runs the audit allows; nothing of it comes from the request or from the child."""

    hosts: frozenset[str] | None = None
    """Names (`host`, or `host:port` for another port than the scheme's) that may be called; None: the one
    that the user typed on this user's own machine."""
    private: bool = False
    """Whether loopback and private addresses may be called, and without TLS."""
    key: Callable[[str], str] | None = None
    """The secret of a name. Raises BadInput where there is none."""


def listed_hosts(text: str) -> frozenset[str]:
    """Comma-separated hosts of a setting."""
    return frozenset(part.strip().lower() for part in text.split(",") if part.strip())


def parse_url(url: str) -> Place:
    """Take an endpoint's address apart.

    Raises:
        BadInput: another scheme than http(s), a user or key in it, a query, no host.
    """
    if "@" in re.split(r"[/?#]", url.partition("//")[2] or url, maxsplit=1)[0]:
        raise BadInput("The address holds a user or a password; name the key apart, and leave them out.")
    # A password with a slash in it passes that; nothing that may hold one is quoted.
    said = re.split(r"[?#]", url, maxsplit=1)[0]
    shown = "What was given" if "@" in url else f'"{visible(said[:120])}"'
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        raise BadInput(f"{shown} is no address: its host or port cannot be.") from None
    if parts.scheme not in _PORTS or not host:
        raise BadInput(f"{shown} is no address; write one such as https://models.example.org.")
    if parts.username is not None or parts.password is not None:
        raise BadInput("The address holds a user or a password; name the key apart, and leave them out.")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise BadInput(f"{shown} holds a query or a fragment; give the address without it.")
    if not _PATH.match(parts.path) or any(part in (".", "..") for part in parts.path.split("/")):
        raise BadInput(f"{shown} has an odd path; give the address plainly.")
    if _literal(host) is None and not _HOST.match(host):
        raise BadInput(f'"{visible(host[:80])}" is no name of a host.')
    return Place(parts.scheme, host, port or _PORTS[parts.scheme], parts.path.rstrip("/"))


def resolve(place: Place, access: Access, resolver: Resolver | None = None) -> list[str]:
    """The addresses that are called from now on, each once, in the order to try them.

    Raises:
        BadInput: a host that is not allowed, an address (any of the name's) that is not, no TLS.
        EndpointFailed: the name has no address.
    """
    if access.hosts is not None and not place.is_listed(access.hosts):
        raise BadInput(
            f"{place.name} is none of the hosts that may be asked here; whoever runs this installation can "
            "add it to ASSAY_ENDPOINT_HOSTS."
        )
    literal = _literal(place.host)
    found = [str(literal)] if literal is not None else (resolver or _addresses)(place.host, place.port)
    addresses = [_unwrapped(ipaddress.ip_address(text.partition("%")[0])) for text in found]
    if not addresses:
        raise EndpointFailed(f"{place.name} has no address.")
    for address in addresses:
        if any(address in network for network in _NEVER if network.version == address.version):
            raise BadInput(
                f"{place.name} is at {address}, where machines keep their own services (such as a cloud's "
                "credentials); no model is asked there."
            )
        if not _is_public(address) and not access.private:
            raise BadInput(
                f"{place.name} is at {address}, which is no public address. If the model does run there, "
                "allow it: --allow-private on the command line, ASSAY_ENDPOINT_PRIVATE in a service."
            )
    if place.scheme == "http" and any(map(_is_public, addresses)):
        raise BadInput(
            f"http://{place.name} is not encrypted, so rows, answers and the key could be read on the way; "
            "use https."
        )
    return list(dict.fromkeys(map(str, addresses)))


def _is_public(address: IPAddress) -> bool:
    site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    return address.is_global and not (address.is_multicast or address.is_reserved or site_local)


def _unwrapped(address: IPAddress) -> IPAddress:
    """The IPv4 address inside an IPv6 one that only carries it."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if any(address in network for network in _CARRIERS):
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address if int(inner) <= 1 else inner  # ::, ::1
    return address


def _literal(host: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _addresses(host: str, port: int) -> list[str]:
    try:
        found: Iterable[tuple[object, object, object, object, tuple[object, ...]]] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )
    except (OSError, UnicodeError) as error:
        raise EndpointFailed(f"The address of {host} cannot be found: {error}.") from None
    return [str(entry[4][0]) for entry in found]
