"""The key of an endpoint is in no sentence that Assay says, however it is told back."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from assay.endpoints.address import parse_url
from assay.errors import AssayError, BadInput
from tests.endpoint_server import raw, served, status
from tests.endpoints.asked import TEXTS, Asker, asker, request

KEY = "sk-live/abc+DEF0123456789=="
ROWS = np.zeros((1, 2))


def _told(found: Asker, header: dict[str, Any], arrays: dict[str, Any]) -> str:
    with pytest.raises(AssayError) as refused:
        found.answer(header, arrays)
    return refused.value.message


@pytest.mark.parametrize(
    "spelt",
    [
        KEY,
        KEY.replace("/", "\\/"),
        KEY.replace("+", "\\u002B"),
        KEY.replace("+", "\\\\u002b"),
        quote(KEY, safe=""),
        quote(KEY, safe="").lower().replace("def", "DEF"),
        quote(quote(KEY, safe=""), safe=""),
        KEY.replace("=", "&#61;").replace("+", "&#x2B;"),
    ],
)
@pytest.mark.parametrize("body", ['{"detail": "no such key: %s"}', '{"error": "%s"}', "<p>%s</p>"])
def test_a_key_that_is_escaped_is_cut_out_too(spelt: str, body: str) -> None:
    with served() as server:
        server.faults = [lambda handler: handler.raw(400, (body % spelt).encode()) or True]
        found = asker(request(server, TEXTS, "openai_chat", key="K"), key=lambda _name: KEY)
        said = _told(found, {"what": "rows", "texts": ["a"]}, {})
    assert "[key]" in said
    assert "abc" not in said
    assert "0123" not in said


def test_a_redirect_and_a_header_that_is_none_tell_no_key() -> None:
    def no_header(handler: Any) -> bool:
        line = (
            f"HTTP/1.1 200 OK\r\nX Echo {handler.headers['Authorization']}\r\nContent-Length: 2\r\n\r\n{{}}"
        )
        handler.wfile.write(line.encode())
        handler.close_connection = True
        return True

    with served() as server:
        server.faults = [status(302, {"Location": f"https://login/?t={quote(KEY, safe='')}"}), no_header]
        found = asker(request(server, TEXTS, "openai_chat", key="K", retries=0), key=lambda _name: KEY)
        for says in ("redirect", "illegal header line"):
            said = _told(found, {"what": "rows", "texts": ["a"]}, {})
            assert says in said
            assert "0123" not in said


def test_what_an_endpoint_names_its_tensors_is_cut_after_the_key_is_out() -> None:
    key = "sk-" + "verysecret" * 40
    with served() as server:
        found = asker(request(server, key="K", retries=0), key=lambda _name: key)
        found.answer({"what": "describe"}, {})
        output = {"name": key, "datatype": "FP32", "shape": [1], "data": ["x"]}
        server.faults = [raw(json.dumps({"outputs": [output]}).encode())]
        assert "secret" not in _told(found, {"what": "rows"}, {"rows": ROWS})
        server.inputs = [{"name": "x", "datatype": key, "shape": [-1, 2]}]
        again = asker(request(server, key="K"), key=lambda _name: key)
        assert "sk-" not in _told(again, {"what": "describe"}, {})


def test_an_error_of_many_backslashes_takes_no_time() -> None:
    with served() as server:
        server.faults = [lambda handler: handler.raw(400, b"\\" * 2**21) or True]
        found = asker(request(server, TEXTS, "openai_chat", key="K", timeout=10), key=lambda _name: KEY)
        assert "answers 400" in _told(found, {"what": "rows", "texts": ["a"]}, {})


@pytest.mark.parametrize(
    "url",
    [
        "https://user:s3cret@a.example.org:99999",
        "ftp://user:s3cret@a.example.org",
        "user:s3cret@a.example.org",
        "https://user:s3/cret@a.example.org",
        "https://user:s3?cret@a.example.org",
        "https://a.example.org/v1?key=s3cret",
        "https://user:s3cret@[::1",
    ],
)
def test_an_address_with_a_password_is_refused_without_it(url: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_url(url)
    assert "cret" not in refused.value.message
    assert "s3" not in refused.value.message
