"""Models whose weights are drawn anew: an explanation that does not change with them explains nothing."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from assay.contracts import Grade, Measure, MeasureSpec
from assay.methods.explainability.row_means import FEWEST_ROWS

if TYPE_CHECKING:
    from assay.models.torch_model import TorchModel

__all__ = ["randomisation_measure", "randomised_model"]

Floats = npt.NDArray[np.float64]


def randomised_model(model: TorchModel, seed: int) -> TorchModel:
    """The same network with every layer initialised anew; the model itself is left alone.

    Layers with torch's own `reset_parameters` take their usual initial distribution, weights that belong to
    no such layer a normal one with their own spread.

    Source: Adebayo et al. 2018, section 3 (model parameter randomisation, all layers).
    """
    import torch

    found = copy.copy(model)
    found.module = copy.deepcopy(model.module)
    devices = [model.device] if model.device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        torch.manual_seed(seed)
        drawn: set[int] = set()
        for layer in found.module.modules():
            reset = getattr(layer, "reset_parameters", None)
            if callable(reset):
                reset()
                drawn.update(id(weight) for weight in layer.parameters(recurse=False))
        for weight in found.module.parameters():
            if id(weight) not in drawn:
                spread = float(weight.std()) if weight.numel() > 1 else 0.0
                weight.normal_(0.0, spread or 1.0)
    return found


def randomisation_measure(
    spec: MeasureSpec, correlations: Floats, level: float, grade: Grade, undefined: str
) -> Measure:
    """Mean rank correlation over rows and randomised models.

    Both were drawn: the interval adds the variance of the means of the models to that of the means of the
    rows, with Student's quantile for the fewer of the two (cautious: what they share is counted twice).

    Args:
        correlations: (rows, models); NaN where |phi| has a single value.
        undefined: why values are NaN.
    """
    rows = correlations[~np.isnan(correlations).all(axis=1)]
    shared = {"id": spec.id, "n": len(rows), "unit": spec.unit, "direction": spec.direction, "grade": grade}
    if len(rows) < FEWEST_ROWS:
        reason = f"{len(rows)} of {len(correlations)} rows count, {FEWEST_ROWS} are needed ({undefined})"
        return Measure.model_validate({**shared, "value": None, "status": "insufficient", "note": reason})
    value = float(np.nanmean(rows))
    by_model, by_row = np.nanmean(rows, axis=0), np.nanmean(rows, axis=1)
    variance = by_model.var(ddof=1) / by_model.size + by_row.var(ddof=1) / by_row.size
    quantile = float(stdtrit(min(by_model.size, by_row.size) - 1, (1 + level) / 2))
    half = quantile * math.sqrt(variance)
    return Measure.model_validate(
        {
            **shared,
            "value": value,
            "low": min(max(value - half, -1.0), value),
            "high": max(min(value + half, 1.0), value),
            "level": level,
            "interval_method": "student t over rows and randomised models",
            "status": "measured",
            "note": f"{by_model.size} models with weights drawn anew",
        }
    )
