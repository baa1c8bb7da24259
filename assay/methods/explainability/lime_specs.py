"""What explainability.lime measures, in words."""

from __future__ import annotations

from functools import partial

from assay.contracts import Citation, MeasureSpec
from assay.methods.measure_spec import measure_spec

__all__ = ["CITATIONS", "SPECS"]


_spec = partial(measure_spec, "explainability.lime")


SPECS: tuple[MeasureSpec, ...] = (
    _spec(
        "mean_absolute_weight",
        "Mean absolute LIME weight",
        "score",
        "none",
        "Mean over the explained rows of |w|: the change of the score for one standard deviation of a "
        "number, or for keeping a category instead of drawing it anew.",
    ),
    _spec(
        "fidelity",
        "Local fidelity (R2)",
        "share",
        "higher",
        "Mean R2 of the local linear surrogate on its own neighbours, weighted by their nearness.",
    ),
    _spec(
        "stability_overlap",
        "Stability: top features",
        "share",
        "higher",
        "Share of the top k features that two explanations of a row from different neighbours both name.",
    ),
    _spec(
        "stability_rank",
        "Stability: ranks",
        "share",
        "higher",
        "Share of the first k ranks at which both explanations of a row have the same feature.",
    ),
    _spec(
        "stability_sign",
        "Stability: signs",
        "share",
        "higher",
        "Share of the top k features that both explanations of a row name with the same sign.",
    ),
    _spec(
        "deletion_gain",
        "Deletion gain over random",
        "score",
        "higher",
        "Mean change of the score while features (or words) are removed in the order that LIME gives, less "
        "the same in random orders; 0 = the order is worth nothing.",
    ),
)

CITATIONS = (
    Citation(
        text="Ribeiro, Singh & Guestrin 2016, Why Should I Trust You?", url="https://arxiv.org/abs/1602.04938"
    ),
    Citation(
        text="Garreau & von Luxburg 2020, Explaining the Explainer", url="https://arxiv.org/abs/2001.03447"
    ),
    Citation(
        text="Krishna et al. 2022, The Disagreement Problem in Explainable Machine Learning",
        url="https://arxiv.org/abs/2202.01602",
    ),
    Citation(
        text="Samek et al. 2017, Evaluating the Visualization of What a Deep Neural Network Has Learned"
    ),
)
