"""An endpoint that is slow, broken or hostile costs a bounded time and gives no half result."""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.contracts import EndpointLimits
from assay.endpoints import caller
from assay.endpoints.address import Access
from assay.endpoints.asker import Asker
from assay.endpoints.canary import distance
from assay.endpoints.meter import Meter
from assay.errors import BadInput, Cancelled, ChildFailed, EndpointFailed, LimitReached
from tests.endpoint_server import drip, hang_up, raw, served, slow, status
from tests.endpoints.asked import MADE, TEXTS, asker, outputs, request

ROWS = np.array([[1.0, 2.0], [0.5, -1.0], [0.0, 0.0]])
_ONE = b'{"outputs": [{"name": "p", "datatype": "FP64", "shape": [3], "data": [1,%s,3]}]}'
EXPECTED = 1 / (1 + np.exp(-(ROWS[:, 0] - ROWS[:, 1])))


@pytest.mark.parametrize(
    "fault", [status(500), status(503), hang_up, slow(1.0)], ids=["500", "503", "hung up", "slow"]
)
def test_a_failure_that_passes_is_tried_again(fault: Callable[[Any], bool]) -> None:
    with served() as server:
        found, pauses = asker(request(server), pauses=(waited := [])), waited
        found.answer({"what": "describe"}, {})
        server.faults = [fault, status(502)]
        np.testing.assert_allclose(outputs(found, ROWS)[:, 1], EXPECTED, rtol=1e-6)
        record = found.finish()
    assert (record.requests, record.retries, record.rows) == (4, 2, 3)
    backed_off = [pause for pause in pauses if pause > 0.1]
    assert len(backed_off) == 2
    assert 0.25 <= backed_off[0] <= 0.5 <= backed_off[1] <= 1.0


def test_the_pauses_between_attempts_hang_on_the_seed_alone() -> None:
    seen = []
    for _ in range(2):
        with served() as server:
            found = asker(request(server), pauses=(waited := []))
            server.faults = [status(500), status(500), status(500)]
            found.answer({"what": "describe"}, {})
            seen.append([pause for pause in waited if pause > 0.1])
    assert seen[0] == seen[1]


def test_retry_after_is_kept_and_one_that_is_too_long_is_a_failure() -> None:
    with served() as server:
        found = asker(request(server), pauses=(waited := []))
        server.faults = [status(429, {"Retry-After": "7"})]
        outputs(found, ROWS)
        assert max(waited) == 7.0
        server.faults = [status(429, {"Retry-After": "3600"})]
        with pytest.raises(EndpointFailed, match='answers 429: "try later"'):
            found.answer({"what": "rows", "rows": 3}, {"rows": ROWS + 1})


def test_attempts_come_to_an_end() -> None:
    with served() as server:
        found = asker(request(server, retries=2))
        server.faults = [status(500)] * 10
        with pytest.raises(EndpointFailed, match="after 3 attempts"):
            found.answer({"what": "describe"}, {})
        assert len(server.seen) == 3


def test_a_drip_of_single_bytes_ends_at_the_time_limit() -> None:
    with served() as server:
        found = asker(request(server, retries=0, timeout=0.4))
        server.faults = [drip(5.0)]
        start = time.monotonic()
        with pytest.raises(EndpointFailed, match=r"did not answer within 0\.4 s"):
            found.answer({"what": "describe"}, {})
        assert time.monotonic() - start < 2


def test_an_endpoint_that_takes_a_request_in_drips_ends_at_the_time_limit() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def drink() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**18)
            with suppress(OSError):
                while connection.recv(2**18, socket.MSG_WAITALL):
                    time.sleep(0.1)

    thread = threading.Thread(target=drink, daemon=True)
    thread.start()
    with listener, served() as server:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        asked = request(server, TEXTS, "openai_completions", url=url, retries=0, timeout=1.0)
        start = time.monotonic()
        with pytest.raises(EndpointFailed, match=r"did not answer within 1 s"):
            outputs(asker(asked), ["x" * 190_000 + str(n) for n in range(64)])
        assert time.monotonic() - start < 2.5
    thread.join(10)


@pytest.mark.parametrize(
    "order", [["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"], ["::1", "127.0.0.1"]]
)
def test_every_address_of_a_name_is_tried(order: list[str]) -> None:
    with served() as server:
        asked = request(server, url=f"http://model.example.test:{server.server_port}", retries=0)
        found = Asker(asked, Access(private=True), resolver=lambda _host, _port: order)
        MADE.append(found)
        np.testing.assert_allclose(outputs(found, ROWS)[:, 1], EXPECTED, rtol=1e-6)


def test_a_redirect_to_a_metadata_service_is_never_followed() -> None:
    with served() as server:
        found = asker(request(server))
        server.faults = [status(302, {"Location": "http://169.254.169.254/latest/meta-data/"})]
        with pytest.raises(BadInput, match=r"redirect .* never followed"):
            found.answer({"what": "describe"}, {})
        assert len(server.seen) == 1


def test_a_huge_answer_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "MAX_ANSWER", 2**20)
    with served() as server:
        found = asker(request(server))
        server.faults = [raw(b"[" * (2**20 + 1))]
        with pytest.raises(EndpointFailed, match="more than 1 MB"):
            found.answer({"what": "describe"}, {})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"outputs": NaN}', "answers with NaN, which is no number"),
        (b'{"outputs": Infinity}', "answers with Infinity"),
        (b"[1]", "JSON that is no object"),
        (b"<html>", "no JSON"),
        (b"{" * 100_000, "no JSON"),
        (b'{"a":' * 50_000, "no JSON"),
        (b'{"outputs": []}', "without a list of outputs"),
        (b'{"outputs": [{"name": "p", "datatype": "FP32", "shape": [3, 2], "data": [1]}]}', "1 values and"),
        (b'{"outputs": [{"name": "p", "datatype": "FP32", "shape": [-3, 2], "data": [1]}]}', "values and"),
        (b'{"outputs": [{"name": "p", "datatype": "FP32", "shape": [2, 2], "data": [1,0,1,0]}]}', "none of"),
        (
            b'{"outputs": [{"name": "p", "datatype": "BYTES", "shape": [3], "data": ["a","b","c"]}]}',
            "none of",
        ),
        (
            b'{"outputs": [{"name": "p", "datatype": "FP32", "shape": [3], "data": [1,"2",3]}]}',
            "finite number",
        ),
        (
            b'{"outputs": [{"name": "p", "datatype": "FP32", "shape": [3], "data": [1,1e999,3]}]}',
            "finite number",
        ),
        (
            b'{"outputs": [{"name": "p", "datatype": "FP32", "shape": [3], "data": [1%s]}]}' % (b"0" * 400),
            "a number of 401 digits",
        ),
        (
            b'{"outputs": [{"name": "p", "datatype": "FP32", "shape": [3], "data": [0.5,17,0.5]}]}',
            "says prob",
        ),
        (b'{"outputs": [{"datatype": "FP32", "shape": [3]}]}', "no data in JSON"),
        (b'{"outputs": [{"name": "p", "datatype": "FP64", "shape": [3], "data": [1,1e300,3]}]}', "finite"),
        (b'{"outputs": [{"name": "p", "shape": %s}]}' % (b"[" * 900 + b"]" * 900), "nests more than 32 deep"),
        (b'{"outputs": [%s[]]}' % (b"[]," * 1_000_000), "more than 1,000,000 lists"),
    ],
)
def test_an_answer_that_breaks_the_protocol_is_refused(content: bytes, says: str) -> None:
    with served() as server:
        found = asker(request(server))
        found.answer({"what": "describe"}, {})
        server.faults = [raw(content)]
        with pytest.raises((EndpointFailed, BadInput), match=says):
            found.answer({"what": "rows", "rows": 3}, {"rows": ROWS})


def test_an_answer_that_comes_compressed_unasked_is_refused() -> None:
    with served() as server:
        found = asker(request(server))
        server.faults = [raw(b"\x1f\x8b", {"Content-Encoding": "gzip"})]
        with pytest.raises(EndpointFailed, match="compressed"):
            found.answer({"what": "describe"}, {})


def test_a_key_goes_to_the_endpoint_and_nowhere_else() -> None:
    with served() as server:
        server.key = "sk-very-secret"
        asked = request(server, key="MODEL_KEY")
        found = asker(asked, key={"MODEL_KEY": "sk-very-secret\n"}.__getitem__)
        outputs(found, ROWS)
        assert server.seen[-1][2]["Authorization"] == "Bearer sk-very-secret"
        assert "sk-very-secret" not in asked.model_dump_json() + found.finish().model_dump_json()
        server.faults = [status(400, body={"error": {"message": "bad: Bearer sk-very-secret"}})]
        with pytest.raises(BadInput, match=r"bad: Bearer \[key\]") as refused:
            found.answer({"what": "rows", "rows": 3}, {"rows": ROWS + 1})
        assert "sk-very" not in refused.value.message
        wrong = asker(asked, key={"MODEL_KEY": "another-key"}.__getitem__)
        with pytest.raises(BadInput, match="The key was not accepted"):
            wrong.answer({"what": "describe"}, {})
        with pytest.raises(BadInput, match="no key"):
            asker(asked, key=lambda _name: "two words\r\nX-Evil: 1")


def test_a_long_key_is_cut_out_before_the_words_around_it_are() -> None:
    """A key of thousands of characters, told back in a message, a redirect, a name and a label."""
    key = "sk-" + "very-secret" * 300
    with served() as server:
        asked = request(server, key="MODEL_KEY")
        found = asker(asked, key={"MODEL_KEY": key}.__getitem__)
        found.answer({"what": "describe"}, {})
        server.called = key
        outputs(found, ROWS)
        faults = [status(400, body={"error": key}), status(400, body=f"it is {key}")]
        for fault in (*faults, status(302, {"Location": f"https://elsewhere.example/?token={key}"})):
            server.faults = [fault]
            with pytest.raises(BadInput) as refused:
                found.answer({"what": "rows", "rows": 3}, {"rows": ROWS + 1})
            assert "secret" not in refused.value.message
        assert "secret" not in found.finish().model_dump_json()


@pytest.mark.parametrize(
    "when", ["Mon, 99999999999 Jan 2026 00:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 +2359", "x" * 400]
)
def test_a_time_to_come_back_that_is_none_is_no_time(when: str) -> None:
    with served() as server:
        found = asker(request(server))
        server.faults = [status(429, {"Retry-After": when})]
        np.testing.assert_allclose(outputs(found, ROWS)[:, 1], EXPECTED, rtol=1e-6)


def test_answers_too_far_apart_for_a_number_are_another_model() -> None:
    far = np.full((2, 1), 3e38)
    assert distance(far, -far, labels=False) == pytest.approx(2_000)
    assert math.isfinite(distance(np.full((2, 1), 1e308), np.full((2, 1), -1e308), labels=False))


def test_requests_beyond_the_limit_are_refused_before_they_are_made(tmp_path: Path) -> None:
    with served() as server:
        counts = tmp_path / "counts"
        found = asker(request(server, most_requests=3, batch_rows=1), counts=counts)
        with pytest.raises(LimitReached, match="Asking about 5 rows takes 5 requests; 3 of 3 are left"):
            found.answer({"what": "foresee", "rows": 5}, {})
        assert not server.seen
        with pytest.raises(LimitReached, match="limit of 3 requests is reached"):
            outputs(found, ROWS)
        again = asker(request(server, most_requests=3, batch_rows=1), counts=counts)
        with pytest.raises(LimitReached, match="limit of 3 requests"):
            again.answer({"what": "describe"}, {})
        assert len(server.seen) == 3
        assert json.loads(counts.read_text())["requests"] == 3


def test_requests_on_their_way_count_for_all_who_ask(tmp_path: Path) -> None:
    limits = EndpointLimits(price_per_1k_tokens=1.0, most_spend=0.15, requests_per_second=1_000)
    first, second = (Meter(limits, tmp_path / "counts") for _ in range(2))
    first.begin(retry=False, tokens=100)
    with pytest.raises(LimitReached, match=r"could bring the spending to 0\.2000, over the limit of 0\.1500"):
        second.begin(retry=False, tokens=100)
    first.end(40, 100)
    second.begin(retry=False, tokens=100)
    assert (first.spend, second.spend) == (pytest.approx(0.04), 0)
    del second  # killed before the answer: what it asked may be billed
    with pytest.raises(LimitReached, match=r"\(140 tokens so far\)"):
        first.begin(retry=False, tokens=20)


def test_requests_keep_their_distance() -> None:
    now, starts = [0.0], []
    meter = Meter(EndpointLimits(requests_per_second=4), clock=lambda: now[0], sleep=lambda s: _pass(now, s))
    for took in (0.0, 0.1, 1.0, 0.0):
        meter.begin(retry=False)
        starts.append(now[0])
        now[0] += took
    assert starts == [0.0, 0.25, 0.5, 1.5]


def _pass(now: list[float], seconds: float) -> None:
    now[0] += seconds


def test_a_stopped_audit_makes_no_further_request() -> None:
    with served() as server:
        found = asker(request(server))
        found.stop("The user stopped it.")
        with pytest.raises(Cancelled, match="The user stopped it"):
            found.answer({"what": "describe"}, {})
        assert not server.seen


@pytest.mark.parametrize(
    ("header", "arrays"),
    [
        ({"what": "url", "url": "http://169.254.169.254"}, {}),
        ({}, {}),
        ({"what": "foresee", "rows": -1}, {}),
        ({"what": "foresee", "rows": "many"}, {}),
        ({"what": "rows", "texts": ["a"]}, {}),
        ({"what": "rows"}, {"rows": np.zeros((2, 3))}),
        ({"what": "rows"}, {"rows": np.zeros((2, 2), dtype=np.int64)}),
        ({"what": "rows"}, {"rows": np.array([[np.inf, 0.0]])}),
        ({"what": "rows"}, {"rows": np.zeros((70_000, 2))}),
        ({"what": "rows"}, {"rows": np.zeros(2)}),
        ({"what": "rows"}, {"rows": np.zeros((1, 2)), "more": np.zeros(1)}),
        ({"what": "canary"}, {"rows": np.zeros((65, 2))}),
        ({"what": "canary"}, {"rows": np.zeros((0, 2))}),
    ],
)
def test_a_child_that_asks_for_anything_but_its_rows_is_refused(
    header: dict[str, Any], arrays: dict[str, Any]
) -> None:
    with served() as server:
        found = asker(request(server))
        with pytest.raises(ChildFailed):
            found.answer(header, arrays)
        assert not server.seen
