"""A training step of the engine's loop against a bare torch loop, side by side in one run.

The bare loop does the same work and nothing else: shuffle, take a batch, forward, cross-entropy, backward,
clip, AdamW as torch gives it. What the engine adds is keyed shuffling, deterministic algorithms, progress,
and the watch for divergence; it steps in one kernel for all parameters (`fused`). Tuning (a few rows here)
and checkpoints come once an epoch and are shown apart.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from assay.models.architectures import build
from assay.remedies.params import TrainingParams
from assay.remedies.training import Rows, classification, train

__all__ = ["run"]

_ROUNDS = 15
_CASES: dict[str, tuple[str, dict[str, Any], tuple[int, ...], int, int]] = {
    # name: architecture, sizes, shape of a row, rows, epochs
    "MLP over a table of 108 inputs": (
        "mlp",
        {"inputs": 108, "hidden": (64, 32), "outputs": 2},
        (108,),
        20_480,
        2,
    ),
    "CNN over 28 x 28 images": (
        "cnn",
        {"channels": 1, "height": 28, "width": 28, "outputs": 10},
        (1, 28, 28),
        4_096,
        1,
    ),
}
_BATCH = 256
_RATE, _DECAY, _CLIP = 1e-3, 0.01, 1.0


def _rows(shape: tuple[int, ...], rows: int, classes: int, seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    inputs = torch.from_numpy(rng.normal(size=(rows, *shape)).astype(np.float32))
    return Rows(inputs, torch.from_numpy(rng.integers(0, classes, rows)))


def _bare(module: nn.Module, rows: Rows, epochs: int) -> None:
    """What anyone would write."""
    inputs = rows.inputs
    assert isinstance(inputs, torch.Tensor)
    optimizer = torch.optim.AdamW(module.parameters(), lr=_RATE, weight_decay=_DECAY)
    module.train()
    for _ in range(epochs):
        order = torch.randperm(len(rows))
        for first in range(0, len(rows), _BATCH):
            places = order[first : first + _BATCH]
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(module(inputs[places]), rows.targets[places])
            loss.backward()
            nn.utils.clip_grad_norm_(module.parameters(), _CLIP)
            optimizer.step()


def _ours(module: nn.Module, rows: Rows, tuning: Rows, epochs: int, work: Path | None = None) -> None:
    params = TrainingParams(
        epochs=epochs,
        batch_rows=_BATCH,
        learning_rate=_RATE,
        weight_decay=_DECAY,
        clip_norm=_CLIP,
        patience=None,
    )
    train(module, rows, tuning, params, classification(), seed=0, work=work, request="benchmark")


def _seconds(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _case(name: str) -> dict[str, Any]:
    architecture, sizes, shape, rows, epochs = _CASES[name]
    training = _rows(shape, rows, sizes["outputs"], 1)
    tuning = _rows(shape, 16, sizes["outputs"], 2)
    steps = epochs * -(-rows // _BATCH)
    bare, ours, kept = [], [], []
    for number in range(_ROUNDS + 1):
        with tempfile.TemporaryDirectory() as folder:
            calls = [
                (bare, lambda m: _bare(m, training, epochs)),
                (ours, lambda m: _ours(m, training, tuning, epochs)),
                (kept, lambda m, f=folder: _ours(m, training, tuning, epochs, Path(f) / "training")),
            ]
            first = number % len(calls)  # each comes first, second and last equally often
            for times, call in (*calls[first:], *calls[:first]):
                module = build(architecture, sizes)
                taken = _seconds(lambda c=call, m=module: c(m))
                if number:  # the first round warms up
                    times.append(taken)
    ratios = [b / a for a, b in zip(bare, ours, strict=True)]
    return {
        "case": name,
        "steps": steps,
        "bare_ms": 1e3 * statistics.median(bare) / steps,
        "ours_ms": 1e3 * statistics.median(ours) / steps,
        "ratio": statistics.median(ratios),
        "ratio_low": min(ratios),
        "ratio_high": max(ratios),
        "checkpoint_ms_an_epoch": 1e3 * (statistics.median(kept) - statistics.median(ours)) / epochs,
    }


def run() -> dict[str, Any]:
    """Milliseconds a step, ours over bare (median of paired rounds, each in each place), and a checkpoint."""
    return {"threads": torch.get_num_threads(), "cases": [_case(name) for name in _CASES]}


if __name__ == "__main__":
    print(json.dumps(run()))
