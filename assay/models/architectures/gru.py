"""Gated recurrent unit network (Cho et al. 2014); logits."""

from __future__ import annotations

from torch import nn

from assay.models.architectures.recurrent import Config, RecurrentNetwork

__all__ = ["Config", "build"]


def build(config: Config) -> nn.Module:
    """Fresh weights from torch's generator."""
    return RecurrentNetwork(config, nn.GRU)
