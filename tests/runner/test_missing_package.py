"""A model where only the base of Assay is installed: one sentence says what to install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_ANSWER = """
import socket, sys
sys.modules["torch"] = None  # as where it is not installed: importing it raises ModuleNotFoundError
from assay.runner import protocol
from assay.runner.child import _Server
here, there = socket.socketpair()
path = sys.argv[2]
request = {"path": path} if sys.argv[1] == "model" else {"test": {"path": path}, "model": {"path": path}}
_Server(here, True, None).answer({"do": sys.argv[1], "request": request})
print(protocol.receive(there)[0])
"""


@pytest.mark.parametrize("asked", ["model", "intake"])
def test_what_to_install_is_said_in_one_sentence(asked: str, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"x")
    done = subprocess.run(
        [sys.executable, "-c", _ANSWER, asked, str(tmp_path / "model.onnx")], capture_output=True, text=True
    )
    assert "'code': 'bad_input'" in done.stdout, done.stderr
    assert "needs the package torch, which is not installed here: pip install '.[models]'" in done.stdout
    assert "Traceback" not in done.stderr
