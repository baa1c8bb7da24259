"""Random noise on the rows of a table, against what a linear model must do under it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from assay.contracts import InputColumn
from assay.errors import BadParams
from assay.evidence import measure_key
from assay.execution import InlineContext
from assay.planning import make_params
from assay.registry import METHODS
from tests.methods.robustness.digits import digits_subject, undefended
from tests.methods.robustness.measured import measured, one
from tests.models.made import linear_folder, model_subject, number, tiny_bert
from tests.support import table_subject

WIDE = {"minimum": -1_000.0, "maximum": 1_000.0}


def two_numbers(rows: int = 500, seed: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 2, (rows, 2)).round(4)
    label = np.where(x @ [1.0, 0.5] > 0, "yes", "no")
    return {"a": x[:, 0].tolist(), "b": x[:, 1].tolist(), "label": label.tolist()}


def test_a_linear_model_changes_as_often_as_the_normal_distribution_says(tmp_path: Path) -> None:
    """Noise adds N(0, sum (w sd s)^2) to the log-odds; row i changes with chance Phi(-|odds_i| / spread)."""
    columns = two_numbers()
    model = linear_folder(tmp_path / "m", [number("a", **WIDE), number("b", **WIDE)], [1.0, 0.5])
    subject = model_subject(tmp_path, model, columns, label="label")
    result = measured("robustness.noise", subject, repeats=40, gaussian=(0.1, 0.25, 0.5))
    x = np.stack([columns["a"], columns["b"]], axis=1)
    for severity in (0.1, 0.25, 0.5):
        spread = severity * np.hypot(*(x.std(axis=0) * [1.0, 0.5]))
        chance = norm.cdf(-np.abs(x @ [1.0, 0.5]) / spread)
        changed = one(result, "changed_decisions", noise="gaussian", severity=severity)
        error = np.sqrt((chance * (1 - chance)).sum() / 40) / 500
        assert changed.value == pytest.approx(chance.mean(), abs=4 * error)
        # the labels are the decisions without noise, so what changes is what is lost
        lost = one(result, "noise_accuracy_drop", noise="gaussian", severity=severity)
        assert lost.value == pytest.approx(changed.value)
        assert lost.low is not None
        assert lost.high is not None
        assert lost.low < chance.mean() < lost.high


def test_categories_flip_at_the_asked_rate_to_others_by_their_frequencies(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    town = rng.choice(["a", "b", "c"], 800, p=[0.5, 0.3, 0.2])
    columns = {"town": town.tolist(), "label": np.where(town == "b", "yes", "no").tolist()}
    column = InputColumn(name="town", kind="category", encoding="one_hot", categories=("a", "b", "c"))
    model = linear_folder(tmp_path / "m", [column], [-1.0, 1.0, -1.0])
    subject = model_subject(tmp_path, model, columns, label="label")
    result = measured("robustness.noise", subject, repeats=30, categories=(0.1, 0.4))
    shares = np.array([(town == name).mean() for name in "abc"])
    # b always becomes something else; a and c become b in proportion to b's share of the others
    others = shares[0] * shares[1] / (1 - shares[0]) + shares[2] * shares[1] / (1 - shares[2])
    for rate in (0.1, 0.4):
        changed = one(result, "changed_decisions", noise="categories", severity=rate)
        assert changed.value == pytest.approx(rate * (shares[1] + others), abs=0.01)


def test_a_brittle_model_is_found(tmp_path: Path) -> None:
    """Two classes that touch: half of the rows lie within a tenth of a deviation of the threshold."""
    rng = np.random.default_rng(5)
    x = np.concatenate([rng.normal(0, 0.05, 300), rng.normal(0, 3, 300)]).round(6)
    columns = {"x": x.tolist(), "label": np.where(x > 0, "yes", "no").tolist()}
    subject = model_subject(
        tmp_path, linear_folder(tmp_path / "m", [number("x")], [1.0]), columns, label="label"
    )
    lost = one(measured("robustness.noise", subject), "noise_accuracy_drop", noise="gaussian", severity=0.1)
    assert lost.low is not None
    assert lost.low > 0.1


def test_a_model_with_room_around_its_rows_loses_nothing(tmp_path: Path) -> None:
    x = np.concatenate([np.full(300, -4.0), np.full(300, 4.0)])
    columns = {"x": x.tolist(), "label": np.where(x > 0, "yes", "no").tolist()}
    model = linear_folder(tmp_path / "m", [number("x", **WIDE)], [1.0])
    subject = model_subject(tmp_path, model, columns, label="label")
    result = measured("robustness.noise", subject, gaussian=(0.05, 0.1))
    assert {m.value for m in result.measures if m.id == "robustness.noise_accuracy_drop"} == {0.0}
    assert one(result, "relative_corruption_error").high < 0.01  # type: ignore[operator]  # measured


def test_immutable_columns_stay_as_they_are(tmp_path: Path) -> None:
    columns = two_numbers()
    model = linear_folder(tmp_path / "m", [number("a", **WIDE), number("b", **WIDE)], [1.0, 0.0])
    subject = model_subject(tmp_path, model, columns, label="label")
    free = measured("robustness.noise", subject, gaussian=(0.5,))
    fixed = measured("robustness.noise", subject, gaussian=(0.5,), immutable=("a",))
    assert one(free, "changed_decisions").value > 0.05  # type: ignore[operator]  # measured
    assert one(fixed, "changed_decisions").value == 0.0
    assert "Never changed: a." in fixed.notes


def test_whole_numbers_stay_whole_inside_their_range_and_missing_values_missing(tmp_path: Path) -> None:
    from assay.methods.robustness.noise_kinds import table_kinds
    from assay.methods.robustness.table_features import table_features

    rng = np.random.default_rng(6)
    columns = {
        "age": rng.integers(18, 60, 200).tolist(),
        "pay": [None, *rng.normal(0, 1, 199).round(3).tolist()],
        "label": ["yes", "no"] * 100,
    }
    subject = model_subject(
        tmp_path,
        linear_folder(tmp_path / "m", [number("age"), number("pay")], [1.0, 1.0]),
        columns,
        label="label",
    )
    features = table_features(subject, ())
    (kind,) = table_kinds(features, (3.0,), ())
    rows = np.asarray(subject.inputs("test", np.arange(200)))
    moved = kind.apply(rows, kind.draw(rows, [np.random.default_rng(i) for i in range(200)]), 3.0)
    assert np.array_equal(moved[:, 0], np.rint(moved[:, 0]))
    assert (moved[:, 0].min(), moved[:, 0].max()) == (18, max(columns["age"]))
    assert np.isnan(moved[0, 1])
    assert not np.isnan(moved[1:]).any()
    assert np.mean(moved[:, 0] != rows[:, 0]) > 0.8


def test_each_kind_of_noise_has_its_curve_and_the_mean_error_is_their_mean(tmp_path: Path) -> None:
    result = measured("robustness.noise", digits_subject(tmp_path, undefended()), rows=200, repeats=2)
    curves = {series.slice["noise"]: series for series in result.series}
    assert list(curves) == ["gaussian", "brightness", "contrast", "blur"]
    accuracy = {
        kind: [
            m.value for m in result.measures if m.id == "robustness.noisy_accuracy" and m.at["noise"] == kind
        ]
        for kind in curves
    }
    expected = 1 - np.mean([np.mean(values) for values in accuracy.values()])  # type: ignore[arg-type]
    assert one(result, "mean_corruption_error").value == pytest.approx(expected)
    clean = one(result, "unperturbed_accuracy")
    for kind, series in curves.items():
        columns = {column.name: column.values for column in series.columns}
        assert columns["accuracy"] == (clean.value, *accuracy[kind])
        assert columns["changed"][0] == 0.0
    # heavy blur leaves little of 8 x 8 pixels
    assert one(result, "noise_accuracy_drop", noise="blur", severity=2.0).low > 0.3  # type: ignore[operator]


def test_without_labels_changed_decisions_are_still_measured(tmp_path: Path) -> None:
    columns = two_numbers(100)
    model = linear_folder(tmp_path / "m", [number("a"), number("b")], [1.0, 0.5])
    subject = model_subject(tmp_path, model, {"a": columns["a"], "b": columns["b"]})
    result = measured("robustness.noise", subject)
    assert {m.id for m in result.measures} == {"robustness.changed_decisions"}


def test_another_sharding_gives_the_same_result(tmp_path: Path) -> None:
    model = linear_folder(tmp_path / "m", [number("a"), number("b")], [1.0, 0.5])
    subject = model_subject(tmp_path, model, two_numbers(), label="label")
    whole = measured("robustness.noise", subject, rows=300, seed=2)
    assert measured("robustness.noise", subject, rows=300, seed=2, shard_rows=70) == whole
    assert measured("robustness.noise", subject, rows=300, seed=3) != whole


@pytest.mark.parametrize("repeats", [1, 3])
def test_outcomes_of_rows_add_up_to_the_measures(tmp_path: Path, repeats: int) -> None:
    model = linear_folder(tmp_path / "m", [number("a"), number("b")], [1.0, 0.5])
    subject = model_subject(tmp_path, model, two_numbers(), label="label")
    method: Any = METHODS.get("robustness.noise")
    params = make_params(method, {"rows": 200, "repeats": repeats})
    (shard,) = method.plan(subject.profile, params, 0, ())
    partial = method.run(shard, subject, params, InlineContext(method.spec.id, 0))
    results = method.row_results([partial], subject.profile, params)
    each = "robustness.noisy_accuracy" if repeats == 1 else "robustness.steady_accuracy"
    for measure in measured("robustness.noise", subject, rows=200, repeats=repeats).measures:
        if measure.id in ("robustness.unperturbed_accuracy", each):
            rows = results.pop(measure_key(measure))
            assert rows.dtype == np.int8
            assert ((rows == 1).sum(), (rows == -1).sum()) == (measure.numerator, 300)
    assert not results


def test_wrong_parameters_are_refused_in_a_sentence() -> None:
    method = METHODS.get("robustness.noise")
    with pytest.raises(BadParams, match="blur: severities must rise"):
        make_params(method, {"blur": (2.0, 1.0)})
    with pytest.raises(BadParams, match="less than or equal to 1"):
        make_params(method, {"typos": (1.5,)})


def test_predictions_alone_cannot_be_perturbed(tmp_path: Path) -> None:
    from assay.planning import why_not

    columns = {"said": ["yes", "no"] * 20, "label": ["yes", "no"] * 20}
    subject = table_subject(tmp_path, columns, label="label", predictions="said")
    assert why_not(METHODS.get("robustness.noise"), subject.profile) == (
        "Needs a model that can be asked about new inputs; this audit was given none."
    )


def test_typing_errors_change_what_a_text_classifier_decides(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    texts = [" ".join(rng.choice(["good", "bad", "film", "day", "very"], 6)) for _ in range(120)]
    columns = {"text": texts, "label": rng.choice(["good", "bad"], 120).tolist()}
    subject = model_subject(
        tmp_path, tiny_bert(tmp_path / "bert", seed=2), columns, label="label", text="text"
    )
    result = measured("robustness.noise", subject, typos=(0.001, 0.5))
    light = one(result, "changed_decisions", noise="typos", severity=0.001)
    heavy = one(result, "changed_decisions", noise="typos", severity=0.5)
    assert light.high is not None
    assert heavy.low is not None
    assert light.high < heavy.low
