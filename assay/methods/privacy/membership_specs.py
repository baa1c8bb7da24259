"""What privacy.membership_loss measures, in words."""

from __future__ import annotations

from assay.contracts import Citation, Direction, Judging, MeasureSpec

__all__ = ["CITATIONS", "SPECS"]


def _spec(
    name: str,
    title: str,
    unit: str,
    description: str,
    *,
    direction: Direction = "lower",
    judging: Judging = "single",
    of: str | None = None,
) -> MeasureSpec:
    return MeasureSpec(
        id=f"privacy.{name}",
        title=title,
        unit=unit,
        direction=direction,
        judging=judging,
        description=description,
        of=of,
    )


SPECS: tuple[MeasureSpec, ...] = (
    _spec(
        "membership_auc",
        "Membership inference, AUC",
        "score",
        "P(loss of a training row < loss of another row) + P(equal) / 2. 0.5: the loss tells nothing.",
    ),
    _spec(
        "membership_advantage",
        "Membership inference, advantage",
        "difference",
        "True positive rate - false positive rate of the loss threshold that is best on one half of the "
        "rows, measured on the other half. 0: no better than a coin; 1: every row is told.",
    ),
    _spec(
        "membership_true_positive_rate",
        "Membership inference, true positive rate",
        "share",
        "Training rows that the attack names while at most the stated share of the other rows is named "
        "wrongly. A blind guess catches as many as it names wrongly.",
    ),
    _spec(
        "group_membership_auc",
        "Membership inference by group, AUC",
        "score",
        "The AUC among the rows of one group: who is exposed most.",
    ),
    _spec(
        "generalisation_gap",
        "Generalisation gap",
        "difference",
        "Accuracy on training rows - accuracy on other rows.",
    ),
    _spec(
        "loss_gap",
        "Loss gap",
        "loss",
        "Mean loss of other rows - mean loss of training rows.",
    ),
    _spec(
        "shared_rows",
        "Rows that stand in both datasets",
        "count",
        "Rows left out because an equal row (all that the model reads, and the label) is a member and a "
        "non-member.",
        direction="none",
        judging="shown",
    ),
)

CITATIONS: tuple[Citation, ...] = (
    Citation(
        text="Yeom, Giacomelli, Fredrikson & Jha 2018, Privacy Risk in Machine Learning: Analyzing the "
        "Connection to Overfitting, IEEE CSF (the attack, and its advantage)",
        url="https://arxiv.org/abs/1709.01604",
    ),
    Citation(
        text="Carlini, Chien, Nasr, Song, Terzis & Tramèr 2022, Membership Inference Attacks From First "
        "Principles, IEEE S&P (why low false positive rates)",
        url="https://arxiv.org/abs/2112.03570",
    ),
    Citation(text="DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44(3) (interval of the AUC)"),
    Citation(text="Clopper & Pearson 1934, Biometrika 26(4) (interval of the true positive rate)"),
    Citation(text="Newcombe 1998, Statistics in Medicine 17, method 10 (interval of a difference)"),
)
