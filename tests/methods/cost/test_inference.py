"""What an answer of a known model costs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from assay.contracts import Lineage, Measure, MethodResult, ModelSignature
from assay.datasets.subject import Subject
from assay.errors import BadParams
from assay.evidence import result_digest
from assay.execution import run_method
from assay.methods.cost.inference import METHOD
from assay.methods.cost.memory import peak_memory
from assay.models.architectures import build
from assay.models.torch_folder import write_torch_folder
from tests.models.made import linear_folder, model_subject, number, two_gaussians

SHORT = {"seconds": 0.05, "batch_sizes": (1, 16)}


def one(result: MethodResult, name: str, **at: Any) -> Measure:
    found = [
        m for m in result.measures if m.id == f"cost.{name}" and all(m.at.get(k) == v for k, v in at.items())
    ]
    assert len(found) == 1, [dict(m.at) for m in found]
    return found[0]


def mlp(folder: Path, lineage: Lineage | None = None) -> Path:
    config = {"inputs": 2, "hidden": (5, 3), "outputs": 2}
    signature = ModelSignature(
        task="binary",
        output="logit",
        classes=("no", "yes"),
        favourable="yes",
        columns=(number("x1"), number("x2")),
    )
    return write_torch_folder(folder, build("mlp", config), "mlp", config, signature, lineage)


class Slow(torch.nn.Module):
    """Sleeps before it answers, and remembers for how long it was away."""

    def __init__(self, inner: torch.nn.Module, seconds: float) -> None:
        super().__init__()
        self.inner, self.seconds, self.away = inner, seconds, list[float]()

    def forward(self, rows: torch.Tensor) -> Any:
        start = time.perf_counter()
        time.sleep(self.seconds)
        self.away.append(time.perf_counter() - start)
        return self.inner(rows)


def slow_subject(folder: Path, seconds: float) -> Subject:
    model = linear_folder(folder / "m", [number("x1"), number("x2")], [1.0, 0.0])
    subject = model_subject(folder, model, two_gaussians(100, 1), label="label")
    subject.model.module = Slow(subject.model.module, seconds)  # type: ignore[attr-defined]
    return subject


def test_parameters_bytes_and_arithmetic_of_a_perceptron_in_closed_form(tmp_path: Path) -> None:
    subject = model_subject(
        tmp_path, mlp(tmp_path / "m"), two_gaussians(60, 1), training=two_gaussians(40, 2), label="label"
    )
    result = run_method(METHOD, subject, {**SHORT, "training_epochs": 7})
    weights, biases = 2 * 5 + 5 * 3 + 3 * 2, 5 + 3 + 2
    assert one(result, "parameters").value == weights + biases
    assert one(result, "weight_size").value == pytest.approx(4 * (weights + biases) / 1e6)
    assert one(result, "flops_per_row").value == 2 * weights
    # 6 N D with N = weights and D = rows x epochs
    assert one(result, "training_flops", basis="assumed").value == 6 * weights * 40 * 7
    assert {m.grade for m in result.measures} == {"executed"}


def test_the_lineage_tells_what_training_took(tmp_path: Path) -> None:
    lineage = Lineage(remedy="made.here", version="1", params={"epochs": 3}, seed=0, rows={"training": 500})
    subject = model_subject(tmp_path, mlp(tmp_path / "m", lineage), two_gaussians(60, 1), label="label")
    result = run_method(METHOD, subject, SHORT)
    assert one(result, "training_flops", basis="lineage").value == 6 * (10 + 15 + 6) * 500 * 3


def test_without_training_rows_nothing_is_said_of_training(tmp_path: Path) -> None:
    subject = model_subject(tmp_path, mlp(tmp_path / "m"), two_gaussians(60, 1), label="label")
    found = one(run_method(METHOD, subject, SHORT), "training_flops")
    assert found.status == "insufficient"
    assert "--train" in (found.note or "")


def test_a_model_that_sleeps_is_as_slow_as_it_sleeps(tmp_path: Path) -> None:
    subject = slow_subject(tmp_path, 0.005)
    result = run_method(METHOD, subject, {"seconds": 0.5, "batch_sizes": (1, 16)})
    slept = np.quantile(subject.model.module.away, 0.9)  # type: ignore[attr-defined]
    for batch in (1, 16):
        median = one(result, "latency", batch=batch, percentile=50)
        assert median.value is not None
        assert 5.0 <= median.value <= 1e3 * slept + 1.0
        assert median.volatile
        throughput = one(result, "throughput", batch=batch)
        assert throughput.low is not None
        assert throughput.high is not None
        assert throughput.value is not None
        assert throughput.low <= throughput.value <= throughput.high <= batch / 0.005
    yardstick = one(result, "yardstick", percentile=50)
    assert (yardstick.n, yardstick.volatile, yardstick.direction) == (600, True, "none")
    assert yardstick.value is not None
    assert yardstick.value < 5.0  # the machine is not slow, the model is
    assert one(result, "yardstick", statistic="mean").value is not None
    assert "of a core while they were timed" in " ".join(result.notes)  # a sleeper keeps no core busy
    p99 = one(result, "latency", batch=1, percentile=99)
    assert p99.status == "insufficient"
    assert "459 are needed" in (p99.note or "")
    slowest = one(result, "latency_maximum", batch=1)
    assert slowest.value is not None
    assert slowest.value >= 5.0
    price = one(result, "price_per_1000", batch=16)
    rows_a_second = one(result, "throughput", batch=16).value
    assert rows_a_second is not None
    assert price.value == pytest.approx(1000 * 0.09 / (3600 * rows_a_second), rel=1e-9)
    assert one(result, "energy_per_1000").at["basis"] in ("estimated", "measured")


def test_what_does_not_hang_on_the_machine_has_one_digest_and_times_have_none(tmp_path: Path) -> None:
    subject = model_subject(
        tmp_path, mlp(tmp_path / "m"), two_gaussians(60, 1), training=two_gaussians(40, 2), label="label"
    )
    first, second = (run_method(METHOD, subject, SHORT, seed=5) for _ in range(2))
    assert first != second
    assert result_digest(first.measures, [METHOD.spec]) == result_digest(second.measures, [METHOD.spec])
    stable = {m.id for m in first.measures if not m.volatile}
    assert stable == {
        "cost.parameters",
        "cost.weight_size",
        "cost.flops_per_row",
        "cost.training_flops",
    }
    assert "seconds" not in subject.profile.model_dump_json()


def test_the_notes_say_where_and_how_it_was_measured(tmp_path: Path) -> None:
    subject = model_subject(tmp_path, mlp(tmp_path / "m"), two_gaussians(10, 1), label="label")
    subject.model.batch_rows = 8
    before = torch.get_num_threads()
    said = " ".join(run_method(METHOD, subject, {**SHORT, "threads": 1}).notes)
    assert torch.get_num_threads() == before
    assert "Measured on cpu (" in said
    assert "with 1 thread a call" in said
    assert "estimated, not measured" in said or "Energy was counted" in said
    assert "a call with 16 rows runs it several times" in said


def test_a_cold_start_is_timed_with_its_first_answer(tmp_path: Path) -> None:
    subject = model_subject(tmp_path, mlp(tmp_path / "m"), two_gaussians(60, 1), label="label")
    reload = subject.model.reload
    assert reload is not None

    def late() -> Any:
        time.sleep(0.05)
        fresh = reload()
        fresh.module = Slow(fresh.module, 0.05)  # type: ignore[attr-defined]
        return fresh

    subject.model.reload = late
    found = one(run_method(METHOD, subject, SHORT), "cold_start")
    assert found.n == 6
    assert found.low is not None
    assert found.low >= 0.1
    subject.model.reload = None
    once = one(run_method(METHOD, subject, SHORT), "cold_start")
    assert once.value == pytest.approx(subject.model.load_seconds, rel=1e-9)
    assert "too large for a second copy" in (once.note or "")


def test_memory_that_a_call_needs_for_a_moment_is_seen() -> None:
    found = peak_memory(lambda: np.ones(16_000_000), "cpu")
    if found.working is None:
        pytest.skip("this kernel does not let the high-water mark be set back")
    assert 128e6 * 0.95 <= found.working <= 128e6 * 1.3
    assert found.process >= found.working
    assert peak_memory(lambda: None, "cpu").working < 32e6  # type: ignore[operator]


@pytest.mark.parametrize("params", [{"batch_sizes": ()}, {"batch_sizes": (0,)}, {"seconds": 0}, {"pue": 0.5}])
def test_settings_out_of_range_are_refused(params: dict[str, Any], tmp_path: Path) -> None:
    subject = model_subject(tmp_path, mlp(tmp_path / "m"), two_gaussians(10, 1), label="label")
    with pytest.raises(BadParams, match=r"cost\.inference: "):
        run_method(METHOD, subject, params)


def test_the_estimate_covers_the_time_that_is_spent(tmp_path: Path) -> None:
    subject = slow_subject(tmp_path, 0.002)
    params = METHOD.Params(seconds=0.3, batch_sizes=(1, 4))
    start = time.perf_counter()
    run_method(METHOD, subject, params.model_dump())
    assert time.perf_counter() - start <= METHOD.estimate(subject.profile, params).seconds + 1
