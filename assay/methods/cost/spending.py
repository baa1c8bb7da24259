"""Energy, CO2e and money of 1,000 answers from throughput, and what was counted or assumed of power."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from assay.methods.cost.inference_params import InferenceParams
from assay.stats.order_statistics import MeanInterval

__all__ = ["Spending", "estimated_watts", "price_per_1000", "spending"]

_JOULES = 3600.0
"""A watt-hour."""


class Spending(NamedTuple):
    """Of 1,000 rows: watt-hours, grams of CO2e, dollars, each with its interval."""

    energy: MeanInterval
    carbon: MeanInterval
    price: MeanInterval
    basis: str
    """`measured` by a counter, or `estimated` from assumed powers."""
    method: str
    said: str
    """The assumptions in a sentence."""


def spending(
    data: Mapping[str, Any],
    batch: int,
    throughput: MeanInterval,
    resident_bytes: int,
    on_gpu: bool,
    params: InferenceParams,
) -> Spending:
    """What 1,000 rows in calls of `batch` rows cost."""
    counted = data["energy"]
    if counted is None:
        watts, how = estimated_watts(float(data["busy_cores"]), resident_bytes, on_gpu, params)
        value = watts * 1000 / throughput.value / _JOULES
        factor = params.power_factor
        energy = MeanInterval(value, value / factor, value * factor)
        basis, method = "estimated", f"assumed: power within a factor {factor:g}"
        said = (
            f"Energy is estimated, not measured: no energy counter can be read here. {how} Estimates of this "
            f"kind are wrong by up to a factor {factor:g} either way."
        )
    else:
        energy = _counted(counted["joules_per_row"], params.level)
        basis, method = "measured", "student t over trials"
        said = (
            f"Energy was counted by {' and '.join(counted['meters'])} over {len(counted['joules_per_row'])} "
            f"windows of {params.energy_seconds:g} s: {counted['busy_watts']:.4g} W at work, of which "
            f"{counted['idle_watts']:.4g} W are drawn by an idle machine and subtracted. Other work on the "
            "same hardware would be counted too; what has no counter is left out."
        )
    grams = params.pue * params.carbon_intensity / 1000
    carbon = MeanInterval(*(None if end is None else end * grams for end in energy))  # type: ignore[arg-type]  # the value is never null
    hourly = params.hourly_price_gpu if on_gpu else params.hourly_price
    said += (
        f" CO2e: power usage effectiveness {params.pue:g}, {params.carbon_intensity:g} g a kWh "
        f"({params.carbon_source}). Price: {hourly:g} USD an hour ({params.price_source}), a machine that is "
        f"busy all the time. All three are for calls of {batch:,} rows."
    )
    return Spending(energy, carbon, price_per_1000(throughput, hourly), basis, method, said)


def estimated_watts(
    busy_cores: float, resident_bytes: int, on_gpu: bool, params: InferenceParams
) -> tuple[float, str]:
    """Power of busy cores (processor time over wall time while timing), memory and GPU, and that in words.

    Source: Lannelongue, Grealey & Inouye 2021, equation 1, with the measured use of the cores.
    """
    gigabytes = resident_bytes / 1e9
    watts = busy_cores * params.core_watts + gigabytes * params.memory_watts
    how = (
        f"Assumed: {busy_cores:.2f} busy cores of {params.core_watts:g} W, {gigabytes:.2f} GB of memory of "
        f"{params.memory_watts:g} W"
    )
    if not on_gpu:
        return watts, f"{how}, together {watts:.3g} W (Lannelongue, Grealey & Inouye 2021)."
    watts += params.gpu_watts
    return watts, f"{how}, a GPU of {params.gpu_watts:g} W, together {watts:.3g} W."


def price_per_1000(throughput: MeanInterval, hourly: float) -> MeanInterval:
    """1000 x hourly price / (3600 x rows a second)."""
    value, low, high = (None if end is None else 1000 * hourly / (3600 * end) for end in throughput)
    assert value is not None
    return MeanInterval(value, high, low)


def _counted(joules_per_row: list[float], level: float) -> MeanInterval:
    each = np.array(joules_per_row) * 1000 / _JOULES
    value = float(each.mean())
    if each.size < 2:
        return MeanInterval(value, None, None)
    degrees = each.size - 1
    reach = float(stdtrit(degrees, (1 + level) / 2)) * float(each.std(ddof=1)) / each.size**0.5
    return MeanInterval(value, value - reach, value + reach)
