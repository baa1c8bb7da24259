"""scikit-learn models out of skops files answer as they did when they were saved."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC

from assay.contracts import InputColumn, ModelRequest, ModelSignature
from assay.errors import BadInput
from assay.intake.skops_file import check_skops
from assay.loading import load_model
from assay.models.skops import SkopsModel
from tests.models.boosted import JOBS, frame, incomes, save_skops
from tests.models.made import model_subject


def _load(path: Path, signature: ModelSignature | None = None) -> SkopsModel:
    given = None
    if signature is not None:
        given = path.with_name("own.json")
        given.write_text(signature.model_dump_json(by_alias=True))
    model = load_model(
        ModelRequest(path=str(path), device="cpu", signature=None if given is None else str(given))
    )
    assert isinstance(model, SkopsModel)
    return model


def _saved(path: Path, estimator: BaseEstimator) -> Path:
    skops.io.dump(estimator, path)
    return path


def _rows(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(120, 3))
    return rows, (rows[:, 0] + rng.normal(size=120) > 0).astype(int)


def test_a_pipeline_reads_the_words_and_numbers_that_it_was_fitted_on(tmp_path: Path) -> None:
    table = incomes()
    fitted = save_skops(tmp_path / "m.skops", table)
    model = _load(tmp_path / "m.skops")
    assert [(c.name, c.encoding, c.categories) for c in model.signature.columns] == [
        ("age", "identity", ()),
        ("hours", "identity", ()),
        ("job", "value", JOBS),
    ]
    assert model.signature.classes == ("less", "more")
    said = model.facts.architecture.partition(", scikit-learn")[0]
    assert said == "ColumnTransformer, StandardScaler, OneHotEncoder, LogisticRegression", "each once"
    assert any('"job" as words' in note for note in model.notes)
    codes = [JOBS.index(job) for job in table["job"]]
    found = model.scores(np.stack([table["age"], table["hours"], codes], axis=1))
    np.testing.assert_allclose(found, fitted.predict_proba(frame(table)), atol=1e-12)
    unknown = model.scores(np.array([[40.0, 40.0, np.nan]]))
    expected = fitted.predict_proba(frame({"age": [40.0], "hours": [40.0], "job": ["sailor"]}))
    np.testing.assert_allclose(unknown, expected, atol=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda: LogisticRegression(),
        lambda: RandomForestClassifier(4, max_depth=3, random_state=0),
        lambda: GradientBoostingClassifier(n_estimators=3, random_state=0),
        lambda: make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=20, tol=1e9, random_state=0)),
        lambda: KNeighborsClassifier(3),
        lambda: GradientBoostingClassifier(n_estimators=3, init="zero", random_state=0),
        lambda: make_pipeline(SelectKBest(k=2), PolynomialFeatures(2), LogisticRegression()),
        lambda: make_pipeline(KBinsDiscretizer(4), LogisticRegression()),
        # what these were given to copy is kept beside the copies, and never fitted
        lambda: CalibratedClassifierCV(SVC(), cv=2),
        lambda: BaggingClassifier(KNeighborsClassifier(3), 2, random_state=0),
        lambda: CalibratedClassifierCV(GradientBoostingClassifier(n_estimators=2), cv=2),
        lambda: StackingClassifier([("isolated", GradientBoostingClassifier(n_estimators=2))], cv=2),
    ],
)
def test_probabilities_are_the_estimators_own(tmp_path: Path, make: Callable[[], Any]) -> None:
    rows, label = _rows()
    fitted = make().fit(rows, label)
    model = _load(_saved(tmp_path / "m.skops", fitted))
    np.testing.assert_allclose(model.scores(rows), fitted.predict_proba(rows), atol=1e-12)
    assert "probabilities" in model.capabilities
    searched = any("among all rows" in note for note in model.notes)
    assert searched == ("Neighbors" in repr(fitted))


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"drop": "first"},
        {"drop": "if_binary"},
        {"drop": ["a", "x"]},
        {"min_frequency": 12, "handle_unknown": "infrequent_if_exist"},
        {"max_categories": 3, "drop": "first"},
        {"min_frequency": 12, "handle_unknown": "warn", "drop": "if_binary"},
    ],
)
def test_every_way_of_one_hot_encoding_is_read(tmp_path: Path, asked: dict[str, Any]) -> None:
    names = np.array(list("aaaaaabbbbccde"), dtype=object)
    rows = np.stack([np.resize(names, 120), np.resize(np.array(["x", "y"], dtype=object), 120)], axis=1)
    fitted = make_pipeline(OneHotEncoder(**asked), LogisticRegression()).fit(rows, rows[:, 0] > "a")
    model = _load(_saved(tmp_path / "m.skops", fitted))
    answers = model.estimator.predict_proba(rows)
    np.testing.assert_allclose(answers, fitted.predict_proba(rows), atol=1e-12)
    numbers = np.append(np.arange(60.0) % 6, np.nan).reshape(-1, 1)
    holes = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(numbers, np.arange(61) % 2)
    _load(_saved(tmp_path / "n.skops", holes))


def test_models_without_probabilities_give_scores_or_labels(tmp_path: Path) -> None:
    rows, label = _rows()
    fitted = SVC().fit(rows, label)
    model = _load(_saved(tmp_path / "m.skops", fitted))
    assert (model.signature.output, model.threshold) == ("score", 0.0)
    np.testing.assert_allclose(model.scores(rows)[:, 0], fitted.decision_function(rows))
    assert (model.decide(model.scores(rows)) == fitted.predict(rows)).all()
    several = label + (rows[:, 1] > 0.5)
    many = LinearSVC().fit(rows, several)
    model = _load(_saved(tmp_path / "m.skops", many))
    assert model.signature.output == "label"
    assert "probabilities" not in model.capabilities
    assert (model.decide(model.scores(rows)) == many.predict(rows)).all()


def test_regressions_and_anomaly_scores(tmp_path: Path) -> None:
    rows, _ = _rows()
    model = HistGradientBoostingRegressor(max_iter=4).fit(rows, rows[:, 0])
    found = _load(_saved(tmp_path / "m.skops", model))
    np.testing.assert_allclose(found.scores(rows)[:, 0], model.predict(rows))
    logs = make_pipeline(FunctionTransformer(np.exp), Ridge()).fit(rows, rows[:, 0])
    found = _load(_saved(tmp_path / "m.skops", logs))
    np.testing.assert_allclose(found.scores(rows)[:, 0], logs.predict(rows))
    forest = IsolationForest(n_estimators=5, random_state=0).fit(rows)
    found = _load(_saved(tmp_path / "m.skops", forest))
    assert found.signature.classes == ("normal", "anomaly")
    assert (found.decide(found.scores(rows)) == (forest.predict(rows) == -1)).all()


def test_a_signature_may_name_columns_and_turn_the_classes(tmp_path: Path) -> None:
    rows, label = _rows()
    fitted = LogisticRegression().fit(rows, np.where(label, "yes", "no"))
    columns = tuple(InputColumn(name=name, kind="number", encoding="identity") for name in "pqr")
    own = ModelSignature(task="binary", output="probability", classes=("yes", "no"), columns=columns)
    model = _load(_saved(tmp_path / "m.skops", fitted), own)
    np.testing.assert_allclose(model.scores(rows), fitted.predict_proba(rows)[:, ::-1])
    for update, part in (
        ({"columns": columns[:2]}, "reads 3 features; its signature's columns become 2"),
        ({"task": "multiclass", "classes": ("a", "b", "c")}, "a signature of 2 classes"),
        ({"task": "regression", "output": "score", "classes": ()}, "a signature of 2 classes"),
    ):
        with pytest.raises(BadInput, match=part):
            _load(tmp_path / "m.skops", own.model_copy(update=update))


def test_rows_that_the_estimator_refuses_are_told_in_a_sentence(tmp_path: Path) -> None:
    table = incomes(60)
    fitted = make_pipeline(OrdinalEncoder(), LogisticRegression()).fit(frame(table)[["job"]], table["income"])
    model = _load(_saved(tmp_path / "m.skops", fitted))
    with pytest.raises(BadInput, match=r"m\.skops cannot answer these rows: .*unknown categories"):
        model.scores(np.array([[np.nan]]))


def test_what_skops_gets_is_written_anew(tmp_path: Path) -> None:
    import io
    import zipfile

    save_skops(tmp_path / "m.skops", incomes(60))
    checked = check_skops(tmp_path / "m.skops", "m.skops")
    with zipfile.ZipFile(io.BytesIO(checked.content)) as archive:
        schema = json.loads(archive.read("schema.json"))
    assert "__id__" not in json.dumps(schema)
    assert schema["protocol"] == 2


def test_another_version_of_scikit_learn_is_noted_and_another_era_refused(tmp_path: Path) -> None:
    import zipfile

    rows, label = _rows()
    content = skops.io.dumps(LogisticRegression().fit(rows, label))
    path = tmp_path / "m.skops"

    def write(version: str) -> None:
        import io

        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(path, "w") as new:
            for member in old.namelist():
                text = old.read(member)
                if member == "schema.json":
                    schema = json.loads(text)
                    schema["content"]["content"]["_sklearn_version"]["content"] = json.dumps(version)
                    text = json.dumps(schema).encode()
                new.writestr(member, text)

    write("1.2.0")
    assert any("was written with scikit-learn 1.2.0 and is opened with" in note for note in _load(path).notes)
    write("0.24.2")
    with pytest.raises(BadInput, match=r"written with scikit-learn 0\.24\.2, here is"):
        _load(path)


def test_the_whole_way_from_a_table(tmp_path: Path) -> None:
    table = incomes(200)
    fitted = save_skops(tmp_path / "m.skops", table)
    subject = model_subject(tmp_path, tmp_path / "m.skops", table, label="income")
    score = subject.profile.roles.score
    assert score is not None
    found = np.concatenate([batch.numbers(score) for batch in subject.dataset("test").batches([score])])
    np.testing.assert_allclose(found, fitted.predict_proba(frame(table))[:, 1], atol=1e-9)


def test_labels_alone_are_no_scores(tmp_path: Path) -> None:
    table = incomes(120)
    columns = tuple(InputColumn(name=name, kind="number", encoding="identity") for name in ("age", "hours"))
    fitted = LogisticRegression().fit(np.stack([table["age"], table["hours"]], axis=1), table["income"])
    folder = tmp_path / "model"
    folder.mkdir()
    _saved(folder / "m.skops", fitted)
    own = ModelSignature(task="binary", output="label", classes=("less", "more"), columns=columns)
    (folder / "signature.json").write_text(own.model_dump_json(by_alias=True))
    subject = model_subject(tmp_path, folder, table, label="income")
    assert subject.profile.roles.score is None
    assert subject.profile.signature.output == "label"
