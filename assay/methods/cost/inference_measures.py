"""From times and counters to measures, table and notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from scipy import special

from assay.contracts import (
    At,
    Measure,
    MergeContext,
    MethodResult,
    Partial,
    Profile,
    Series,
    SeriesColumn,
    Status,
)
from assay.methods.cost.generating import token_measures
from assay.methods.cost.inference_params import InferenceParams
from assay.methods.cost.inference_specs import SPECS
from assay.methods.cost.spending import Spending, spending
from assay.methods.cost.training import training_measures
from assay.methods.cost.yardstick import YARDSTICK
from assay.stats.order_statistics import (
    CALLS_FOR_P99,
    MeanInterval,
    QuantileInterval,
    mean_interval,
    quantile_interval,
)

__all__ = ["Maker", "measured"]

PERCENTILES = (50, 95, 99)
_STABLE = frozenset(
    f"cost.{name}"
    for name in ("parameters", "weight_size", "flops_per_row", "comparisons_per_row", "training_flops")
)
"""What does not hang on the machine; everything else is volatile."""
_BY_ID = {spec.id: spec for spec in SPECS}
_MEGA = 1e6
_QUIET = 0.8
"""Cores that a call keeps busy on a processor that does nothing else."""


class Maker:
    """Makes measures of one grade at one level."""

    def __init__(self, context: MergeContext, level: float) -> None:
        self._grade = context.grade
        self._level = level

    def __call__(
        self,
        name: str,
        value: float | None,
        n: int,
        method: str | None = None,
        *,
        low: float | None = None,
        high: float | None = None,
        at: At | None = None,
        note: str | None = None,
        otherwise: Status = "insufficient",
    ) -> Measure:
        spec = _BY_ID[f"cost.{name}"]
        bounded = low is not None or high is not None
        return Measure(
            id=spec.id,
            at=at or {},
            value=value,
            low=low,
            high=high,
            level=self._level
            if bounded and method is not None and not method.startswith("assumed")
            else None,
            interval_method=method,
            n=n,
            unit=spec.unit,
            direction=spec.direction,
            status=otherwise if value is None else "measured",
            grade=self._grade,
            volatile=spec.id not in _STABLE,
            note=note,
        )


class _Timed:
    """The calls of one batch size."""

    def __init__(self, partial: Partial, size: int, level: float) -> None:
        self.size = size
        self.seconds = partial.arrays[f"seconds {size}"]
        self.rounds = partial.arrays[f"rounds {size}"]
        self.warm = partial.data["warm"][str(size)]
        self.memory = partial.data["memory"][str(size)]
        self.mean = mean_interval(self.seconds, self.rounds, level)
        self.percentiles = {p: self._percentile(p, level) for p in PERCENTILES}

    @property
    def calls(self) -> int:
        return int(self.seconds.size)

    @property
    def throughput(self) -> MeanInterval:
        """Rows a second; the ends of the mean time change sides."""
        value, low, high = self.mean
        fast = self.size / low if low is not None and low > 0 else None
        return MeanInterval(self.size / value, None if high is None else self.size / high, fast)

    def _percentile(self, percent: int, level: float) -> QuantileInterval:
        return quantile_interval(self.seconds, percent / 100, level, self.rounds)


def measured(
    method: str, partial: Partial, profile: Profile, params: InferenceParams, context: MergeContext
) -> MethodResult:
    """Everything that cost.inference says."""
    make = Maker(context, params.level)
    sizes = sorted(set(params.batch_sizes))
    timed = [_Timed(partial, size, params.level) for size in sizes]
    measures: list[Measure] = []
    for one in timed:
        measures += _latency(make, one)
        measures += _memory(make, one)
    measures += _yardstick(make, partial, params.level)
    best = max(timed, key=lambda one: one.throughput.value)
    measures += token_measures(make, partial.data["generating"], params.level)
    measures.append(_cold_start(make, partial, params.level))
    measures += _size(make, partial, profile, params.level)
    on_gpu = profile.model is not None and profile.model.device.startswith("cuda")
    spent = spending(partial.data, best.size, best.throughput, best.memory["process"], on_gpu, params)
    measures += _spending(make, spent, best)
    training = training_measures(make, partial.data["arithmetic"]["flops"], spent, profile, params)
    measures += training.measures
    return MethodResult(
        measures=tuple(measures),
        series=(_table(method, timed),),
        notes=(*_notes(partial.data, timed, profile), spent.said, *training.notes),
    )


def _yardstick(make: Maker, partial: Partial, level: float) -> Iterator[Measure]:
    """How fast the machine was: percentiles and the mean, since what disturbs one need not touch another."""
    seconds, rounds = partial.arrays[f"seconds {YARDSTICK}"] * 1e3, partial.arrays[f"rounds {YARDSTICK}"]
    calls = int(seconds.size)
    for percent in PERCENTILES:
        found = quantile_interval(seconds, percent / 100, level, rounds)
        at: At = {"percentile": percent}
        name = "order statistics, rounds as clusters"
        yield make("yardstick", found.value, calls, name, low=found.low, high=found.high, at=at)
    value, low, high = mean_interval(seconds, rounds, level)
    at = {"statistic": "mean"}
    yield make("yardstick", value, calls, "student t over rounds", low=low, high=high, at=at)


def _latency(make: Maker, one: _Timed) -> Iterator[Measure]:
    name = "order statistics, rounds as clusters"
    slowest = float(one.seconds.max())
    for percent, found in one.percentiles.items():
        at: At = {"batch": one.size, "percentile": percent}
        if percent == 99 and one.calls < CALLS_FOR_P99:
            note = f"{one.calls:,} calls; {CALLS_FOR_P99} are needed. The slowest took {slowest * 1e3:.4g} ms"
            yield make("latency", None, one.calls, at=at, note=note)
            continue
        low, high = (None if end is None else end * 1e3 for end in (found.low, found.high))
        yield make("latency", found.value * 1e3, one.calls, name, low=low, high=high, at=at)
    at = {"batch": one.size}
    yield make("latency_maximum", slowest * 1e3, one.calls, at=at)
    value, least, most = one.throughput
    yield make("throughput", value, one.calls, "student t over rounds", low=least, high=most, at=at)


def _memory(make: Maker, one: _Timed) -> Iterator[Measure]:
    names = {
        "peak_memory": "process",
        "working_memory": "working",
        "gpu_memory_allocated": "allocated",
        "gpu_memory_reserved": "reserved",
    }
    for name, key in names.items():
        if one.memory[key] is not None:
            yield make(name, one.memory[key] / _MEGA, 3, at={"batch": one.size})


def _cold_start(make: Maker, partial: Partial, level: float) -> Measure:
    loads = np.array(partial.data["cold_starts"])
    if loads.size:
        found = quantile_interval(loads, 0.5, level)
        name = "order statistics"
        return make("cold_start", found.value, loads.size, name, low=found.low, high=found.high)
    once = partial.data["load_seconds"]
    if once is None:
        return make("cold_start", None, 0, note="the model was not loaded from a file")
    note = "loaded once, without a first answer: the weights are too large for a second copy"
    return make("cold_start", float(once), 1, note=note)


def _size(make: Maker, partial: Partial, profile: Profile, level: float) -> Iterator[Measure]:
    facts, found = profile.model, partial.data["arithmetic"]
    assert facts is not None
    yield make("parameters", float(facts.parameters), 1, "exact")
    yield make("weight_size", facts.weight_bytes / _MEGA, 1, "exact")
    rows = int(found["rows"])
    if found["comparisons"] is not None:
        yield _counted(make, "comparisons_per_row", found, found["comparisons"], level)
        note = "trees compare; they do not multiply"
        yield make("flops_per_row", None, rows, note=note, otherwise="not_applicable")
    elif found["flops"] is not None:
        yield _counted(make, "flops_per_row", found, found["flops"], level)
    else:
        lacking = ", ".join(found["uncounted"])
        note = (
            f"no formula for {lacking}" if lacking else "this kind of model tells nothing of its arithmetic"
        )
        yield make("flops_per_row", None, rows, note=note, otherwise="not_applicable")


def _counted(make: Maker, name: str, found: Mapping[str, Any], value: float, level: float) -> Measure:
    """A mean over rows: exact where all rows take the same, an estimate where they do not."""
    rows, error = int(found["rows"]), float(found["error"])
    note = f"mean of {rows} rows"
    if not error:
        return make(name, value, rows, "exact", note=note)
    reach = float(special.stdtrit(rows - 1, (1 + level) / 2)) * error
    method = "student t over rows"
    return make(name, value, rows, method, low=max(value - reach, 0.0), high=value + reach, note=note)


def _spending(make: Maker, spent: Spending, best: _Timed) -> Iterator[Measure]:
    at: At = {"batch": best.size, "basis": spent.basis}
    for name, figure in (("energy_per_1000", spent.energy), ("carbon_per_1000", spent.carbon)):
        value, low, high = figure
        yield make(name, value, best.calls, spent.method, low=low, high=high, at=at)
    value, low, high = spent.price
    method = "student t over rounds, assumed price"
    yield make("price_per_1000", value, best.calls, method, low=low, high=high, at={"batch": best.size})


def _table(method: str, timed: list[_Timed]) -> Series:
    """One row a batch size: what the chapter's first table and its chart are drawn from."""
    columns: dict[str, tuple[str, list[Any]]] = {
        "batch": ("rows", [one.size for one in timed]),
        "calls": ("count", [one.calls for one in timed]),
    }
    for percent in PERCENTILES:
        shown = [one.percentiles[percent] if _resolved(one, percent) else None for one in timed]
        for key in ("value", "low", "high"):
            name = f"p{percent}" if key == "value" else f"p{percent}_{key}"
            columns[name] = ("ms", [None if one is None else _ms(getattr(one, key)) for one in shown])
    columns["maximum"] = ("ms", [float(one.seconds.max()) * 1e3 for one in timed])
    columns["throughput"] = ("rows/s", [one.throughput.value for one in timed])
    return Series(
        id="cost.latency_by_batch",
        title="Latency and throughput by batch size",
        method=method,
        columns=tuple(
            SeriesColumn(name=name, unit=unit, values=tuple(values))
            for name, (unit, values) in columns.items()
        ),
    )


def _resolved(one: _Timed, percent: int) -> bool:
    return percent < 99 or one.calls >= CALLS_FOR_P99


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3


def _notes(data: Mapping[str, Any], timed: list[_Timed], profile: Profile) -> Iterator[str]:
    device = "cpu" if profile.model is None else profile.model.device
    threads = int(data["threads"])
    yield (
        f"Measured on {device} ({data['hardware']}) with {threads} "
        f"{'thread' if threads == 1 else 'threads'} a call. Compare times, memory and energy within one such "
        "class of hardware only."
    )
    yield (
        "Timed is the model's own way from raw rows to scores, in inference mode, one call after the other, "
        "after a warm-up, without garbage collection, the device waited for. Batch sizes took turns in 20 "
        "rounds of random order; a round counts as one cluster in the intervals."
    )
    if device == "cpu" and data["busy_cores"] < _QUIET:
        yield (
            f"The calls got {data['busy_cores']:.2f} of a core while they were timed: other work was running "
            "or the model waits for something. On a quiet machine times are shorter."
        )
    restless = [one for one in timed if not one.warm["stable"]]
    if restless:
        sizes = ", ".join(str(one.size) for one in restless)
        yield f"Times had not settled within 5 % when the warm-up ended (batch {sizes})."
    cut = [one.size for one in timed if one.size > data["most_rows"]]
    if cut:
        yield (
            f"The model takes at most {data['most_rows']:,} rows at once: a call with "
            f"{', '.join(f'{size:,}' for size in cut)} rows runs it several times."
        )
