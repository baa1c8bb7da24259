"""What a child does to its supervisor once somebody's code runs in it: a real process in the real sandbox.

Each case is a text of Python that runs where the child would serve: after the lock-down, with the channel.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from assay.contracts import DataRequest, FileRequest, ModelRequest
from assay.errors import AssayError, BadInput, ChildFailed
from assay.runner.sandbox import contains
from assay.runner.supervisor import Supervisor
from tests.models.made import linear_folder, number

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="layers of Linux")

_BEFORE = """
import ctypes, json, os, socket, struct, sys, threading, time
from assay.runner import protocol
from assay.runner.sandbox import Confinement, lock_down
channel = socket.socket(fileno=int(sys.argv[1]))
message, _ = protocol.receive(channel)
protocol.send(channel, {"kind": "ready", "layers": lock_down(int(sys.argv[2]), Confinement.of(message))})
message, _ = protocol.receive(channel)
libc = ctypes.CDLL(None, use_errno=True)
def say(text):
    channel.sendall(struct.pack("!QQ", len(text), 0) + text)
"""
_HANG = "time.sleep(60)"


class Hostile:
    """Starts supervisors whose child runs a text, below one scratch folder."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self._folder, self._patch = folder, patch
        self.layers: Mapping[str, bool] = {}

    def run(
        self,
        code: str,
        *,
        seconds: float = 20.0,
        memory: int = 2**29,
        heard: list[Any] | None = None,
        model: Path | None = None,
    ) -> None:
        """Ask for data; raises what the supervisor makes of the answer."""
        evil = self._folder / "evil.py"
        evil.write_text(_BEFORE + code)
        start = subprocess.Popen

        def instead(command: list[str], **options: Any) -> Any:
            return start([command[0], "-I", str(evil), *command[4:]], **options)

        request = DataRequest(test=FileRequest(path=str(self._folder / "none.csv")))
        limits: dict[str, Any] = {"time_limit": seconds, "memory_limit": memory}
        with (
            self._patch.context() as patch,
            Supervisor(request, scratch_parent=self.scratch, **limits) as made,
        ):
            patch.setattr("assay.runner.supervisor.subprocess.Popen", instead)
            try:
                if model is not None:
                    made.describe_model(ModelRequest(path=str(model)))
                made.intake(None if heard is None else heard.append)
            finally:
                self.layers = made.sandbox.layers


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hostile]:
    found = Hostile(tmp_path, monkeypatch)
    yield found
    assert not list(found.scratch.iterdir()), "something of the child's stays behind"


def test_an_answer_that_trickles_in_ends_with_the_time_limit(hostile: Hostile) -> None:
    began = time.monotonic()
    with pytest.raises(ChildFailed, match="over its time limit"):
        hostile.run(
            "channel.sendall(struct.pack('!QQ', 1000, 0))\n"
            "for _ in range(100):\n    channel.sendall(b' ')\n    time.sleep(0.3)\n",
            seconds=2,
        )
    assert time.monotonic() - began < 10


def test_a_child_that_takes_nothing_ends_with_the_time_limit(hostile: Hostile) -> None:
    """It asks an endpoint that nobody named, and leaves the answers where they are."""
    began = time.monotonic()
    with pytest.raises(ChildFailed, match="over its time limit"):
        hostile.run(
            "said = b'{\"kind\":\"query\"}'\nwhole = struct.pack('!QQ', len(said), 0) + said\n"
            "while True:\n    channel.sendall(whole)\n",
            seconds=2,
        )
    assert time.monotonic() - began < 10


def test_memory_is_watched_while_an_answer_arrives(hostile: Hostile) -> None:
    with pytest.raises(ChildFailed, match="its limit is"):
        hostile.run("channel.sendall(b'x')\nheld = bytearray(b'x') * 2**30\n" + _HANG)


def test_folders_in_folders_go_and_do_not_stop_the_next_audit(hostile: Hostile) -> None:
    dig = "for _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')\n"
    with pytest.raises(ChildFailed):
        hostile.run(dig)


def test_folders_that_nobody_may_list_go_too(hostile: Hostile) -> None:
    with pytest.raises(ChildFailed):
        hostile.run(
            "os.mkdir('shut', 0o300)\nopen('shut/file', 'w').close()\n"
            "os.mkdir('shut/in', 0o300)\nopen('shut/in/file', 'w').close()\nos.mkdir('none', 0)\n"
        )


def test_threads_without_end_are_ended(hostile: Hostile) -> None:
    with pytest.raises(ChildFailed, match=r"threads, its limit is"):
        hostile.run(
            "threading.stack_size(32768)\nforever = threading.Event()\n"
            "while True:\n    threading.Thread(target=forever.wait, daemon=True).start()\n"
        )


def test_page_tables_count_as_memory(hostile: Hostile) -> None:
    """Reading a page of every 2 MB of a huge mapping takes a table for each, and no resident page."""
    with pytest.raises(ChildFailed, match="its limit is"):
        hostile.run(
            "libc.mmap.restype = libc.memchr.restype = ctypes.c_void_p\nsize = 400 << 30\n"
            "start = libc.mmap(None, ctypes.c_size_t(size), 1, 0x4022, -1, ctypes.c_long(0))\n"
            "libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), 15)\n"
            "for place in range(start, start + size, 2 << 20):\n"
            "    libc.memchr(ctypes.c_void_p(place), 0, ctypes.c_size_t(1))\n" + _HANG
        )


def test_a_disk_is_not_filled_by_files_without_names(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The share to be kept is set so high that a few megabytes are too much."""
    monkeypatch.setattr("assay.runner.disk._KEPT", _share_without(hostile.scratch, 64 * 2**20))
    with pytest.raises(ChildFailed, match="nearly full"):
        hostile.run(
            "held = os.open('big', os.O_CREAT | os.O_WRONLY)\nos.unlink('big')\n"
            "for _ in range(256):\n    os.write(held, b'x' * 2**20)\nos.fsync(held)\n" + _HANG
        )


def _share_without(folder: Path, size: int) -> float:
    found = os.statvfs(folder)
    return 1 - size / (found.f_bavail * found.f_frsize)


@pytest.mark.parametrize(
    "said",
    ['{"kind":"progress","done":1' + "0" * 400 + "}", '{"kind":"progress","done":NaN}'],
    ids=["huge", "no number"],
)
def test_progress_that_is_no_share_is_none(hostile: Hostile, said: str) -> None:
    heard: list[float] = []
    with pytest.raises(ChildFailed, match="ended with status 0"):
        hostile.run(f"say({said.encode()!r})\n", heard=heard)
    assert heard == [0.0]


@pytest.mark.parametrize("rate", ["1" + "0" * 400, "NaN", "[1]"], ids=["huge", "no number", "a list"])
def test_a_speed_that_is_no_number_breaks_the_contract(hostile: Hostile, rate: str) -> None:
    said = f'{{"kind":"profile","profile":{{}},"rows_per_second":{rate}}}'
    with pytest.raises(ChildFailed, match="breaks its contract"):
        hostile.run(f"say({said.encode()!r})\n")


@pytest.fixture(scope="module")
def honest_profile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("honest") / "d.csv"
    path.write_text("y,p,sex\n" + "0,0,f\n1,1,m\n" * 20)
    asked = DataRequest(test=FileRequest(path=str(path)), label="y", predictions="p", sensitive=("sex",))
    with Supervisor(asked) as honest:
        return honest.intake().model_dump(mode="json")


@pytest.mark.parametrize("rows", [10**12, 10**400, -1], ids=["too many", "absurd", "less than none"])
def test_rows_that_no_plan_could_cover_are_refused(
    hostile: Hostile, honest_profile: dict[str, Any], rows: int
) -> None:
    """The supervisor's process cuts the work into shards by what the child says."""
    profile = copy.deepcopy(honest_profile)
    profile["datasets"][0]["rows"] = rows
    said = json.dumps({"kind": "profile", "profile": profile, "rows_per_second": 1})
    with pytest.raises(ChildFailed, match="says the child"):
        hostile.run(f"say({said.encode()!r})\n")


@pytest.mark.parametrize("where", ["facts", "gate"])
def test_a_model_is_not_passed_off_as_another(hostile: Hostile, tmp_path: Path, where: str) -> None:
    """Approvals and comparisons rest on a model's digest."""
    path = linear_folder(tmp_path / "model", [number("x")], [1.0])
    with Supervisor(None) as honest:
        report = honest.describe_model(ModelRequest(path=str(path), device="cpu")).model_dump(mode="json")
    facts = report["facts"]
    (facts if where == "facts" else facts["gate"])["sha256"] = "ab" * 32
    said = json.dumps({"kind": "model", "report": report})
    with pytest.raises(ChildFailed, match="tells of another model"):
        hostile.run(f"say({said.encode()!r})\n", model=path)


def test_data_are_not_passed_off_as_others(
    hostile: Hostile, honest_profile: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "none.csv").write_text("y,p,sex\n0,0,f\n")
    said = json.dumps({"kind": "profile", "profile": honest_profile, "rows_per_second": 1})
    with pytest.raises(ChildFailed, match="tells of other test data"):
        hostile.run(f"say({said.encode()!r})\n")


def _test_set(profile: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = profile["datasets"][0]
    return found


_LIES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no test data": lambda p: p.update(datasets=[]),
    "two test data": lambda p: p["datasets"].append(_test_set(p)),
    "a column twice": lambda p: _test_set(p)["columns"].append(_test_set(p)["columns"][0]),
    "thousands of groups": lambda p: _test_set(p)["columns"][2].update(
        categories=[str(place) for place in range(5_000)], counts=[0] * 5_000
    ),
    "counts beyond the rows": lambda p: _test_set(p)["columns"][2].update(counts=[10**9, 0]),
    "fewer counts than groups": lambda p: _test_set(p)["columns"][2].update(counts=[40]),
    "a label that is no column": lambda p: p["roles"].update(label="none"),
    "groups that are no column": lambda p: p["roles"].update(sensitive=["none"]),
    "a model that nobody named": lambda p: p["capabilities"].append("query"),
    "very many classes": lambda p: p["signature"].update(
        task="multiclass", classes=[str(place) for place in range(10_000)], favourable=None
    ),
    "a favourable class that is none": lambda p: p["signature"].update(favourable="none"),
    "half a character": lambda p: p["notes"].append("\ud800"),
    "a count beyond all": lambda p: _test_set(p).update(set_aside=10**40),
}


@pytest.mark.parametrize("lie", _LIES)
def test_a_profile_whose_parts_do_not_fit_together_is_refused(
    hostile: Hostile, honest_profile: dict[str, Any], lie: str
) -> None:
    """Estimates, plans, merges and pages are made of it outside of the child."""
    profile = copy.deepcopy(honest_profile)
    _LIES[lie](profile)
    said = json.dumps({"kind": "profile", "profile": profile, "rows_per_second": 1})
    with pytest.raises(ChildFailed, match=r"breaks its contract|does not fit together"):
        hostile.run(f"say({said.encode()!r})\n")


def test_a_name_that_no_database_keeps_is_told_as_what_files_hold(
    hostile: Hostile, honest_profile: dict[str, Any]
) -> None:
    """An honest child says so of a file with such a name; a lying one gains nothing by it."""
    profile = copy.deepcopy(honest_profile)
    profile["notes"].append("a\0b")
    said = json.dumps({"kind": "profile", "profile": profile, "rows_per_second": 1})
    with pytest.raises(BadInput, match="holds a NUL"):
        hostile.run(f"say({said.encode()!r})\n")


@pytest.mark.parametrize(
    ("kind", "raised"), [("bad_input", BadInput), ("cancelled", ChildFailed), ("nonsense", AssayError)]
)
def test_its_messages_move_no_cursor_and_cancel_nothing(
    hostile: Hostile, kind: str, raised: type[AssayError]
) -> None:
    said = {"kind": "error", "code": kind, "message": "\x1b[2JAll is well.\n\u202e\x00\ud800"}
    with pytest.raises(AssayError) as refused:
        hostile.run(f"say({json.dumps(said).encode()!r})\n")
    assert type(refused.value) is raised
    assert refused.value.message == r"\x1b[2JAll is well.\n\u202e\x00\ud800"


@pytest.mark.parametrize("finding", ["\0", "\ud800", "x" * 10_000], ids=["NUL", "half", "long"])
def test_a_verdict_that_nobody_could_keep_is_none(hostile: Hostile, finding: str) -> None:
    verdict = {"trust": "C", "came_as": "onnx", "sha256": "ab" * 32, "findings": [finding] * 200}
    said = {"kind": "error", "code": "bad_input", "message": "No.", "gate": verdict}
    with pytest.raises(BadInput, match=r"^No\.$") as refused:
        hostile.run(f"say({json.dumps(said).encode()!r})\n")
    assert refused.value.gate is None


def test_its_last_words_move_no_cursor(hostile: Hostile) -> None:
    with pytest.raises(ChildFailed, match=r"Its last words: \\x1b\[2J all is well\\x00"):
        hostile.run("os.write(2, b'\\x1b[2J all is well\\x00')\n")


def test_it_is_contained(hostile: Hostile) -> None:
    """The cases above run where they would run."""
    with pytest.raises(ChildFailed):
        hostile.run("")
    if not contains(hostile.layers):
        pytest.skip("this machine lacks a layer")
