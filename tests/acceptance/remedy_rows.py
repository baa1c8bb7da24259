"""The acceptance rows of the remedies; see `tests.acceptance.rows`."""

from __future__ import annotations

from tests.acceptance.rows import Mutant, Row

__all__ = ["REMEDY_ROWS"]

REMEDY_ROWS: tuple[Row, ...] = (
    Row(
        method="training.from_scratch",
        kind="remedy",
        golden="remedies/test_from_scratch.py::"
        "test_a_network_without_hidden_layers_becomes_scikit_learns_logistic_regression",
        golden_source="scikit-learn's LogisticRegression without penalty: a network without hidden layers, "
        "trained to the end, is the same maximum-likelihood fit; besides, steps equal a textbook loop's "
        "(test_training.py) and two Gaussians are told apart at the Bayes rate of 0.8413",
        golden_threshold="probabilities within 0.001",
        planted="remedies/test_from_scratch.py::test_reweighing_halves_the_gap_between_groups",
        planted_threshold="decisions that asked more of women: gap in selection rates above 0.3 without, "
        "below half of it with reweighing",
        null="remedies/test_from_scratch.py::test_labels_of_pure_chance_are_not_learnt",
        null_threshold="accuracy within 0.037 of 0.5 on 2,000 rows (3.3 standard errors)",
        mutant=Mutant(
            file="assay/remedies/training.py",
            old="            optimizer.zero_grad(set_to_none=True)",
            new="            pass",
            caught_by="remedies/test_training.py::test_steps_are_those_of_a_plain_loop",
        ),
    ),
    Row(
        method="training.fine_tune",
        kind="remedy",
        golden="remedies/test_reweighing.py::test_the_weights_of_ten_applicants_worked_by_hand",
        golden_source="Kamiran & Calders 2012, section 4.3: w = P(a) P(y) / P(a, y), worked by hand for ten "
        "applicants (2, 3/4, 2/3, 3/2); besides, weighted rates of all groups are equal",
        golden_threshold="1e-12 relative",
        planted="remedies/test_fine_tune.py::test_reweighing_halves_the_gap_between_groups",
        planted_threshold="a model with a gap in selection rates above 0.2: below half of it afterwards",
        null="remedies/test_fine_tune.py::test_groups_that_are_equal_already_change_nothing",
        null_threshold="weights of the network the same to the bit",
        mutant=Mutant(
            file="assay/remedies/reweighing.py",
            old="        expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True)"
            " / counts.sum()",
            new="        expected = counts.sum(axis=0, keepdims=True) / counts.sum()",
            caught_by="remedies/test_reweighing.py::test_the_weights_of_ten_applicants_worked_by_hand",
        ),
    ),
    Row(
        method="distillation.student",
        kind="remedy",
        golden="remedies/test_distillation.py::test_the_loss_worked_by_hand",
        golden_source="Hinton, Vinyals & Dean 2015, section 2: alpha CE + (1 - alpha) T² KL(teacher || "
        "student), worked by hand for odds of 3 to 1; its mean equals torch's kl_div with batchmean",
        golden_threshold="1e-6 relative",
        planted="remedies/test_distillation.py::test_the_student_keeps_nearly_all_of_the_teachers_accuracy",
        planted_threshold="at most half the parameters, at least 97 % of the teacher's accuracy",
        null="remedies/test_distillation.py::"
        "test_a_student_that_answers_like_its_teacher_has_nothing_to_learn",
        null_threshold="loss and gradient 0 within 1e-6",
        mutant=Mutant(
            file="assay/remedies/distillation.py",
            old="    return alpha * hard + (1 - alpha) * temperature**2 * soft",
            new="    return alpha * hard + (1 - alpha) * soft",
            caught_by="remedies/test_distillation.py::test_the_loss_worked_by_hand",
        ),
    ),
    Row(
        method="adversarial.training",
        kind="remedy",
        golden="remedies/test_adversarial.py::test_the_worst_change_of_a_linear_model_is_found_exactly",
        golden_source="closed form: inside an L-infinity ball the log-odds of a linear model fall by eps "
        "times the L1 norm of its weights (Goodfellow et al. 2015, section 5)",
        golden_threshold="1e-4 relative",
        planted="remedies/test_adversarial.py::test_accuracy_under_attack_rises",
        planted_threshold="a model that leans on a number moved by a hair: below 0.2 under attack, above "
        "0.85 afterwards",
        null="remedies/test_adversarial.py::test_an_attack_of_no_size_moves_nothing",
        null_threshold="inputs the same to the bit",
        mutant=Mutant(
            file="assay/remedies/adversarial.py",
            old="            moved = moved.detach() + ball.step * radius * slope.sign()",
            new="            moved = moved.detach() - ball.step * radius * slope.sign()",
            caught_by="remedies/test_adversarial.py::"
            "test_the_worst_change_of_a_linear_model_is_found_exactly",
        ),
    ),
)
