"""Train a network further: all of it, or its head only; with groups reweighed where asked.

User's page: docs/remedies/training.fine_tune.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from assay.contracts import (
    Citation,
    Estimate,
    NewArtifact,
    Profile,
    RemedyContext,
    RemedySpec,
    SubjectProtocol,
)
from assay.errors import BadInput
from assay.remedies.lineage import figures_of, lineage_of, request_digest
from assay.remedies.params import TrainingParams
from assay.remedies.rows import Split, encoded_rows, split_rows, weighed

if TYPE_CHECKING:
    import torch

    from assay.models.torch_model import TorchModel
    from assay.remedies.training import Objective

__all__ = ["REMEDY", "FineTune", "head_of", "network_of", "objective_of"]

_HEADS = ("head", "linear", "classifier", "score", "qa_outputs")
_BACKWARD = 3.0
"""A training step costs about three times a forward pass (Kaplan et al. 2020: 6 N against 2 N)."""


class FineTuneParams(TrainingParams):
    epochs: Annotated[int, Field(ge=1, le=10_000)] = Field(
        5, description="Most passes over the training rows."
    )
    batch_rows: Annotated[int, Field(ge=1, le=65_536)] = Field(64, description="Rows of one step.")
    learning_rate: Annotated[float, Field(gt=0, le=10)] = Field(1e-4, description="Length of a step.")
    layers: Literal["all", "head"] = Field(
        "all", description="What trains: the whole network, or its last layer only."
    )
    reweigh: tuple[str, ...] = Field(
        (), description="Sensitive columns whose groups are reweighed (their intersections)."
    )


class FineTune:
    """The same network with other weights."""

    spec = RemedySpec(
        id="training.fine_tune",
        version="1.0",
        title="Fine-tuning",
        summary="The model trained further on the training rows, all of it or its head only. Rows can be "
        "reweighed so that the label does not depend on the group.",
        needs=("trainable", "labels", "training_rows"),
        modalities=("table", "text", "image"),
        uses_sensitive_at="training",
        citations=(
            Citation(
                text="Kamiran & Calders 2012, Data preprocessing techniques for classification without "
                "discrimination, section 4.3"
            ),
        ),
    )
    Params = FineTuneParams

    def estimate(self, profile: Profile, params: FineTuneParams) -> Estimate:
        return training_estimate(profile, params.epochs, 1.0 if params.layers == "head" else _BACKWARD)

    def apply(self, subject: SubjectProtocol, params: FineTuneParams, context: RemedyContext) -> NewArtifact:
        """Train a copy, and write it in the format of the original under `context.work`.

        Raises BadInput: a model without classes to learn, no usable rows; Diverged.
        """
        from assay.remedies.training import loss_curve, train

        original = network_of(subject)
        split = split_rows(subject, context.seed)
        objective = objective_of(original, split)
        training_weights, tuning_weights, notes = weighed(subject, split, params.reweigh)
        model = original.copy()
        training = encoded_rows(model, subject, split.training, training_weights)
        tuning = encoded_rows(model, subject, split.tuning, tuning_weights)
        part = head_of(model.module) if params.layers == "head" else model.module
        trained = train(
            model.module,
            training,
            tuning,
            params,
            objective,
            seed=context.seed,
            part=part,
            forward=model.logits,
            work=context.work / "training",
            request=request_digest(self.spec, params, subject.profile, context.seed, context.device),
            progress=context.progress,
        )
        figures = figures_of(trained, before=original.module, after=model.module)
        figures["parameters_trained"] = sum(p.numel() for p in part.parameters())
        if trained.after.loss > trained.before.loss:
            notes = (
                *notes,
                "The tuning loss was lowest before the first step; a smaller learning rate may help.",
            )
        lineage = lineage_of(
            self.spec,
            params,
            subject.profile,
            context.seed,
            split,
            parent=original.facts,
            loss_curves=(loss_curve(trained, self.spec.id),),
            figures=figures,
            notes=notes,
        )
        return NewArtifact(model.write(context.work / "artefact", lineage), lineage)


def network_of(subject: SubjectProtocol) -> TorchModel:
    """The subject's network. Raises BadInput for a model that is none."""
    from assay.models.torch_model import TorchModel

    model = subject.model
    if not isinstance(model, TorchModel):
        raise BadInput(f"{model.facts.name} is no network that can be trained further; train a new one.")
    return model


def objective_of(model: TorchModel, split: Split) -> Objective:
    """What training this model lowers. Raises BadInput for one that gives a plain score of two classes."""
    from assay.remedies.training import classification, classification_of_probabilities, regression

    signature = model.signature
    if signature.task == "regression":
        return regression(float(split.training.labels.astype(np.float64).std()) or 1.0)
    if signature.output == "score":
        raise BadInput(
            f"{model.facts.name} gives a plain score and no classes (an autoencoder does); train a new one "
            "with training.from_scratch."
        )
    kind = classification if signature.output == "logit" else classification_of_probabilities
    return kind(signature.threshold)


def head_of(module: torch.nn.Module) -> torch.nn.Module:
    """The part after the body: by its usual name, else the last linear layer. Raises BadInput without one."""
    import torch

    for name in _HEADS:
        found = getattr(module, name, None)
        if isinstance(found, torch.nn.Module) and any(True for _ in found.parameters()):
            return found
    linear = [layer for layer in module.modules() if isinstance(layer, torch.nn.Linear)]
    if not linear:
        raise BadInput("The network has no linear layer at its end; train all of it (layers=all).")
    return linear[-1]


def training_estimate(profile: Profile, epochs: int, factor: float) -> Estimate:
    """Model evaluations of a training, from which the planner makes seconds; memory from the parameters."""
    dataset = profile.dataset("training")
    rows = dataset.rows if dataset is not None else 0
    size = profile.model.weight_bytes if profile.model is not None else 0
    return Estimate(evaluations=int(rows * epochs * factor), seconds=3.0, memory_bytes=500_000_000 + 6 * size)


REMEDY = FineTune()
