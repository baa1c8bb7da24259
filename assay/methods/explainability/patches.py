"""Images as grids: superpixels that are removed together, small maps, and the frame at the border."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["border_frame", "coarse_map", "patch_of_pixel"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def patch_of_pixel(height: int, width: int, side: int) -> Integers:
    """Index of each pixel's superpixel, (height, width): a grid of at most `side` x `side` of them."""
    down, across = min(side, height), min(side, width)
    return np.asarray(
        (np.arange(height) * down // height)[:, None] * across + np.arange(width) * across // width
    )


def coarse_map(pixels: Floats, side: int) -> Floats:
    """Means over the superpixels of maps, (rows, height, width) -> (rows, down, across)."""
    height, width = pixels.shape[1:]
    patches = patch_of_pixel(height, width, side).ravel()
    counts = np.bincount(patches)
    sums = np.stack([np.bincount(patches, weights=one.ravel()) for one in pixels])
    return np.asarray((sums / counts).reshape(len(pixels), min(side, height), min(side, width)))


def border_frame(height: int, width: int) -> npt.NDArray[np.bool_]:
    """The outer eighth of an image on each side (at least one pixel), (height, width)."""
    deep = max(1, round(height / 8)), max(1, round(width / 8))
    frame = np.ones((height, width), dtype=bool)
    frame[deep[0] : height - deep[0], deep[1] : width - deep[1]] = False
    return frame
