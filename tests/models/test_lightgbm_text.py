"""LightGBM's own text answers as the library does; no damaged tree gets to it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from assay.contracts import InputColumn, ModelRequest, ModelSignature
from assay.errors import BadInput
from assay.intake.lightgbm_trees import check_lightgbm
from assay.loading import load_model
from assay.methods.cost.flops import count_arithmetic
from assay.methods.explainability.explained_output import TreeMargin
from assay.methods.explainability.shapley_rows import _walked
from assay.models.lightgbm_text import LightGBMTrees
from tests.models.boosted import JOBS, frame, incomes, save_lightgbm
from tests.models.made import model_subject


def _rows(seed: int = 0, rows: int = 300) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(rows, 3))
    found[rng.random(found.shape) < 0.05] = np.nan
    return found


def _train(path: Path, objective: str, label: np.ndarray | None = None, **more: Any) -> lightgbm.Booster:
    rows = _rows()
    if label is None:
        label = (np.nan_to_num(rows[:, 0]) > 0).astype(int)
    options = {"objective": objective, "num_leaves": 6, "verbosity": -1, "num_threads": 1, "seed": 0, **more}
    data = lightgbm.Dataset(rows, label, feature_name=["a", "b", "c"])
    trained = lightgbm.train(options, data, 4)
    trained.save_model(path)
    return trained


def _load(path: Path, signature: ModelSignature | None = None) -> LightGBMTrees:
    given = None
    if signature is not None:
        given = path.with_name("own.json")
        given.write_text(signature.model_dump_json(by_alias=True))
    model = load_model(
        ModelRequest(path=str(path), device="cpu", signature=None if given is None else str(given))
    )
    assert isinstance(model, LightGBMTrees)
    return model


_CLASSES = np.random.default_rng(1).integers(0, 3, 300)
_NUMBERS = np.abs(np.nan_to_num(_rows()[:, 1]))


@pytest.mark.parametrize(
    ("objective", "label", "more"),
    [
        ("binary", None, {}),
        ("binary", None, {"sigmoid": 2.0}),
        ("binary", None, {"boosting": "dart"}),
        ("binary", None, {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}),
        ("cross_entropy", None, {}),
        ("multiclass", _CLASSES, {"num_class": 3}),
        ("regression", _NUMBERS, {}),
        ("poisson", _NUMBERS, {}),
        ("tweedie", _NUMBERS, {}),
    ],
)
def test_answers_are_the_librarys(
    tmp_path: Path, objective: str, label: np.ndarray | None, more: dict[str, Any]
) -> None:
    trained = _train(tmp_path / "m.txt", objective, label, **more)
    model = _load(tmp_path / "m.txt")
    rows = _rows(7, 60)
    expected = np.asarray(trained.predict(rows)).reshape(60, -1)
    found = model.scores(rows)
    np.testing.assert_allclose(found[:, -expected.shape[1] :], expected, atol=1e-12)
    leaves = sum(tree["num_leaves"] for tree in trained.dump_model()["tree_info"])
    assert model.facts.parameters == leaves
    assert any("without a signature" in note for note in model.notes)


def test_classes_scored_one_by_one_are_divided_by_their_sum(tmp_path: Path) -> None:
    trained = _train(tmp_path / "m.txt", "multiclassova", _CLASSES, num_class=3)
    model = _load(tmp_path / "m.txt")
    expected = trained.predict(_rows(7))
    np.testing.assert_allclose(model.scores(_rows(7)), expected / expected.sum(axis=1, keepdims=True))
    assert any("divided by their sum" in note for note in model.notes)


def _answer_by_hand(node: dict[str, Any], row: np.ndarray) -> float:
    """Walk one tree of LightGBM's own dump."""
    while "leaf_value" not in node:
        value = row[node["split_feature"]]
        goes_left = node["default_left"] if np.isnan(value) else value <= node["threshold"]
        node = node["left_child"] if goes_left else node["right_child"]
    return float(node["leaf_value"])


def test_the_sum_of_leaves_walked_by_hand_is_the_margin(tmp_path: Path) -> None:
    trained = _train(tmp_path / "m.txt", "binary")
    model = _load(tmp_path / "m.txt")
    trees = trained.dump_model()["tree_info"]
    rows = _rows(8, 20)
    by_hand = [sum(_answer_by_hand(tree["tree_structure"], row) for tree in trees) for row in rows]
    np.testing.assert_allclose(model.margins(model.encode(rows))[:, 0], by_hand, atol=1e-12)
    np.testing.assert_allclose(model.scores(rows)[:, 1], 1 / (1 + np.exp(-np.array(by_hand))), atol=1e-12)


def test_trees_are_walked_for_shapley_values_and_counted(tmp_path: Path) -> None:
    _train(tmp_path / "m.txt", "binary")
    model = _load(tmp_path / "m.txt")
    rows, background = np.nan_to_num(_rows(8, 10)), np.nan_to_num(_rows(9, 30))
    found = _walked(TreeMargin(model), rows, background)
    np.testing.assert_allclose(found.values.sum(axis=1), found.explained - found.expected, atol=1e-6)
    counted = count_arithmetic(model, rows).comparisons
    assert counted is not None
    assert 4 <= counted <= 4 * 5


def test_categories_of_a_frame_are_read_with_their_words(tmp_path: Path) -> None:
    table = incomes()
    trained = save_lightgbm(tmp_path / "m.txt", table)
    model = _load(tmp_path / "m.txt")
    assert model.signature.columns[2].categories == JOBS
    codes = np.array([JOBS.index(job) for job in table["job"]], dtype=float)
    import pandas

    rows = frame(table)
    rows["job"] = pandas.Categorical(rows["job"], categories=JOBS)
    found = model.scores(np.stack([table["age"], table["hours"], codes], axis=1))[:, 1]
    np.testing.assert_allclose(found, trained.predict(rows), atol=1e-12)
    subject = model_subject(
        tmp_path,
        tmp_path / "m.txt",
        {**table, "income": [int(v == "more") for v in table["income"]]},
        label="income",
    )
    score = subject.profile.roles.score
    assert score is not None
    read = np.concatenate([batch.numbers(score) for batch in subject.dataset("test").batches([score])])
    np.testing.assert_allclose(read, found, atol=1e-9)
    without = re.sub(
        r"^pandas_categorical:.*$", "pandas_categorical:null", (tmp_path / "m.txt").read_text(), flags=re.M
    )
    (tmp_path / "bare.txt").write_text(without)
    with pytest.raises(BadInput, match=r'splits feature "job" by category.*signature\.json'):
        _load(tmp_path / "bare.txt")


def test_the_library_gets_no_parameters_of_the_files(tmp_path: Path) -> None:
    _train(tmp_path / "m.txt", "binary")
    text = (tmp_path / "m.txt").read_text()
    assert "[data: ]" in text
    content = check_lightgbm(tmp_path / "m.txt", "m.txt").content
    assert "parameters" not in content
    assert "tree_sizes" not in content
    assert content.count("Tree=") == 4


def test_a_signature_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    _train(tmp_path / "m.txt", "binary")
    columns = tuple(InputColumn(name=name, kind="number", encoding="identity") for name in "abc")
    fits = {"task": "binary", "output": "probability", "classes": ("no", "yes"), "columns": columns}
    assert _load(tmp_path / "m.txt", ModelSignature.model_validate(fits)).signature.classes == ("no", "yes")
    for update, part in (
        ({"columns": columns[:2]}, "reads 3 features; its signature's columns become 2"),
        ({"task": "multiclass", "classes": ("a", "b", "c")}, "needs a signature of binary"),
        ({"columns": (*columns[:2], columns[0].model_copy(update={"name": "z"}))}, 'reads feature "c"'),
    ):
        with pytest.raises(BadInput, match=part):
            _load(tmp_path / "m.txt", ModelSignature.model_validate({**fits, **update}))


def test_ranking_and_dumps_are_refused_with_the_way_out(tmp_path: Path) -> None:
    trained = _train(tmp_path / "m.txt", "binary")
    text = (tmp_path / "m.txt").read_text().replace("objective=binary sigmoid:1", "objective=lambdarank")
    (tmp_path / "rank.txt").write_text(text)
    with pytest.raises(BadInput, match='has the objective "lambdarank"'):
        _load(tmp_path / "rank.txt")
    (tmp_path / "dump.json").write_text(json.dumps(trained.dump_model()))
    with pytest.raises(BadInput, match=r"a dump of a LightGBM model, which cannot be loaded.*model\.txt"):
        _load(tmp_path / "dump.json")
