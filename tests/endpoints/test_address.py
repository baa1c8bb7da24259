"""No rows, keys or answers travel to a place that nobody allowed."""

from __future__ import annotations

import time

import pytest

from assay.endpoints.address import Access, listed_hosts, parse_url, resolve
from assay.errors import BadInput, EndpointFailed

_PRIVATE = (
    "fec0::1",
    *("127.0.0.1", "127.8.9.1", "10.0.0.5", "172.16.4.4", "192.168.1.1", "100.64.0.1", "::1", "fd12::1"),
    *("::ffff:10.0.0.5", "64:ff9b::a00:5", "2002:a00:5::1", "192.0.2.1", "224.0.0.1"),
)
_NEVER = (
    "192.0.0.192",
    "::ffff:192.0.0.192",
    *("169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fe80::1", "fd00:ec2::254"),
    *("100.100.100.200", "168.63.129.16", "0.0.0.0", "::", "2001:0:a9fe:a9fe::1"),
    *("64:ff9b:1::a9fe:a9fe", "::169.254.169.254", "::ffff:0:169.254.169.254"),
)


@pytest.mark.parametrize("address", _PRIVATE)
def test_an_address_that_is_not_public_is_refused_unless_allowed(address: str) -> None:
    place = parse_url("https://models.example.org")
    with pytest.raises(BadInput, match="no public address"):
        resolve(place, Access(), lambda _host, _port: [address])
    assert resolve(place, Access(private=True), lambda _host, _port: [address])


@pytest.mark.parametrize("address", _NEVER)
def test_the_machines_own_services_are_refused_whatever_is_allowed(address: str) -> None:
    place = parse_url("https://models.example.org")
    with pytest.raises(BadInput, match="machines keep their own services"):
        resolve(place, Access(private=True), lambda _host, _port: [address])


def test_one_bad_address_among_several_is_enough() -> None:
    with pytest.raises(BadInput, match=r"10\.0\.0\.5, which is no public address"):
        resolve(parse_url("https://two.example.org"), Access(), lambda _h, _p: ["93.184.215.14", "10.0.0.5"])


def test_a_public_address_is_what_is_called_from_then_on() -> None:
    assert resolve(parse_url("https://a.example.org"), Access(), lambda _h, _p: ["93.184.215.14"]) == [
        "93.184.215.14"
    ]


@pytest.mark.parametrize("url", ["https://2130706433", "https://0x7f000001", "https://127.1"])
def test_odd_spellings_of_this_machine_are_seen_through(url: str) -> None:
    with pytest.raises((BadInput, EndpointFailed)):
        resolve(parse_url(url), Access())


def test_plain_http_goes_to_private_addresses_only() -> None:
    with pytest.raises(BadInput, match="not encrypted"):
        resolve(parse_url("http://a.example.org"), Access(private=True), lambda _h, _p: ["93.184.215.14"])


def test_a_host_that_is_not_listed_is_refused_before_its_name_is_looked_up() -> None:
    allowed = Access(hosts=listed_hosts("a.example.org, b.example.org:8443, c.example.org:443"))

    def never(_host: str, _port: int) -> list[str]:
        raise AssertionError("looked up")

    for url in ("https://evil.example.org", "https://a.example.org:8443", "https://a.example.org.evil.org"):
        with pytest.raises(BadInput, match="none of the hosts"):
            resolve(parse_url(url), allowed, never)
    for url in (
        "https://a.example.org",
        "https://A.example.org:443/v1",
        "https://b.example.org:8443",
        "https://c.example.org",
    ):
        assert resolve(parse_url(url), allowed, lambda _h, _p: ["93.184.215.14"])


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://a.example.org", "is no address"),
        ("file:///etc/passwd", "is no address"),
        ("https://user:secret@a.example.org", "holds a user or a password"),
        ("https://a.example.org/v1?key=secret", "holds a query"),
        ("https://a.example.org/v1#x", "holds a query"),
        ("https://a.example.org/v1/../admin", "odd path"),
        ("https://a.example.org/\r\nX: y", "odd path|no address"),
        ("https://exa mple.org", "no name of a host|no address"),
        ("https://a.example.org:99999", "no address"),
    ],
)
def test_addresses_that_are_none_are_refused(url: str, says: str) -> None:
    with pytest.raises(BadInput, match=says) as refused:
        parse_url(url)
    assert "secret" not in refused.value.message.replace("key=secret", "")


def test_a_long_name_that_is_none_is_refused_at_once() -> None:
    began = time.perf_counter()
    for host in (f"{'a' * 26}!", f"{'a' * 64}.example.org", "a..example.org", f"{'a.' * 127}org"):
        with pytest.raises(BadInput, match="no name of a host"):
            parse_url(f"https://{host}/v1")
    assert time.perf_counter() - began < 1
    assert parse_url(f"https://{'a' * 63}.x_y.example.org./v1").host == f"{'a' * 63}.x_y.example.org"
