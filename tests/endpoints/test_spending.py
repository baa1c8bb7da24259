"""What went out may be billed, so it counts, unless the answer says that no work was done."""

from __future__ import annotations

from typing import Any

import pytest

from assay.errors import AssayError, EndpointFailed, LimitReached
from tests.endpoint_server import raw, served, status
from tests.endpoints.asked import TEXTS, asker, outputs, request

PRICES = {"price_per_1k_tokens": 1.0, "most_spend": 5.0}
LONG = "word " * 400


def _breaks_off(handler: Any) -> bool:
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"choices":')
    handler.close_connection = True
    return True


@pytest.mark.parametrize(
    ("fault", "counts"),
    [
        (_breaks_off, True),
        (raw(b"<html>"), True),
        (status(500), True),
        (status(502), True),
        (status(504), True),
        (status(520), True),
        (status(400), False),
        (status(429), False),
        (status(503), False),
        (status(529), False),
    ],
)
def test_a_request_whose_answer_breaks_counts_as_taken(fault: Any, counts: bool) -> None:
    with served() as server:
        found = asker(request(server, TEXTS, "openai_chat", retries=0, **PRICES))
        server.faults = [fault]
        with pytest.raises(AssayError):
            outputs(found, [LONG])
        record = found.finish()
    assert (record.tokens > 600) is counts
    assert record.spend == pytest.approx(record.tokens / 1_000)


def test_broken_answers_come_to_an_end_at_the_limit() -> None:
    with served() as server:
        found = asker(request(server, TEXTS, "openai_chat", retries=10, **PRICES))
        server.faults = [_breaks_off] * 50
        with pytest.raises(LimitReached, match=r"over the limit of 5\.0000"):
            outputs(found, [LONG])
        assert 3 <= len(server.seen) <= 9


def test_the_usage_is_read_out_of_an_answer_that_is_none() -> None:
    with served() as server:
        found = asker(request(server, TEXTS, "openai_chat", **PRICES))
        server.faults = [raw(b'{"choices": NaN, "usage": {"total_tokens": 1234}}')]
        with pytest.raises(EndpointFailed, match="NaN"):
            outputs(found, ["a"])
        assert found.finish().tokens == 1_234


def test_a_request_that_never_went_out_costs_nothing() -> None:
    with served() as server:
        asked = request(server, TEXTS, "openai_chat", retries=0, **PRICES)
    found = asker(asked)
    with pytest.raises(EndpointFailed, match="cannot be reached"):
        outputs(found, [LONG])
    assert (found.finish().tokens, found.finish().requests) == (0, 1)


@pytest.mark.parametrize(("code", "attempts"), [(520, 2), (529, 2), (501, 1)])
def test_which_failures_are_tried_again(code: int, attempts: int) -> None:
    with served() as server:
        found = asker(request(server, TEXTS, "openai_chat", retries=1))
        server.faults = [status(code)] * 2
        with pytest.raises(AssayError, match=f"answers {code}"):
            outputs(found, ["a"])
        assert len(server.seen) == attempts
