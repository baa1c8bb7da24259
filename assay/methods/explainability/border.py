"""How much of the attribution lies at the border of images, where watermarks and scanners' marks are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from assay.contracts import Grade, Measure, MeasureSpec, Profile
from assay.methods.explainability.concentration import share_inside
from assay.methods.explainability.patches import border_frame
from assay.methods.explainability.row_means import row_measure

__all__ = ["border_measures"]


def border_measures(
    spec: MeasureSpec,
    maps: npt.NDArray[np.float64],
    predicted: npt.NDArray[np.int64],
    profile: Profile,
    level: float,
    grade: Grade,
) -> list[Measure]:
    """Mean share of |map| inside the border frame, over all images and by predicted class.

    Args:
        maps: (rows, height, width).
        predicted: class code of each image.
    """
    frame = border_frame(*maps.shape[1:]).ravel()
    inside = share_inside(np.abs(maps).reshape(len(maps), -1), frame)
    classes = profile.signature.classes
    return [
        row_measure(
            spec,
            inside if code is None else inside[predicted == code],
            level,
            grade,
            at={} if code is None else {"class": classes[code]},
            bounds=(0.0, 1.0),
            undefined="the maps of the others are empty",
            note=f"the frame is {frame.mean():.1%} of the image",
        )
        for code in (None, *(np.unique(predicted) if classes else ()))
    ]
