"""Trees as XGBoost itself writes them: same answers as the library, and no damaged tree gets to it."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from assay.contracts import InputColumn, MethodSpec, ModelRequest, ModelSignature
from assay.errors import BadInput
from assay.loading import load_model
from assay.models.xgboost_json import TreeEnsemble
from assay.planning import why_not
from tests.models.made import model_subject, number, two_gaussians


def _data(rows: int = 400, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(rows, 3)).astype(np.float32).round(3)
    inputs[rng.random(inputs.shape) < 0.05] = np.nan
    return inputs, (np.nan_to_num(inputs[:, 0]) + rng.normal(size=rows) > 0).astype(int)


def _train(
    objective: str = "binary:logistic", *, rounds: int = 6, label: np.ndarray | None = None, **more: Any
) -> xgboost.Booster:
    inputs, found = _data()
    matrix = xgboost.DMatrix(inputs, found if label is None else label, feature_names=["a", "b", "c"])
    return xgboost.train({"objective": objective, "max_depth": 3, "nthread": 1, **more}, matrix, rounds)


def _saved(booster: xgboost.Booster, path: Path) -> Path:
    path.write_bytes(bytes(booster.save_raw("json")))
    return path


def _load(path: Path, signature: Path | None = None) -> TreeEnsemble:
    request = ModelRequest(
        path=str(path), device="cpu", signature=None if signature is None else str(signature)
    )
    model = load_model(request)
    assert isinstance(model, TreeEnsemble)
    return model


def _columns(*names: str) -> tuple[InputColumn, ...]:
    return tuple(InputColumn(name=name, kind="number", encoding="identity") for name in names)


def test_a_bare_model_answers_as_the_library_does(tmp_path: Path) -> None:
    booster = _train()
    model = _load(_saved(booster, tmp_path / "m.json"))
    inputs, _ = _data(50, 9)
    expected = booster.predict(xgboost.DMatrix(inputs, feature_names=["a", "b", "c"]))
    found = model.scores(inputs.astype(np.float64))
    np.testing.assert_allclose(found[:, 1], expected, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert model.signature.classes == ("0", "1")
    assert [column.name for column in model.signature.columns] == ["a", "b", "c"]
    leaves = booster.trees_to_dataframe()["Feature"].eq("Leaf").sum()
    assert model.facts.parameters == leaves
    assert any("without a signature" in note for note in model.notes)


@pytest.mark.parametrize("booster", ["gbtree", "dart"])
def test_ubjson_is_read_to_the_bit_as_the_library_reads_it(tmp_path: Path, booster: str) -> None:
    trained = _train(booster=booster, rounds=20, tree_method="exact", gamma=1)
    deleted = re.findall(rb'"num_deleted":"(\d+)"', bytes(trained.save_raw("json")))
    assert any(int(count) > 0 for count in deleted), "pruning left no holes"
    path = tmp_path / "model.ubj"
    trained.save_model(path)
    model = _load(path)
    assert bytes(model.booster.save_raw("ubj")) == path.read_bytes()
    assert model.facts.format == "xgboost_json"
    inputs, _ = _data(200, 9)
    expected = trained.predict(xgboost.DMatrix(inputs, feature_names=["a", "b", "c"]))
    as_json = _load(_saved(trained, tmp_path / "model.json"))
    np.testing.assert_array_equal(model.scores(inputs), as_json.scores(inputs))
    np.testing.assert_allclose(model.scores(inputs)[:, 1], expected, atol=1e-6)


@pytest.mark.parametrize("objective", ["multi:softprob", "multi:softmax"])
def test_classes_get_their_softmax_whatever_the_objective_prints(tmp_path: Path, objective: str) -> None:
    label = np.random.default_rng(1).integers(0, 3, 400)
    model = _load(_saved(_train(objective, label=label, num_class=3), tmp_path / "m.json"))
    inputs, _ = _data(20, 5)
    expected = _train("multi:softprob", label=label, num_class=3).predict(
        xgboost.DMatrix(inputs, feature_names=["a", "b", "c"])
    )
    np.testing.assert_allclose(model.scores(inputs), expected, atol=1e-6)
    assert model.signature.classes == ("0", "1", "2")


def test_a_regression_gives_the_predicted_number(tmp_path: Path) -> None:
    label = _data()[0][:, 1].copy()
    booster = _train("count:poisson", label=np.abs(np.nan_to_num(label)))
    model = _load(_saved(booster, tmp_path / "m.json"))
    inputs, _ = _data(20, 5)
    expected = booster.predict(xgboost.DMatrix(inputs, feature_names=["a", "b", "c"]))
    np.testing.assert_allclose(model.scores(inputs)[:, 0], expected, rtol=1e-6)
    assert model.signature.task == "regression"


def test_columns_find_their_feature_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "trees"
    folder.mkdir()
    booster = _train()
    _saved(booster, folder / "model.json")
    signature = ModelSignature(
        task="binary", output="logit", classes=("no", "yes"), columns=_columns("c", "a", "b")
    )
    (folder / "signature.json").write_text(signature.model_dump_json(by_alias=True))
    model = _load(folder)
    inputs, _ = _data(30, 7)
    expected = booster.predict(xgboost.DMatrix(inputs, feature_names=["a", "b", "c"]))
    np.testing.assert_allclose(model.scores(inputs[:, [2, 0, 1]])[:, 1], expected, atol=1e-6)
    assert model.notes == []


def test_one_hot_columns_and_categorical_splits_give_the_librarys_answers(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    code, other = rng.integers(0, 5, 500), rng.normal(size=500)
    label = (np.isin(code, [1, 4]) ^ (other > 1)).astype(int)
    matrix = xgboost.DMatrix(
        np.stack([code, other], axis=1),
        label,
        feature_names=["kind", "x"],
        feature_types=["c", "q"],
        enable_categorical=True,
    )
    booster = xgboost.train({"objective": "binary:logistic", "max_cat_to_onehot": 1}, matrix, 5)
    folder = tmp_path / "trees"
    folder.mkdir()
    path = _saved(booster, folder / "model.json")
    with pytest.raises(BadInput, match=r'splits feature "kind" by category.*signature\.json.*"code"'):
        _load(folder)
    kinds = ("p", "q", "r", "s", "t")
    kind = InputColumn(name="kind", kind="category", encoding="code", categories=kinds)
    signature = ModelSignature(
        task="binary", output="probability", classes=("0", "1"), columns=(*_columns("x"), kind)
    )
    (folder / "signature.json").write_text(signature.model_dump_json(by_alias=True))
    found = _load(folder).scores(np.stack([other, code], axis=1))[:, 1]
    np.testing.assert_allclose(found, booster.predict(matrix), atol=1e-6)

    one_hot = np.eye(5)[code]
    names = ["x", *(f"kind_{name}" for name in kinds)]
    wide = xgboost.DMatrix(np.column_stack([other, one_hot]), label, feature_names=names)
    booster = xgboost.train({"objective": "binary:logistic"}, wide, 5)
    path = _saved(booster, tmp_path / "wide.json")
    wanted = kind.model_copy(update={"encoding": "one_hot"})
    changed = signature.model_copy(update={"columns": (wanted, *_columns("x"))})
    (tmp_path / "own.json").write_text(changed.model_dump_json(by_alias=True))
    found = _load(path, tmp_path / "own.json").scores(np.stack([code, other], axis=1))[:, 1]
    np.testing.assert_allclose(found, booster.predict(wide), atol=1e-6)


def test_early_stopped_models_answer_with_their_best_rounds(tmp_path: Path) -> None:
    inputs, label = _data()
    classifier = xgboost.XGBClassifier(n_estimators=30, early_stopping_rounds=2, max_depth=3, n_jobs=1)
    classifier.fit(inputs, label, eval_set=[(inputs[:60], 1 - label[:60])], verbose=False)
    model = _load(_saved(classifier.get_booster(), tmp_path / "m.json"))
    np.testing.assert_allclose(model.scores(inputs), classifier.predict_proba(inputs), atol=1e-6)
    assert any("stopped early" in note for note in model.notes)


@pytest.mark.parametrize("said", ["\u00b2", "9" * 5_000, "-1"])
def test_a_best_round_that_is_none_leaves_all_rounds(tmp_path: Path, said: str) -> None:
    booster = _train()
    inputs, _ = _data(30, 7)
    expected = booster.predict(xgboost.DMatrix(inputs, feature_names=["a", "b", "c"]))
    booster.set_attr(best_iteration=said)
    model = _load(_saved(booster, tmp_path / "m.json"))
    np.testing.assert_allclose(model.scores(inputs)[:, 1], expected, atol=1e-6)


def test_dart_and_parallel_trees_are_trees_too(tmp_path: Path) -> None:
    booster = _train(booster="dart", num_parallel_tree=2, rate_drop=0.3, seed=1)
    model = _load(_saved(booster, tmp_path / "m.json"))
    inputs, _ = _data(30, 7)
    expected = booster.predict(xgboost.DMatrix(inputs, feature_names=["a", "b", "c"]))
    np.testing.assert_allclose(model.scores(inputs)[:, 1], expected, atol=1e-6)


def test_the_whole_way_from_a_table(tmp_path: Path) -> None:
    columns = two_gaussians(300, 1)
    label = np.array([int(value == "yes") for value in columns["label"]])
    matrix = xgboost.DMatrix(
        np.stack([columns["x1"], columns["x2"]], axis=1), label, feature_names=["x1", "x2"]
    )
    booster = xgboost.train({"objective": "binary:logistic"}, matrix, 5)
    path = _saved(booster, tmp_path / "m.json")
    subject = model_subject(tmp_path, path, {**columns, "label": label.tolist()}, label="label")
    score = subject.profile.roles.score
    assert score is not None
    found = np.concatenate([batch.numbers(score) for batch in subject.dataset("test").batches([score])])
    np.testing.assert_allclose(found, booster.predict(matrix), atol=1e-6)
    spec = MethodSpec(
        id="t.gradients",
        version="1",
        title="T",
        pillar="explainability",
        summary="",
        needs=("query", "gradients"),
        tasks=("binary",),
        measures=(),
        deterministic=True,
    )
    reason = why_not(type("Method", (), {"spec": spec})(), subject.profile)
    assert reason is not None
    assert reason == "Needs a model that gives gradients; this one, of format xgboost_json, does not."


def _trees(document: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document["learner"]["gradient_booster"]["model"]["trees"]
    return found


def _cycle(document: Any) -> None:
    tree = _trees(document)[1]
    inner = next(i for i, child in enumerate(tree["left_children"]) if i and child != -1)
    tree["left_children"][inner] = 1


def _set(key: str, place: int, value: Any) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        _trees(document)[0][key][place] = value

    return change


def _chain(document: Any) -> None:
    """One tree of 5,000 levels."""
    size = 10_001
    tree = _trees(document)[0]
    inner = np.arange(size) % 2 == 0
    inner[-1] = False
    tree["left_children"] = [i + 1 if inner[i] else -1 for i in range(size)]
    tree["right_children"] = [i + 2 if inner[i] else -1 for i in range(size)]
    tree["parents"] = [2147483647, *(i - 1 if i % 2 else i - 2 for i in range(1, size))]
    for key in ("split_indices", "split_conditions", "default_left", "base_weights", "split_type"):
        tree[key] = [0] * size
    tree["loss_changes"] = tree["sum_hessian"] = [0.0] * size
    tree["tree_param"]["num_nodes"] = str(size)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (_set("left_children", 0, 10_000), "a child lies outside the tree"),
        (_set("left_children", 0, -7), "a child lies outside the tree"),
        (_set("left_children", 0, 0), "a child lies outside the tree"),
        (_set("left_children", 0, 1.5), "no whole number"),
        (_set("left_children", 0, -1), "one child only"),
        (_set("right_children", 0, 1), "two parents"),
        (_set("parents", 1, 5), "does not name its parent"),
        (_set("split_indices", 0, 3), "a feature that is not there"),
        (_set("split_indices", 0, -1), "a feature that is not there"),
        (_set("split_conditions", 0, float("nan")), "NaN"),
        (_set("split_conditions", -1, float("inf")), "NaN or an infinite"),
        (_set("split_type", 0, 1), "category"),
        (_cycle, "tree 1: a node has two parents"),
        (_chain, "deeper than 1,000"),
        (lambda d: _trees(d)[0].pop("parents"), "missing or malformed"),
        (lambda d: _trees(d)[0]["parents"].pop(), "is not one number for each"),
        (lambda d: _trees(d).pop(), "trees and"),
        (lambda d: d["learner"]["gradient_booster"].update(name="gblinear"), "gblinear"),
        (lambda d: d["learner"]["learner_model_param"].update(num_feature="-1"), "claims"),
        (lambda d: d["learner"]["learner_model_param"].update(base_score="NaN"), "base score"),
        (lambda d: d["learner"]["objective"].update(name="rank:pairwise"), "rank:pairwise"),
        (lambda d: d["learner"]["gradient_booster"]["model"].update(iteration_indptr=[0, 9]), "rise"),
        (lambda d: d["learner"]["gradient_booster"]["model"].update(tree_info=[7] * 6), "class that is not"),
    ],
)
def test_trees_that_are_none_are_refused_before_the_library_sees_them(
    tmp_path: Path, change: Callable[[Any], None], part: str
) -> None:
    document = json.loads(bytes(_train().save_raw("json")))
    change(document)
    path = tmp_path / "m.json"
    path.write_text(json.dumps(document))
    with pytest.raises(BadInput, match=part) as refused:
        _load(path)
    assert "\n" not in refused.value.message


def test_a_truncated_file_and_a_key_that_stands_twice_are_refused(tmp_path: Path) -> None:
    content = bytes(_train().save_raw("json"))
    path = tmp_path / "m.json"
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(BadInput, match=r"m\.json is not whole JSON"):
        _load(path)
    path.write_bytes(content.replace(b'"feature_names"', b'"version":[1,0,0],"version"', 1))
    with pytest.raises(BadInput, match="a key stands twice"):
        _load(path)


@pytest.mark.parametrize(
    ("update", "part"),
    [
        ({"columns": _columns("a", "b")}, "reads 3 features; its signature's columns become 2"),
        ({"columns": _columns("a", "b", "x")}, 'reads feature "c"'),
        ({"task": "multiclass", "classes": ("0", "1", "2")}, "needs a signature of binary"),
        ({"columns": (), "text": {"max_length": 8}}, "trees read tables"),
    ],
)
def test_a_signature_that_does_not_fit_the_trees_is_refused(
    tmp_path: Path, update: dict[str, Any], part: str
) -> None:
    fits = {"task": "binary", "output": "probability", "classes": ("0", "1"), "columns": _columns(*"abc")}
    path = _saved(_train(), tmp_path / "m.json")
    own = ModelSignature.model_validate({**copy.deepcopy(fits), **update})
    (tmp_path / "own.json").write_text(own.model_dump_json(by_alias=True))
    with pytest.raises(BadInput, match=part):
        _load(path, tmp_path / "own.json")


def test_numbers_may_be_scaled_by_the_signature(tmp_path: Path) -> None:
    booster = _train()
    path = _saved(booster, tmp_path / "m.json")
    columns = (number("a", mean=10.0, scale=2.0), *_columns("b", "c"))
    own = ModelSignature(task="binary", output="score", classes=("0", "1"), columns=columns, threshold=0.5)
    (tmp_path / "own.json").write_text(own.model_dump_json(by_alias=True))
    inputs = np.nan_to_num(_data(30, 7)[0])
    shifted = inputs.astype(np.float64).copy()
    shifted[:, 0] = shifted[:, 0] * 2 + 10
    expected = booster.predict(xgboost.DMatrix(inputs, feature_names=["a", "b", "c"]))
    found = _load(path, tmp_path / "own.json").scores(shifted)
    assert found.shape == (30, 1)
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-6)
