"""What `robustness.pgd` measures, and where it comes from."""

from __future__ import annotations

from functools import partial

from assay.contracts import Citation
from assay.methods.measure_spec import measure_spec

__all__ = ["CITATIONS", "SPECS"]


_spec = partial(measure_spec, "robustness")


SPECS = (
    # The five checks tell whether the attack can be believed, not how good the model is: shown, never judged.
    _spec(
        "clean_accuracy",
        "Accuracy without attack, same rows",
        "share",
        "higher",
        "Share of the sampled rows that are decided rightly as they are.",
    ),
    _spec(
        "robust_accuracy",
        "Accuracy under attack",
        "share",
        "higher",
        "Share of the sampled rows that are decided rightly as they are and at every place that an attack "
        "within eps, or within a smaller eps, found. An upper bound on the accuracy under the worst attack.",
    ),
    _spec(
        "attack_success_rate",
        "Attack success rate",
        "share",
        "lower",
        "Share of the rows decided rightly as they are for which a wrong decision within eps was found.",
    ),
    _spec(
        "median_flip_eps",
        "Median budget that flips a decision",
        "eps",
        "higher",
        "Median, over the rows decided rightly as they are, of the smallest eps of the grid that flips the "
        "decision; undetermined where more than half stand at the largest.",
    ),
    _spec(
        "zero_gradient_share",
        "Rows whose gradient is exactly 0",
        "share",
        "none",
        "Share of the attacked rows at which the loss has no slope in anything that may move.",
        "shown",
    ),
    _spec(
        "huge_budget_accuracy",
        "Accuracy under a boundless budget",
        "share",
        "none",
        "Share of the attacked rows that stand at every eps and when the budget is the whole range of "
        "pixels, or 1,000 standard deviations without the range of training. Near 0 where gradients lead "
        "anywhere.",
        "shown",
    ),
    _spec(
        "non_monotone_share",
        "Rows that fall to a small budget and stand at a larger",
        "share",
        "none",
        "Share of the attacked rows that the iterated attack flips at some eps and fails to flip at a larger "
        "one, each attack run by itself.",
        "shown",
    ),
    _spec(
        "single_step_excess",
        "Success of one step beyond that of many",
        "difference",
        "none",
        "Success rate of a single gradient step of eps - success rate of the iterated attack at eps, paired.",
        "shown",
    ),
    _spec(
        "random_noise_excess",
        "Success of random noise beyond that of the attack",
        "difference",
        "none",
        "Success rate of random places within eps - success rate of the iterated attack at eps, paired.",
        "shown",
    ),
    _spec(
        "gradient_masking_alarms",
        "Signs that gradients are masked",
        "count",
        "lower",
        "How many of the five checks raise an alarm: zero gradients beyond 5 % of rows, more than 1 % "
        "standing under a boundless budget, more than 1 % non-monotone, one step better than many, noise "
        "better than the attack; each only where its whole interval lies beyond. With an alarm, accuracy "
        "under attack says little.",
    ),
)

CITATIONS = (
    Citation(
        text="Madry, Makelov, Schmidt, Tsipras & Vladu 2018, Towards deep learning models resistant to "
        "adversarial attacks, ICLR (projected gradient descent)",
        url="https://arxiv.org/abs/1706.06083",
    ),
    Citation(
        text="Athalye, Carlini & Wagner 2018, Obfuscated gradients give a false sense of security, ICML "
        "(checks for masked gradients)",
        url="https://arxiv.org/abs/1802.00420",
    ),
    Citation(
        text="Carlini et al. 2019, On evaluating adversarial robustness (threat model, sanity checks)",
        url="https://arxiv.org/abs/1902.06705",
    ),
    Citation(
        text="Simonetto et al. 2024, Constrained adaptive attack, NeurIPS (attacks on tables under feature "
        "constraints)",
        url="https://arxiv.org/abs/2406.00775",
    ),
    Citation(
        text="Goodfellow, Shlens & Szegedy 2015, Explaining and harnessing adversarial examples, ICLR",
        url="https://arxiv.org/abs/1412.6572",
    ),
)
