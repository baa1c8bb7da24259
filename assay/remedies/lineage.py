"""Where a new model came from, and what tells one remedy's request from another."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from assay import __version__
from assay.contracts import Lineage, ModelFacts, Params, Profile, RemedySpec, Series
from assay.evidence import digest
from assay.remedies.rows import Split

if TYPE_CHECKING:
    import torch

    from assay.remedies.training import Trained

__all__ = ["figures_of", "lineage_of", "request_digest"]

_PACKAGES = ("torch", "safetensors", "numpy", "transformers", "tokenizers")


def request_digest(spec: RemedySpec, params: Params, profile: Profile, seed: int, device: str) -> str:
    """One digest for remedy, parameters, data, model, seed and device: what a checkpoint belongs to."""
    return digest(
        {
            "remedy": spec.id,
            "version": spec.version,
            "params": params.model_dump(mode="json"),
            "profile": digest(profile),
            "seed": seed,
            "device": device,
        }
    )


def lineage_of(
    spec: RemedySpec,
    params: Params,
    profile: Profile,
    seed: int,
    split: Split,
    *,
    parent: ModelFacts | None = None,
    loss_curves: Sequence[Series] = (),
    figures: Mapping[str, float | None] | None = None,
    notes: Sequence[str] = (),
) -> Lineage:
    """lineage.json of what a remedy made; figures that are None are left out."""
    datasets = {}
    for part in (split.training, split.tuning):
        found = profile.dataset(part.role)
        assert found is not None
        name = "training" if part is split.training else "tuning"
        datasets[name] = found.sha256
    return Lineage(
        remedy=spec.id,
        version=spec.version,
        params=params.model_dump(mode="json"),
        seed=seed,
        parent_sha256=None if parent is None else parent.sha256,
        parent_name=None if parent is None else parent.name,
        datasets=datasets,
        rows={"training": len(split.training.places), "tuning": len(split.tuning.places)},
        loss_curves=tuple(loss_curves),
        figures={name: value for name, value in (figures or {}).items() if value is not None},
        notes=tuple(dict.fromkeys((*split.notes, *notes))),
        made_with=_versions(),
    )


def figures_of(
    trained: Trained, *, before: torch.nn.Module | None = None, after: torch.nn.Module
) -> dict[str, float | None]:
    """Parameters, and loss and accuracy on the tuning rows, before and after."""
    return {
        "parameters_before": None if before is None else sum(p.numel() for p in before.parameters()),
        "parameters_after": sum(p.numel() for p in after.parameters()),
        "tuning_loss_before": trained.before.loss,
        "tuning_loss_after": trained.after.loss,
        "tuning_accuracy_before": trained.before.accuracy,
        "tuning_accuracy_after": trained.after.accuracy,
        "best_epoch": trained.best_epoch,
        "epochs": len(trained.epochs),
    }


def _versions() -> dict[str, str]:
    found = {"assay": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
