"""HTTP to one endpoint: pinned address, verified TLS, no redirects, bounded answers, retries with jitter."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import httpcore

from assay.canonical import nests_deeper
from assay.contracts import EndpointRequest
from assay.datasets.values import visible
from assay.endpoints.address import Access, Place, Resolver, parse_url, resolve
from assay.endpoints.meter import Meter
from assay.endpoints.wire import Deadline, pool
from assay.errors import AssayError, BadInput, Cancelled, EndpointFailed
from assay.rng import keyed_rng

__all__ = ["MAX_ANSWER", "Caller", "Refused"]

MAX_ANSWER = 32 * 2**20
"""Bytes of one answer; more is refused unread."""
_MOST_LISTS = 1_000_000
"""Lists and objects of one answer: an empty one takes thirty times its bytes in memory."""
_DEEPEST = 32
_AGAIN = (408, 429, 500, 502, 503, 504, 520, 529)
"""520 and 529 are no standard, but what large providers answer when something between failed or is busy."""
_TURNED_AWAY = (503, 529)
"""Of 5xx, those that say that no work was done."""
_TOTAL = re.compile(rb'"total_tokens"\s*:\s*(\d{1,12})\b')
_MOST_READ = 2**21
"""Characters of an error that are looked through for the key; the 200 that are shown end long before."""
_LONGEST_WAIT = 60.0
"""Seconds that an endpoint may ask to wait for; one that wants more has failed."""
_FIRST_WAIT = 0.5
_LONGEST_INTEGER = 300
"""Digits: what has more is beyond every floating-point number."""


class Refused(BadInput):
    """The endpoint refused a request as it is. `status` is HTTP's."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class _Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    """Names in lower case."""
    content: bytes


class _MayPass(Exception):
    """A failure that another attempt may not meet.

    Args:
        wait: seconds that the endpoint asked to wait.
    """

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(why)
        self.why, self.wait = why, wait


class Caller:
    """Makes the requests of one audit. Everything that goes into one is the supervisor's own.

    Args:
        resolver: name and port to addresses; the system's by default.
    """

    def __init__(
        self,
        request: EndpointRequest,
        access: Access,
        meter: Meter,
        *,
        resolver: Resolver | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.place: Place = parse_url(request.url)
        self._access, self._resolver, self._sleep = access, resolver, sleep
        self._limits = request.limits
        self.meter = meter
        """Counts what is asked; another one from the next run on."""
        self._rng = keyed_rng(request.seed, "endpoint.retries")
        self._key = _secret(request, access)
        self._spelt: re.Pattern[str] | None = None
        self._deadline = Deadline()
        self._sent = False
        """Whether the request in hand has begun to go out."""
        self._pool: httpcore.ConnectionPool | None = None
        self.stopped = ""
        """Set by another thread: why no further request is made."""

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def get(self, path: str) -> dict[str, Any]:
        """The JSON object at `path` (already quoted) below the address; see `post`."""
        return self._call("GET", path, None, 0)[0]

    def post(
        self, path: str, body: dict[str, Any], tokens: int = 0, used: Callable[[Any], int] | None = None
    ) -> dict[str, Any]:
        """Send a JSON object and return the one that comes back.

        Args:
            tokens: what it will take by a rough count.
            used: reads from the answer what it took; the rough count where nothing is said.

        Raises:
            BadInput: the endpoint refuses the request as it is (a redirect, no key; `Refused`: other 4xx).
            EndpointFailed: no answer, or not one that can be read, after every attempt.
            LimitReached: a limit of the user's.
            Cancelled: the audit was stopped.
        """
        content = json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
        found, _ = self._call("POST", path, content, tokens, used)
        return found

    def _call(
        self,
        method: str,
        path: str,
        content: bytes | None,
        tokens: int,
        used: Callable[[Any], int] | None = None,
    ) -> tuple[dict[str, Any], int]:
        for attempt in range(self._limits.retries + 1):
            self._refuse_if_stopped()
            self.meter.begin(retry=attempt > 0, tokens=tokens)
            answer: _Answer | None = None
            self._sent = False
            try:
                self._refuse_if_stopped()
                answer = self._send(method, path, content)
                found = self._read(answer)
            except AssayError:
                self.meter.end(self._taken(answer, tokens), tokens)
                raise
            except _MayPass as error:
                self.meter.end(self._taken(answer, tokens), tokens)
                if attempt == self._limits.retries or (error.wait or 0) > _LONGEST_WAIT:
                    tries = f" after {attempt + 1} attempts" if attempt else ""
                    raise EndpointFailed(f"{self.place.name} {error.why}{tries}.") from None
                self._pause(error.wait, attempt)
            else:
                took = used(found) if used is not None else 0
                self.meter.end(took or tokens, tokens)
                return found, took
        raise AssertionError("unreachable")

    def _taken(self, answer: _Answer | None, tokens: int) -> int:
        """What a failed attempt took: what went out may be billed, whatever became of its answer."""
        if not self._sent or not tokens:
            return 0
        if answer is None:
            return tokens
        if 400 <= answer.status < 500 or answer.status in _TURNED_AWAY:
            return 0
        said = _TOTAL.search(answer.content)
        return int(said[1]) if said else tokens

    def _trace(self, event: str, _info: object) -> None:
        if event == "http11.send_request_headers.started":
            self._sent = True

    def _refuse_if_stopped(self) -> None:
        if self.stopped:
            raise Cancelled(self.stopped)

    def _pause(self, wanted: float | None, attempt: int) -> None:
        """Twice as long each time, between half and all of it by a seeded draw; longer where asked for."""
        pause = min(_FIRST_WAIT * 2**attempt, _LONGEST_WAIT) * self._rng.uniform(0.5, 1.0)
        self._sleep(max(pause, wanted or 0.0))

    def _send(self, method: str, path: str, content: bytes | None) -> _Answer:
        limit = self._limits.timeout
        self._deadline.at = time.monotonic() + limit
        try:
            with self._opened().stream(
                method,
                f"{self.place.scheme}://{self.place.name}{self.place.base}{path}",
                headers=list(self._headers(content).items()),
                content=content,
                extensions={
                    "timeout": dict.fromkeys(("connect", "read", "write", "pool"), limit),
                    "trace": self._trace,
                },
            ) as answer:
                said = {
                    name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers
                }
                return _Answer(answer.status, said, self._body(answer, said))
        except httpcore.TimeoutException:
            self.close()
            raise _MayPass(f"did not answer within {limit:g} s") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
            self.close()
            # What a line of the answer held stands behind a colon; it may hold the key.
            broken = isinstance(error, httpcore.ProtocolError)
            said_error = self.shown(str(error).partition(":")[0] if broken else error, 200)
            if "CERTIFICATE_VERIFY_FAILED" in said_error:
                raise BadInput(
                    f"{self.place.name} has no certificate that can be trusted: {said_error}."
                ) from None
            raise _MayPass(f"cannot be reached ({said_error or type(error).__name__})") from None

    def _body(self, answer: httpcore.Response, headers: dict[str, str]) -> bytes:
        """The answer's bytes, as many as are allowed."""
        if headers.get("content-encoding", "identity") != "identity":
            raise EndpointFailed(f"{self.place.name} answers compressed, which was not asked for.")
        found = bytearray()
        for chunk in answer.iter_stream():
            found += chunk
            if len(found) > MAX_ANSWER:
                raise EndpointFailed(
                    f"{self.place.name} sent more than {MAX_ANSWER // 2**20} MB in one answer; the rest was "
                    "not read."
                )
        return bytes(found)

    def _read(self, answer: _Answer) -> dict[str, Any]:
        if answer.status in _AGAIN:
            raise _MayPass(f"answers {self._said(answer)}", _retry_after(answer.headers))
        if 300 <= answer.status < 400:
            target = self.shown(answer.headers.get("location", ""), 100)
            raise BadInput(
                f'{self.place.name} answers with a redirect (to "{target}"), which is never followed; give '
                "the address itself."
            )
        if answer.status in (401, 403):
            key = "The key was not accepted" if self._key else "It wants a key: name it with the request"
            raise BadInput(f"{self.place.name} answers {answer.status}. {key}.")
        if answer.status != 200:
            raise Refused(f"{self.place.name} answers {self._said(answer)}.", answer.status)
        return _object(answer.content, self.place.name)

    def _said(self, answer: _Answer) -> str:
        """Status and the first words of an error, without the key in case it is told back."""
        words = self._redacted(answer.content.decode("utf-8", "replace"))[:20_000].strip()
        with suppress(ValueError, RecursionError):
            said = json.loads(words)
            found = said.get("error", words) if isinstance(said, dict) else words
            words = str(found.get("message", words) if isinstance(found, dict) else found)
        shown = self.shown(words, 200)
        return f'{answer.status}: "{shown}"' if shown else f"with status {answer.status}"

    def shown(self, said: Any, most: int) -> str:
        """What the endpoint says, fit to be shown: cut, and without the key in case it is told back."""
        return visible(self._redacted(str(said))[:most])

    def _redacted(self, text: str) -> str:
        """Without the key, also where it is escaped as JSON or addresses escape characters."""
        if not self._key:
            return text
        text = text[:_MOST_READ]
        if self._spelt is None:
            self._spelt = re.compile("".join(map(_spellings, self._key)))
        return self._spelt.sub("[key]", text)

    def _opened(self) -> httpcore.ConnectionPool:
        if self._pool is None:
            # Resolved and checked anew for each new connection pool: after a failure the name may have moved.
            self._pool = pool(resolve(self.place, self._access, self._resolver), self._deadline)
        return self._pool

    def _headers(self, content: bytes | None) -> dict[str, str]:
        found = {
            "Host": self.place.name,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "assay",
        }
        if content is not None:
            found["Content-Type"] = "application/json"
        if self._key:
            found["Authorization"] = f"Bearer {self._key}"
        return found


def _secret(request: EndpointRequest, access: Access) -> str:
    if request.key is None:
        return ""
    if access.key is None:
        raise BadInput("No secrets are set up here, so a key cannot be named.")
    found = access.key(request.key).strip()
    if not 8 <= len(found) <= 8_192 or not found.isascii() or not found.isprintable() or " " in found:
        raise BadInput(f"What {request.key} holds is no key: 8 or more plain characters without blanks.")
    return found


def _spellings(character: str) -> str:
    """A pattern of one character of ASCII: plain, after backslashes, as \\u002B, &#43; or %2B."""
    code = ord(character)
    same = [
        rf"\\{{0,8}}{re.escape(character)}",
        rf"(?i:\\{{1,8}}u00{code:02x})",
        rf"(?i:%(?:25)?{code:02x})",
        rf"(?i:&#0{{0,4}}{code};|&#x0{{0,4}}{code:x};)",
    ]
    return f"(?:{'|'.join(same)})"


def _retry_after(headers: dict[str, str]) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or a date; None for neither."""
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return float(said[:9])
    with suppress(ValueError, TypeError, OverflowError, IndexError):
        return max(0.0, email.utils.parsedate_to_datetime(said).timestamp() - time.time())
    return None


def _object(content: bytes, name: str) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise EndpointFailed(f"{name} answers with {constant}, which is no number.")

    def whole(digits: str) -> int:
        if len(digits) > _LONGEST_INTEGER:
            raise EndpointFailed(f"{name} answers with a number of {len(digits):,} digits.")
        return int(digits)

    if content.count(b"[") + content.count(b"{") > _MOST_LISTS:
        raise EndpointFailed(f"{name} answers with more than {_MOST_LISTS:,} lists and objects.")
    try:
        found = json.loads(content, parse_constant=refuse, parse_int=whole)
    except (ValueError, RecursionError):
        raise EndpointFailed(f"{name} answers with something that is no JSON.") from None
    if not isinstance(found, dict):
        raise EndpointFailed(f"{name} answers with JSON that is no object.")
    if nests_deeper(found, _DEEPEST):
        raise EndpointFailed(f"{name} answers with JSON that nests more than {_DEEPEST} deep.")
    return found
