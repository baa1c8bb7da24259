"""A real HTTP server on this machine that speaks the endpoint protocols around tiny models, with faults.

Open Inference Protocol v2: logistic regression in numpy. OpenAI-compatible chat and completions: a
classifier that counts good and bad words, with logprobs. Nothing here is Assay's own code.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

__all__ = ["EndpointServer", "served"]

Answer = tuple[int, dict[str, str], bytes]


class EndpointServer(ThreadingHTTPServer):
    """Listens on 127.0.0.1; tests change its attributes while it runs.

    Attributes:
        weights, bias: of the logistic regression behind the Open Inference Protocol.
        inputs: what the metadata lists; one FP32 tensor by default.
        faults: what to do with the next requests, one each, instead of answering: a callable gets the
            handler and says whether it has answered.
        seen: (method, path, headers, body) of every request.
        outputs: changes the outputs of an inference before they are sent.
        answer: from the text to the chat's answer.
        echo: answers completions that are to echo their prompt; without one "echo" is not known here.
    """

    daemon_threads = True

    def __init__(self, weights: list[float], bias: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.weights, self.bias = np.array(weights), bias
        self.inputs: list[dict[str, Any]] = [{"name": "x", "datatype": "FP32", "shape": [-1, len(weights)]}]
        self.columns: tuple[str, ...] = ()
        self.faults: list[Callable[[_Handler], bool]] = []
        self.seen: list[tuple[str, str, dict[str, str], Any]] = []
        self.outputs: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = lambda found: found
        self.answer: Callable[[str], str] = _sentiment
        self.good_share: Callable[[str], float] = _good_share
        self.logprobs = True
        self.echo: Callable[[dict[str, Any]], tuple[int, dict[str, Any]]] | None = None
        self.key = ""
        self.called = "tiny-1"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def served(weights: list[float] | None = None, bias: float = 0.0) -> Iterator[EndpointServer]:
    """A server that runs in a thread until the block ends."""
    server = EndpointServer(weights or [1.0, -1.0], bias)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: EndpointServer

    def log_message(self, *words: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        self._serve(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _serve(self, body: Any) -> None:
        server = self.server
        server.seen.append((self.command, self.path, dict(self.headers), body))
        if server.faults and server.faults.pop(0)(self):
            return
        if server.key and self.headers.get("Authorization") != f"Bearer {server.key}":
            self.give(401, {"error": f"wrong key {self.headers.get('Authorization')}"})
            return
        if self.path == "/v2/models/tiny":
            self.give(200, self._metadata())
        elif self.path == "/v2/models/tiny/infer":
            self.give(200, self._infer(body))
        elif self.path == "/v1/chat/completions":
            self.give(200, self._chat(body))
        elif self.path == "/v1/completions" and server.echo is not None and body.get("echo"):
            self.give(*server.echo(body))
        elif self.path == "/v1/completions":
            self.give(200, self._completions(body))
        else:
            self.give(404, {"error": "no such model"})

    def give(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self.raw(status, json.dumps(body).encode(), headers)

    def raw(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _metadata(self) -> dict[str, Any]:
        outputs = [{"name": "probability", "datatype": "FP64", "shape": [-1, 2]}]
        return {
            "name": "tiny",
            "versions": ["1"],
            "platform": "numpy",
            "inputs": self.server.inputs,
            "outputs": outputs,
        }

    def _infer(self, body: Any) -> dict[str, Any]:
        if self.server.columns:
            named = {tensor["name"]: tensor["data"] for tensor in body["inputs"]}
            rows = np.array([[_number(v) for v in named[name]] for name in self.server.columns]).T
        else:
            (tensor,) = body["inputs"]
            rows = np.array(tensor["data"], dtype=np.float32).astype(np.float64).reshape(tensor["shape"])
        chance = 1 / (1 + np.exp(-(rows @ self.server.weights + self.server.bias)))
        both = np.stack([1 - chance, chance], axis=1)
        output = {"name": "probability", "datatype": "FP64", "shape": list(both.shape)}
        found = self.server.outputs([{**output, "data": both.ravel().tolist()}])
        return {"model_name": "tiny", "model_version": self.server.called, "outputs": found}

    def _chat(self, body: Any) -> dict[str, Any]:
        text = body["messages"][0]["content"].partition("Text: ")[2]
        choice: dict[str, Any] = {
            "index": 0,
            "message": {"role": "assistant", "content": self.server.answer(text)},
            "finish_reason": "stop",
        }
        if body.get("logprobs") and self.server.logprobs:
            top = [{"token": t, "logprob": p} for t, p in self._tokens(text).items()]
            choice["logprobs"] = {"content": [{**max(top, key=lambda t: t["logprob"]), "top_logprobs": top}]}
        return self._said([choice], 20)

    def _completions(self, body: Any) -> dict[str, Any]:
        choices = []
        for index, prompt in enumerate(body["prompt"]):
            text = prompt.partition("Text: ")[2]
            choice: dict[str, Any] = {"index": index, "text": self.server.answer(text)}
            if body.get("logprobs") and self.server.logprobs:
                top = self._tokens(text)
                choice["logprobs"] = {"tokens": [max(top, key=lambda t: top[t])], "top_logprobs": [top]}
            choices.append(choice)
        return self._said(choices[::-1], 20 * len(choices))

    def _tokens(self, text: str) -> dict[str, float]:
        """Log-probabilities of the first token: 90 % on the two classes, spelt in more than one way."""
        good = self.server.good_share(text)
        return {
            " good": math.log(0.6 * good),
            "Go": math.log(0.3 * good),
            "bad": math.log(0.9 * (1 - good)),
            "The": math.log(0.05),
        }

    def _said(self, choices: list[Any], tokens: int) -> dict[str, Any]:
        return {"model": self.server.called, "choices": choices, "usage": {"total_tokens": tokens}}


def _number(value: Any) -> float:
    return {"red": 1.0, "blue": 0.0}.get(value, value)


def _good_share(text: str) -> float:
    words = text.lower().split()
    return (1 + words.count("good")) / (2 + words.count("good") + words.count("bad"))


def _sentiment(text: str) -> str:
    return "good" if _good_share(text) > 0.5 else "bad"


def slow(seconds: float) -> Callable[[_Handler], bool]:
    """Answers late."""

    def wait(_handler: _Handler) -> bool:
        time.sleep(seconds)
        return False

    return wait


def status(code: int, headers: dict[str, str] | None = None, body: Any = None) -> Callable[[_Handler], bool]:
    """Answers with a status and nothing else of use."""

    def give(handler: _Handler) -> bool:
        handler.give(code, body or {"error": "try later"}, headers)
        return True

    return give


def raw(content: bytes, headers: dict[str, str] | None = None) -> Callable[[_Handler], bool]:
    """Answers 200 with these bytes."""

    def give(handler: _Handler) -> bool:
        handler.raw(200, content, headers)
        return True

    return give


def drip(seconds: float) -> Callable[[_Handler], bool]:
    """Sends a byte of the headers now and then, so that no single read is ever late."""

    def give(handler: _Handler) -> bool:
        end = time.monotonic() + seconds
        try:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while time.monotonic() < end:
                handler.wfile.write(b"a")
                handler.wfile.flush()
                time.sleep(0.02)
        except OSError:
            pass
        handler.close_connection = True
        return True

    return give


def hang_up(handler: _Handler) -> bool:
    """Closes the connection without a word."""
    handler.close_connection = True
    handler.connection.close()
    return True
