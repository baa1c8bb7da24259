"""What explainability.integrated_gradients measures, in words."""

from __future__ import annotations

from functools import partial

from assay.contracts import Citation, MeasureSpec
from assay.methods.measure_spec import measure_spec

__all__ = ["CITATIONS", "PREFIX", "SPECS"]

PREFIX = "explainability.integrated_gradients"


_spec = partial(measure_spec, PREFIX)


SPECS: tuple[MeasureSpec, ...] = (
    _spec(
        "mean_absolute",
        "Mean absolute attribution",
        "log-odds",
        "none",
        "Mean over the explained rows of |phi|, phi = (x - x0) x mean gradient on the way from the baseline "
        "x0 to x; log-odds of the class against all others, or units of the number that the model gives.",
    ),
    _spec(
        "border_share",
        "Attribution at the border",
        "share",
        "lower",
        "Images: mean share of |phi| inside the outer eighth on each side; much above that frame's share of "
        "the area = the network looks at the border (a watermark, a ruler, a scanner's mark).",
    ),
    _spec(
        "completeness_gap",
        "Completeness gap",
        "share",
        "lower",
        "Mean |sum phi - (f(x) - f(x0))| / |f(x) - f(x0)|; what the steps of the integral leave open.",
    ),
    _spec(
        "deletion_gain",
        "Deletion gain over random",
        "score",
        "higher",
        "Mean change of the score while features are removed by falling |phi|, less the same in random "
        "orders; 0 = the order is worth nothing.",
    ),
    _spec(
        "insertion_gain",
        "Insertion gain over random",
        "score",
        "higher",
        "Mean change that remains while only the features with the largest |phi| are kept: random orders "
        "less the attribution's; 0 = the order is worth nothing.",
    ),
    _spec(
        "infidelity",
        "Infidelity",
        "share",
        "lower",
        "Share of the squared change of the output under random removals that the attributions do not "
        "explain, after the best scaling; 0 = fully faithful, 1 = worth nothing.",
    ),
    _spec(
        "max_sensitivity",
        "Max-sensitivity",
        "ratio",
        "lower",
        "Largest relative change of the attributions over small random moves of the row (not texts).",
    ),
    _spec(
        "randomisation_correlation",
        "Rank correlation with randomised models",
        "correlation",
        "lower",
        "Mean Spearman correlation of |phi| with that of the same network with its weights drawn anew, over "
        "the features that differ from the baseline; near 1 = not what the model has learnt is shown.",
    ),
)

CITATIONS = (
    Citation(
        text="Sundararajan, Taly & Yan 2017, Axiomatic Attribution for Deep Networks",
        url="https://arxiv.org/abs/1703.01365",
    ),
    Citation(
        text="Adebayo et al. 2018, Sanity Checks for Saliency Maps", url="https://arxiv.org/abs/1810.03292"
    ),
    Citation(
        text="Yeh et al. 2019, On the (In)fidelity and Sensitivity of Explanations",
        url="https://arxiv.org/abs/1901.09392",
    ),
    Citation(
        text="Petsiuk, Das & Saenko 2018, RISE (deletion and insertion)",
        url="https://arxiv.org/abs/1806.07421",
    ),
)
