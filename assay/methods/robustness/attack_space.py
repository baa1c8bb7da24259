"""Where an attack moves: a batch of rows, the budget around each, and what counts as a success there.

Both spaces speak of `v`, float32 on the model's device, in the unit in which the budget is the same
everywhere: pixels for images, standard deviations from the row's own values for tables.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from assay.contracts import ModelSignature
from assay.methods.robustness.table_features import TableFeatures

if TYPE_CHECKING:
    from assay.models.torch_model import ArrayNetwork

__all__ = ["AttackSpace", "ImageSpace", "TableSpace"]

Floats = npt.NDArray[np.float64]
_TINY = 1e-30
"""Least probability whose logarithm is taken."""


class Objective:
    """What an attack raises, and when a row has fallen. Cross-entropy; for two classes the signed margin.

    The margin does not saturate, so two-class models whose probabilities are exactly 0 or 1 keep a gradient.
    """

    def __init__(self, signature: ModelSignature, labels: torch.Tensor, threshold: float) -> None:
        self.binary = signature.task == "binary"
        self.output = signature.output
        self.labels = labels
        self.threshold = threshold

    def loss(self, outputs: torch.Tensor) -> torch.Tensor:
        """Sum over the rows; higher is nearer to a wrong decision."""
        if self.binary:
            sign = 1.0 - 2.0 * self.labels.to(outputs.dtype)
            return (sign * self._margin(outputs)).sum()
        if self.output == "logit":
            return functional.cross_entropy(outputs, self.labels, reduction="sum")
        return functional.nll_loss(outputs.clamp_min(_TINY).log(), self.labels, reduction="sum")

    def wrong(self, outputs: torch.Tensor) -> torch.Tensor:
        """(rows,) bool: decided otherwise than the label, by the model's own threshold."""
        if self.binary:
            return (self._margin(outputs) >= 0).long() != self.labels
        return outputs.argmax(dim=1) != self.labels

    def _margin(self, outputs: torch.Tensor) -> torch.Tensor:
        """Signed distance of the score of class 1 from the threshold, on the scale of the outputs."""
        if self.output == "logit":
            with np.errstate(divide="ignore"):
                odds = float(np.log(self.threshold) - np.log1p(-self.threshold))
            return outputs[:, 1] - outputs[:, 0] - odds
        return outputs[:, -1] - self.threshold


class AttackSpace(ABC):
    """A batch of rows with a budget. Batches are values: `within` and `take` give new ones.

    Attributes:
        centre, low, high: `v` of the rows as they are, and the limits of the budget.
    """

    def __init__(self, model: ArrayNetwork, labels: npt.NDArray[np.int64]) -> None:
        self.model = model
        self.labels = labels
        target = torch.from_numpy(labels).to(model.device)
        self.objective = Objective(model.signature, target, model.threshold)
        self.centre: torch.Tensor
        self.low: torch.Tensor
        self.high: torch.Tensor

    @property
    def rows(self) -> int:
        return len(self.centre)

    @property
    def width(self) -> tuple[int, ...]:
        """Shape of one row of `v`."""
        return tuple(self.centre.shape[1:])

    @abstractmethod
    def within(self, eps: float, *, ranged: bool = True) -> AttackSpace:
        """The same rows with the budget `eps`; not `ranged`: without the limits of the data's own range."""

    @abstractmethod
    def outputs(self, v: torch.Tensor) -> torch.Tensor:
        """What the model gives at `v`, differentiable."""

    def direction(self, gradient: torch.Tensor) -> torch.Tensor:
        """Steepest ascent within a unit budget of the maximum norm."""
        return gradient.sign()

    def confirm(self, v: torch.Tensor, suspects: torch.Tensor) -> torch.Tensor:
        """Of the `suspects` (rows,) bool, those whose valid input at `v` is decided wrongly."""
        return suspects

    def suspects(self, v: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        """Rows worth confirming at the end of an attack."""
        return self.objective.wrong(outputs)

    def take(self, keep: torch.Tensor) -> AttackSpace:
        """The rows where `keep` (rows,) bool is true."""
        found = copy.copy(self)
        found.objective = copy.copy(self.objective)
        found.objective.labels = self.objective.labels[keep]
        found.labels = self.labels[keep.cpu().numpy()]
        for name in self._tensors():
            setattr(found, name, getattr(self, name)[keep])
        return found

    def _tensors(self) -> Sequence[str]:
        return ("centre", "low", "high")


class ImageSpace(AttackSpace):
    """Images (rows, channels, height, width) in [0, 1]; `v` are the pixels."""

    def __init__(
        self, model: ArrayNetwork, inputs: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]
    ) -> None:
        super().__init__(model, labels)
        image = model.signature.image
        assert image is not None
        self.centre = torch.from_numpy(np.ascontiguousarray(inputs)).to(model.device)
        self.low = self.high = self.centre
        self._mean = torch.tensor(image.mean, device=model.device).view(1, -1, 1, 1)
        self._scale = torch.tensor(image.scale, device=model.device).view(1, -1, 1, 1)

    def within(self, eps: float, *, ranged: bool = True) -> ImageSpace:
        found = copy.copy(self)
        found.low = (self.centre - eps).clamp(min=0)
        found.high = (self.centre + eps).clamp(max=1)
        return found

    def outputs(self, v: torch.Tensor) -> torch.Tensor:
        return self.model.logits((v - self._mean) / self._scale)


class TableSpace(AttackSpace):
    """Rows of a table; `v` are the mutable numbers' moves in standard deviations, (rows, mutable numbers).

    Limits are those of the budget, of the range in training (or of the row's own value where that lies
    outside), and for whole numbers the whole ones inside. A success counts once the row, with whole numbers
    rounded, is decided wrongly through the model's own path from original values.
    """

    def __init__(
        self,
        model: ArrayNetwork,
        inputs: Floats,
        labels: npt.NDArray[np.int64],
        features: TableFeatures,
    ) -> None:
        super().__init__(model, labels)
        assert model.encoder is not None
        self.columns = np.flatnonzero(features.movable)
        self._features = features
        self._original = inputs
        self._exact_low = self._exact_high = inputs[:, self.columns]
        self._deviation = features.deviation[self.columns]
        self._integer = features.integer[self.columns]
        scales = [model.encoder.columns[c] for c in self.columns]
        slopes = self._deviation / [c.scale if c.encoding == "standard" else 1.0 for c in scales]
        self._slopes = torch.tensor(slopes, dtype=torch.float32, device=model.device)
        places = [model.encoder.starts[c] for c in self.columns]
        self._places = torch.tensor(places, dtype=torch.long, device=model.device)
        self._encoded = model.encode(inputs)
        self.centre = torch.zeros((len(inputs), len(self.columns)), device=model.device)
        self.low = self.high = self.centre

    def within(self, eps: float, *, ranged: bool = True) -> TableSpace:
        found = copy.copy(self)
        values, features = self._original[:, self.columns], self._features
        low, high = values - eps * self._deviation, values + eps * self._deviation
        if ranged:
            low = np.fmax(low, np.fmin(features.low[self.columns], values))
            high = np.fmin(high, np.fmax(features.high[self.columns], values))
        # a hair's breadth, so that a budget of exactly one unit reaches the next whole number
        low = np.where(self._integer, np.minimum(np.ceil(low - 1e-9), values), low)
        high = np.where(self._integer, np.maximum(np.floor(high + 1e-9), values), high)
        found._exact_low, found._exact_high = low, high
        found.low, found.high = self._moves(low), self._moves(high)
        return found

    def _moves(self, limit: Floats) -> torch.Tensor:
        """Limits as moves; a missing value cannot move."""
        moves = np.nan_to_num((limit - self._original[:, self.columns]) / self._deviation)
        return torch.from_numpy(moves.astype(np.float32)).to(self.model.device)

    def outputs(self, v: torch.Tensor) -> torch.Tensor:
        return self.model.logits(self._encoded.index_add(1, self._places, v * self._slopes))

    def direction(self, gradient: torch.Tensor) -> torch.Tensor:
        return gradient.sign().nan_to_num()

    def confirm(self, v: torch.Tensor, suspects: torch.Tensor) -> torch.Tensor:
        here = suspects.cpu().numpy()
        wrong = np.zeros(len(here), dtype=bool)
        if here.any():
            values = self.moved(v)[here]
            decided = self.model.decide(self.model.scores(values))
            wrong[here] = decided != self.labels[here]
        return torch.from_numpy(wrong).to(self.model.device)

    def suspects(self, v: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        # rounding may turn a decision that the unrounded numbers leave as it is
        return torch.ones(self.rows, dtype=torch.bool, device=v.device)

    def moved(self, v: torch.Tensor) -> Floats:
        """The rows at `v` in original units, whole numbers whole, inside every limit."""
        found = self._original.copy()
        values = found[:, self.columns] + v.detach().cpu().double().numpy() * self._deviation
        values = np.where(self._integer, np.rint(values), values)
        found[:, self.columns] = np.clip(values, self._exact_low, self._exact_high)
        return found

    def take(self, keep: torch.Tensor) -> TableSpace:
        found = super().take(keep)
        assert isinstance(found, TableSpace)
        here = keep.cpu().numpy()
        found._original = self._original[here]
        found._exact_low, found._exact_high = self._exact_low[here], self._exact_high[here]
        return found

    def _tensors(self) -> Sequence[str]:
        return ("centre", "low", "high", "_encoded")
