"""Parameters of cost.inference: how long to measure, and what is assumed of power, carbon and prices."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from assay.contracts import Params, Tier

__all__ = ["InferenceParams"]


class InferenceParams(Params):
    level: Annotated[float, Field(ge=0.5, le=0.9999)] = Field(0.95, description="Confidence level.")
    batch_sizes: Annotated[
        tuple[Annotated[int, Field(ge=1, le=65_536)], ...], Field(min_length=1, max_length=12)
    ] = Field((1, 8, 64), description="Rows asked about in one call.")
    seconds: Annotated[float, Field(ge=0.05, le=600)] = Field(
        3.0, description="Seconds of timed calls for each batch size."
    )
    most_calls: Annotated[int, Field(ge=5, le=1_000_000)] = Field(
        20_000, description="Timed calls of a batch size at most."
    )
    threads: Annotated[int, Field(ge=0, le=1_024)] = Field(
        0, description="Threads of torch while it is timed; 0 leaves them as they are."
    )
    energy_seconds: Annotated[float, Field(ge=1, le=600)] = Field(
        5.0, description="Seconds of a window in which an energy counter is read (idle, and each trial)."
    )
    energy_trials: Annotated[int, Field(ge=2, le=100)] = Field(
        3, description="Windows of work in which an energy counter is read."
    )
    core_watts: Annotated[float, Field(gt=0, le=1_000)] = Field(
        12.0,
        description="Assumed power of one busy core where nothing counts energy (Lannelongue, Grealey & "
        "Inouye 2021, default of Green Algorithms).",
    )
    memory_watts: Annotated[float, Field(ge=0, le=100)] = Field(
        0.3725, description="Assumed power of a gigabyte of memory (the same source)."
    )
    gpu_watts: Annotated[float, Field(gt=0, le=5_000)] = Field(
        300.0, description="Assumed power of a busy GPU whose energy counter cannot be read."
    )
    power_factor: Annotated[float, Field(ge=1, le=100)] = Field(
        2.5, description="Estimated power may be wrong by this factor, either way: the interval of estimates."
    )
    pue: Annotated[float, Field(ge=1, le=10)] = Field(
        1.58, description="Power usage effectiveness of the data centre (Uptime Institute's survey of 2023)."
    )
    carbon_intensity: Annotated[float, Field(ge=0, le=5_000)] = Field(
        475.0, description="Grams of CO2e a kilowatt-hour of electricity."
    )
    carbon_source: Annotated[str, Field(max_length=300)] = Field(
        "world average of codecarbon 3.3", description="Where carbon_intensity comes from."
    )
    hourly_price: Annotated[float, Field(ge=0, le=100_000)] = Field(
        0.09, description="US dollars an hour for a machine without GPU."
    )
    hourly_price_gpu: Annotated[float, Field(ge=0, le=100_000)] = Field(
        3.0, description="US dollars an hour for a machine with the GPU."
    )
    price_source: Annotated[str, Field(max_length=300)] = Field(
        "assumed in November 2026: about a rented machine with 2 virtual cores, or one data-centre GPU",
        description="Where the hourly prices come from.",
    )
    training_epochs: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        10, description="Passes over the training rows where the model's lineage does not say."
    )

    @classmethod
    def tier_defaults(cls, tier: Tier) -> dict[str, Any]:
        """How many batch sizes, and for how long, in the tiers that are not standard."""
        quick = {"batch_sizes": (1, 64), "seconds": 1.0, "energy_trials": 2}
        deep = {"batch_sizes": (1, 8, 64, 256, 1_024), "seconds": 20.0, "energy_seconds": 10.0}
        return {"quick": quick, "deep": deep}.get(tier, {})
