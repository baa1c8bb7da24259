"""What performance.classification measures, in words."""

from __future__ import annotations

from assay.contracts import Capability, Citation, Direction, MeasureSpec

__all__ = ["CITATIONS", "SPECS"]


def _spec(name: str, title: str, unit: str, direction: Direction, description: str) -> MeasureSpec:
    return MeasureSpec(
        id=f"performance.{name}",
        title=title,
        unit=unit,
        direction=direction,
        judging="single",
        description=description,
        needs=_NEEDS.get(name, ()),
    )


_NEEDS: dict[str, tuple[Capability, ...]] = {
    "auc": ("scores",),
    "average_precision": ("scores",),
    "brier_score": ("probabilities",),
    "log_loss": ("probabilities",),
    "calibration_error": ("probabilities",),
    "calibration_slope": ("probabilities",),
    "calibration_intercept": ("probabilities",),
}


SPECS: tuple[MeasureSpec, ...] = (
    _spec("accuracy", "Accuracy", "share", "higher", "Rows whose predicted class is the label / rows."),
    _spec(
        "balanced_accuracy",
        "Balanced accuracy",
        "share",
        "higher",
        "Mean recall over the classes that occur as label.",
    ),
    _spec(
        "precision",
        "Precision",
        "share",
        "higher",
        "Rows rightly predicted to be of the class (binary: favourable) / rows predicted so.",
    ),
    _spec(
        "recall",
        "Recall",
        "share",
        "higher",
        "Rows rightly predicted to be of the class (binary: favourable) / rows labelled so.",
    ),
    _spec(
        "specificity",
        "Specificity",
        "share",
        "higher",
        "Rows rightly predicted unfavourable / rows labelled unfavourable.",
    ),
    _spec("f1", "F1", "score", "higher", "2 TP / (2 TP + FP + FN), of the favourable class or each class."),
    _spec("macro_f1", "Macro F1", "score", "higher", "Mean F1 over the classes (more than two)."),
    _spec(
        "matthews_correlation",
        "Matthews correlation",
        "score",
        "higher",
        "Correlation of label and prediction, -1 to 1; for more than two classes Gorodkin's R_K.",
    ),
    _spec("base_rate", "Base rate", "share", "none", "Rows labelled favourable / rows."),
    _spec("selection_rate", "Selection rate", "share", "none", "Rows predicted favourable / rows."),
    _spec(
        "auc",
        "AUC",
        "score",
        "higher",
        "Chance that a random favourable row scores above a random unfavourable one; ties count half.",
    ),
    _spec(
        "average_precision",
        "Average precision",
        "score",
        "higher",
        "Sum over thresholds of (rise in recall) x precision.",
    ),
    _spec("brier_score", "Brier score", "score", "lower", "Mean of (probability - label)^2."),
    _spec(
        "log_loss",
        "Log loss",
        "score",
        "lower",
        "Mean of -log(probability given to the label), natural logarithm.",
    ),
    _spec(
        "calibration_error",
        "Calibration error",
        "share",
        "lower",
        "Mean over rows of |observed rate - mean probability| of the row's bin (ECE, bins of equal rows).",
    ),
    _spec(
        "calibration_slope",
        "Calibration slope",
        "score",
        "even",
        "Slope of a logistic regression of the label on logit(probability); 1 is ideal, less overconfident.",
    ),
    _spec(
        "calibration_intercept",
        "Calibration intercept",
        "score",
        "even",
        "Intercept of that regression, in log-odds; 0 is ideal.",
    ),
)

CITATIONS: tuple[Citation, ...] = (
    Citation(text="Wilson 1927; Zou & Donner 2008 (intervals of rates and of their means)"),
    Citation(
        text="Gorodkin 2004, Comparing two K-category assignments by a K-category correlation coefficient"
    ),
    Citation(text="DeLong, DeLong & Clarke-Pearson 1988; Sun & Xu 2014; Pepe 2003 (AUC and its interval)"),
    Citation(text="Obuchowski 1997 (AUC of clustered rows)"),
    Citation(text="Brier 1950; Good 1952 (proper scores)"),
    Citation(text="Naeini, Cooper & Hauskrecht 2015; Nixon et al. 2019 (calibration error)"),
    Citation(text="Cox 1958; Van Calster et al. 2019 (calibration slope and intercept)"),
    Citation(text="Efron & Tibshirani 1993; Davison & Hinkley 1997 (bootstrap of cells and of clusters)"),
)
