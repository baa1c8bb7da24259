"""explainability.shapley from data and model to measures."""

from __future__ import annotations

import numpy as np
import pytest

from assay.errors import BadParams
from assay.evidence import digest
from assay.execution import run_method
from assay.methods.explainability.shapley import METHOD
from assay.planning import make_params, why_not
from tests.methods.explainability.made import (
    applicants,
    hiring_subject,
    network_folder,
    regression_subject,
    sex,
)
from tests.models.made import model_subject, number
from tests.support import table_subject


def measures(result, name):
    return [m for m in result.measures if m.id == f"explainability.shapley.{name}"]


def only(result, name):
    (found,) = measures(result, name)
    return found


def series(result, name):
    (found,) = (s for s in result.series if s.id == f"explainability.shapley.{name}")
    return {column.name: column.values for column in found.columns}


def test_a_linear_models_mean_attributions_have_their_closed_form(tmp_path):
    # |phi_j| = |beta_j| |x_j - mean of the background|; here every row is explained against every row
    subject, inputs, beta = regression_subject(tmp_path)
    result = run_method(METHOD, subject, {"rows": 300, "background": 300})
    expected = np.abs(beta * (inputs - inputs.mean(axis=0)))
    for column, name in enumerate("abc"):
        (found,) = (m for m in measures(result, "mean_absolute") if m.at == {"feature": name})
        assert found.value == pytest.approx(expected[:, column].mean(), rel=1e-5, abs=1e-6)
        # Student's t(299, .975) = 1.967930
        half = 1.967930 * expected[:, column].std(ddof=1) / np.sqrt(300)
        assert found.high == pytest.approx(found.value + half, rel=1e-4, abs=1e-6)
        assert found.unit == "label units"
    total = expected.mean(axis=0)
    largest = only(result, "largest_share")
    assert largest.value == pytest.approx(total.max() / total.sum(), rel=1e-5)
    assert largest.low < largest.value < largest.high
    assert largest.note == "a"
    assert only(result, "completeness_gap").value < 1e-5
    assert only(result, "standard_error").value == 0


def test_a_model_that_uses_the_sensitive_attribute_is_found(tmp_path):
    for exact in (65_536, 0):
        result = run_method(METHOD, hiring_subject(tmp_path, 3.0), {"exact_evaluations": exact})
        share = only(result, "sensitive_share")
        assert share.at == {"attribute": "sex"}
        assert share.low > 0.2
        assert share.direction == "lower"


def test_a_model_that_ignores_the_sensitive_attribute_raises_no_alarm(tmp_path):
    for exact in (65_536, 0):
        result = run_method(METHOD, hiring_subject(tmp_path, 0.0), {"exact_evaluations": exact})
        share = only(result, "sensitive_share")
        assert share.high < 0.02
        assert share.low < 1e-12


def test_a_sensitive_attribute_that_is_no_input_has_no_share(tmp_path):
    columns = [number("x1"), number("x2")]
    model = network_folder(tmp_path / "m", columns, ("no", "yes"))
    subject = model_subject(tmp_path, model, applicants(60, 3), label="label", sensitive=("sex",))
    share = only(run_method(METHOD, subject), "sensitive_share")
    assert (share.value, share.interval_method) == (0, "exact")
    assert "does not read it" in share.note


def test_sampling_noise_is_not_taken_for_use(tmp_path):
    # x4 is ignored by design; coarse sampling gives it attributions that are noise
    columns = [*(number(f"x{i}") for i in range(1, 9)), sex]
    model = network_folder(tmp_path / "m", columns, ("no", "yes"))
    import safetensors.torch

    weights = safetensors.torch.load_file(tmp_path / "m" / "model.safetensors")
    first = next(name for name, one in weights.items() if one.shape == (24, 10))
    weights[first][:, 8:] = 0
    safetensors.torch.save_file(weights, tmp_path / "m" / "model.safetensors")
    data = applicants(300, 4) | {
        f"x{i}": np.random.default_rng(i).normal(size=300).round(3).tolist() for i in range(5, 9)
    }
    subject = model_subject(tmp_path, model, data, label="label", sensitive=("sex",))
    params = {"exact_evaluations": 0, "relative_error": 1.0, "rows": 100, "background": 20}
    result = run_method(METHOD, subject, params)
    share = only(result, "sensitive_share")
    assert share.value > 0.001
    assert share.low == 0
    assert only(result, "completeness_gap").status == "not_applicable"
    assert only(result, "standard_error").value > 0.05


def test_the_order_of_the_attributions_changes_the_output_sooner_than_a_random_one(tmp_path):
    result = run_method(METHOD, hiring_subject(tmp_path, 3.0))
    gain = only(result, "deletion_gain")
    assert gain.low > 0.02
    assert gain.unit == "probability"
    curve = series(result, "deletion")
    assert curve["removed"] == pytest.approx((0, 0.2, 0.4, 0.6, 0.8, 1))
    assert curve["change"][1] > curve["random_change"][1] > 0
    # with every feature replaced the order does not count: the same background rows are compared
    assert curve["change"][-1] == pytest.approx(curve["random_change"][-1])


def test_a_regressions_gain_is_in_the_labels_units(tmp_path):
    subject, _, _ = regression_subject(tmp_path)
    strong = only(run_method(METHOD, subject), "deletion_gain")
    assert strong.low > 0.3
    assert strong.unit == "label units"


def test_each_rows_predicted_class_is_explained_when_there_are_several(tmp_path):
    columns = [number(f"x{i}") for i in range(1, 5)]
    model = network_folder(tmp_path / "m", columns, ("a", "b", "c"), seed=2)
    data = applicants(200, 5)
    data["label"] = np.random.default_rng(0).choice(["a", "b", "c"], 200).tolist()
    subject = model_subject(tmp_path, model, data, label="label")
    result = run_method(METHOD, subject, {"rows": 200, "background": 200})
    inputs = subject.inputs("test", np.arange(200))
    scores = subject.model.scores(inputs)
    chosen = scores.argmax(axis=1)
    assert len(set(chosen)) > 1
    assert only(result, "completeness_gap").value < 1e-9
    assert "predicted class" in result.notes[0]
    # removing every feature moves f(x) of the chosen class to that of background rows
    moved = series(result, "deletion")["change"][-1]
    every = np.abs(scores[np.arange(200), chosen][:, None] - scores[:, chosen].T).mean()
    assert moved == pytest.approx(every, rel=0.1)


def test_the_background_comes_from_the_training_rows_where_there_are_any(tmp_path):
    training = applicants(150, 8)
    training["x1"] = [x + 10 for x in training["x1"]]
    subject = hiring_subject(tmp_path, 0.0, training=training)
    result = run_method(METHOD, subject)
    assert "100 rows of the training data" in result.notes[0]
    strongest = series(result, "attribution")
    assert strongest["feature"][0] == "x1"


def test_another_sharding_gives_the_same_result(tmp_path):
    subject = hiring_subject(tmp_path, 1.0)
    whole = run_method(METHOD, subject, {"exact_evaluations": 0})
    pieces = run_method(METHOD, subject, {"exact_evaluations": 0}, shard_rows=7)
    for one, other in zip(whole.measures, pieces.measures, strict=True):
        assert one.id == other.id
        assert one.status == other.status
        if one.value is not None:
            assert one.value == pytest.approx(other.value, rel=1e-6, abs=1e-9)


def test_the_same_seed_gives_the_same_digest(tmp_path):
    subject = hiring_subject(tmp_path, 1.0)
    first, again = (run_method(METHOD, subject, seed=4) for _ in range(2))
    assert digest(first) == digest(again)
    assert digest(first) != digest(run_method(METHOD, subject, seed=5, params={"background": 20}))


def test_few_rows_are_insufficient(tmp_path):
    result = run_method(METHOD, hiring_subject(tmp_path, 1.0, rows=12))
    for name in ("mean_absolute", "largest_share", "deletion_gain"):
        assert all(m.status == "insufficient" for m in measures(result, name))
    assert not any(s.id.endswith(".spread") for s in result.series)


def test_a_constant_model_attributes_nothing(tmp_path):
    from tests.models.made import linear_folder

    model = linear_folder(tmp_path / "m", [number("x1"), number("x2")], [0.0, 0.0])
    subject = model_subject(tmp_path, model, applicants(60, 9), label="label", sensitive=("sex",))
    result = run_method(METHOD, subject)
    assert all(m.value == 0 for m in measures(result, "mean_absolute"))
    assert only(result, "largest_share").status == "insufficient"
    assert only(result, "largest_share").note == "no feature moves the output"


def test_series_hold_aggregates_of_enough_rows(tmp_path):
    result = run_method(METHOD, hiring_subject(tmp_path, 3.0))
    spread = series(result, "spread")
    assert set(spread) == {"feature", "q05", "q25", "q50", "q75", "q95"}
    for low, high in (("q05", "q25"), ("q25", "q50"), ("q50", "q75"), ("q75", "q95")):
        assert all(a <= b for a, b in zip(spread[low], spread[high], strict=True))
    bars = series(result, "attribution")
    assert list(bars["mean_absolute"]) == sorted(bars["mean_absolute"], reverse=True)


def test_estimates_grow_with_what_is_asked(tmp_path):
    profile = hiring_subject(tmp_path, 1.0).profile
    estimates = [
        METHOD.estimate(profile, make_params(METHOD, {}, tier)).evaluations
        for tier in ("quick", "standard", "deep")
    ]
    assert estimates == sorted(estimates)
    assert estimates[0] < estimates[-1]
    used = only(run_method(METHOD, hiring_subject(tmp_path, 1.0)), "evaluations").value
    assert used <= 1.05 * estimates[1]


def test_predictions_alone_and_bad_parameters_are_answered_in_words(tmp_path):
    alone = table_subject(
        tmp_path, {"p": ["yes", "no"] * 10, "y": ["yes", "no"] * 10}, label="y", predictions="p"
    )
    assert "a model that can be asked" in (why_not(METHOD, alone.profile) or "")
    with pytest.raises(BadParams, match="relative_error"):
        make_params(METHOD, {"relative_error": 0})
