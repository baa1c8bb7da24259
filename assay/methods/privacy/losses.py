"""The loss of each row under a loaded model, and whether the model is right about it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from assay.models.base import Inputs, Model

__all__ = ["losses_and_hits"]

Floats = npt.NDArray[np.float64]

_SMALLEST = 1e-300
"""In place of a stated probability of 0, whose logarithm is not finite."""


def losses_and_hits(
    model: Model, inputs: Inputs, labels: npt.NDArray[Any]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Loss and correctness of each row, shapes (rows,).

    Classifiers: the cross-entropy -log p_y. From logits it is log(1 + sum over other classes of
    exp(z_j - z_y)), which keeps rows apart where p_y itself rounds to 1. Regressions: the squared error;
    nothing is called right.
    """
    raw = model.raw_outputs(inputs)
    if model.signature.task == "regression":
        return (raw[:, 0] - labels) ** 2, np.zeros(len(raw), dtype=np.bool_)
    own = raw[np.arange(len(raw)), labels]
    if model.signature.output == "probability":
        return -np.log(np.maximum(own, _SMALLEST)), model.decide(raw) == labels
    others = raw - own[:, None]
    others[np.arange(len(raw)), labels] = -np.inf
    most = others.max(axis=1)
    rest = most + np.log(np.exp(others - most[:, None]).sum(axis=1))
    powers = np.exp(raw - raw.max(axis=1, keepdims=True))
    hits = model.decide(powers / powers.sum(axis=1, keepdims=True)) == labels
    return np.logaddexp(0.0, rest), hits
