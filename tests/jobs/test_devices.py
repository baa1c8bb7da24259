"""Which GPUs a worker hands out."""

from __future__ import annotations

import pytest

from jobs.devices import gpus
from jobs.station import make_slots


@pytest.mark.parametrize(
    ("variable", "names"),
    [("", []), ("0,1", ["0", "1"]), ("GPU-1, GPU-2", ["GPU-1", "GPU-2"]), ("0,-1,2", ["0"]), ("-1", [])],
)
def test_the_variable_limits_what_is_handed_out(variable: str, names: list[str]) -> None:
    assert gpus({"CUDA_VISIBLE_DEVICES": variable}) == names


def test_a_gpu_worker_without_a_gpu_does_not_start() -> None:
    with pytest.raises(RuntimeError, match="shows no GPU"):
        make_slots(["gpu"], 1, devices=[])
