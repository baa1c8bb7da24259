"""explainability.shapley of XGBoost models, from file to measures."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost

from assay.contracts import InputColumn, ModelSignature
from assay.execution import run_method
from assay.methods.explainability.shapley import METHOD
from tests.models.made import model_subject

KINDS = ("p", "q", "r", "s")


def trees(folder, *, encoding="one_hot", label_of=lambda x, y, kind: x > 0, **params):
    """A booster on x, y, kind and sex; its subject of 200 rows; and what an inner look needs."""
    rng = np.random.default_rng(1)
    x, y, kind, sex = (
        rng.normal(size=600),
        rng.normal(size=600),
        rng.integers(0, 4, 600),
        rng.integers(0, 2, 600),
    )
    x, y = x.round(3), y.round(3)
    label = np.asarray(label_of(x, y, kind)).astype(int)
    columns = (
        InputColumn(name="x", kind="number", encoding="identity"),
        InputColumn(name="kind", kind="category", encoding=encoding, categories=KINDS),
        InputColumn(name="y", kind="number", encoding="identity"),
        InputColumn(name="sex", kind="category", encoding="one_hot", categories=("f", "m")),
    )
    names = ["x", *(f"kind_{k}" for k in KINDS), "y", "sex_f", "sex_m"]
    encoded = np.column_stack([x, np.eye(4)[kind], y, np.eye(2)[sex]])
    types = None
    if encoding == "code":
        names, types = ["x", "kind", "y", "sex_f", "sex_m"], ["q", "c", "q", "q", "q"]
        encoded = np.column_stack([x, kind, y, np.eye(2)[sex]])
    matrix = xgboost.DMatrix(
        encoded, label, feature_names=names, feature_types=types, enable_categorical=types is not None
    )
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3, "nthread": 1, **params}, matrix, 8
    )
    (folder / "m").mkdir()
    (folder / "m" / "model.json").write_bytes(bytes(booster.save_raw("json")))
    classes = ("no", "yes") if label.max() == 1 else ("no", "yes", "maybe")
    signature = ModelSignature(
        task="binary" if len(classes) == 2 else "multiclass",
        output="probability",
        classes=classes,
        columns=columns,
    )
    (folder / "m" / "signature.json").write_text(signature.model_dump_json(by_alias=True))
    data = {
        "x": x[:200].tolist(),
        "y": y[:200].tolist(),
        "kind": [KINDS[k] for k in kind[:200]],
        "sex": ["fm"[s] for s in sex[:200]],
        "label": [classes[one] for one in label[:200]],
    }
    return model_subject(folder, folder / "m", data, label="label", sensitive=("sex",))


def measures(result, name):
    return [m for m in result.measures if m.id == f"explainability.shapley.{name}"]


def attribution(result, feature):
    (found,) = (m for m in measures(result, "mean_absolute") if m.at == {"feature": feature})
    return found


def test_trees_are_walked_on_the_log_odds(tmp_path):
    result = run_method(METHOD, trees(tmp_path))
    assert attribution(result, "x").unit == "log-odds"
    assert attribution(result, "x").low > 5 * attribution(result, "kind").high
    (gap,) = measures(result, "completeness_gap")
    assert gap.value < 1e-4
    (gain,) = measures(result, "deletion_gain")
    assert gain.low > 0
    assert gain.unit == "log-odds"
    assert 'log-odds of "yes"' in result.notes[0]
    assert "walked" in result.notes[1]


def test_what_trees_make_of_sex_is_found_and_what_they_do_not_is_not(tmp_path):
    (tmp_path / "uses").mkdir()
    (tmp_path / "ignores").mkdir()
    rng = np.random.default_rng(1)
    rng.normal(size=1200), rng.integers(0, 4, 600)
    sex = rng.integers(0, 2, 600)
    uses = trees(tmp_path / "uses", label_of=lambda x, y, kind: x + 2 * sex > 1)
    (share,) = measures(run_method(METHOD, uses), "sensitive_share")
    assert share.low > 0.2
    (share,) = measures(
        run_method(METHOD, trees(tmp_path / "ignores", colsample_bytree=1.0)), "sensitive_share"
    )
    assert share.high < 0.02


def test_the_values_of_walked_and_asked_trees_agree(tmp_path, monkeypatch):
    # without a category column the walk and the enumeration play the same game
    from assay.methods.explainability import shapley_rows

    subject = trees(tmp_path, label_of=lambda x, y, kind: x * y > 0)
    walked = run_method(METHOD, subject)
    monkeypatch.setattr(shapley_rows, "_ADDITIVE", -1.0)
    asked = run_method(METHOD, subject)
    assert "walked" not in " ".join(asked.notes)
    for feature in "xy":
        one, other = attribution(walked, feature), attribution(asked, feature)
        assert one.value == pytest.approx(other.value, rel=0.02)
        assert one.unit == other.unit == "log-odds"


def test_splits_by_category_are_asked_about_since_they_cannot_be_walked(tmp_path):
    subject = trees(
        tmp_path, encoding="code", label_of=lambda x, y, kind: np.isin(kind, [1, 3]), max_cat_to_onehot=1
    )
    result = run_method(METHOD, subject)
    assert attribution(result, "kind").unit == "log-odds"
    assert attribution(result, "kind").low > 5 * attribution(result, "x").high
    assert "walked" not in " ".join(result.notes)


def test_each_rows_predicted_class_is_walked_when_there_are_several(tmp_path):
    subject = trees(
        tmp_path,
        label_of=lambda x, y, kind: np.digitize(x, [-0.4, 0.6]),
        objective="multi:softprob",
        num_class=3,
    )
    result = run_method(METHOD, subject)
    (gap,) = measures(result, "completeness_gap")
    assert gap.value < 1e-3
    assert attribution(result, "x").unit == "margin"
    assert "predicted class" in result.notes[0]
