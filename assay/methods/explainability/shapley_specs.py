"""What explainability.shapley measures, in words."""

from __future__ import annotations

from functools import partial

from assay.contracts import Citation, MeasureSpec
from assay.methods.measure_spec import measure_spec

__all__ = ["CITATIONS", "PREFIX", "SPECS"]

PREFIX = "explainability.shapley"


_spec = partial(measure_spec, PREFIX)


SPECS: tuple[MeasureSpec, ...] = (
    _spec(
        "mean_absolute",
        "Mean absolute attribution",
        "output units",
        "none",
        "Mean over rows of |phi| of the feature: how far it moves the output from the background's mean.",
    ),
    _spec(
        "largest_share",
        "Share of the strongest feature",
        "share",
        "none",
        "Largest mean |phi| of one feature / sum of the mean |phi| of all features.",
    ),
    _spec(
        "sensitive_share",
        "Share of a sensitive attribute",
        "share",
        "lower",
        "Mean |phi| of the attribute / sum of the mean |phi| of all features: direct use, not proxies.",
    ),
    _spec(
        "completeness_gap",
        "Completeness gap",
        "share",
        "lower",
        "Mean over rows of |sum phi - (f(x) - E f)| / |f(x) - E f|; 0 = the attributions add up.",
    ),
    _spec(
        "standard_error",
        "Relative standard error",
        "share",
        "lower",
        "Mean over rows of ||standard errors of phi|| / ||phi||; 0 where nothing was sampled.",
    ),
    _spec(
        "deletion_gain",
        "Deletion gain",
        "output units",
        "higher",
        "Mean |f(x) - f(x')| while features are replaced in the order of |phi|, less the same in random "
        "order, averaged over the share replaced (area between the curves); 0 = the order tells nothing.",
    ),
    _spec(
        "evaluations",
        "Model evaluations",
        "count",
        "none",
        "Rows that the model answered to explain and to check; what it was not asked twice counts once.",
    ),
)

CITATIONS: tuple[Citation, ...] = (
    Citation(text="Shapley 1953; Lundberg & Lee 2017, A unified approach to interpreting model predictions"),
    Citation(text="Janzing, Minorics & Blöbaum 2020 (interventional values)"),
    Citation(
        text="Musco & Witter 2025, Provably accurate Shapley value estimation via leverage score sampling"
    ),
    Citation(text="Covert & Lee 2021 (pairs of complements)"),
    Citation(text="Särndal, Swensson & Wretman 1992 (standard errors of a regression estimator)"),
    Citation(text="Lundberg et al. 2020, From local explanations to global understanding (trees)"),
    Citation(text="Sundararajan, Taly & Yan 2017 (completeness)"),
    Citation(text="Samek et al. 2017; Petsiuk, Das & Saenko 2018; Agarwal et al. 2022 (deletion)"),
)
