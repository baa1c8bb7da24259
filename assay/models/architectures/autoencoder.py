"""Autoencoder: the mean squared reconstruction error of a row is its anomaly score."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from assay.contracts import Frozen

__all__ = ["Autoencoder", "Config", "build"]


class Config(Frozen):
    inputs: Annotated[int, Field(ge=1, le=1_000_000)]
    hidden: tuple[Annotated[int, Field(ge=1, le=65_536)], ...] = (64,)
    latent: Annotated[int, Field(ge=1, le=65_536)] = 16


class Autoencoder(nn.Module):
    """(rows, inputs), or images that are flattened, -> (rows, 1): the reconstruction error."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = [config.inputs, *config.hidden, config.latent]
        self.encoder = _stack(widths)
        self.decoder = _stack(widths[::-1])

    def reconstruct(self, rows: torch.Tensor) -> torch.Tensor:
        """(rows, inputs)."""
        found: torch.Tensor = self.decoder(self.encoder(rows.flatten(1)))
        return found

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return (self.reconstruct(rows) - rows.flatten(1)).square().mean(dim=1, keepdim=True)


def _stack(widths: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def build(config: Config) -> nn.Module:
    """Fresh weights from torch's generator."""
    return Autoencoder(config)
