"""Residual network for small images (He et al. 2016, section 4.2): parameter-free shortcuts; logits."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from assay.contracts import Frozen

__all__ = ["Config", "build"]


class Config(Frozen):
    channels: Annotated[int, Field(ge=1, le=4)] = 3
    widths: tuple[Annotated[int, Field(ge=1, le=2048)], ...] = (16, 32, 64)
    blocks: Annotated[int, Field(ge=1, le=50)] = 3
    """A stage; depth = 6 * blocks + 2 for three stages."""
    outputs: Annotated[int, Field(ge=1, le=100_000)] = 10


class BasicBlock(nn.Module):
    """Two 3x3 convolutions; where the size changes the shortcut strides and pads channels with zeros."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self._stride = stride
        self._pad = (width - inputs) // 2, width - inputs - (width - inputs) // 2

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = self.bn2(self.conv2(nn.functional.relu(self.bn1(self.conv1(images)))))
        shortcut = images[:, :, :: self._stride, :: self._stride]
        if any(self._pad):
            shortcut = nn.functional.pad(shortcut, (0, 0, 0, 0, *self._pad))
        return nn.functional.relu(found + shortcut)


class ResidualNetwork(nn.Module):
    """(rows, channels, height, width) -> (rows, outputs)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(config.channels, config.widths[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(config.widths[0])
        inputs = config.widths[0]
        self._stages = len(config.widths)
        for number, width in enumerate(config.widths, 1):
            blocks = []
            for place in range(config.blocks):
                stride = 2 if number > 1 and place == 0 else 1
                blocks.append(BasicBlock(inputs, width, stride))
                inputs = width
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
        self.linear = nn.Linear(inputs, config.outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = nn.functional.relu(self.bn1(self.conv1(images)))
        for number in range(1, self._stages + 1):
            found = getattr(self, f"layer{number}")(found)
        pooled: torch.Tensor = self.linear(found.mean(dim=(2, 3)))
        return pooled


def build(config: Config) -> nn.Module:
    """Fresh weights from torch's generator."""
    return ResidualNetwork(config)
