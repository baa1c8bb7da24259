"""The first pass over all files of a request, in order: the leading one decides which columns count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from assay.contracts import DataRequest, DatasetRole, FileRequest, ModelSignature
from assay.errors import BadInput
from assay.intake.column_names import IMAGE, missing_column
from assay.intake.images import ImageSource
from assay.intake.joined import Joins, open_joins
from assay.intake.roles import ColumnRoles, resolve_roles
from assay.intake.source import Pixels, Source, open_source
from assay.intake.survey import Survey, survey

__all__ = ["Surveys", "survey_files"]

Tick = Callable[[float], None]


class Surveys(NamedTuple):
    """Column roles, and what the first pass found in each file; the leading file comes first."""

    request: DataRequest
    """With the sensitive columns of a file of attributes named."""
    roles: ColumnRoles
    surveys: list[Survey]

    @property
    def notes(self) -> list[str]:
        return [note for done in self.surveys for note in (*done.source.notes, *done.notes)]

    @property
    def pictures(self) -> bool:
        return isinstance(self.surveys[0].source, ImageSource)


def survey_files(
    request: DataRequest,
    scratch: Path,
    tick: Tick,
    signature: ModelSignature | None = None,
    *,
    sketched: bool = False,
) -> Surveys:
    """Open and survey every file of `request`.

    Args:
        scratch: where pictures are unpacked to.
        signature: of the model that will be asked, where there is one.
        sketched: sketch the quantiles of numbers.

    Raises:
        BadInput: see `resolve_roles` and `survey`; tables beside images; two sources of one dataset.
    """
    named: dict[DatasetRole, FileRequest | None] = {
        "training": None if request.test is None else request.training,
        "tuning": request.tuning,
        "asked": request.asked,
    }
    others = [(role, file) for role, file in named.items() if file is not None]
    steps = 1 + len(others)
    leading, file = request.leading
    source = _opened(file, leading, scratch, signature)
    key = request.identifier or request.cluster
    joined = request.attributes is not None or request.predictions_file is not None
    if joined and key is not None and key not in source.columns:
        raise missing_column(source.name, key, "id", source.columns)
    request, joins = open_joins(request, scratch)
    if joins is not None:
        source = _joined(source, joins, leads=True)
    pictures = isinstance(source, ImageSource)
    outcomes = signature is None or signature.task != "generation"
    roles = resolve_roles(
        request, source.columns, source.name, IMAGE if pictures else None, outcomes=outcomes
    )
    surveys = [survey(source, leading, roles, request, _part(tick, 0, steps), sketched=sketched)]
    for step, (role, named_file) in enumerate(others, start=1):
        other = _opened(named_file, role, scratch, signature)
        if isinstance(other, ImageSource) != pictures:
            raise BadInput(
                f"{source.name} and {other.name} ({role}) must both hold images, or both be tables."
            )
        other = other if joins is None else _joined(other, joins, leads=False)
        surveys.append(survey(other, role, roles, request, _part(tick, step, steps), sketched=sketched))
    _refuse_two_sources(surveys, request)
    return Surveys(request, roles, surveys)


def _joined(source: Source, joins: Joins, *, leads: bool) -> Source:
    if isinstance(source, ImageSource):
        raise BadInput(
            f"{source.name} holds images, to which nothing is joined by id. Put the attributes beside them, "
            "as further arrays of the .npz."
        )
    return joins.to(source, leads=leads)


def _opened(file: FileRequest, role: DatasetRole, scratch: Path, signature: ModelSignature | None) -> Source:
    """The file, of the kind that the model reads."""
    wanted = None if signature is None else signature.image
    source = open_source(file, Pixels(scratch / f"{role}.pixels", wanted))
    pictures = isinstance(source, ImageSource)
    if signature is not None and pictures != (wanted is not None):
        reads = {"image": "images", "text": "texts", "table": "the columns of a table"}[signature.modality]
        way_out = "Give an .npz, or a folder with a subfolder of PNG or JPEG files for each class."
        raise BadInput(
            f"The model reads {reads}, but {source.name} {'holds images' if pictures else 'is a table'}."
            + (f" {way_out}" if wanted is not None else "")
        )
    return source


def _part(tick: Tick, step: int, steps: int) -> Tick:
    return lambda share: tick((step + share) / steps)


def _refuse_two_sources(surveys: list[Survey], request: DataRequest) -> None:
    """The roles column and a file of its own may not both bring the same dataset."""
    for done in surveys[1:]:
        for role in done.scans:
            if role in surveys[0].scans:
                raise BadInput(
                    f'Rows for {role} come from {done.source.name} and from column "{request.roles_column}" '
                    f"of {surveys[0].source.name}; use one of them."
                )
