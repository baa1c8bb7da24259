"""What training the model once took, from its arithmetic and what its lineage tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from assay.contracts import At, Measure, Profile
from assay.methods.cost.inference_params import InferenceParams
from assay.methods.cost.spending import Spending

if TYPE_CHECKING:
    from assay.methods.cost.inference_measures import Maker

__all__ = ["PASSES", "Training", "training_measures"]

PASSES = 3
"""A step is one pass forward and two backward (gradients of the activations and of the weights)."""


class Training(NamedTuple):
    measures: tuple[Measure, ...]
    notes: tuple[str, ...]


def training_measures(
    make: Maker, flops: float | None, spent: Spending, profile: Profile, params: InferenceParams
) -> Training:
    """3 x the cost of an answer x training rows x epochs; for dense networks the rule 6 N D."""
    if flops is None:
        note = "the arithmetic of a row is not known"
        return Training((make("training_flops", None, 0, note=note, otherwise="not_applicable"),), ())
    rows, epochs, basis = _seen(profile, params)
    at: At = {"basis": basis}
    if rows is None:
        note = "how many rows it was trained on is not known: give them with --train"
        return Training((make("training_flops", None, 0, at=at, note=note),), ())
    answers = PASSES * rows * epochs
    low, high = (
        None if end is None else end * answers / 1e6 for end in (spent.energy.low, spent.energy.high)
    )
    energy = spent.energy.value * answers / 1e6  # Wh of 1,000 answers -> kWh
    measures = (
        make("training_flops", flops * answers, rows, at=at, note=f"{rows:,} rows, {epochs:,} epochs"),
        make("training_energy", energy, rows, spent.method, low=low, high=high, at={"basis": "estimated"}),
    )
    how = "as its lineage says" if basis == "lineage" else "the epochs are assumed (training_epochs)"
    note = (
        f"Training is estimated for one run over {rows:,} rows and {epochs:,} epochs, {how}: searches, "
        "failed runs and earlier training of a fine-tuned model are not in it."
    )
    return Training(measures, (note,))


def _seen(profile: Profile, params: InferenceParams) -> tuple[int | None, int, str]:
    """Training rows, epochs, and whether the lineage told both."""
    lineage = profile.model.lineage if profile.model is not None else None
    dataset = profile.dataset("training")
    rows = dataset.rows if dataset is not None else None
    if lineage is None:
        return rows, params.training_epochs, "assumed"
    rows = lineage.rows.get("training", rows)
    epochs = lineage.params.get("epochs")
    if isinstance(epochs, int) and not isinstance(epochs, bool) and epochs > 0:
        return rows, epochs, "lineage" if "training" in lineage.rows else "assumed"
    return rows, params.training_epochs, "assumed"
