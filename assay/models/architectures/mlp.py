"""Multilayer perceptron: linear, ReLU, dropout; the last layer gives logits."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from assay.contracts import Frozen

__all__ = ["Config", "build"]


class Config(Frozen):
    inputs: Annotated[int, Field(ge=1, le=1_000_000)]
    hidden: tuple[Annotated[int, Field(ge=1, le=65_536)], ...] = (64, 32)
    outputs: Annotated[int, Field(ge=1, le=100_000)] = 2
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class MultilayerPerceptron(nn.Module):
    """(rows, inputs), or images that are flattened, -> (rows, outputs)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = config.inputs
        for hidden in config.hidden:
            layers += [nn.Linear(width, hidden), nn.ReLU()]
            layers += [nn.Dropout(config.dropout)] if config.dropout else []
            width = hidden
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, config.outputs)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.body(rows.flatten(1)))
        return found


def build(config: Config) -> nn.Module:
    """Fresh weights from torch's generator."""
    return MultilayerPerceptron(config)
