"""Plain convolutional network: blocks of 3x3 convolution, batch norm, ReLU, 2x2 max pooling; logits."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from assay.contracts import Frozen

__all__ = ["Config", "build"]


class Config(Frozen):
    channels: Annotated[int, Field(ge=1, le=4)]
    height: Annotated[int, Field(ge=4, le=4096)]
    width: Annotated[int, Field(ge=4, le=4096)]
    widths: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = (16, 32)
    hidden: Annotated[int, Field(ge=1, le=65_536)] = 64
    outputs: Annotated[int, Field(ge=1, le=100_000)] = 10

    def model_post_init(self, _context: object) -> None:
        if min(self.height, self.width) >> len(self.widths) < 1:
            raise ValueError(
                f"{len(self.widths)} poolings leave nothing of {self.height} x {self.width} pixels"
            )


class ConvolutionalNetwork(nn.Module):
    """(rows, channels, height, width) -> (rows, outputs)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        channels = config.channels
        for width in config.widths:
            convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False)
            blocks.append(nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)))
            channels = width
        self.features = nn.Sequential(*blocks)
        depth = len(config.widths)
        flat = channels * (config.height >> depth) * (config.width >> depth)
        self.hidden = nn.Sequential(nn.Linear(flat, config.hidden), nn.ReLU())
        self.head = nn.Linear(config.hidden, config.outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.hidden(self.features(images).flatten(1)))
        return found


def build(config: Config) -> nn.Module:
    """Fresh weights from torch's generator."""
    return ConvolutionalNetwork(config)
