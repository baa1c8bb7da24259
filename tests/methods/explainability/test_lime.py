"""LIME recovers linear models, says where it fits, and keeps clear of its package's traps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lime.lime_base import LimeBase

from assay.contracts import InputColumn
from assay.datasets.subject import Subject
from assay.errors import BadParams
from assay.evidence import digest
from assay.execution import run_method
from assay.methods.explainability.lime import METHOD
from assay.methods.explainability.lime_tables import TableSurrogates
from tests.models.made import linear_folder, model_subject, number, regression_folder, relu_folder

FEW = {"rows": 12, "samples": 1_000}


def measured(result: Any) -> dict[str, Any]:
    return {m.id.rpartition(".")[2]: m for m in result.measures if not m.at}


def weights(result: Any) -> dict[str, Any]:
    return {m.at["feature"]: m for m in result.measures if "feature" in m.at}


def three_numbers(rows: int = 400) -> dict[str, list[float]]:
    rng = np.random.default_rng(1)
    columns = {"a": rng.normal(5, 2, rows), "b": rng.normal(0, 0.5, rows), "c": rng.normal(-1, 3, rows)}
    return {name: values.round(6).tolist() for name, values in columns.items()}


def linear_subject(folder: Path, weights: list[float]) -> Subject:
    model = regression_folder(folder / "m", [number("a"), number("b"), number("c")], weights, bias=0.3)
    columns = three_numbers()
    return model_subject(folder, model, {**columns, "y": columns["a"]}, label="y", task="regression")


def test_the_weights_of_a_linear_model_are_its_slopes_times_the_spreads(tmp_path: Path) -> None:
    subject = linear_subject(tmp_path, [2.0, -4.0, 0.5])
    found = weights(run_method(METHOD, subject, {"rows": 20, "samples": 5_000}))
    spread = {name: np.std(values) for name, values in three_numbers().items()}
    for name, slope in (("a", 2.0), ("b", -4.0), ("c", 0.5)):
        assert found[name].value == pytest.approx(abs(slope) * spread[name], rel=0.002)
        assert found[name].low <= found[name].value <= found[name].high


def test_a_linear_model_is_fitted_perfectly_and_raises_no_alarm(tmp_path: Path) -> None:
    found = measured(run_method(METHOD, linear_subject(tmp_path, [2.0, -4.0, 0.5]), FEW))
    assert found["fidelity"].value > 0.999
    assert found["stability_rank"].value == 1
    # twelve rows that agree say little of the others
    assert found["stability_rank"].low == pytest.approx(0.025 ** (1 / 12))
    assert found["deletion_gain"].low > 0


def kinked_subject(folder: Path) -> Subject:
    """f = |a| + |b| + |c|: around a row near 0 no linear surrogate fits."""
    signs = [[s if i == j else 0.0 for j in range(3)] for i in range(3) for s in (1.0, -1.0)]
    model = relu_folder(folder / "m", [number("a"), number("b"), number("c")], [signs], [1.0] * 6)
    rng = np.random.default_rng(2)
    columns = {name: rng.choice([-0.2, 0.2], 60).tolist() for name in ("a", "b", "c")}
    spread = {name: rng.normal(0, 1, 300).tolist() for name in ("a", "b", "c")}
    return model_subject(
        folder,
        model,
        {**columns, "y": columns["a"]},
        training={**spread, "y": spread["a"]},
        label="y",
        task="regression",
    )


def test_a_model_that_no_surrogate_fits_is_found(tmp_path: Path) -> None:
    found = measured(run_method(METHOD, kinked_subject(tmp_path), FEW))
    assert found["fidelity"].high < 0.3


def test_a_model_that_leans_on_one_column_is_found(tmp_path: Path) -> None:
    found = weights(run_method(METHOD, linear_subject(tmp_path, [0.05, 0.0, 4.0]), FEW))
    assert found["c"].low > 10 * found["a"].high
    assert found["b"].high < 0.02


def test_categories_are_drawn_by_their_codes_and_weigh_what_keeping_them_changes() -> None:
    columns = [
        number("x"),
        InputColumn(name="city", kind="category", encoding="one_hot", categories=("oslo", "rome", "bern")),
    ]
    rng = np.random.default_rng(3)
    codes = rng.choice([0.0, 1.0, 2.0], 4_000, p=[0.5, 0.3, 0.2])
    background = np.stack([rng.normal(size=4_000), codes], axis=1)
    effect = np.array([1.0, -2.0, 4.0])
    surrogates = TableSurrogates(columns, background, 20_000)
    asked: list[np.ndarray] = []

    def score(rows: np.ndarray) -> np.ndarray:
        asked.append(rows)
        return np.asarray(rows[:, 0] + effect[rows[:, 1].astype(int)])

    found = surrogates.explain(np.array([0.5, 1.0]), score, seed=4)
    others = (0.5 * 1.0 + 0.2 * 4.0) / 0.7
    assert found.weights[1] == pytest.approx(-2.0 - others, rel=0.01)
    assert found.weights[0] == pytest.approx(background[:, 0].std(), rel=0.01)
    assert set(np.unique(asked[0][:, 1])) == {0.0, 1.0, 2.0}


def test_missing_values_stay_missing_and_constant_columns_stay_put() -> None:
    columns = [
        number("x"),
        number("gone"),
        number("still"),
        InputColumn(name="city", kind="category", encoding="one_hot", categories=("oslo", "rome")),
    ]
    rng = np.random.default_rng(5)
    background = np.stack(
        [rng.normal(size=500), rng.normal(size=500), np.full(500, 7.0), rng.choice([0, 1, np.nan], 500)],
        axis=1,
    )
    background[::7, 1] = np.nan
    asked: list[np.ndarray] = []

    def score(rows: np.ndarray) -> np.ndarray:
        asked.append(rows)
        return np.asarray(rows[:, 0] + np.isnan(rows[:, 3]))

    found = TableSurrogates(columns, background, 2_000).explain(
        np.array([1.0, np.nan, 7.0, np.nan]), score, seed=6
    )
    assert np.isnan(asked[0][:, 1]).all()
    assert (asked[0][:, 2] == 7.0).all()
    assert found.weights[1] == found.weights[2] == 0
    assert found.weights[3] == pytest.approx(1.0, rel=0.01)


def test_features_are_not_selected_forward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's default refits the surrogate for each feature at each step: 6 to 7 times the time."""

    def slow(*_: Any) -> None:
        raise AssertionError("forward selection was run")

    monkeypatch.setattr(LimeBase, "forward_selection", slow)
    run_method(METHOD, linear_subject(tmp_path, [1.0, 1.0, 1.0]), FEW)


def test_the_model_is_never_asked_about_more_rows_than_fit_its_batch(tmp_path: Path) -> None:
    subject = linear_subject(tmp_path, [1.0, 1.0, 1.0])
    subject.model.batch_rows = 100
    seen: list[int] = []
    subject.model.module.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    run_method(METHOD, subject, FEW)
    assert max(seen) == 100


def test_a_score_that_never_moves_has_no_fidelity(tmp_path: Path) -> None:
    result = run_method(METHOD, linear_subject(tmp_path, [0.0, 0.0, 0.0]), FEW)
    found = measured(result)
    assert found["fidelity"].status == "insufficient"
    assert "does not move" in found["fidelity"].note
    assert found["deletion_gain"].value == 0


def test_another_sharding_and_the_same_seed_give_the_same_result(tmp_path: Path) -> None:
    subject = linear_subject(tmp_path, [2.0, -4.0, 0.5])
    whole = run_method(METHOD, subject, FEW, seed=3)
    assert digest(whole) == digest(run_method(METHOD, subject, FEW, seed=3, shard_rows=5))
    assert digest(whole) != digest(run_method(METHOD, subject, FEW, seed=4))


def test_the_class_explained_is_the_favourable_one(tmp_path: Path) -> None:
    model = linear_folder(tmp_path / "m", [number("a"), number("b")], [0.0, 3.0])
    rng = np.random.default_rng(7)
    columns = {"a": rng.normal(size=50).tolist(), "b": rng.normal(size=50).tolist(), "l": ["no", "yes"] * 25}
    result = run_method(METHOD, model_subject(tmp_path, model, columns, label="l"), FEW)
    assert weights(result)["b"].low > 0.1
    assert result.notes[0].startswith("Explains the score of class 1 of 12 rows, each with 1,000 neighbours")
    series = {s.id: {c.name: c.values for c in s.columns} for s in result.series}
    assert series["explainability.lime.attribution"]["feature"] == ("b", "a")
    curves = series["explainability.lime.deletion"]
    assert curves["removed"][-1] == 1.0
    assert curves["change"][1] > curves["random_change"][1]
    assert curves["change"][-1] == pytest.approx(curves["random_change"][-1])


def test_too_few_rows_are_insufficient(tmp_path: Path) -> None:
    model = linear_folder(tmp_path / "m", [number("a")], [3.0])
    subject = model_subject(tmp_path, model, {"a": [1.0, 2.0, 3.0], "l": ["no", "yes", "no"]}, label="l")
    result = run_method(METHOD, subject, FEW)
    assert {m.status for m in result.measures} == {"insufficient"}
    assert "3 of 3 explained rows count, 10 are needed" in result.measures[0].note
    assert not result.series


@pytest.mark.parametrize("params", [{"rows": 5}, {"samples": 10}, {"top": 0}, {"level": 1.0}])
def test_bad_params_are_refused(tmp_path: Path, params: dict[str, Any]) -> None:
    with pytest.raises(BadParams):
        run_method(METHOD, linear_subject(tmp_path, [1.0, 1.0, 1.0]), params)
