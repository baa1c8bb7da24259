"""What a team has in its own code: networks that Assay does not know, and one that it does."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.base import BaseEstimator, TransformerMixin
from torch import nn

from assay.models.architectures import build

__all__ = ["Doubled", "Impostor", "Tanh", "ours", "tanh"]


class Doubled(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A transformer that only this team has."""

    def fit(self, rows: Any, labels: Any = None) -> Doubled:
        return self

    def transform(self, rows: Any) -> Any:
        return rows * 2


class Tanh(nn.Module):
    """Three numbers in, two out."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.first, self.second = nn.Linear(3, 5), nn.Linear(5, 2)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.second(torch.tanh(self.first(rows)))
        return found


class Impostor(nn.Module):
    """Weights named as Assay's mlp names them, another computation."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.body = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
        self.head = nn.Linear(4, 2)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.body(rows))
        return found


def ours() -> nn.Module:
    torch.manual_seed(6)
    return build("mlp", {"inputs": 3, "hidden": (4,), "outputs": 2})


tanh = Tanh().eval()
