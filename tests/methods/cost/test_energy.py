"""Energy from counters, in a world whose powers are known; and money and carbon in closed form."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.methods.cost.energy import Meter, find_meters, measure_energy, rapl_meters
from assay.methods.cost.inference_params import InferenceParams
from assay.methods.cost.spending import estimated_watts, price_per_1000, spending
from assay.stats.order_statistics import MeanInterval


class World:
    """10 W at rest and 2 J a row on top; 50 rows a second; time passes only by rest and work."""

    def __init__(self) -> None:
        self.now, self.rows = 0.0, 0

    def rest(self, seconds: float) -> None:
        self.now += seconds

    def work(self, seconds: float) -> int:
        rows = int(50 * seconds)
        self.now, self.rows = self.now + seconds, self.rows + rows
        return rows

    def joules(self) -> float:
        return 10 * self.now + 2 * self.rows


def test_the_idle_power_is_subtracted() -> None:
    world = World()
    found = measure_energy(
        [Meter("known", world.joules)],
        world.work,
        seconds=5,
        trials=3,
        clock=lambda: world.now,
        sleep=world.rest,
    )
    assert found.joules_per_row == pytest.approx((2.0, 2.0, 2.0))
    assert (found.idle_watts, found.busy_watts) == (pytest.approx(10), pytest.approx(110))
    assert (found.rows, found.meters) == (750, ("known",))


def test_the_processors_counter_is_read_and_its_wrapping_undone(tmp_path: Path) -> None:
    zone = tmp_path / "intel-rapl:0"
    zone.mkdir()
    (zone / "name").write_text("package-0\n")
    (zone / "max_energy_range_uj").write_text("10000000\n")
    (zone / "energy_uj").write_text("9000000\n")
    (tmp_path / "intel-rapl:0:0").mkdir()  # a part of the package would count twice
    (meter,) = rapl_meters(tmp_path)
    before = meter.joules()
    (zone / "energy_uj").write_text("500000\n")
    assert meter.joules() - before == pytest.approx(1.5)


def test_a_counter_that_may_not_be_read_is_no_counter(tmp_path: Path) -> None:
    zone = tmp_path / "intel-rapl:0"
    zone.mkdir()
    (zone / "name").write_text("package-0\n")
    assert rapl_meters(tmp_path) == []
    assert [m for m in find_meters("cpu") if m.name == "NVML"] == []


def test_a_hundred_rows_a_second_on_a_machine_of_3_60_an_hour_cost_a_cent_a_thousand() -> None:
    found = price_per_1000(MeanInterval(100, 80, 125), 3.60)
    assert found == pytest.approx((0.01, 0.008, 0.0125))


def test_estimated_energy_and_carbon_in_closed_form() -> None:
    params = InferenceParams(pue=1.5, carbon_intensity=400, core_watts=10, memory_watts=0.5, power_factor=2)
    # 1.8 cores x 10 W + 4 GB x 0.5 W = 20 W; 1,000 rows at 100 a second take 10 s: 200 J = 1 / 18 Wh
    data = {"energy": None, "busy_cores": 1.8}
    found = spending(data, 8, MeanInterval(100, 90, 110), 4_000_000_000, False, params)
    assert estimated_watts(1.8, 4_000_000_000, False, params)[0] == pytest.approx(20)
    assert found.energy == pytest.approx((1 / 18, 1 / 36, 1 / 9))
    assert found.carbon == pytest.approx((1 / 18 * 0.6, 1 / 36 * 0.6, 1 / 9 * 0.6))
    assert found.basis == "estimated"
    assert "estimated, not measured" in found.said


def test_counted_energy_in_closed_form() -> None:
    counted = {
        "joules_per_row": [3.5, 3.6, 3.7],
        "meters": ["NVML"],
        "busy_watts": 300.0,
        "idle_watts": 70.0,
    }
    found = spending(
        {"energy": counted},
        8,
        MeanInterval(100, 90, 110),
        1,
        True,
        InferenceParams(pue=1.0, carbon_intensity=100),
    )
    half = 4.302653 * 0.1 / 3**0.5  # Student's t with 2 degrees of freedom, tabled
    assert found.energy == pytest.approx((1.0, 1 - half / 3.6, 1 + half / 3.6), rel=1e-5)
    assert found.carbon.value == pytest.approx(0.1)
    assert found.basis == "measured"
    assert "70 W are drawn by an idle machine" in found.said
