"""Noticing that another model answers behind the same address: a few rows, asked again and again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from assay.contracts import Canary
from assay.evidence import digest

__all__ = ["answers_digest", "distance", "judged", "moved_too_far"]

Floats = npt.NDArray[np.float64]
_SLACK = 1e-3
"""Differences up to this are arithmetic (other batches, other hardware), not another model."""
_TIMES = 3.0
"""Further than this times the difference between two askings at the start is a change."""


def answers_digest(answers: Floats) -> str:
    """SHA-256 of the answers rounded to three decimals."""
    return digest((np.round(answers, 3) + 0.0).tolist())


def distance(before: Floats, after: Floats, *, labels: bool) -> float:
    """How far two askings of the same rows lie apart.

    Labels: the share of rows with another class. Numbers: the largest difference, relative to the largest
    value where that is beyond 1.
    """
    if labels:
        return float((before.argmax(axis=1) != after.argmax(axis=1)).mean())
    scale = max(1.0, float(np.abs(before).max(initial=0.0)))
    return float(np.abs(before / scale - after / scale).max(initial=0.0))


def moved_too_far(moved: float, tolerance: float, *, labels: bool) -> bool:
    """Whether answers moved by more than the endpoint's own unsteadiness."""
    return moved > max(_TIMES * tolerance, 0.0 if labels else _SLACK)


def judged(
    first: Floats,
    last: Floats | None,
    *,
    tolerance: float,
    labels: bool,
    earlier: tuple[Floats, float, str] | None,
    names: Sequence[str],
    why_not: str = "",
) -> Canary:
    """The canary of a run.

    Args:
        first: answers at the start; last: at the end, None where they could not be had (`why_not`).
        tolerance: `distance` between two askings at the start.
        earlier: answers, tolerance and date of the first reading of the same version; None where this is it.
        names: what the endpoint called itself, in order of appearance.
    """
    unit = "of the answers differed" if labels else "apart"
    said, moved, changed = [], 0.0, False
    if earlier is not None and earlier[0].shape == first.shape:
        moved = distance(earlier[0], first, labels=labels)
        if moved_too_far(moved, max(tolerance, earlier[1]), labels=labels):
            changed = True
            said.append(
                f"The answers are not those of the first reading on {earlier[2][:10]} ({moved:.3g} {unit}): "
                "another model answers under the same name."
            )
    if last is not None:
        within = distance(first, last, labels=labels)
        moved = max(moved, within)
        if moved_too_far(within, tolerance, labels=labels):
            changed = True
            said.append(
                f"The answers changed between start and end ({within:.3g} {unit}): the model was swapped "
                "during the audit, and the results mix two models."
            )
    elif why_not:
        said.append(f"They could not be asked again at the end: {why_not}")
    if len(names) > 1:
        changed = True
        said.append(f"The endpoint called itself by several names: {', '.join(names)}.")
    if not said:
        said.append("The answers stayed the same." if tolerance == 0 else "The answers stayed within that.")
    unsteady = f" Asked twice at the start, they were {tolerance:.3g} apart." if tolerance > 0 else ""
    if labels and tolerance > 0:
        unsteady = f" Asked twice at the start, {tolerance:.0%} of them differed."
    rows = f"{len(first)} rows were asked to notice a model that is swapped.{unsteady}"
    return Canary(
        rows=len(first),
        first=answers_digest(first),
        last=None if last is None else answers_digest(last),
        tolerance=tolerance,
        moved=moved,
        changed=changed,
        sentence=" ".join([rows, *said]),
    )
