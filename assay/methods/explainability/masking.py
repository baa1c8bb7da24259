"""Scores of a row with groups of its features put on their baseline."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from assay.methods.explainability.differentiable import DifferentiableRow

if TYPE_CHECKING:
    from assay.models.torch_model import TorchModel

__all__ = ["masked_score"]

Floats = npt.NDArray[np.float64]


def masked_score(
    model: TorchModel, point: DifferentiableRow, output: int, groups: npt.NDArray[np.int64]
) -> Callable[[Floats], Floats]:
    """(n, groups) of 1 = kept and 0 = on the baseline -> the probability or score of `output`, (n,).

    Args:
        groups: group of each feature; -1 = always kept.
    """
    import torch

    member = torch.from_numpy(groups).to(model.device)

    def score(kept: Floats) -> Floats:
        def call(piece: slice) -> Floats:
            gone = torch.from_numpy(kept[piece] == 0).to(model.device)
            mask = point.without(gone[:, member.clamp(min=0)] & (member >= 0))
            with torch.inference_mode():
                logits = point.forward(torch.where(mask, point.baseline, point.encoded))
                return np.asarray(model.probabilities(logits)[:, output].double().cpu().numpy())

        return np.concatenate(model.in_batches(len(kept), call))

    return score
