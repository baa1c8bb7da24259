"""`assay audit` of models that other libraries made, each really trained on a table with sensitive groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas
import pytest

from assay import evidence
from tests.command import assay, write_csv
from tests.models.boosted import JOBS, WORDS, frame, incomes, save_lightgbm, save_onnx_pipeline, save_skops

METHODS = "performance.classification,fairness.group_rates"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    fitted = save_skops(folder / "skops.skops", incomes(400))
    (folder / "onnx").mkdir()
    save_onnx_pipeline(folder / "onnx" / "model.onnx", fitted)
    (folder / "onnx" / "signature.json").write_text(WORDS.model_dump_json(by_alias=True))
    save_lightgbm(folder / "lightgbm.txt", incomes(400))
    test = incomes(300, seed=1)
    write_csv(folder / "words.csv", test)
    write_csv(folder / "coded.csv", {**test, "income": [int(value == "more") for value in test["income"]]})
    return folder


def _decided(place: Path, kind: str) -> np.ndarray:
    """What the library itself says of the test rows: whether each earns more."""
    test = incomes(300, seed=1)
    if kind == "lightgbm.txt":
        import lightgbm

        rows = frame(test)
        rows["job"] = pandas.Categorical(rows["job"], categories=JOBS)
        return np.asarray(lightgbm.Booster(model_file=place / kind).predict(rows)) >= 0.5
    fitted = save_skops(place / "again", incomes(400))
    return np.asarray(fitted.predict_proba(frame(test))[:, 1] >= 0.5)


@pytest.mark.parametrize(
    ("kind", "data", "came_as"),
    [
        ("skops.skops", "words.csv", "skops"),
        ("onnx", "words.csv", "onnx"),
        ("lightgbm.txt", "coded.csv", "lightgbm_text"),
    ],
)
def test_a_trained_model_is_audited_from_its_file(place: Path, kind: str, data: str, came_as: str) -> None:
    out = place / f"out-{kind}"
    ran = assay(
        place,
        "audit",
        *("--data", place / data, "--model", place / kind, "--label", "income", "--sensitive", "sex"),
        *("--methods", METHODS, "--tier", "quick", "--out", out),
    )
    assert ran.code == 0, ran.err
    found = evidence.load(out / "evidence.json")
    assert found.subject.model is not None
    assert found.subject.model.format == came_as
    assert found.subject.model.gate is not None
    assert (found.subject.model.gate.trust, found.subject.model.gate.came_as) == ("A", came_as)
    decided, earns = _decided(place, kind), np.asarray(incomes(300, seed=1)["income"]) == "more"
    accuracy = next(m for m in found.measures if m.id == "performance.accuracy")
    assert (accuracy.grade, accuracy.numerator) == ("executed", int((decided == earns).sum()))
    women = np.asarray(incomes(300, seed=1)["sex"]) == "f"
    rate = next(m for m in found.measures if m.id == "fairness.selection_rate" and m.slice == {"sex": "f"})
    assert (rate.numerator, rate.n) == (int(decided[women].sum()), int(women.sum()))
    if kind == "onnx":
        assert assay(place, "verify", out / "report.pdf").code == 0
