"""What the arrays of a method's partials may be, checked before a merge builds on them.

Partials come from a child that may have been taken over, and merges run outside of it: an index beyond its
array, counts whose sum wraps around, or shapes that broadcast against each other would reach or fill the
memory of the process that supervises. Checked here, they are of the size that honest ones have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import Partial
from assay.datasets.values import visible
from assay.errors import ChildFailed

__all__ = ["Wanted", "check_arrays", "counted", "flagged", "floats", "hashed", "whole"]


class Wanted(NamedTuple):
    """What one array must be.

    A size in `shape` is a number, or a word that stands for the same size in all arrays of a partial.
    """

    kind: str
    """As NumPy names it: f, i, b; u is uint64."""
    shape: tuple[int | str, ...]
    low: float | None = None
    high: float | Sequence[int] | None = None
    """Largest value; or one for each place of the last axis."""
    total: int | None = None
    """What all values of all partials come to."""


def whole(*shape: int | str, top: int | Sequence[int], low: int = 0) -> Wanted:
    """Whole numbers from `low` up to, and without, `top`."""
    high = top - 1 if isinstance(top, int) else tuple(each - 1 for each in top)
    return Wanted("i", shape, low, high)


def counted(*shape: int | str, rows: int, least: int = 0) -> Wanted:
    """Counts that come to `rows` in all."""
    return Wanted("i", shape, least, rows, rows)


def hashed(*shape: int | str) -> Wanted:
    return Wanted("u", shape)


def flagged(*shape: int | str) -> Wanted:
    return Wanted("b", shape)


def floats(*shape: int | str, low: float | None = None, high: float | None = None) -> Wanted:
    """Floats. With a bound none is NaN; without one NaN may say that a row has none."""
    return Wanted("f", shape, low, high)


def check_arrays(method: str, partials: Sequence[Partial], wanted: Mapping[str, Wanted], **most: int) -> None:
    """Hold the arrays of all partials against what they must be.

    Args:
        most: a word of the shapes -> how large that size may be, all partials together.

    Raises:
        ChildFailed: arrays that are missing or foreign, of another type or shape, values outside their range,
            counts that come to something else.
    """
    sizes = dict.fromkeys(most, 0)
    for partial in partials:
        if partial.arrays.keys() != wanted.keys():
            odd = sorted(partial.arrays.keys() ^ wanted.keys())
            raise _refused(method, f"arrays are missing or foreign: {visible(', '.join(odd)[:200])}")
        found: dict[str, int] = {}
        for name, want in wanted.items():
            _check(method, name, partial.arrays[name], want, found)
        for word, size in found.items():
            sizes[word] += size
    for word, size in sizes.items():
        if size > most[word]:
            raise _refused(method, f"{size:,} {word}; there are at most {most[word]:,}")
    for name, want in wanted.items():
        if want.total is not None:
            total = sum(int(partial.arrays[name].sum(dtype=np.int64)) for partial in partials)
            if total != want.total:
                raise _refused(method, f'"{name}" counts {total:,} of {want.total:,} rows')


def _check(method: str, name: str, array: npt.NDArray[Any], want: Wanted, sizes: dict[str, int]) -> None:
    fits = array.dtype.kind == want.kind and array.ndim == len(want.shape)
    fits = fits and (want.kind != "u" or array.dtype.itemsize == 8)
    for size, wanted in zip(array.shape, want.shape if fits else (), strict=False):
        fits = fits and size == (sizes.setdefault(wanted, size) if isinstance(wanted, str) else wanted)
    if not fits:
        shown = f"{_KINDS[want.kind]} ({', '.join(map(str, want.shape))})"
        raise _refused(method, f'"{name}" is {array.dtype} {array.shape}, not {shown}'[:200])
    if not array.size:
        return
    if isinstance(want.high, Sequence):
        inside = bool((array <= np.array(want.high, dtype=np.int64)).all())
    else:
        # written so that NaN is outside
        inside = want.high is None or bool(array.max() <= want.high)
    if not inside or (want.low is not None and not array.min() >= want.low):
        raise _refused(method, f'"{name}" holds a value that cannot be')


_KINDS = {"f": "floats", "i": "whole numbers", "b": "truths", "u": "hashes"}


def _refused(method: str, why: str) -> ChildFailed:
    return ChildFailed(f"What the child counted for {method} breaks its contract: {why}.")
