"""What a child says of a model, checked: its report, the verdict of a refusal, what cleaning left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assay.contracts import GateVerdict, ModelReport
from assay.datasets.odd_characters import refuse_odd_characters
from assay.errors import ChildFailed
from assay.intake.cleaned_files import take_over
from assay.intake.gate import CLEANED
from assay.runner.answers import check_sound

__all__ = ["report_of", "take_over_cleaned", "verdict_of"]

_LONGEST_VERDICT = 2**20


def report_of(header: Mapping[str, Any]) -> ModelReport:
    """Raises ChildFailed: it breaks its contract."""
    try:
        found = ModelReport.model_validate(header["report"])
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise ChildFailed("The child's report on the model breaks its contract.") from error
    refuse_odd_characters(found.model_dump(mode="json"), "names and values in these files")
    check_sound(found.model_dump(mode="json"), "report on the model")
    return found


def verdict_of(said: Any) -> dict[str, Any] | None:
    """What the gate decided on a model that it turned away; None where the child says none that is sound."""
    if said is None:
        return None
    try:
        found = GateVerdict.model_validate(said).model_dump(mode="json")
        check_sound(found, "verdict", _LONGEST_VERDICT)
    except (ValidationError, ChildFailed):
        return None
    return found


def take_over_cleaned(scratch: Path, into: Path) -> None:
    """Copy what a child that has ended wrote into its scratch folder when it cleaned a model.

    Raises:
        ChildFailed: it left nothing, or what it left is not what cleaning writes.
    """
    written = scratch / CLEANED
    try:
        outer = [] if written.is_symlink() else [one for one in written.iterdir() if not one.is_symlink()]
        folders = [inner for one in outer for inner in one.iterdir()]
    except OSError:
        folders = []
    if len(folders) != 1:
        raise ChildFailed("Cleaning said that it was done and left no folder.")
    take_over(folders[0], into)
