"""Mean maps over many images, class by class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from assay.contracts import Profile, Series, SeriesColumn
from assay.methods.explainability.patches import coarse_map
from assay.methods.explainability.row_means import FEWEST_ROWS

__all__ = ["map_series"]

_POINTS = 2_000
_SIDE = 14


def map_series(
    method: str,
    maps: npt.NDArray[np.float64],
    predicted: npt.NDArray[np.int64],
    profile: Profile,
    title: str,
) -> tuple[Series, ...]:
    """`<method>.map`: where the mean |map| of the images lies, for all images and by predicted class.

    Cells are shares of a class's whole map. Classes with fewer images than `FEWEST_ROWS` are left out: their
    mean would show single images. The grid is as fine as 2,000 points allow.

    Args:
        maps: (rows, height, width).
        predicted: class code of each image.
    """
    signature = profile.model_signature
    assert signature is not None
    size = np.abs(maps)
    shown = [("all", np.ones(len(maps), dtype=bool))]
    counts = np.bincount(predicted, minlength=len(signature.classes))
    if signature.classes:
        often = np.argsort(-counts, kind="stable")[:9]
        kept = sorted(code for code in often if FEWEST_ROWS <= counts[code] < len(maps))
        shown += [(signature.classes[code], predicted == code) for code in kept]
    if len(maps) < FEWEST_ROWS:
        return ()
    side = min(_SIDE, int((_POINTS // len(shown)) ** 0.5))
    cells: list[tuple[str, int, int, float, int]] = []
    for name, which in shown:
        mean = coarse_map(size[which].mean(axis=0, keepdims=True), side)[0]
        total = float(mean.sum())
        for (row, column), value in np.ndenumerate(mean):
            cells.append((name, row, column, float(value) / total if total else 0.0, int(which.sum())))
    names = ("class", "row", "column", "share", "images")
    units = ("class", "cell", "cell", "share", "count")
    return (
        Series(
            id=f"{method}.map",
            title=title,
            method=method,
            columns=tuple(
                SeriesColumn(name=name, unit=unit, values=tuple(values))
                for name, unit, values in zip(names, units, zip(*cells, strict=True), strict=True)
            ),
            note=f'By predicted class; classes with fewer than {FEWEST_ROWS} images are in "all" only.',
        ),
    )
