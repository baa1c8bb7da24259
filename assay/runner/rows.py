"""What the child says of rows, checked before anything is built on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.annex import RunRows, attribute_array
from assay.contracts import Profile
from assay.errors import ChildFailed

__all__ = ["checked_results", "checked_rows"]

Array = npt.NDArray[Any]


def checked_rows(arrays: Mapping[str, Array], profile: Profile) -> RunRows:
    """The arrays of `datasets.row_arrays` as `RunRows`.

    Raises:
        ChildFailed: an array is missing or foreign, has another shape or type than the profile wants, a
            code outside its categories, or a number that is not finite.
    """
    wanted = _wanted(profile)
    if arrays.keys() != wanted.keys():
        odd = sorted(arrays.keys() ^ wanted.keys())
        raise ChildFailed(
            f"The child named the rows by other arrays than were asked for: {', '.join(odd)[:200]}."
        )
    for name, (dtype, rows, top) in wanted.items():
        _check(name, arrays[name], dtype, rows, top)
    roles = profile.roles
    asked = profile.asked_role != "test"
    return RunRows(
        identity=arrays["identity"],
        occurrence=arrays["occurrence"],
        label=arrays.get("label"),
        prediction=arrays.get("prediction"),
        score=arrays.get("score"),
        attributes={name: arrays[attribute_array(number)] for number, name in enumerate(roles.sensitive)},
        categories={name: profile.test.column(name).categories for name in roles.sensitive},
        cluster=arrays.get("cluster"),
        asked_identity=arrays["asked_identity"] if asked else arrays["identity"],
        asked_occurrence=arrays["asked_occurrence"] if asked else arrays["occurrence"],
    )


def checked_results(results: Mapping[str, Array], method: str, rows: int) -> dict[str, npt.NDArray[np.int8]]:
    """What a method counted row by row, from partials of the child.

    Raises:
        ChildFailed: a key that is no digest, another shape or type, or a value besides 1, 0 and -1.
    """
    found = {}
    for key, counted in results.items():
        array = np.asarray(counted)
        fits = array.shape == (rows,) and array.dtype == np.int8 and len(key) == 64
        if not fits or (array.size and (array.min() < -1 or array.max() > 1)):
            raise ChildFailed(f"{method} says of single rows what cannot be: {key[:12]}.")
        found[key] = array
    return found


def _wanted(profile: Profile) -> dict[str, tuple[str, int, int | None]]:
    """Array -> dtype, rows, and for codes how many there are."""
    roles, signature, rows = profile.roles, profile.signature, profile.test.rows
    regression = signature.task == "regression"
    answers: tuple[str, int, int | None] = (
        ("float64", rows, None) if regression else ("int32", rows, len(signature.classes))
    )
    wanted: dict[str, tuple[str, int, int | None]] = {
        "identity": ("uint64", rows, None),
        "occurrence": ("uint32", rows, rows),
    }
    if roles.label is not None:
        wanted["label"] = answers
    if roles.prediction is not None or roles.score is not None:
        wanted["prediction"] = answers
    if roles.score is not None and signature.task == "binary":
        wanted["score"] = ("float64", rows, None)
    for number, name in enumerate(roles.sensitive):
        wanted[attribute_array(number)] = ("int32", rows, len(profile.test.column(name).categories))
    if roles.cluster is not None:
        wanted["cluster"] = ("int32", rows, rows)
    if profile.asked_role != "test":
        wanted["asked_identity"] = ("uint64", profile.asked.rows, None)
        wanted["asked_occurrence"] = ("uint32", profile.asked.rows, profile.asked.rows)
    return wanted


def _check(name: str, array: Array, dtype: str, rows: int, top: int | None) -> None:
    if array.shape != (rows,) or array.dtype != np.dtype(dtype):
        raise ChildFailed(
            f'The child\'s rows break their contract: "{name}" is {array.dtype} {array.shape}, expected '
            f"{dtype} ({rows},)."
        )
    if not rows:
        return
    if dtype == "float64" and not np.isfinite(array).all():
        raise ChildFailed(
            f'The child\'s rows break their contract: "{name}" holds a number that is not finite.'
        )
    if top is not None and (int(array.max()) >= max(top, 1) or int(array.min()) < -1):
        raise ChildFailed(
            f'The child\'s rows break their contract: "{name}" holds a code that does not exist.'
        )
