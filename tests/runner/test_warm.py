"""Children of tests/warm.py are told from fresh ones by how long they take to start, and by nothing else."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from assay.contracts import DataRequest, FileRequest, ModelRequest, Profile, SandboxReport
from assay.errors import Cancelled, ChildFailed
from assay.runner.supervisor import Supervisor
from tests.models.made import linear_folder, number
from tests.support import write_csv
from tests.warm import fresh_children, warm_children

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks below a subreaper")


@pytest.fixture
def request_(tmp_path: Path) -> DataRequest:
    columns = {"income": list(range(40)), "repaid": ["no", "yes"] * 20}
    model = linear_folder(tmp_path / "linear", [number("income")], [1.0])
    return DataRequest(
        test=FileRequest(path=str(write_csv(tmp_path / "rows.csv", columns))),
        model=ModelRequest(path=str(model), device="cpu"),
        label="repaid",
    )


_OF_STATUS = ("Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp", "Seccomp_filters")


class Read(NamedTuple):
    """What a child said, and what the system says of it."""

    profile: Profile
    sandbox: SandboxReport
    status: dict[str, str]
    limits: str
    descriptors: list[str]
    leads_its_session: bool
    nursed: bool


def _read(request: DataRequest) -> Read:
    with Supervisor(request) as supervisor:
        profile = supervisor.intake()
        process = Path(f"/proc/{supervisor.process_id}")
        lines = (line.partition(":") for line in (process / "status").read_text().splitlines())
        return Read(
            profile,
            supervisor.sandbox,
            {name: value for name, _, value in lines if name in _OF_STATUS},
            (process / "limits").read_text(),
            sorted(re.sub(r":.*|\d+", "", str(link.readlink())) for link in (process / "fd").iterdir()),
            os.getsid(int(process.name)) == int(process.name),
            "warm.py" in (process / "cmdline").read_text(),
        )


def test_a_warm_child_is_confined_as_a_fresh_one_and_reads_the_same(request_: DataRequest) -> None:
    with warm_children():
        warm = _read(request_)
        with fresh_children():
            fresh = _read(request_)
    assert (warm.nursed, fresh.nursed) == (True, False)
    assert warm._replace(nursed=False) == fresh


def test_a_warm_child_can_be_killed_starved_and_stopped(request_: DataRequest) -> None:
    with warm_children():
        with Supervisor(request_) as supervisor:
            profile = supervisor.intake()
            assert supervisor.process_id is not None
            os.kill(supervisor.process_id, signal.SIGKILL)
            with pytest.raises(ChildFailed, match=r"signal 9 \(SIGKILL\) while naming the rows"):
                supervisor.rows(profile)
        with (
            Supervisor(request_, memory_limit=10 * 2**20) as supervisor,
            pytest.raises(ChildFailed, match="its limit is"),
        ):
            supervisor.intake()
        with Supervisor(request_) as supervisor:
            profile = supervisor.intake()
            supervisor.stop("enough")
            with pytest.raises(Cancelled, match="enough"):
                supervisor.rows(profile)
