"""The optimizer of a training, and the learning rate of each of its steps."""

from __future__ import annotations

import math

import torch
from torch import nn

from assay.remedies.params import TrainingParams

__all__ = ["Rates", "make_optimizer"]


def make_optimizer(part: nn.Module, params: TrainingParams) -> torch.optim.Optimizer:
    """AdamW or SGD over the parameters of `part` that take gradients, in one kernel for all of them."""
    trained = [parameter for parameter in part.parameters() if parameter.requires_grad]
    rate, decay = params.learning_rate, params.weight_decay
    if params.optimizer == "adamw":
        return torch.optim.AdamW(trained, lr=rate, weight_decay=decay, fused=True)
    return torch.optim.SGD(trained, lr=rate, weight_decay=decay, momentum=params.momentum, fused=True)


class Rates:
    """The learning rate of every step, from its number alone."""

    def __init__(self, params: TrainingParams, steps: int) -> None:
        self._params = params
        self._all = steps * params.epochs
        self._rising = round(params.warmup * self._all)
        self._still = params.schedule == "constant" and not self._rising

    def set(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        if self._still:
            return
        if step < self._rising:
            factor = (step + 1) / self._rising
        elif self._params.schedule == "cosine":
            factor = 0.5 * (1 + math.cos(math.pi * (step - self._rising) / max(self._all - self._rising, 1)))
        else:
            factor = 1.0
        for group in optimizer.param_groups:
            group["lr"] = self._params.learning_rate * factor
