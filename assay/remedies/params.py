"""Parameters that every remedy that trains a network shares."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from assay.contracts import Params, Tier

__all__ = ["TrainingParams"]


class TrainingParams(Params):
    """How a network is trained; see `assay.remedies.training.train`."""

    epochs: Annotated[int, Field(ge=1, le=10_000)] = Field(
        20, description="Most passes over the training rows."
    )
    batch_rows: Annotated[int, Field(ge=1, le=65_536)] = Field(256, description="Rows of one step.")
    learning_rate: Annotated[float, Field(gt=0, le=10)] = Field(1e-3, description="Length of a step.")
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="AdamW, or SGD with momentum.")
    weight_decay: Annotated[float, Field(ge=0, le=10)] = Field(0.01, description="Pull of weights to 0.")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="Of SGD; AdamW has its own.")
    schedule: Literal["constant", "cosine"] = Field(
        "constant", description="Learning rate over the steps: constant, or falling to 0 as a cosine."
    )
    warmup: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="Share of all steps over which the learning rate first rises from 0."
    )
    clip_norm: Annotated[float, Field(gt=0)] | None = Field(
        1.0, description="Largest norm of the gradient of one step; null does not cut it."
    )
    patience: Annotated[int, Field(ge=1)] | None = Field(
        5, description="Epochs without a lower tuning loss after which training ends; null runs them all."
    )

    @classmethod
    def tier_defaults(cls, tier: Tier) -> dict[str, Any]:
        """The same in every tier: how long to train is the user's choice."""
        return {}
