"""The gate for data: files in, a typed, profiled, memory-mapped subject out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from assay.contracts import (
    Capability,
    DataRequest,
    DatasetRole,
    ModelSignature,
    Profile,
    Roles,
)
from assay.datasets.subject import Subject
from assay.datasets.table import Table
from assay.intake.images import ImageSource
from assay.intake.model_target import decide_model_target
from assay.intake.roles import ColumnRoles
from assay.intake.survey import Survey
from assay.intake.surveys import survey_files
from assay.intake.tables import make_tables
from assay.intake.target import Target, decide_target
from assay.intake.text_column import with_text_column

__all__ = ["take_in"]

_ORDER: tuple[DatasetRole, ...] = ("test", "training", "tuning", "asked")


def take_in(
    request: DataRequest,
    scratch: Path,
    progress: Callable[[float], None] | None = None,
    *,
    signature: ModelSignature | None = None,
) -> Subject:
    """Read the files of `request` into typed tables under `scratch`, and profile them.

    Each file is streamed twice: once to learn what its columns hold, once to write them as float64, int32
    codes or strings. Memory is bounded by the block size, not by the rows (identifier and large cluster
    columns apart: 8 bytes a row or a distinct value). Cost is linear in the rows.

    Args:
        request: files, column roles and options.
        scratch: an existing folder that outlives the subject.
        progress: called with the done share, 0..1.
        signature: of the model that will be asked; its classes and input columns are kept to.

    Raises:
        BadInput: anything that cannot be audited as asked, in one sentence.
    """
    tick = progress or (lambda _share: None)
    leading, _file = request.leading
    found = survey_files(request, scratch, lambda share: tick(share / 2), signature)
    request, roles, surveys = found
    steps = 2 * len(surveys)
    name, scans = surveys[0].source.name, surveys[0].scans[leading]
    if signature is not None:
        roles = with_text_column(name, request, roles, scans, signature)
    others_labels = _other_labels(surveys, roles, leading)
    target = (
        decide_target(name, request, roles, scans, others_labels)
        if signature is None
        else decide_model_target(name, request, roles, scans, others_labels, signature)
    )
    notes = [*roles.notes, *target.notes]
    tables: dict[DatasetRole, Table] = {}
    images: dict[DatasetRole, npt.NDArray[Any]] = {}
    sensitive = roles.sensitive
    for step, done in enumerate(surveys, start=len(surveys)):
        made, sensitive = make_tables(
            done, request, roles, sensitive, target, scratch, notes, _part(tick, step, steps), signature
        )
        tables.update(made)
        if isinstance(done.source, ImageSource):
            images.update(dict.fromkeys(made, done.source.pixels))
    tick(1.0)
    ordered = {role: tables[role] for role in _ORDER if role in tables}
    profile = _profile(roles, sensitive, target, ordered, leading, [*found.notes, *notes])
    return Subject(profile, ordered, images=images)


def _part(tick: Callable[[float], None], step: int, steps: int) -> Callable[[float], None]:
    return lambda share: tick((step + share) / steps)


def _other_labels(surveys: list[Survey], roles: ColumnRoles, leading: DatasetRole) -> list[str]:
    found: dict[str, None] = {}
    for done in surveys:
        for role, scans in done.scans.items():
            scan = scans.get(roles.label) if roles.label is not None else None
            if role != leading and scan is not None and not scan.missing and scan.values is not None:
                found.update(dict.fromkeys(scan.values))
    return list(found)


def _profile(
    roles: ColumnRoles,
    sensitive: tuple[str, ...],
    target: Target,
    tables: dict[DatasetRole, Table],
    leading: DatasetRole,
    notes: list[str],
) -> Profile:
    capabilities: list[Capability] = []
    if roles.prediction is not None or roles.score is not None:
        capabilities.append("predictions")
    if roles.score is not None:
        capabilities.append("scores")
    if target.signature.output == "probability":
        capabilities.append("probabilities")
    if roles.label is not None:
        capabilities.append("labels")
    if sensitive:
        capabilities.append("sensitive")
    if "training" in tables:
        capabilities.append("training_rows")
    demoted = set(roles.sensitive) - set(sensitive)
    taken = set(_named(roles)) | set(sensitive)
    return Profile(
        modality="table" if roles.image is None else "image",
        grade="supplied",
        signature=target.signature,
        capabilities=tuple(capabilities),
        roles=Roles(
            label=roles.label,
            prediction=roles.prediction,
            score=roles.score,
            sensitive=sensitive,
            cluster=roles.cluster,
            identifier=roles.identifier,
            text=roles.text,
            image=roles.image,
            features=tuple(
                column.name
                for column in tables[leading].profile.columns
                if column.name in demoted or column.name not in taken
            ),
        ),
        datasets=tuple(table.profile for table in tables.values()),
        notes=tuple(dict.fromkeys(notes)),
    )


def _named(roles: ColumnRoles) -> list[str]:
    single = (
        *(roles.label, roles.prediction, roles.score),
        *(roles.cluster, roles.identifier, roles.split, roles.text, roles.image),
    )
    return [name for name in single if name is not None]
