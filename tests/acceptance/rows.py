"""One acceptance row a registered method: what proves it, what it finds, when it is silent, what breaks it.

Rows of remedies stand in `remedy_rows.py`.

`docs/acceptance.md` is made from these rows (`python -m tests.acceptance.page`); tests check that every
registered method and remedy has one, that the tests named here exist, and that each mutant is caught.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ROWS", "Mutant", "Row"]


@dataclass(frozen=True)
class Mutant:
    """A small wrong change to the code; the golden or planted test must fail on it."""

    file: str
    old: str
    new: str
    caught_by: str


@dataclass(frozen=True)
class Row:
    method: str
    """Id of the method or remedy."""
    golden: str
    """Test that reproduces a number from outside; node id below tests/."""
    golden_source: str
    golden_threshold: str
    planted: str
    """Test in which a planted defect is found (by a remedy: cured)."""
    planted_threshold: str
    null: str
    """Test in which a sound subject raises no alarm (by a remedy: is left as it is)."""
    null_threshold: str
    mutant: Mutant
    kind: Literal["method", "remedy"] = "method"

    @property
    def command(self) -> str:
        return f"./run test {' '.join(f'tests/{t}' for t in (self.golden, self.planted, self.null))}"


ROWS: tuple[Row, ...] = (
    Row(
        method="performance.classification",
        golden="stats/test_ranking.py::test_procs_published_area_and_variance_of_the_asah_patients",
        golden_source="pROC's published AUC and DeLong variance of its aSAH patients; every measure besides "
        "equals scikit-learn (methods/performance/test_classification.py)",
        golden_threshold="to the digits printed there",
        planted="methods/performance/test_classification.py::test_squared_probabilities_are_found_miscalibrated",
        planted_threshold="calibration slope wholly below 0.9, calibration error wholly above 0.1",
        null="methods/performance/test_classification.py::test_calibrated_probabilities_raise_no_alarm",
        null_threshold="slope interval holds 1, intercept interval holds 0",
        mutant=Mutant(
            file="assay/stats/ranking.py",
            old="    below_twice = 2 * np.cumsum(negatives) - negatives",
            new="    below_twice = 2 * np.cumsum(negatives)",
            caught_by="stats/test_ranking.py::test_procs_published_area_and_variance_of_the_asah_patients",
        ),
    ),
    Row(
        method="performance.language_modelling",
        golden="methods/performance/test_language_modelling.py::"
        "test_a_markov_chain_has_the_perplexity_of_its_table",
        golden_source="closed form: a Llama whose next-token distribution is a Markov chain's; besides, sums "
        "equal transformers' own loss (test_sums_equal_transformers_own_loss), and stories260k repeats its "
        "published sample (models/test_language_model.py)",
        golden_threshold="1e-6 relative",
        planted="methods/performance/test_language_modelling.py::"
        "test_texts_that_the_model_was_not_made_for_are_found",
        planted_threshold="texts of another chain: perplexity wholly above 1.3 times that of its own",
        null="methods/performance/test_language_modelling.py::test_texts_drawn_from_the_model_raise_no_alarm",
        null_threshold="200 texts of the chain itself: the interval holds exp of its cross-entropy",
        mutant=Mutant(
            file="assay/methods/performance/language_modelling.py",
            old="    per_byte = ratio_of_sums(-units[0] / math.log(2), units[2], level)",
            new="    per_byte = ratio_of_sums(-units[0] / math.log(2), units[1], level)",
            caught_by="methods/performance/test_language_modelling.py::"
            "test_a_markov_chain_has_the_perplexity_of_its_table",
        ),
    ),
    Row(
        method="performance.regression",
        golden="methods/performance/test_regression.py::test_the_mean_error_has_students_interval",
        golden_source="Student's t, closed form with the tabled quantile 2.262157; values besides equal "
        "scikit-learn (test_values_equal_scikit_learn)",
        golden_threshold="1e-6 relative",
        planted="methods/performance/test_regression.py::test_a_biased_model_is_found",
        planted_threshold="a bias of 0.5: mean error wholly above 0.3",
        null="methods/performance/test_regression.py::test_an_unbiased_model_raises_no_alarm",
        null_threshold="mean error's interval holds 0",
        mutant=Mutant(
            file="assay/methods/performance/regression_errors.py",
            old="    half = quantile * error([1, 0, 0, 0, 0])",
            new="    half = error([1, 0, 0, 0, 0])",
            caught_by="methods/performance/test_regression.py::test_the_mean_error_has_students_interval",
        ),
    ),
    Row(
        method="fairness.group_rates",
        golden="methods/fairness/test_group_rates_published.py::test_the_example_of_fairlearns_user_guide",
        golden_source="fairlearn's user guide, fairness assessment (n = 18): differences .20, 1.00, .25, "
        "ratio .6667; besides UCI Adult's published rates 6662/21790 and 1179/10771 and the example of "
        "Local Law 144",
        golden_threshold="1e-6",
        planted="methods/fairness/test_group_rates.py::test_a_planted_gap_is_found_pair_by_pair",
        planted_threshold="12 groups of 200 rows, one at .20 against .50, limit .10: exactly its 11 pairs",
        null="methods/fairness/test_group_rates.py::test_equal_groups_stay_silent_though_their_range_is_wide",
        null_threshold="20 draws of 12 equal groups of 60 rows: no pair beyond .10",
        mutant=Mutant(
            file="assay/methods/fairness/groupings.py",
            old="    selected, positive = prediction == favourable, label == favourable",
            new="    selected, positive = prediction == favourable, prediction == favourable",
            caught_by="methods/fairness/test_group_rates_published.py::"
            "test_the_example_of_fairlearns_user_guide",
        ),
    ),
    Row(
        method="fairness.scores",
        golden="methods/fairness/test_scores.py::test_each_group_equals_scikit_learn_on_its_rows",
        golden_source="scikit-learn's roc_auc_score and brier_score_loss on each group's rows; DeLong's "
        "normal interval of one pair (test_one_pair_of_large_groups_has_delongs_normal_interval)",
        golden_threshold="1e-11 relative",
        planted="methods/fairness/test_scores.py::test_a_group_ranked_worse_is_found",
        planted_threshold="one group's scores shuffled: every pair with it wholly above 0.1",
        null="methods/fairness/test_scores.py::"
        "test_equal_groups_raise_no_alarm_more_often_than_the_level_allows",
        null_threshold="at most 12 alarms in 40 runs of three families at 5 %",
        mutant=Mutant(
            file="assay/stats/ranking.py",
            old="    return float((positives * below_twice).sum() / (2 * n_negative * n_positive))",
            new="    return float((positives * below_twice).sum() / (2 * n_negative * n_negative))",
            caught_by="methods/fairness/test_scores.py::test_each_group_equals_scikit_learn_on_its_rows",
        ),
    ),
    Row(
        method="explainability.shapley",
        golden="methods/explainability/test_interventional.py::"
        "test_exact_values_equal_the_definition_and_shaps_exact_explainer",
        golden_source="shap.ExactExplainer and Shapley's definition; besides the closed form of linear "
        "models, phi = beta (x - mean) (test_a_linear_model_has_its_closed_form), that of games of order 2, "
        "and shap.KernelExplainer without its regularisation",
        golden_threshold="1e-13",
        planted="methods/explainability/test_shapley.py::"
        "test_a_model_that_uses_the_sensitive_attribute_is_found",
        planted_threshold="share of the sensitive attribute wholly above 0.2, exact and sampled",
        null="methods/explainability/test_shapley.py::"
        "test_a_model_that_ignores_the_sensitive_attribute_raises_no_alarm",
        null_threshold="share wholly below 0.02, its interval holds 0, exact and sampled",
        mutant=Mutant(
            file="assay/methods/explainability/interventional.py",
            old="    absent = weight[np.minimum(size, players - 1)]",
            new="    absent = weight[np.maximum(size - 1, 0)]",
            caught_by="methods/explainability/test_interventional.py::"
            "test_exact_values_equal_the_definition_and_shaps_exact_explainer",
        ),
    ),
    Row(
        method="robustness.noise",
        golden="methods/robustness/test_noise.py::"
        "test_a_linear_model_changes_as_often_as_the_normal_distribution_says",
        golden_source="closed form: under N(0, s^2) noise a linear model changes row i with chance "
        "Phi(-|margin| / spread)",
        golden_threshold="4 standard errors of 500 rows x 40 draws, at three severities",
        planted="methods/robustness/test_noise.py::test_a_brittle_model_is_found",
        planted_threshold="half of the rows within .05 of the threshold: accuracy lost at .1 standard "
        "deviations wholly above .1",
        null="methods/robustness/test_noise.py::test_a_model_with_room_around_its_rows_loses_nothing",
        null_threshold="exactly 0 lost",
        mutant=Mutant(
            file="assay/methods/robustness/noise_kinds.py",
            old="        moved = inputs + severity * features.deviation * drawn",
            new="        moved = inputs + severity * drawn",
            caught_by="methods/robustness/test_noise.py::"
            "test_a_linear_model_changes_as_often_as_the_normal_distribution_says",
        ),
    ),
    Row(
        method="robustness.pgd",
        golden="methods/robustness/test_pgd.py::"
        "test_a_linear_model_stands_exactly_where_its_margin_exceeds_the_budget",
        golden_source="closed form: a linear model stands where margin > eps * the L1 norm of its slopes "
        "over what may move; the same on pixels; besides ART's ProjectedGradientDescent on one network "
        "within .02 (test_art_finds_as_many_with_the_same_settings)",
        golden_threshold="every row, at four budgets",
        planted="methods/robustness/test_pgd_networks.py::test_an_undefended_network_falls",
        planted_threshold="a CNN on digits, eps .125: accuracy under attack wholly below .5; logits times "
        "10,000 raise the masking alarm (test_masked_gradients_raise_the_alarm)",
        null="methods/robustness/test_pgd_networks.py::"
        "test_an_adversarially_trained_network_stands_and_raises_no_alarm",
        null_threshold="the same CNN trained against PGD: wholly above .5, no masking alarm",
        mutant=Mutant(
            file="assay/methods/robustness/table_features.py",
            old="        mutable=np.array([column.name not in immutable for column in columns]),",
            new="        mutable=np.array([True for column in columns]),",
            caught_by="methods/robustness/test_pgd.py::"
            "test_a_linear_model_stands_exactly_where_its_margin_exceeds_the_budget",
        ),
    ),
    Row(
        method="privacy.membership_loss",
        golden="methods/privacy/test_membership_loss.py::"
        "test_the_loss_of_a_linear_model_with_shifted_margins_has_a_closed_form",
        golden_source="closed form: margins N(d, 1) of members, N(0, 1) of others give AUC Phi(d / sqrt 2), "
        "true positive rate Phi(d + Phi^-1(FPR)), advantage 2 Phi(d / 2) - 1",
        golden_threshold="AUC within 0.001, true positive rate within 0.005",
        planted="methods/privacy/test_membership_loss.py::test_a_model_that_learnt_its_rows_by_heart_is_found",
        planted_threshold="a network fitted to 200 random labels: AUC wholly above 0.6",
        null="methods/privacy/test_membership_loss.py::"
        "test_rows_that_the_model_was_not_trained_on_are_not_called_members",
        null_threshold="AUC interval holds 0.5, advantage and gap hold 0",
        mutant=Mutant(
            file="assay/methods/privacy/threshold_attack.py",
            old="    first, held = _halves(members, rng), _halves(others, rng)",
            new="    first, held = (members, members), (others, others)",
            caught_by="methods/privacy/test_threshold_attack.py::"
            "test_chosen_on_the_rows_it_is_measured_on_the_advantage_would_be_too_good",
        ),
    ),
    Row(
        method="cost.inference",
        golden="methods/cost/test_inference.py::"
        "test_parameters_bytes_and_arithmetic_of_a_perceptron_in_closed_form",
        golden_source="closed form: N weights take 2 N operations a row and 6 N D to train; besides "
        "convolution, LSTM, GRU and attention (methods/cost/test_flops.py) and a call that sleeps 5 ms "
        "(methods/cost/test_latency.py)",
        golden_threshold="exact; the sleeping call within 1 ms",
        planted="methods/cost/test_latency.py::"
        "test_a_planted_slow_tail_is_found_in_the_99th_percentile_and_not_in_the_median",
        planted_threshold="every 20th call 12 ms instead of 0.5: p99 wholly above 12 ms, median below 6",
        null="methods/cost/test_latency.py::test_two_names_for_one_call_agree_within_their_intervals",
        null_threshold="the intervals of the medians overlap",
        mutant=Mutant(
            file="assay/methods/cost/flops.py",
            old="None if uncounted else float(np.mean(counts))",
            new="None if uncounted else float(np.mean(counts)) / 2",
            caught_by="methods/cost/test_inference.py::"
            "test_parameters_bytes_and_arithmetic_of_a_perceptron_in_closed_form",
        ),
    ),
    Row(
        method="data_quality.basics",
        golden="methods/data_quality/test_basics.py::test_the_published_counts_of_adult",
        golden_source="UCI Adult's training rows: 32,561 rows, 24 repeated, 1,836 / 1,843 / 583 missing "
        "(needs ASSAY_REAL_DATA)",
        golden_threshold="exact",
        planted="methods/data_quality/test_basics.py::"
        "test_planted_repeats_conflicts_and_leaks_are_counted_exactly",
        planted_threshold="exactly 10 repeated, 20 contradicting, 200 of 1,000 leaked",
        null="methods/data_quality/test_basics.py::test_a_clean_file_raises_no_alarm",
        null_threshold="all shares 0, no note",
        mutant=Mutant(
            file="assay/methods/data_quality/repeats.py",
            old="    duplicates = _share(rows - distinct, rows, kept_share, level)",
            new="    duplicates = _share(rows - 1, rows, kept_share, level)",
            caught_by="methods/data_quality/test_basics.py::"
            "test_planted_repeats_conflicts_and_leaks_are_counted_exactly",
        ),
    ),
    Row(
        method="explainability.lime",
        golden="methods/explainability/test_lime.py::"
        "test_the_weights_of_a_linear_model_are_its_slopes_times_the_spreads",
        golden_source="closed form: the weight of number j of a linear model is its slope times its standard "
        "deviation",
        golden_threshold="0.2 % relative at 5,000 neighbours",
        planted="methods/explainability/test_lime.py::test_a_model_that_no_surrogate_fits_is_found",
        planted_threshold="f = |a| + |b| + |c| near 0: fidelity wholly below 0.3",
        null="methods/explainability/test_lime.py::"
        "test_a_linear_model_is_fitted_perfectly_and_raises_no_alarm",
        null_threshold="fidelity above 0.999, all ranks stable, deletion gain wholly above 0",
        mutant=Mutant(
            file="assay/methods/explainability/lime_tables.py",
            old="            weights[feature] = weight",
            new="            weights[feature] = weight / scale[feature]",
            caught_by="methods/explainability/test_lime.py::"
            "test_the_weights_of_a_linear_model_are_its_slopes_times_the_spreads",
        ),
    ),
    Row(
        method="explainability.integrated_gradients",
        golden="methods/explainability/test_integrated_gradients.py::"
        "test_the_published_example_of_a_gated_network",
        golden_source="Sundararajan, Taly & Yan 2017: f = ReLU(ReLU(x1) - 1 - ReLU(x2)) at (3, 1) has "
        "integrated gradients (1.5, -0.5); besides the closed forms of a saturated gate, a product and a "
        "linear model",
        golden_threshold="1e-6 relative",
        planted="methods/explainability/test_integrated_gradients.py::"
        "test_a_watermark_is_found_where_grad_cam_misses_it",
        planted_threshold="a mark in a corner that tells the class: attribution at the border wholly above "
        "twice that of a network trained on clean images",
        null="methods/explainability/test_integrated_gradients.py::"
        "test_a_linear_model_is_explained_faithfully_and_raises_no_alarm",
        null_threshold="completeness gap below 1e-4, infidelity below 1e-6, deletion and insertion gains "
        "wholly above 0",
        mutant=Mutant(
            file="assay/methods/explainability/gradient_path.py",
            old="                baselines=self.row.baseline,",
            new="                baselines=0 * self.row.baseline,",
            caught_by="methods/explainability/test_integrated_gradients.py::"
            "test_a_linear_model_is_explained_faithfully_and_raises_no_alarm",
        ),
    ),
    Row(
        method="explainability.grad_cam",
        golden="methods/explainability/test_grad_cam.py::"
        "test_the_map_of_a_hand_made_network_has_a_closed_form",
        golden_source="closed form: y = 2 sum A1 - sum A2 with A = (x, -x) has the map ReLU(3 x)",
        golden_threshold="1e-6 relative",
        planted="methods/explainability/test_grad_cam.py::test_a_watermark_in_a_corner_is_found",
        planted_threshold="a mark in a corner that tells the class: attribution at the border wholly above "
        "the frame's share of the area, the mean map brightest in that corner",
        null="methods/explainability/test_grad_cam.py::test_a_network_that_reads_the_object_raises_no_alarm",
        null_threshold="attribution at the border wholly below half of the frame's share of the area",
        mutant=Mutant(
            file="assay/methods/explainability/class_activation.py",
            old="    return ran[-1] if ran else None",
            new="    return ran[0] if ran else None",
            caught_by="methods/explainability/test_grad_cam.py::"
            "test_the_map_of_a_hand_made_network_has_a_closed_form",
        ),
    ),
)
