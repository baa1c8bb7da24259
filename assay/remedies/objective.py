"""Encoded rows, what training them lowers, and how a network stands by that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

__all__ = [
    "Encoded",
    "Evaluated",
    "Objective",
    "RowLoss",
    "Rows",
    "classification",
    "classification_of_probabilities",
    "evaluate",
    "reconstruction",
    "regression",
]

Encoded = torch.Tensor | dict[str, torch.Tensor]
"""What a network reads: (rows, ...), or token tensors (rows, tokens) with their `attention_mask`."""


@dataclass(frozen=True)
class Rows:
    """Encoded rows with what they should give, all on one device.

    Attributes:
        inputs: what the network reads.
        targets: class codes int64 (rows,), or float32 for a regression.
        weights: float32 (rows,) with mean 1; None = all 1.
        teacher: float32 (rows, classes), a teacher's logits.
    """

    inputs: Encoded
    targets: torch.Tensor
    weights: torch.Tensor | None = None
    teacher: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: torch.Tensor) -> Rows:
        """These rows; token tensors are cut to the longest text among them."""
        return Rows(
            _take_inputs(self.inputs, rows),
            self.targets[rows],
            None if self.weights is None else self.weights[rows],
            None if self.teacher is None else self.teacher[rows],
        )


def _take_inputs(inputs: Encoded, rows: torch.Tensor) -> Encoded:
    if isinstance(inputs, torch.Tensor):
        return inputs[rows]
    found = {name: tensor[rows] for name, tensor in inputs.items()}
    if "attention_mask" in found:
        longest = max(int(found["attention_mask"].sum(dim=1).max()), 1)
        found = {name: tensor[:, :longest] for name, tensor in found.items()}
    return found


RowLoss = Callable[[torch.Tensor, Rows], torch.Tensor]
"""(outputs (rows, classes), the batch) -> loss of each row (rows,)."""


@dataclass(frozen=True)
class Objective:
    """What training lowers, and which rows count as answered rightly (None: there is no right or wrong)."""

    loss: RowLoss
    right: Callable[[torch.Tensor, Rows], torch.Tensor] | None = None


def classification(threshold: float | None = None) -> Objective:
    """Cross-entropy of the logits; right where the largest logit, or the threshold on class 1, decides so."""

    def right(logits: torch.Tensor, batch: Rows) -> torch.Tensor:
        if threshold is None:
            return logits.argmax(dim=1) == batch.targets
        return (logits.softmax(dim=1)[:, -1] >= threshold).long() == batch.targets

    def loss(logits: torch.Tensor, batch: Rows) -> torch.Tensor:
        return nn.functional.cross_entropy(logits, batch.targets, reduction="none")

    return Objective(loss, right)


def classification_of_probabilities(threshold: float | None = None) -> Objective:
    """The same for a network that gives probabilities already: -log of the one given to the label."""
    of_logits = classification(threshold)

    def logs(probabilities: torch.Tensor) -> torch.Tensor:
        return probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()

    def loss(probabilities: torch.Tensor, batch: Rows) -> torch.Tensor:
        return nn.functional.nll_loss(logs(probabilities), batch.targets, reduction="none")

    assert of_logits.right is not None
    right = of_logits.right
    return Objective(loss, lambda probabilities, batch: right(logs(probabilities), batch))


def regression(scale: float) -> Objective:
    """Squared error in units of `scale` squared (the targets' standard deviation)."""

    def loss(outputs: torch.Tensor, batch: Rows) -> torch.Tensor:
        return ((outputs[:, 0] - batch.targets) / scale).square()

    return Objective(loss)


def reconstruction() -> Objective:
    """The network's own output is the loss: an autoencoder's reconstruction error."""
    return Objective(lambda outputs, _batch: outputs[:, 0])


class Evaluated(NamedTuple):
    """Mean (weighted) loss a row, and the share of rows answered rightly."""

    loss: float
    accuracy: float | None


def evaluate(
    forward: Callable[[Encoded], torch.Tensor],
    rows: Rows,
    objective: Objective,
    *,
    batch_rows: int = 1_024,
    perturb: Callable[[Rows], Encoded] | None = None,
) -> Evaluated:
    """Mean loss and accuracy over rows; the caller has put the network into evaluation mode."""
    total = torch.zeros((), dtype=torch.float64, device=rows.targets.device)
    right = torch.zeros((), dtype=torch.int64, device=rows.targets.device)
    places = torch.arange(len(rows), device=rows.targets.device)
    for piece in torch.split(places, batch_rows):
        batch = rows.take(piece)
        inputs = batch.inputs if perturb is None else perturb(batch)
        with torch.no_grad():
            outputs = forward(inputs)
            losses = objective.loss(outputs, batch)
            total += (losses if batch.weights is None else losses * batch.weights).double().sum()
            if objective.right is not None:
                right += objective.right(outputs, batch).sum()
    accuracy = None if objective.right is None else int(right) / len(rows)
    return Evaluated(float(total) / len(rows), accuracy)
