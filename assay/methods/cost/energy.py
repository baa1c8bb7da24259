"""Energy of answering: counted by the hardware where it has a counter, else estimated from assumed powers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["EnergyTrials", "Meter", "find_meters", "measure_energy", "rapl_meters"]

RAPL = Path("/sys/class/powercap")


class Meter(NamedTuple):
    """A counter of joules that only rises."""

    name: str
    joules: Callable[[], float]


class EnergyTrials(NamedTuple):
    """Joules a row above idle, one a trial, and the power that was drawn while nothing was asked."""

    joules_per_row: tuple[float, ...]
    idle_watts: float
    busy_watts: float
    rows: int
    meters: tuple[str, ...]


def find_meters(device: str) -> list[Meter]:
    """The counters that can be read here: of the model's GPU by NVML, of the processor packages by RAPL."""
    gpu = _nvml_meter(device) if device.startswith("cuda") else None
    return [*([gpu] if gpu is not None else []), *rapl_meters(RAPL)]


def measure_energy(
    meters: Sequence[Meter],
    work: Callable[[float], int],
    *,
    seconds: float,
    trials: int,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> EnergyTrials:
    """Joules a row: an idle window, then `trials` windows of work, the idle power subtracted.

    Args:
        work: keeps the model busy for so many seconds, waits for the device, and returns the rows answered.
        seconds: of each window; hardware counters move in steps, so 5 or more.
    """

    def rest(span: float) -> int:
        sleep(span)
        return 0

    idle_joules, idle_seconds, _ = _window(meters, rest, seconds, clock)
    idle = idle_joules / idle_seconds
    each, rows, joules, spent = [], 0, 0.0, 0.0
    for _ in range(trials):
        used, took, answered = _window(meters, work, seconds, clock)
        each.append((used - idle * took) / max(answered, 1))
        rows, joules, spent = rows + answered, joules + used, spent + took
    return EnergyTrials(tuple(each), idle, joules / spent, rows, tuple(meter.name for meter in meters))


def rapl_meters(folder: Path) -> list[Meter]:
    """The processor packages whose counters may be read (root only on most systems)."""
    found = []
    for zone in sorted(folder.glob("intel-rapl:*")):
        try:
            if zone.name.count(":") != 1 or not (zone / "name").read_text().startswith("package"):
                continue
            counter = _Rapl(zone)
        except (OSError, ValueError):
            continue
        found.append(Meter(f"RAPL {zone.name}", counter))
    return found


class _Rapl:
    """Reads energy_uj and undoes its wrapping."""

    def __init__(self, zone: Path) -> None:
        self._path = zone / "energy_uj"
        self._range = int((zone / "max_energy_range_uj").read_text())
        self._last = int(self._path.read_text())
        self._wrapped = 0

    def __call__(self) -> float:
        now = int(self._path.read_text())
        if now < self._last:
            self._wrapped += self._range
        self._last = now
        return (now + self._wrapped) / 1e6


def _nvml_meter(device: str) -> Meter | None:
    """The GPU's own counter (Volta and later); null where NVML or the counter is missing."""
    try:
        import pynvml
        import torch

        pynvml.nvmlInit()
        uuid = torch.cuda.get_device_properties(device).uuid
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except Exception:
        # NVML fails in as many ways as there are drivers; whatever the reason, there is no counter to read.
        return None
    return Meter("NVML", lambda: float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000)


def _window(
    meters: Sequence[Meter], work: Callable[[float], int], seconds: float, clock: Callable[[], float]
) -> tuple[float, float, int]:
    start, before = clock(), np.array([meter.joules() for meter in meters])
    rows = work(seconds)
    return float((np.array([meter.joules() for meter in meters]) - before).sum()), clock() - start, rows
