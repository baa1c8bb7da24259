"""What explainability.grad_cam measures, in words."""

from __future__ import annotations

from functools import partial

from assay.contracts import Citation, MeasureSpec
from assay.methods.measure_spec import measure_spec

__all__ = ["CITATIONS", "PREFIX", "SPECS"]

PREFIX = "explainability.grad_cam"


_spec = partial(measure_spec, PREFIX)


SPECS: tuple[MeasureSpec, ...] = (
    _spec(
        "border_share",
        "Attribution at the border",
        "share",
        "lower",
        "Mean share of the map inside the outer eighth of the image on each side; much above that frame's "
        "share of the area = the network looks at the border (a watermark, a ruler, a scanner's mark).",
    ),
    _spec(
        "entropy",
        "Entropy of the map",
        "share",
        "none",
        "Mean of -sum p log p / log pixels with p = map / sum: 0 = one pixel, 1 = spread evenly.",
    ),
    _spec(
        "gini",
        "Gini coefficient of the map",
        "score",
        "none",
        "Mean Gini coefficient of the map over the pixels: 0 = spread evenly, near 1 = few pixels.",
    ),
    _spec(
        "empty_maps",
        "Empty maps",
        "share",
        "lower",
        "Share of the explained images whose map is 0 everywhere: no part of them speaks for the class.",
    ),
    _spec(
        "deletion_gain",
        "Deletion gain over random",
        "score",
        "higher",
        "Mean change of the class's score while superpixels are blackened by falling map, less the same in "
        "random orders; 0 = the map is worth nothing.",
    ),
    _spec(
        "randomisation_correlation",
        "Rank correlation with randomised models",
        "correlation",
        "lower",
        "Mean Spearman correlation of the map with that of the same network with its weights drawn anew; "
        "near 1 = the map does not show what the model has learnt.",
    ),
)

CITATIONS = (
    Citation(text="Selvaraju et al. 2017, Grad-CAM", url="https://arxiv.org/abs/1610.02391"),
    Citation(
        text="Adebayo et al. 2018, Sanity Checks for Saliency Maps", url="https://arxiv.org/abs/1810.03292"
    ),
    Citation(
        text="Petsiuk, Das & Saenko 2018, RISE (deletion and insertion)",
        url="https://arxiv.org/abs/1806.07421",
    ),
    Citation(
        text="Bhatt, Weller & Moura 2020, Evaluating and Aggregating Feature-based Model Explanations",
        url="https://arxiv.org/abs/2005.00631",
    ),
    Citation(
        text="Lapuschkin et al. 2019, Unmasking Clever Hans predictors",
        url="https://arxiv.org/abs/1902.10178",
    ),
)
