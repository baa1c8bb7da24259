"""Accuracy of a zoo model on its sealed test rows, through the real loader."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from assay.loading import load_subject
from assay.stats.intervals import wilson_interval
from benchmarks.zoo.catalogue import ZooModel

__all__ = ["Sealed", "sealed_accuracy"]


class Sealed(NamedTuple):
    """Share answered rightly with Wilson's 95 % interval, rows asked, and the model's size."""

    accuracy: float
    low: float
    high: float
    rows: int
    parameters: int


def sealed_accuracy(made: ZooModel, scratch: Path) -> Sealed:
    """Ask the model about every test row. For the autoencoder: anomalies told from normal rows."""
    subject = load_subject(made.data_request("test"), scratch).subject
    rows = np.arange(subject.profile.test.rows)
    decided = subject.model.decide(subject.model.scores(subject.inputs("test", rows)))
    right = int((decided == subject.labels("test", rows)).sum())
    interval = wilson_interval(right, len(rows))
    return Sealed(right / len(rows), interval.low, interval.high, len(rows), subject.model.facts.parameters)
