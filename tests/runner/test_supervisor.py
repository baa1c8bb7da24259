"""The supervisor and its real child: killed, starved, stopped and orphaned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.contracts import DataRequest, FileRequest
from assay.errors import BadInput, ChildFailed
from assay.runner.sandbox import child_environment
from assay.runner.supervisor import Supervisor

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and prctl of Linux")


def request(path: Path) -> DataRequest:
    return DataRequest(
        test=FileRequest(path=str(path)), label="label", predictions="predicted", favourable="1"
    )


@pytest.fixture
def small(tmp_path: Path) -> DataRequest:
    path = tmp_path / "small.csv"
    path.write_text("label,predicted\n" + "0,0\n1,1\n" * 20)
    return request(path)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> DataRequest:
    """Takes seconds to read, so that it can be interrupted."""
    path = tmp_path_factory.mktemp("large") / "large.csv"
    path.write_text("label,predicted,text\n" + "0,0,some words of this row\n1,1,other words\n" * 2_000_000)
    return request(path)


def scratch_of(supervisor: Supervisor) -> Path:
    assert supervisor.process_id is not None
    return Path(f"/proc/{supervisor.process_id}/cwd").resolve()


@pytest.fixture
def when_running() -> Iterator[list[threading.Thread]]:
    threads: list[threading.Thread] = []
    yield threads
    for thread in threads:
        thread.join(10)


def soon(supervisor: Supervisor, what: signal.Signals, threads: list[threading.Thread]) -> None:
    """Send the child a signal as soon as it has started to read."""

    def send() -> None:
        deadline = time.monotonic() + 30
        while not supervisor.sandbox.layers and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)
        if supervisor.process_id is not None:
            os.kill(supervisor.process_id, what)

    thread = threading.Thread(target=send)
    threads.append(thread)
    thread.start()


def test_the_child_reads_the_data_and_says_which_layers_are_on(small: DataRequest) -> None:
    with Supervisor(small) as supervisor:
        profile = supervisor.intake()
        assert profile.test.rows == 40
        layers = supervisor.sandbox.layers
    assert layers["private_protocol_descriptor"]
    assert layers["minimal_environment"]
    assert layers["own_session"]


@linux
def test_every_first_layer_is_on_under_linux(small: DataRequest) -> None:
    with Supervisor(small) as supervisor:
        supervisor.intake()
        assert all(supervisor.sandbox.layers.values()), supervisor.sandbox.layers
        status = Path(f"/proc/{supervisor.process_id}/status").read_text()
        assert "NoNewPrivs:\t1" in status
        limits = Path(f"/proc/{supervisor.process_id}/limits").read_text()
        assert any(line.split()[4:6] == ["0", "0"] for line in limits.splitlines() if "core file" in line)


@linux
def test_the_child_sees_nothing_of_the_parents_environment(
    small: DataRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_TEST_SECRET", "do-not-leak")
    with Supervisor(small) as supervisor:
        supervisor.intake()
        environment = Path(f"/proc/{supervisor.process_id}/environ").read_bytes()
    assert b"do-not-leak" not in environment


def test_the_child_knows_no_way_to_a_model_hub_and_which_gpus_it_may_use() -> None:
    found = child_environment(
        {"CUDA_VISIBLE_DEVICES": "1", "HF_HUB_OFFLINE": "0", "HF_TOKEN": "s"}, "/scratch"
    )
    assert found["HF_HUB_OFFLINE"] == found["TRANSFORMERS_OFFLINE"] == "1"
    assert found["TOKENIZERS_PARALLELISM"] == "false"
    assert found["CUDA_VISIBLE_DEVICES"] == "1"
    assert "HF_TOKEN" not in found


def test_bad_input_comes_back_as_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv"
    path.write_text("approved,predicted\n1,1\n0,0\n")
    asked = DataRequest(test=FileRequest(path=str(path)), label="aproved", predictions="predicted")
    with Supervisor(asked) as supervisor, pytest.raises(BadInput) as caught:
        supervisor.intake()
    assert 'loans.csv has no column "aproved" (label)' in caught.value.message
    assert '"approved"' in caught.value.message


@linux
def test_a_killed_child_is_reported_with_its_signal(
    large: DataRequest, when_running: list[threading.Thread]
) -> None:
    with Supervisor(large) as supervisor:
        soon(supervisor, signal.SIGKILL, when_running)
        with pytest.raises(ChildFailed, match=r"signal 9 \(SIGKILL\) while reading the data"):
            supervisor.intake()


@linux
def test_a_stopped_child_is_ended_at_the_time_limit(
    large: DataRequest, when_running: list[threading.Thread]
) -> None:
    with Supervisor(large, time_limit=1.5) as supervisor:
        soon(supervisor, signal.SIGSTOP, when_running)
        with pytest.raises(ChildFailed, match="over its time limit"):
            supervisor.intake()
        assert supervisor.process_id is None


@linux
def test_a_child_over_its_memory_limit_is_ended(large: DataRequest) -> None:
    with (
        Supervisor(large, memory_limit=40 * 2**20) as supervisor,
        pytest.raises(ChildFailed, match=r"its limit is 0\.0 GB"),
    ):
        supervisor.intake()


@linux
def test_the_scratch_folder_goes_with_the_child(small: DataRequest) -> None:
    with Supervisor(small) as supervisor:
        supervisor.intake()
        scratch = scratch_of(supervisor)
        assert any(scratch.iterdir())
    assert not scratch.exists()


@linux
def test_a_child_dies_with_its_parent(small: DataRequest) -> None:
    code = (
        "import sys, time\n"
        "from assay.contracts import DataRequest\n"
        "from assay.runner.supervisor import Supervisor\n"
        "s = Supervisor(DataRequest.model_validate_json(sys.argv[1]))\n"
        "s.intake()\n"
        "print(s.process_id, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, small.model_dump_json()], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    scratch = Path(f"/proc/{child}/cwd").resolve()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(child)
    assert scratch.exists()
    with Supervisor(small) as after:
        after.intake()
    assert not scratch.exists(), "the next supervisor sweeps up after the killed one"


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False
