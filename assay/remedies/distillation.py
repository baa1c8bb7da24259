"""Train a smaller student on what its teacher, the subject's model, answers.

User's page: docs/remedies/distillation.student.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
from assay.errors import BadInput, BadParams
from assay.remedies.fine_tune import network_of, training_estimate
from assay.remedies.lineage import figures_of, lineage_of, request_digest
from assay.remedies.params import TrainingParams
from assay.remedies.rows import Part, encoded_rows, split_rows
from assay.remedies.train import fresh_network, full_sizes

if TYPE_CHECKING:
    import torch

    from assay.models.torch_model import ArrayNetwork, TorchModel
    from assay.remedies.training import Rows

__all__ = ["REMEDY", "Student", "distillation_loss", "every_second_layer", "halved_sizes"]

_WIDTHS = {
    "mlp": ("hidden",),
    "cnn": ("widths", "hidden"),
    "resnet": ("widths",),
    "lstm": ("hidden",),
    "gru": ("hidden",),
}
"""The sizes that shrink when a student is made by halving."""
_STEP = 0.95


class StudentParams(TrainingParams):
    alpha: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="Share of the labels in the loss; the rest is the teacher's."
    )
    temperature: Annotated[float, Field(gt=0, le=100)] = Field(
        2.0, description="Both answers are softened by it."
    )
    architecture: Literal["mlp", "cnn", "resnet", "lstm", "gru"] | None = Field(
        None, description="The student's; null = the teacher's, with all widths halved."
    )
    sizes: Mapping[str, Any] = Field(
        default_factory=dict, description="The student's sizes; without any they are the teacher's, halved."
    )


class Student:
    """A smaller network that answers like the larger one."""

    spec = RemedySpec(
        id="distillation.student",
        version="1.0",
        title="Distillation into a smaller student",
        summary="A student with at most half the parameters learns from the labels and from the teacher's "
        "softened answers. Of a text model every second encoder layer is kept.",
        needs=("trainable", "probabilities", "labels", "training_rows"),
        modalities=("table", "text", "image"),
        uses_sensitive_at="none",
        citations=(
            Citation(text="Hinton, Vinyals & Dean 2015, Distilling the knowledge in a neural network"),
            Citation(text="Sanh et al. 2019, DistilBERT (the student takes every second layer)"),
        ),
    )
    Params = StudentParams

    def estimate(self, profile: Profile, params: StudentParams) -> Estimate:
        # The teacher answers once; a step of the student costs about three forward passes of half its size.
        return training_estimate(profile, params.epochs, 1.5 + 1.0 / params.epochs)

    def apply(self, subject: SubjectProtocol, params: StudentParams, context: RemedyContext) -> NewArtifact:
        """Let the teacher answer every row once, train the student, write it under `context.work`.

        Raises BadInput, BadParams: a teacher without classes, sizes that do not fit; Diverged.
        """
        from assay.remedies.training import Objective, classification, loss_curve, train

        teacher = network_of(subject)
        if teacher.signature.output == "score":
            raise BadInput(
                f"{teacher.facts.name} gives no probabilities of classes that a student could copy."
            )
        split = split_rows(subject, context.seed)
        student, notes = _student(teacher, params, context.seed)
        right = classification(teacher.signature.threshold).right

        def loss(logits: torch.Tensor, batch: Rows) -> torch.Tensor:
            assert batch.teacher is not None
            return distillation_loss(
                logits, batch.teacher, batch.targets, alpha=params.alpha, temperature=params.temperature
            )

        objective = Objective(loss, right)
        parts = []
        for part in (split.training, split.tuning):
            answers = _answers(teacher, subject, part)
            parts.append(encoded_rows(teacher, subject, part, teacher=answers))
        training, tuning = parts
        trained = train(
            student.module,
            training,
            tuning,
            params,
            objective,
            seed=context.seed,
            forward=student.logits,
            work=context.work / "training",
            request=request_digest(self.spec, params, subject.profile, context.seed, context.device),
            progress=context.progress,
        )
        figures = figures_of(trained, before=teacher.module, after=student.module)
        # Before stands the teacher, not the student's own beginning.
        assert tuning.teacher is not None
        assert right is not None
        figures["tuning_loss_before"] = float(loss(tuning.teacher, tuning).mean())
        figures["tuning_accuracy_before"] = float(right(tuning.teacher, tuning).double().mean())
        lineage = lineage_of(
            self.spec,
            params,
            subject.profile,
            context.seed,
            split,
            parent=teacher.facts,
            loss_curves=(loss_curve(trained, self.spec.id),),
            figures=figures,
            notes=notes,
        )
        return NewArtifact(student.write(context.work / "artefact", lineage), lineage)


def distillation_loss(
    student: torch.Tensor,
    teacher: torch.Tensor,
    targets: torch.Tensor,
    *,
    alpha: float,
    temperature: float,
) -> torch.Tensor:
    """alpha CE(student, label) + (1 - alpha) T^2 KL(softmax(teacher / T) || softmax(student / T)).

    T^2 keeps the second term's gradient of the same size whatever T is. The mean over rows is what
    `kl_div(..., reduction="batchmean")` gives.

    Args:
        student, teacher: logits (rows, classes).
        targets: class codes int64 (rows,).

    Returns:
        (rows,).

    Source: Hinton, Vinyals & Dean 2015, section 2.
    """
    from torch.nn import functional

    hard = functional.cross_entropy(student, targets, reduction="none")
    soft = functional.kl_div(
        functional.log_softmax(student / temperature, dim=1),
        functional.log_softmax(teacher / temperature, dim=1),
        log_target=True,
        reduction="none",
    ).sum(dim=1)
    return alpha * hard + (1 - alpha) * temperature**2 * soft


def halved_sizes(teacher: ArrayNetwork) -> dict[str, Any]:
    """The teacher's sizes with all widths cut alike, to half or less, until half the parameters are left.

    Raises BadInput: a teacher of the smallest widths already.
    """
    from assay.models.architectures import build

    config = teacher.config
    limit = sum(parameter.numel() for parameter in teacher.module.parameters()) // 2
    names = _WIDTHS[teacher.architecture]
    factor = 0.5
    while True:
        cut = {name: _cut(config[name], factor) for name in names}
        if (
            sum(
                parameter.numel() for parameter in build(teacher.architecture, {**config, **cut}).parameters()
            )
            <= limit
        ):
            break
        if all(width == 1 for name in names for width in _as_list(cut[name])):
            raise BadInput(f"{teacher.facts.name} is too small for a student of half its parameters.")
        factor *= _STEP
    inferred = ("inputs", "outputs", "channels", "height", "width", "features")
    return {name: value for name, value in {**config, **cut}.items() if name not in inferred}


def _cut(width: Any, factor: float) -> Any:
    if isinstance(width, int):
        return max(1, int(width * factor))
    return [max(1, int(value * factor)) for value in width]


def _as_list(width: Any) -> list[int]:
    return [width] if isinstance(width, int) else list(width)


def every_second_layer(module: torch.nn.Module) -> int:
    """Keep encoder layers 0, 2, 4, ... of a transformer, in place; returns how many are left.

    Raises BadInput: no list of encoder layers, or a single layer.
    """
    import torch

    config: Any = getattr(module, "config", None)
    count = getattr(config, "num_hidden_layers", None)
    for layers in module.modules():
        if isinstance(layers, torch.nn.ModuleList) and len(layers) == count and count:
            break
    else:
        raise BadInput(
            "The teacher has no list of encoder layers, every second of which a student could keep."
        )
    if len(layers) < 2:
        raise BadInput("The teacher has a single encoder layer; there is none to leave out.")
    kept = [layer for place, layer in enumerate(layers) if place % 2 == 0]
    del layers[len(kept) :]
    for place, layer in enumerate(kept):
        layers[place] = layer
    config.num_hidden_layers = len(kept)
    return len(kept)


def _student(teacher: TorchModel, params: StudentParams, seed: int) -> tuple[TorchModel, tuple[str, ...]]:
    from assay.models.torch_model import ArrayNetwork

    if not isinstance(teacher, ArrayNetwork):
        if params.sizes or params.architecture is not None:
            raise BadParams("The student of a text model keeps every second layer; leave sizes out.")
        copied = teacher.copy()
        kept = every_second_layer(copied.module)
        return copied, (f"The student began as {kept} of the teacher's encoder layers (every second one).",)
    architecture = params.architecture or teacher.architecture
    if params.sizes or architecture != teacher.architecture:
        sizes: Mapping[str, Any] = params.sizes
    else:
        sizes = halved_sizes(teacher)
    full_sizes(teacher.signature, architecture, sizes)
    student = fresh_network(
        teacher.signature.model_copy(update={"output": "logit"}),
        architecture,
        sizes,
        device=teacher.device,
        seed=seed,
    )
    return student, ()


def _answers(teacher: TorchModel, subject: SubjectProtocol, part: Part) -> torch.Tensor:
    """The teacher's logits (rows, classes); the logarithm of its probabilities where it gives those."""
    import torch

    def asked(rows: slice) -> torch.Tensor:
        with torch.no_grad():
            found = teacher.logits(teacher.encode(subject.inputs(part.role, part.places[rows])))
        if teacher.signature.output == "probability":
            found = found.clamp_min(torch.finfo(found.dtype).tiny).log()
        return found

    return torch.cat(teacher.in_batches(len(part.places), asked))


REMEDY = Student()
