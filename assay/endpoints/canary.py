"""Noticing that another model answers behind the same address: a few rows, asked again and again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import Canary
from assay.evidence import digest

__all__ = ["Moved", "answers_digest", "compared", "distance", "judged", "several_names"]

Floats = npt.NDArray[np.float64]
_SLACK = 1e-3
"""Differences up to this share of the spread are arithmetic (other batches or hardware), no other model."""
_FLATTEST = 1e-3
"""Least spread that is believed, relative to the largest answer: a float of 32 bits is good to some 1e-7 of
its size, which is to stay below the slack."""
_TIMES = 3.0
"""Further than this times the difference between two askings is a change."""


class Moved(NamedTuple):
    """How askings compare with an earlier one.

    Attributes:
        answers: of the nearest; `by`: its distance, and whether that is too far.
        among: how far the askings lie apart from one another.
    """

    answers: Floats
    by: float
    too_far: bool
    among: float


def answers_digest(answers: Floats) -> str:
    """SHA-256 of the answers rounded to a hundredth or less of the spread: 10^(floor(lg spread) - 2)."""
    largest = float(np.abs(answers).max(initial=0.0))
    places = 3
    if largest > 0:
        lg = math.log10(_relative_spread(answers / largest)) + math.log10(largest)
        places = max(-300, min(300, 2 - math.floor(lg)))
    return digest((np.round(answers, places) + 0.0).tolist())


def distance(before: Floats, after: Floats, *, labels: bool) -> float:
    """How far two askings of the same rows lie apart.

    Labels: the share of rows with another class. Numbers: the largest difference, relative to the spread of
    the answers to different rows (which is what a model says, whatever its unit), at least a thousandth of
    the largest value.
    """
    if labels:
        return float((before.argmax(axis=1) != after.argmax(axis=1)).mean())
    largest = float(max(np.abs(before).max(initial=0.0), np.abs(after).max(initial=0.0)))
    if largest == 0:
        return 0.0
    before, after = before / largest, after / largest
    return float(np.abs(before - after).max(initial=0.0)) / _relative_spread(before)


def compared(reference: Floats, askings: Sequence[Floats], *, tolerance: float, labels: bool) -> Moved:
    """The asking that is nearest to the reference, and whether even that moved by more than unsteadiness.

    A swapped model stays swapped and answers like itself; noise differs from one asking to the next.

    Args:
        askings: answers of one time to the same rows, at least one.
        tolerance: `distance` between two askings of the reference's time.
    """
    away = [distance(reference, asking, labels=labels) for asking in askings]
    nearest = int(np.argmin(away))
    among = max(distance(askings[0], other, labels=labels) for other in askings)
    allowed = max(_TIMES * max(tolerance, among), 0.0 if labels else _SLACK)
    return Moved(askings[nearest], away[nearest], away[nearest] > allowed, among)


def judged(
    first: Floats,
    *,
    tolerance: float,
    labels: bool,
    last: Moved | None,
    earlier: tuple[Moved, str] | None,
    names: Sequence[str],
    why_not: str = "",
) -> Canary:
    """The canary of a run.

    Args:
        first: answers at the start.
        tolerance: `distance` between two askings at the start.
        last: those at the end beside them; None where they could not be had (`why_not`).
        earlier: those at the start beside the first reading of the same version, and its date; None where
            this is it.
        names: what the endpoint called itself, in order of appearance.
    """
    unit = "of the answers differed" if labels else "of their spread apart"
    said = []
    if earlier is not None and earlier[0].too_far:
        said.append(
            f"The answers are not those of the first reading on {earlier[1][:10]} ({earlier[0].by:.3g} "
            f"{unit}): another model answers under the same name."
        )
    if last is not None and last.too_far:
        said.append(
            f"The answers changed between start and end ({last.by:.3g} {unit}): the model was swapped "
            "during the audit, and the results mix two models."
        )
    if len(names) > 1:
        said.append(several_names(names))
    changed = bool(said)
    if last is None and why_not:
        said.append(f"They could not be asked again at the end: {why_not}")
    if not said:
        said.append("The answers stayed the same." if tolerance == 0 else "The answers stayed within that.")
    unsteady = f" Asked twice at the start, they were {tolerance:.3g} {unit}." if tolerance > 0 else ""
    if labels and tolerance > 0:
        unsteady = f" Asked twice at the start, {tolerance:.0%} of them differed."
    rows = f"{len(first)} rows were asked to notice a model that is swapped.{unsteady}"
    return Canary(
        rows=len(first),
        first=answers_digest(first),
        last=None if last is None else answers_digest(last.answers),
        tolerance=tolerance,
        moved=max([0.0, *(found.by for found in (last, earlier[0] if earlier else None) if found)]),
        changed=changed,
        sentence=" ".join([rows, *said]),
    )


def several_names(names: Sequence[str]) -> str:
    return f"The endpoint called itself by several names: {', '.join(names)}."


def _relative_spread(answers: Floats) -> float:
    """Largest range of an output over the rows, of answers whose largest is 1."""
    return max(float(np.ptp(answers, axis=0).max(initial=0.0)) if len(answers) else 0.0, _FLATTEST)
