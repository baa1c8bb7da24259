"""Train a network on the inputs that fool it most: projected gradient descent inside every step.

User's page: docs/remedies/adversarial.training.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field

from assay.contracts import (
    Citation,
    Estimate,
    ModelSignature,
    NewArtifact,
    Profile,
    RemedyContext,
    RemedySpec,
    SubjectProtocol,
)
from assay.errors import BadInput
from assay.models.encoding import TableEncoder
from assay.remedies.fine_tune import network_of, objective_of, training_estimate
from assay.remedies.lineage import figures_of, lineage_of, request_digest
from assay.remedies.params import TrainingParams
from assay.remedies.rows import encoded_rows, split_rows
from assay.remedies.train import fresh_network

if TYPE_CHECKING:
    import torch

    from assay.models.torch_model import ArrayNetwork
    from assay.remedies.training import Objective, Rows

__all__ = ["REMEDY", "AdversarialTraining", "Ball", "ball_of", "perturbation"]


class AdversarialParams(TrainingParams):
    eps: Annotated[float, Field(gt=0, le=10)] = Field(
        8 / 255,
        description="Largest change: of a pixel in [0, 1], or of a number in standard deviations.",
    )
    steps: Annotated[int, Field(ge=1, le=1_000)] = Field(10, description="Steps of each attack.")
    step_size: Annotated[float, Field(gt=0, le=10)] | None = Field(
        None, description="Of one step; null = 2.5 eps / steps."
    )
    start: Literal["weights", "fresh"] = Field(
        "weights", description="Begin at the model's weights, or at fresh ones of its architecture."
    )


class AdversarialTraining:
    """The same architecture with weights that stand up to small changes of its inputs."""

    spec = RemedySpec(
        id="adversarial.training",
        version="1.0",
        title="Adversarial training",
        summary="Every step trains on inputs that projected gradient descent moved, inside an L-infinity "
        "ball, to where the loss is highest; the epoch with the lowest loss under attack is kept.",
        needs=("trainable", "gradients", "labels", "training_rows"),
        modalities=("table", "image"),
        uses_sensitive_at="none",
        citations=(
            Citation(text="Madry et al. 2018, Towards deep learning models resistant to adversarial attacks"),
        ),
    )
    Params = AdversarialParams

    def estimate(self, profile: Profile, params: AdversarialParams) -> Estimate:
        return training_estimate(profile, params.epochs, 3.0 * (params.steps + 1))

    def apply(
        self, subject: SubjectProtocol, params: AdversarialParams, context: RemedyContext
    ) -> NewArtifact:
        """Train a copy (or a fresh network of its sizes), and write it under `context.work`.

        Raises BadInput: a model that reads no table or image, no number to move; Diverged.
        """
        from assay.models.torch_model import ArrayNetwork
        from assay.remedies.training import evaluate, loss_curve, train

        original = network_of(subject)
        if not isinstance(original, ArrayNetwork):
            raise BadInput("Adversarial training is for networks over tables and images.")
        split = split_rows(subject, context.seed)
        objective = objective_of(original, split)
        model = original.copy() if params.start == "weights" else _fresh(original, context.seed)
        ball = ball_of(model.signature, params.eps, params.steps, params.step_size)
        training = encoded_rows(model, subject, split.training)
        tuning = encoded_rows(model, subject, split.tuning)
        trained = train(
            model.module,
            training,
            tuning,
            params,
            objective,
            seed=context.seed,
            forward=model.logits,
            perturb=perturbation(model, objective, ball),
            work=context.work / "training",
            request=request_digest(self.spec, params, subject.profile, context.seed, context.device),
            progress=context.progress,
        )
        figures = figures_of(trained, before=original.module, after=model.module)
        for when, network in (("before", original), ("after", model)):
            network.module.eval()
            figures[f"tuning_accuracy_clean_{when}"] = evaluate(network.logits, tuning, objective).accuracy
        lineage = lineage_of(
            self.spec,
            params,
            subject.profile,
            context.seed,
            split,
            parent=original.facts,
            loss_curves=(loss_curve(trained, self.spec.id),),
            figures=figures,
            notes=("Tuning loss and accuracy are those under attack; clean accuracy stands beside them.",),
        )
        return NewArtifact(model.write(context.work / "artefact", lineage), lineage)


class Ball(NamedTuple):
    """Where an attack may go, in encoded units; every tensor broadcasts over (rows, ...).

    `radius` 0 keeps a place as it is; `low` and `high` are the ends of the data's own range.
    """

    radius: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    step: float
    """Share of the radius that one step goes."""
    steps: int


def ball_of(signature: ModelSignature, eps: float, steps: int, step_size: float | None = None) -> Ball:
    """The L-infinity ball of `eps` around encoded rows.

    Images: eps of a pixel, kept in [0, 1]. Tables: eps standard deviations of each standardised number, kept
    inside the range seen in training; categories do not move.

    Raises BadInput: a table without a number to move.
    """
    import torch

    share = 2.5 / steps if step_size is None else step_size / eps
    if signature.image is not None:
        channels = signature.image.channels
        mean = torch.tensor(signature.image.mean).expand(channels).view(1, -1, 1, 1)
        scale = torch.tensor(signature.image.scale).expand(channels).view(1, -1, 1, 1)
        return Ball(eps / scale, -mean / scale, (1 - mean) / scale, share, steps)
    encoder = TableEncoder(signature.columns)
    radius = torch.zeros(1, encoder.width)
    low, high = torch.full((1, encoder.width), -torch.inf), torch.full((1, encoder.width), torch.inf)
    for column, place in zip(encoder.columns, encoder.starts, strict=True):
        if column.kind != "number" or column.encoding != "standard":
            continue
        radius[0, place] = eps
        if column.minimum is not None:
            low[0, place] = (column.minimum - column.mean) / column.scale
        if column.maximum is not None:
            high[0, place] = (column.maximum - column.mean) / column.scale
    if not radius.any():
        raise BadInput("The model reads no standardised number that an attack could move.")
    return Ball(radius, low, high, share, steps)


def perturbation(model: ArrayNetwork, objective: Objective, ball: Ball) -> Callable[[Rows], torch.Tensor]:
    """A function that moves a batch's inputs to where the loss is highest inside the ball.

    A random start, then `steps` steps along the gradient's sign, projected back (Madry et al. 2018). The
    network is in evaluation mode meanwhile, so that attacks leave no trace in batch norm.
    """
    import torch

    module = model.module
    radius, low, high = (tensor.to(model.device) for tensor in ball[:3])

    def perturb(batch: Rows) -> torch.Tensor:
        clean = batch.inputs
        assert isinstance(clean, torch.Tensor)
        # A row outside the training range (a tuning row) may stay where it is.
        lowest = torch.maximum(clean - radius, torch.minimum(clean, low))
        highest = torch.minimum(clean + radius, torch.maximum(clean, high))
        training = module.training
        module.eval()
        moved = clean + (torch.rand_like(clean) * 2 - 1) * radius
        moved = torch.minimum(torch.maximum(moved, lowest), highest)
        for _ in range(ball.steps):
            moved.requires_grad_()
            loss = objective.loss(model.logits(moved), batch).sum()
            (slope,) = torch.autograd.grad(loss, moved)
            moved = moved.detach() + ball.step * radius * slope.sign()
            moved = torch.minimum(torch.maximum(moved, lowest), highest)
        module.train(training)
        return moved.detach()

    return perturb


def _fresh(original: ArrayNetwork, seed: int) -> ArrayNetwork:
    inferred = ("inputs", "outputs", "channels", "height", "width", "features")
    sizes = {name: value for name, value in original.config.items() if name not in inferred}
    return fresh_network(original.signature, original.architecture, sizes, device=original.device, seed=seed)


REMEDY = AdversarialTraining()
