"""What `robustness.noise` measures, and where it comes from."""

from __future__ import annotations

from assay.contracts import Citation, MeasureSpec

__all__ = ["CITATIONS", "SPECS"]

SPECS = (
    MeasureSpec(
        id="robustness.unperturbed_accuracy",
        title="Accuracy without noise, same rows",
        unit="share",
        direction="higher",
        judging="single",
        description="Share of the perturbed rows that are decided rightly when nothing is changed.",
        needs=("labels",),
    ),
    MeasureSpec(
        id="robustness.noisy_accuracy",
        title="Accuracy under noise",
        unit="share",
        direction="higher",
        judging="single",
        description="Share of rows decided rightly under random noise of one kind and severity, each row "
        "averaged over the repeats.",
        needs=("labels",),
    ),
    MeasureSpec(
        id="robustness.steady_accuracy",
        title="Right under every draw of noise",
        unit="share",
        direction="higher",
        judging="single",
        description="Share of rows decided rightly in every repeat of one kind and severity of noise, where "
        "there are several.",
        needs=("labels",),
    ),
    MeasureSpec(
        id="robustness.noise_accuracy_drop",
        title="Accuracy lost to noise",
        unit="difference",
        direction="lower",
        judging="single",
        description="Accuracy without noise - accuracy under noise, paired row by row.",
        needs=("labels",),
    ),
    MeasureSpec(
        id="robustness.changed_decisions",
        title="Decisions changed by noise",
        unit="share",
        direction="lower",
        judging="single",
        description="Share of rows whose decision under noise differs from the one without, averaged over "
        "the repeats.",
    ),
    MeasureSpec(
        id="robustness.mean_corruption_error",
        title="Mean error under noise",
        unit="share",
        direction="lower",
        judging="single",
        description="1 - accuracy under noise, averaged over severities and then over kinds; not normalised "
        "by another model's errors.",
        needs=("labels",),
    ),
    MeasureSpec(
        id="robustness.relative_corruption_error",
        title="Mean error added by noise",
        unit="difference",
        direction="lower",
        judging="single",
        description="Mean error under noise - error without noise, paired row by row.",
        needs=("labels",),
    ),
)

CITATIONS = (
    Citation(
        text="Hendrycks & Dietterich 2019, Benchmarking neural network robustness to common corruptions and "
        "perturbations, ICLR (kinds of noise, mean and relative corruption error; not ImageNet-C)",
        url="https://arxiv.org/abs/1903.12261",
    ),
    Citation(text="Clopper & Pearson 1934, Biometrika 26(4)"),
    Citation(
        text="Tango 1998, Equivalence test and confidence interval for the difference in proportions "
        "for the paired-sample design, Statistics in Medicine 17(8)"
    ),
    Citation(
        text="Pruthi, Dhingra & Lipton 2019, Combating adversarial misspellings, ACL (swaps, drops, "
        "keyboard neighbours)",
        url="https://arxiv.org/abs/1905.11268",
    ),
)
