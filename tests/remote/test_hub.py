"""Models of the Hugging Face Hub by name, fetched over HTTP from a stand-in that answers as the Hub does.

The Hub itself is not asked: tests have no way out.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from assay.errors import AssayError, BadInput
from assay.remote.hub import HubFile, fetch, hub_name, look_up, wanted

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": b"weights of a model",
    "tokenizer.json": b"{}",
    "README.md": b"---\nlicense: mit\n---\n",
    "pytorch_model.bin": b"pickle",
    "modeling_custom.py": b"import os",
    "onnx/model.onnx": b"x",
    ".gitattributes": b"x",
}


class _Hub(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []
    lies: ClassVar[set[str]] = set()

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_words: object) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/api/models/org/model"):
            return self._info()
        name = self.path.partition(f"/resolve/{COMMIT}/")[2]
        if name not in FILES:
            return self._send(404, b"", {"X-Error-Code": "RepoNotFound"}, body)
        content = FILES[name] if name not in self.lies else b"w" * len(FILES[name])
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
        self._send(200, content, headers, body)

    def _info(self) -> None:
        if "/revision/" in self.path and not self.path.split("/revision/")[1].startswith(("main", COMMIT)):
            return self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"}, True)
        siblings = [
            {
                "rfilename": name,
                "size": len(content),
                "blobId": "0" * 40,
                **(
                    {
                        "lfs": {
                            "size": len(content),
                            "sha256": hashlib.sha256(content).hexdigest(),
                            "pointerSize": 1,
                        }
                    }
                    if name.endswith(".safetensors")
                    else {}
                ),
            }
            for name, content in FILES.items()
        ]
        body = json.dumps({"id": "org/model", "modelId": "org/model", "sha": COMMIT, "siblings": siblings})
        self._send(200, body.encode(), {"Content-Type": "application/json"}, True)

    def _send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    # Tests run with HF_HUB_OFFLINE=1; this one Hub is on this machine.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    _Hub.asked.clear()
    _Hub.lies.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_name_is_pinned_to_a_commit_and_only_safe_files_come(hub: str, tmp_path: Path) -> None:
    found = look_up(hub_name("org/model"), most_bytes=1_000, endpoint=hub)
    assert found.commit == COMMIT
    names = ["README.md", "config.json", "model.safetensors", "tokenizer.json"]
    assert [each.path for each in found.files] == names
    paths = fetch(found, tmp_path, endpoint=hub)
    assert [path.name for path in paths] == names
    assert (tmp_path / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    fetched = [path for path in _Hub.asked if "/resolve/" in path]
    assert all(f"/resolve/{COMMIT}/" in path for path in fetched)
    assert not any(path.endswith((".bin", ".py", ".onnx")) for path in fetched)


def test_what_is_not_what_was_announced_is_refused(hub: str, tmp_path: Path) -> None:
    found = look_up(hub_name(f"org/model@{COMMIT}"), most_bytes=1_000, endpoint=hub)
    _Hub.lies.add("model.safetensors")
    with pytest.raises(BadInput, match="another SHA-256"):
        fetch(found, tmp_path, endpoint=hub)


def test_what_is_not_there_is_told_in_a_sentence(hub: str) -> None:
    with pytest.raises(BadInput, match="has no revision v9"):
        look_up(hub_name("org/model@v9"), most_bytes=1_000, endpoint=hub)
    with pytest.raises(BadInput, match="There is no model org/other"):
        look_up(hub_name("org/other"), most_bytes=1_000, endpoint=hub)
    with pytest.raises(BadInput, match="at most 10 are taken in here"):
        look_up(hub_name("org/model"), most_bytes=10, endpoint=hub)
    with pytest.raises(AssayError, match="cannot be reached") as found:
        look_up(hub_name("org/model"), most_bytes=1_000, endpoint="http://127.0.0.1:9")
    assert found.value.code == "hub"


@pytest.mark.parametrize(
    "said",
    ["", "a/b/c", "../x", "/etc/passwd", "https://hub/x", "a@b@c", "a/..", "x" * 200, "a/b@", "a b", "ü/x"],
)
def test_odd_names_never_reach_the_hub(said: str) -> None:
    with pytest.raises(BadInput, match="is no name of a model on the Hub"):
        hub_name(said)


def test_pickles_alone_are_refused_with_the_way_out() -> None:
    listed = [
        HubFile("config.json", 3),
        HubFile("pytorch_model.bin", 9),
        HubFile("fp16/model.safetensors", 9),
    ]
    with pytest.raises(BadInput, match=r"no safetensors at its top \(it has pytorch_model.bin\)"):
        wanted("org/x", listed, 1_000)
    with pytest.raises(BadInput, match="too many for its kind"):
        wanted("org/x", [HubFile("model.safetensors", 1), HubFile("vocab.txt", 2**30)], 2**40)
