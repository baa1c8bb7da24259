"""What many looks at the same data cost: adjusted p-values and the level of simultaneous intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from assay.errors import BadInput

__all__ = ["bonferroni_level", "holm"]

FloatArray: TypeAlias = npt.NDArray[np.float64]


def bonferroni_level(level: float, family: int) -> float:
    """Level that each of `family` intervals needs so that all hold together: 1 - (1 - level)/family.

    Raises:
        BadInput: a level outside (0, 1) or a family below 1.

    Source: Bonferroni's inequality; Dunn 1961.
    """
    if not 0 < level < 1:
        raise BadInput(f"A confidence level lies between 0 and 1, both excluded; got {level}.")
    if family < 1:
        raise BadInput(f"A family of intervals has at least one member; got {family}.")
    return 1 - (1 - level) / family


def holm(p: Sequence[float] | FloatArray) -> FloatArray:
    """Step-down p-values that control the chance of any false rejection, whatever the dependence.

    Sorted ascending, p~(i) = max over j <= i of min(1, (m - j + 1) p(j)).

    Args:
        p: shape (m,); NaN marks a test that could not be made: it stays NaN and is not counted in m.

    Raises:
        BadInput: a p-value outside [0, 1].

    Source: Holm 1979.
    """
    values, made = _p_values(p)
    ordered = np.sort(values[made])
    m = len(ordered)
    stepped = np.maximum.accumulate(np.minimum(ordered * (m - np.arange(m)), 1.0))
    return _unsort(values, made, stepped)


def _p_values(p: Sequence[float] | FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    values = np.asarray(p, dtype=np.float64)
    made = ~np.isnan(values)
    if np.any((values[made] < 0) | (values[made] > 1)):
        raise BadInput(f"p-values lie between 0 and 1; got {values[made].min()} to {values[made].max()}.")
    return values, made


def _unsort(values: FloatArray, made: npt.NDArray[np.bool_], stepped: FloatArray) -> FloatArray:
    adjusted = np.full(values.shape, np.nan)
    order = np.argsort(values[made], kind="stable")
    back = np.empty_like(stepped)
    back[order] = stepped
    adjusted[made] = back
    return adjusted
