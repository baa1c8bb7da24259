"""Connections that go to one checked address only and end at a deadline, whatever the other side does."""

from __future__ import annotations

import os
import ssl
import time
import typing

import certifi
import httpcore

__all__ = ["Deadline", "pool"]


_PIECE = 65_536
"""Bytes that are sent before the deadline is looked at again."""


class Deadline:
    """When the request in hand ends; the streams look at it before each read and write."""

    def __init__(self) -> None:
        self.at = 0.0

    def left(self, wanted: float | None, error: type[Exception]) -> float:
        """Seconds that the next step may take. Raises `error` when there are none."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise error("over the time limit")
        return left if wanted is None else min(left, wanted)


class _Stream(httpcore.NetworkStream):
    """A slow drip of single bytes resets an ordinary time-out again and again, but not this one."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for at in range(0, len(buffer), _PIECE):
            left = self._deadline.left(timeout, httpcore.WriteTimeout)
            self._inner.write(buffer[at : at + _PIECE], left)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> typing.Any:
        return self._inner.get_extra_info(info)


class _Pinned(httpcore.NetworkBackend):
    """Connects to the first of `addresses` that takes it, whatever name is asked for: names are resolved and
    checked once, before."""

    def __init__(self, addresses: typing.Sequence[str], deadline: Deadline) -> None:
        self._addresses, self._deadline = addresses, deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: typing.Iterable[typing.Any] | None = None,
    ) -> httpcore.NetworkStream:
        failed: Exception = httpcore.ConnectError("no address")
        for tried, address in enumerate(self._addresses):
            left = self._deadline.left(timeout, httpcore.ConnectTimeout)
            # One that does not answer leaves time for the others.
            share = left / (len(self._addresses) - tried)
            try:
                return _Stream(self._inner.connect_tcp(address, port, share), self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed


def pool(addresses: typing.Sequence[str], deadline: Deadline) -> httpcore.ConnectionPool:
    """One connection at a time, to one of `addresses`; certificates are verified for the name in the URL.

    SSL_CERT_FILE names the authorities to trust, as elsewhere; the usual ones by default.
    """
    return httpcore.ConnectionPool(
        ssl_context=ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or certifi.where()),
        max_connections=1,
        retries=0,
        network_backend=_Pinned(addresses, deadline),
    )
