"""How much of the attribution lies at the border of images, where watermarks and scanners' marks are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from assay.contracts import Grade, Measure, MeasureSpec, Profile
from assay.methods.explainability.concentration import share_inside
from assay.methods.explainability.patches import border_frame
from assay.methods.explainability.row_means import FEWEST_ROWS, row_measure

__all__ = ["border_measures", "border_note"]


def border_measures(
    spec: MeasureSpec,
    maps: npt.NDArray[np.float64],
    predicted: npt.NDArray[np.int64],
    profile: Profile,
    level: float,
    grade: Grade,
) -> list[Measure]:
    """Mean share of |map| inside the border frame, over all images and by predicted class.

    Classes with fewer than `FEWEST_ROWS` images have none of their own.

    Args:
        maps: (rows, height, width).
        predicted: class code of each image.
    """
    frame = border_frame(*maps.shape[1:]).ravel()
    inside = share_inside(np.abs(maps).reshape(len(maps), -1), frame)
    classes = profile.signature.classes
    often = [code for code in np.unique(predicted) if classes and (predicted == code).sum() >= FEWEST_ROWS]
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
        for code in (None, *often)
    ]


def border_note(measures: list[Measure], height: int, width: int) -> tuple[str, ...]:
    """One sentence where the border has more of the attribution than of the area, beyond doubt."""
    area = float(border_frame(height, width).mean())
    above = [m for m in measures if m.low is not None and m.low > area]
    if not above:
        return ()
    where = ", ".join(str(m.at.get("class", "all images")) for m in above)
    return (
        f"The border has {area:.1%} of the area, and surely more than that of the attribution ({where}): the "
        "network may read a watermark, a ruler or a scanner's mark there. Look at the images.",
    )
