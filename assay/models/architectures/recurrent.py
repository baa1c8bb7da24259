"""What LSTM and GRU share. An image is a sequence of its rows, a table of its columns."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from assay.contracts import Frozen

__all__ = ["Config", "RecurrentNetwork"]


class Config(Frozen):
    features: Annotated[int, Field(ge=1, le=65_536)]
    """Numbers a step: channels x width of an image, 1 for a table."""
    hidden: Annotated[int, Field(ge=1, le=65_536)] = 64
    layers: Annotated[int, Field(ge=1, le=16)] = 1
    outputs: Annotated[int, Field(ge=1, le=100_000)] = 2


class RecurrentNetwork(nn.Module):
    """(rows, channels, height, width) or (rows, steps) -> (rows, outputs), from the last hidden state."""

    def __init__(self, config: Config, cell: type[nn.LSTM] | type[nn.GRU]) -> None:
        super().__init__()
        self.recurrent = cell(config.features, config.hidden, config.layers, batch_first=True)
        self.head = nn.Linear(config.hidden, config.outputs)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        steps = rows.permute(0, 2, 1, 3).flatten(2) if rows.dim() == 4 else rows.unsqueeze(-1)
        outputs, _ = self.recurrent(steps)
        found: torch.Tensor = self.head(outputs[:, -1])
        return found
