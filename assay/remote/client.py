"""Requests to the API of an Assay service.

Each change carries an idempotency key, so that a request whose answer was lost is sent again without being
done twice.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx

from assay import __version__
from assay.errors import AssayError, BadInput
from assay.remote.servers import Login

__all__ = ["Client", "ServerError"]

_TRIES = 5
_AGAIN = (429, 502, 503, 504)


class ServerError(AssayError):
    """The service could not be reached, or failed."""

    code = "server"


class Client:
    """One service, one token.

    Args:
        transport: for tests: how requests travel; the network by default.
        pause: seconds before the first repetition; doubled each time.
    """

    def __init__(
        self, login: Login, *, transport: httpx.BaseTransport | None = None, pause: float = 0.5
    ) -> None:
        self.server = login.server
        self._pause = pause
        self._http = httpx.Client(
            base_url=f"{login.server}/api/v1",
            headers={"Authorization": f"Bearer {login.token}", "User-Agent": f"assay/{__version__}"},
            timeout=httpx.Timeout(60.0, connect=10.0),
            transport=transport,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a resource."""
        return self._send("GET", path, params=query or None).json()

    def post(self, path: str, body: Any = None) -> Any:
        """Make something; returns its JSON."""
        answer = self._send("POST", path, json=body, headers={"Idempotency-Key": uuid.uuid4().hex})
        return answer.json() if answer.content else None

    def put(self, path: str, body: Any) -> Any:
        """Change something; returns its JSON."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        return self._send("PUT", path, json=body, headers=headers).json()

    def patch(self, path: str, content: bytes, **query: Any) -> Any:
        """Send raw bytes (a chunk of an upload, which its offset makes safe to repeat)."""
        headers = {"Content-Type": "application/octet-stream"}
        return self._send("PATCH", path, params=query, content=content, headers=headers).json()

    def bytes(self, path: str) -> bytes:
        """The content of a file."""
        return self._send("GET", path).content

    def pages(self, path: str, **query: Any) -> Iterator[Any]:
        """Every item of a paginated list."""
        offset = 0
        while True:
            page = self.get(path, limit=100, offset=offset, **query)
            yield from page["items"]
            offset += len(page["items"])
            if not page["items"] or offset >= page["count"]:
                return

    def polled(self, path: str) -> Iterator[Any]:
        """A resource again and again, at first often; the caller stops when it likes what it sees."""
        wait = 0.2
        while True:
            yield self.get(path)
            time.sleep(wait)
            wait = min(wait * 1.5, 3.0)

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        for attempt in range(_TRIES):
            try:
                answer = self._http.request(method, path, **more)
            except httpx.HTTPError as error:
                if attempt == _TRIES - 1:
                    raise ServerError(
                        f"{self.server} cannot be reached ({error or type(error).__name__})."
                    ) from None
            else:
                if answer.status_code not in _AGAIN or attempt == _TRIES - 1:
                    return self._checked(answer)
            time.sleep(self._pause * 2**attempt * random.uniform(0.5, 1.0))
        raise AssertionError("unreachable")

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        try:
            detail = str(answer.json()["detail"])
        except (ValueError, KeyError, TypeError):
            detail = f"status {answer.status_code}"
        if answer.status_code == 401:
            raise BadInput(f"{self.server} does not accept the token. Run: assay login {self.server}")
        if answer.status_code >= 500:
            raise ServerError(f"{self.server} failed: {detail}")
        raise BadInput(detail, code={404: "not_found", 409: "conflict"}.get(answer.status_code, "bad_input"))
