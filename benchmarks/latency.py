"""The latency harness beside a bare loop around the same call, and its p99 beside the A/A spread.

A bare loop is what one writes without a harness: `perf_counter` before and after each call. Bare loop and
harness take turns in one process, in random order, so that both see the same moods of the machine. The A/A
spread is how far two runs of the harness on the very same call come apart.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from assay.methods.cost.latency import ROUNDS, time_rounds
from assay.stats.order_statistics import quantile_interval

__all__ = ["run"]

COLUMNS, HIDDEN = 32, (128, 64)


def _call(batch: int) -> Callable[[int], object]:
    """A perceptron of Adult's size behind the model's own path from rows to scores."""
    import torch

    from assay.contracts import InputColumn, ModelRequest, ModelSignature
    from assay.loading import load_model
    from assay.models.architectures import build
    from assay.models.torch_folder import write_torch_folder

    torch.manual_seed(0)
    config = {"inputs": COLUMNS, "hidden": HIDDEN, "outputs": 2}
    columns = tuple(InputColumn(name=f"x{i}", kind="number", encoding="standard") for i in range(COLUMNS))
    signature = ModelSignature(task="binary", output="logit", classes=("no", "yes"), columns=columns)
    with tempfile.TemporaryDirectory() as folder:
        path = write_torch_folder(Path(folder), build("mlp", config), "mlp", config, signature)
        model = load_model(ModelRequest(path=str(path), device="cpu"))
    rows = np.random.default_rng(0).normal(size=(batch, COLUMNS))
    return lambda _number: model.scores(rows)


def _bare(call: Callable[[int], object], calls: int) -> list[float]:
    found = []
    for number in range(calls):
        start = time.perf_counter()
        call(number)
        found.append(time.perf_counter() - start)
    return found


def _harness(call: Callable[[int], object], calls: int) -> tuple[np.ndarray, np.ndarray]:
    found = time_rounds(
        {1: call},
        seconds=600.0,
        most_calls=calls,
        rng=np.random.default_rng(0),
        synchronise=lambda: None,
        progress=lambda _share: None,
    )[1]
    return found.seconds, found.rounds


def run(batch: int = 8, turns: int = 12, calls: int = 2_000) -> dict[str, Any]:
    """Times both.

    Args:
        turns: of each of harness A, harness A again, and the bare loop, in random order each turn.
        calls: timed calls of a turn.

    Returns:
        p50 of both and their ratio; p99 of the two halves of the harness's turns and how far they differ.
    """
    call = _call(batch)
    _bare(call, 500)
    order = np.random.default_rng(1)
    bare: list[float] = []
    seconds: dict[str, list[np.ndarray]] = {"a": [], "again": []}
    for _ in range(turns):
        for who in order.permutation(["bare", "a", "again"]):
            if who == "bare":
                bare.extend(_bare(call, calls))
            else:
                seconds[str(who)].append(_harness(call, calls)[0])
    a, again = np.concatenate(seconds["a"]), np.concatenate(seconds["again"])
    turn = np.repeat(np.arange(turns), calls)
    both = [quantile_interval(times, 0.99, rounds=turn[: times.size]) for times in (a, again)]
    p50 = [float(np.median(times)) for times in (a, again)]
    plain = statistics.median(bare)
    return {
        "name": f"latency harness around an MLP {COLUMNS}-{'-'.join(map(str, HIDDEN))}-2, batch {batch}",
        "calls": int(a.size),
        "rounds": ROUNDS,
        "p50_ms": p50[0] * 1e3,
        "p50_again_ms": p50[1] * 1e3,
        "bare_p50_ms": plain * 1e3,
        "p50_ratio": float(np.median(np.concatenate([a, again]))) / plain,
        "p50_spread": max(p50) / min(p50),
        "p99_ms": both[0].value * 1e3,
        "p99_again_ms": both[1].value * 1e3,
        "p99_low_ms": None if both[0].low is None else both[0].low * 1e3,
        "p99_high_ms": None if both[0].high is None else both[0].high * 1e3,
        "bare_p99_ms": float(np.quantile(bare, 0.99)) * 1e3,
        "p99_spread": max(b.value for b in both) / min(b.value for b in both),
    }
