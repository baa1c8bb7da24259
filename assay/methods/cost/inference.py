"""What does an answer cost: time, memory, arithmetic, energy, money?

One shard, on the model's own device: timings of several processes at once would disturb each other.
User's page: docs/methods/cost.inference.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from assay.contracts import (
    Context,
    Estimate,
    MergeContext,
    MethodResult,
    MethodSpec,
    Partial,
    Profile,
    ShardSpec,
    SubjectProtocol,
)
from assay.methods.checked_arrays import Wanted, check_arrays, floats, whole
from assay.methods.cost.energy import find_meters, measure_energy
from assay.methods.cost.flops import count_arithmetic
from assay.methods.cost.generating import time_tokens
from assay.methods.cost.inference_measures import measured
from assay.methods.cost.inference_params import InferenceParams
from assay.methods.cost.inference_specs import CITATIONS, SPECS
from assay.methods.cost.latency import ROUNDS, CallTimes, time_rounds
from assay.methods.cost.machine import hardware_class, pinned_threads, threads_of
from assay.methods.cost.memory import peak_memory
from assay.methods.cost.yardstick import YARDSTICK, YARDSTICK_CALLS, yardstick
from assay.models.base import Inputs, Model

__all__ = ["METHOD", "Inference"]

_BATCHES = 16
"""Different batches of a size, taken in turn, so that no row is answered from a cache all the time."""
_COUNTED_ROWS = 16
_LOADS = 6
"""Fresh loads: the least for which the range covers the median with more than 95 %."""
_LOADS_SECONDS = 3.0
_LOADED_TWICE = 1_000_000_000
"""Bytes of weights above which no second copy is loaded."""


class Inference:
    """Latency percentiles by batch size, throughput, cold start, memory, FLOPs, energy, CO2e and price."""

    spec = MethodSpec(
        id="cost.inference",
        version="1.0",
        title="Cost of an answer",
        pillar="cost",
        summary="How long answers take, and how much memory, arithmetic, energy and money they cost, on the "
        "machine and device of this audit. Times, memory and energy belong to this hardware; parameters and "
        "FLOPs to the model.",
        needs=("query", "local"),
        tasks=("binary", "multiclass", "regression", "anomaly", "generation"),
        measures=SPECS,
        deterministic=True,
        citations=CITATIONS,
    )
    Params = InferenceParams

    def estimate(self, profile: Profile, params: InferenceParams) -> Estimate:
        """Bounded by time, not by calls, so no evaluations are added."""
        sizes = len(params.batch_sizes)
        seconds = sizes * (params.seconds * 1.2 + 0.2) + _LOADS_SECONDS + 1.5
        if "generation" in profile.capabilities:
            seconds += params.seconds * 1.2
        if profile.model is not None and profile.model.device.startswith("cuda"):
            seconds += params.energy_seconds * (params.energy_trials + 1)
        copies = 2 if profile.model is None else 2 * profile.model.weight_bytes
        return Estimate(evaluations=0, seconds=round(seconds, 1), memory_bytes=200_000_000 + copies)

    def plan(
        self, profile: Profile, params: InferenceParams, stage: int, earlier: Sequence[Partial]
    ) -> Sequence[ShardSpec]:
        return (ShardSpec(method=self.spec.id, stage=0, index=0),) if stage == 0 else ()

    def run(
        self, shard: ShardSpec, subject: SubjectProtocol, params: InferenceParams, context: Context
    ) -> Partial:
        """Load afresh, count, time, weigh, meter: in this order, so that the timed model is warm."""
        model = subject.model
        sizes = sorted(dict.fromkeys(params.batch_sizes))
        pool = _Pool(subject, sizes, context.rng("rows"))
        with pinned_threads(model, params.threads):
            cold = _cold_starts(model, pool.batch(1, 0))
            context.progress(0.05)
            arithmetic = count_arithmetic(model, pool.some(_COUNTED_ROWS))
            context.progress(0.1)
            synchronise = _synchroniser(model.device)
            calls = {size: _caller(model, pool, size) for size in sizes}
            calls[YARDSTICK] = yardstick(model.device)
            spent = time.process_time(), time.perf_counter()
            timed = time_rounds(
                calls,
                seconds=params.seconds,
                most_calls=params.most_calls,
                rng=context.rng("order"),
                synchronise=synchronise,
                progress=lambda share: context.progress(0.1 + 0.7 * share),
                counts={YARDSTICK: YARDSTICK_CALLS},
            )
            measuring = float(timed[YARDSTICK].seconds.sum())  # on one core, and no work of the model's
            wall = time.perf_counter() - spent[1] - measuring
            busy = max(time.process_time() - spent[0] - measuring, 0.0) / wall
            memory = {size: _memory(model, pool, size)._asdict() for size in sizes}
            generating = _generating(model, pool, params.seconds)
            context.progress(0.85)
            best = max(sizes, key=lambda size: size / timed[size].seconds.mean())
            energy = _energy(model, calls[best], best, synchronise, params, context)
            threads = threads_of(model)
        data: dict[str, Any] = {
            "cold_starts": cold,
            "load_seconds": model.load_seconds,
            "arithmetic": arithmetic._asdict(),
            "warm": {str(size): timed[size].warm._asdict() for size in sizes},
            "memory": {str(size): memory[size] for size in sizes},
            "energy": energy,
            "generating": generating,
            "busy_cores": busy,
            "hardware": hardware_class(model),
            "threads": threads,
            "most_rows": model.batch_rows,
        }
        return Partial(method=self.spec.id, stage=0, index=0, data=data, arrays=_arrays(timed))

    def merge(
        self,
        partials: Sequence[Partial],
        profile: Profile,
        params: InferenceParams,
        context: MergeContext,
    ) -> MethodResult:
        wanted: dict[str, Wanted] = {}
        for size in (*params.batch_sizes, YARDSTICK):
            wanted[f"seconds {size}"] = floats(f"calls of {size}", low=0.0)
            wanted[f"rounds {size}"] = whole(f"calls of {size}", top=ROUNDS)
        most = {f"calls of {size}": params.most_calls for size in params.batch_sizes}
        most[f"calls of {YARDSTICK}"] = YARDSTICK_CALLS
        check_arrays(self.spec.id, partials, wanted, **most)
        return measured(self.spec.id, partials[0], profile, params, context)


class _Pool:
    """Rows of the asked dataset, drawn once and read before anything is timed."""

    def __init__(self, subject: SubjectProtocol, sizes: Sequence[int], rng: np.random.Generator) -> None:
        rows = subject.profile.asked.rows
        wanted = 2 * max(sizes) + _COUNTED_ROWS
        drawn = rng.choice(rows, wanted, replace=True) if rows < wanted else rng.permutation(rows)[:wanted]
        self._inputs = subject.inputs(subject.profile.asked_role, np.asarray(drawn, dtype=np.int64))
        self._starts = {size: _starts(wanted, size, rng) for size in sizes}
        self._starts.setdefault(1, _starts(wanted, 1, rng))

    def batch(self, size: int, number: int) -> Inputs:
        start = self._starts[size][number % _BATCHES]
        return self._inputs[start : start + size]

    def some(self, rows: int) -> Inputs:
        return self._inputs[:rows]


def _starts(rows: int, size: int, rng: np.random.Generator) -> list[int]:
    return [int(start) for start in rng.integers(0, rows - size + 1, _BATCHES)]


def _caller(model: Model, pool: _Pool, size: int) -> Callable[[int], object]:
    """What is timed: the model's own way from raw rows to scores. The batches are cut beforehand."""
    batches = [pool.batch(size, number) for number in range(_BATCHES)]
    return lambda number: model.scores(batches[number % _BATCHES])


def _synchroniser(device: str) -> Callable[[], object]:
    if not device.startswith("cuda"):
        return lambda: None
    import torch

    return lambda: torch.cuda.synchronize(device)


def _cold_starts(model: Model, row: Inputs) -> list[float]:
    """Seconds to load a fresh copy and answer one row; none where a second copy may not fit."""
    if model.reload is None or model.facts.weight_bytes > _LOADED_TWICE:
        return []
    found: list[float] = []
    while len(found) < _LOADS and sum(found) < _LOADS_SECONDS:
        start = time.perf_counter()
        fresh = model.reload()
        fresh.scores(row)
        found.append(time.perf_counter() - start)
        del fresh
    return found


def _generating(model: Model, pool: _Pool, seconds: float) -> dict[str, Any] | None:
    """Timed continuations of a language model; None for every other."""
    if "generation" not in model.capabilities:
        return None
    return time_tokens(cast(Any, model), [str(text) for text in pool.some(_COUNTED_ROWS)], seconds)


def _memory(model: Model, pool: _Pool, size: int) -> Any:
    return peak_memory(lambda: [model.scores(pool.batch(size, number)) for number in range(3)], model.device)


def _energy(
    model: Model,
    call: Callable[[int], object],
    size: int,
    synchronise: Callable[[], object],
    params: InferenceParams,
    context: Context,
) -> dict[str, Any] | None:
    """What the hardware's counters say; null where there is none to read."""
    meters = find_meters(model.device)
    if not meters:
        return None

    def work(seconds: float) -> int:
        rows, end = 0, time.perf_counter() + seconds
        while (now := time.perf_counter()) < end:
            stop = min(end, now + 0.5)
            while time.perf_counter() < stop:
                call(rows // size)
                rows += size
            context.progress(0.9)
        synchronise()
        return rows

    found = measure_energy(meters, work, seconds=params.energy_seconds, trials=params.energy_trials)
    return {**found._asdict(), "batch": size}


def _arrays(timed: dict[int, CallTimes]) -> dict[str, npt.NDArray[Any]]:
    arrays: dict[str, npt.NDArray[Any]] = {}
    for size, found in timed.items():
        arrays[f"seconds {size}"] = found.seconds
        arrays[f"rounds {size}"] = found.rounds
    return arrays


METHOD = Inference()
