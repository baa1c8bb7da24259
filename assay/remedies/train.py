"""Train a network of a listed architecture from scratch.

User's page: docs/remedies/training.from_scratch.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from assay.contracts import (
    Citation,
    Estimate,
    ModelFacts,
    ModelSignature,
    NewArtifact,
    Profile,
    RemedyContext,
    RemedySpec,
    SubjectProtocol,
)
from assay.errors import BadInput, BadParams
from assay.remedies.lineage import figures_of, lineage_of, request_digest
from assay.remedies.params import TrainingParams
from assay.remedies.rows import Split, encoded_rows, split_rows, weighed
from assay.remedies.signature import infer_signature
from assay.rng import keyed_rng

if TYPE_CHECKING:
    import torch

    from assay.models.torch_model import ArrayNetwork
    from assay.remedies.training import Objective

__all__ = ["REMEDY", "FromScratch", "fresh_network", "full_sizes"]

_ROW_SECONDS = 4e-6
"""Of one row through one forward and backward pass of a small network; shown before the start."""


class FromScratchParams(TrainingParams):
    architecture: Literal["mlp", "cnn", "resnet", "lstm", "gru", "autoencoder"] = Field(
        "mlp", description="Which network; inputs and outputs follow from the data."
    )
    sizes: Mapping[str, Any] = Field(
        default_factory=dict, description="Its other sizes, e.g. hidden; see docs/remedies.md."
    )
    use_sensitive: bool = Field(False, description="Let the network read the sensitive columns too.")
    ignore: tuple[str, ...] = Field(
        (), description="Columns that the network does not read, such as an earlier model's answers."
    )
    reweigh: tuple[str, ...] = Field(
        (), description="Sensitive columns whose groups are reweighed (their intersections)."
    )
    max_categories: Annotated[int, Field(ge=2, le=10_000)] = Field(
        100, description="A category column with more values is not read."
    )
    normal: str | None = Field(
        None, description="For an autoencoder: the class of the rows that it learns; the other is anomalous."
    )
    threshold_quantile: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.95, description="For an autoencoder: share of normal tuning rows below its threshold."
    )


class FromScratch:
    """A new network from training rows alone."""

    spec = RemedySpec(
        id="training.from_scratch",
        version="1.0",
        title="Training from scratch",
        summary="A new network of a listed architecture, trained on the training rows; the epoch with the "
        "lowest tuning loss is kept. Rows can be reweighed so that the label does not depend on the group.",
        needs=("labels", "training_rows"),
        modalities=("table", "image"),
        uses_sensitive_at="training",
        citations=(
            Citation(text="Loshchilov & Hutter 2019, Decoupled weight decay regularization (AdamW)"),
            Citation(
                text="Kamiran & Calders 2012, Data preprocessing techniques for classification without "
                "discrimination, section 4.3"
            ),
        ),
    )
    Params = FromScratchParams

    def estimate(self, profile: Profile, params: FromScratchParams) -> Estimate:
        dataset = profile.dataset("training")
        rows = dataset.rows if dataset is not None else 0
        seconds = 2.0 + params.epochs * rows * _ROW_SECONDS
        return Estimate(evaluations=0, seconds=round(seconds, 1), memory_bytes=500_000_000 + rows * 1_000)

    def apply(
        self, subject: SubjectProtocol, params: FromScratchParams, context: RemedyContext
    ) -> NewArtifact:
        """Train, and write a torch_folder under `context.work`.

        Raises BadInput, BadParams: rows or sizes that do not fit; Diverged.
        """
        from assay.remedies.training import loss_curve, train

        split = split_rows(subject, context.seed)
        profile = subject.profile
        split, signature, notes = _signature(subject, split, params)
        model = fresh_network(
            signature, params.architecture, params.sizes, device=context.device, seed=context.seed
        )
        subject = subject.with_model(
            profile.model_copy(update={"model_signature": signature, "modality": signature.modality}), model
        )
        training_weights, tuning_weights, weight_notes = weighed(subject, split, params.reweigh)
        training = encoded_rows(model, subject, split.training, training_weights)
        tuning = encoded_rows(model, subject, split.tuning, tuning_weights)
        goal = _goal(model, split)
        trained = train(
            model.module,
            training,
            tuning,
            params,
            goal.objective,
            seed=context.seed,
            forward=goal.forward,
            work=context.work / "training",
            request=request_digest(self.spec, params, profile, context.seed, context.device),
            progress=context.progress,
        )
        goal.finish()
        if params.architecture == "autoencoder":
            model.signature = signature.model_copy(
                update={"threshold": _threshold(model, subject, split, params.threshold_quantile)}
            )
        lineage = lineage_of(
            self.spec,
            params,
            profile,
            context.seed,
            split,
            loss_curves=(loss_curve(trained, self.spec.id),),
            figures=figures_of(trained, after=model.module),
            notes=(*notes, *weight_notes),
        )
        return NewArtifact(model.write(context.work / "artefact", lineage), lineage)


def fresh_network(
    signature: ModelSignature,
    architecture: str,
    sizes: Mapping[str, Any],
    *,
    device: str,
    seed: int,
) -> ArrayNetwork:
    """A network with fresh weights, keyed by the seed, that fits the signature.

    Raises BadInput, BadParams: sizes out of range, or an architecture that does not read such data.
    """
    import torch

    from assay.models.architectures import build
    from assay.models.torch_model import ArrayNetwork, count_parameters

    config = full_sizes(signature, architecture, sizes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(keyed_rng(seed, "training", "fresh weights").integers(2**63)))
        module = build(architecture, config)
    parameters, trainable, size = count_parameters(module)
    facts = ModelFacts(
        name="new model",
        format="torch_folder",
        sha256="0" * 64,
        architecture=architecture,
        parameters=parameters,
        trainable_parameters=trainable,
        weight_bytes=size,
        dtype="float32",
        device=device,
    )
    return ArrayNetwork(module, signature, facts, architecture=architecture, config=config)


def full_sizes(signature: ModelSignature, architecture: str, sizes: Mapping[str, Any]) -> dict[str, Any]:
    """The architecture's sizes with inputs and outputs from the signature. Raises BadParams."""
    from assay.models.architectures import check_config
    from assay.models.encoding import TableEncoder

    image = signature.image
    outputs = 1 if signature.output == "score" else len(signature.classes)
    if image is None:
        if architecture in ("cnn", "resnet"):
            raise BadParams(f"A {architecture} reads images; for tables take mlp, lstm, gru or autoencoder.")
        inputs = TableEncoder(signature.columns).width
        features = 1
    else:
        inputs = image.channels * image.height * image.width
        features = image.channels * image.width
    inferred: dict[str, Any] = {
        "mlp": {"inputs": inputs, "outputs": outputs},
        "cnn": {"outputs": outputs},
        "resnet": {"outputs": outputs},
        "lstm": {"features": features, "outputs": outputs},
        "gru": {"features": features, "outputs": outputs},
        "autoencoder": {"inputs": inputs},
    }.get(architecture, {})
    if image is not None and architecture in ("cnn", "resnet"):
        inferred["channels"] = image.channels
        if architecture == "cnn":
            inferred.update(height=image.height, width=image.width)
    given = sorted(set(sizes) & set(inferred))
    if given:
        raise BadParams(
            f"sizes.{given[0]} follows from the data ({inferred[given[0]]}) and is not given by hand."
        )
    return check_config(architecture, {**sizes, **inferred}).model_dump(mode="json")


def _signature(
    subject: SubjectProtocol, split: Split, params: FromScratchParams
) -> tuple[Split, ModelSignature, tuple[str, ...]]:
    """What the network reads and gives; an autoencoder keeps the rows of the normal class only."""
    profile = subject.profile
    options: dict[str, Any] = {
        "use_sensitive": params.use_sensitive,
        "ignore": params.ignore,
        "max_categories": params.max_categories,
    }
    if params.architecture != "autoencoder":
        if params.normal is not None:
            raise BadParams("normal names the class that an autoencoder learns; leave it out for others.")
        found = infer_signature(subject, split.training.places, **options)
        return split, found.signature, found.notes
    classes = profile.signature.classes
    if profile.signature.task != "binary":
        raise BadInput(
            "An autoencoder tells two classes apart, normal and anomalous; the label must have two."
        )
    if params.reweigh:
        raise BadParams("Reweighing balances classes; an autoencoder learns from one class only.")
    if params.normal not in classes:
        listed = " or ".join(f'"{name}"' for name in classes)
        raise BadParams(f"An autoencoder needs normal, the class that it learns: {listed}.")
    code = classes.index(params.normal)
    other = classes[1 - code]
    kept = Split(
        split.training.keep(split.training.labels == code),
        split.tuning.keep(split.tuning.labels == code),
        (*split.notes, f'Trained on rows of the class "{params.normal}" only.'),
    )
    if len(kept.training.places) < 2 or not len(kept.tuning.places):
        raise BadInput(
            f'The class "{params.normal}" has {len(kept.training.places)} training and '
            f"{len(kept.tuning.places)} tuning rows; an autoencoder needs both."
        )
    found = infer_signature(
        subject, kept.training.places, classes=(params.normal, other), output="score", **options
    )
    return kept, found.signature, found.notes


class _Goal(NamedTuple):
    """What training lowers, through which forward pass, and what to do once it is over."""

    objective: Objective
    forward: Callable[[Any], torch.Tensor]
    finish: Callable[[], None]


def _goal(model: ArrayNetwork, split: Split) -> _Goal:
    """A regression's network learns (y - mean) / scale, which suits every unit; afterwards its last layer
    takes scale and mean in, so that it gives the number itself.
    """
    import torch

    from assay.remedies.training import classification, reconstruction, regression

    if model.architecture == "autoencoder":
        return _Goal(reconstruction(), model.logits, lambda: None)
    if model.signature.task != "regression":
        return _Goal(classification(model.signature.threshold), model.logits, lambda: None)
    labels = split.training.labels.astype(np.float64)
    mean, scale = float(labels.mean()), float(labels.std()) or 1.0

    def take_in() -> None:
        head = model.module.get_submodule("linear" if model.architecture == "resnet" else "head")
        assert isinstance(head, torch.nn.Linear)
        with torch.no_grad():
            head.weight.mul_(scale)
            head.bias.mul_(scale).add_(mean)

    return _Goal(regression(scale), lambda encoded: model.logits(encoded) * scale + mean, take_in)


def _threshold(model: ArrayNetwork, subject: SubjectProtocol, split: Split, quantile: float) -> float:
    """The reconstruction error below which that share of the normal tuning rows stays."""
    errors = model.scores(subject.inputs(split.tuning.role, split.tuning.places))[:, 0]
    return float(np.quantile(errors, quantile))


REMEDY = FromScratch()
