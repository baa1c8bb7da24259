"""Training from scratch: what the network reads, what it learns, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.contracts import ModelRequest, NewArtifact
from assay.errors import BadInput, BadParams
from assay.execution import run_remedy
from assay.intake.model_files import read_lineage
from assay.loading import load_model
from assay.models.base import Model
from assay.registry import REMEDIES
from tests.models.made import two_gaussians
from tests.remedies.made import biased, image_training, training_subject

REMEDY = REMEDIES.get("training.from_scratch")


def made(folder: Path, subject: Any, **params: Any) -> tuple[NewArtifact, Model]:
    artefact = run_remedy(REMEDY, subject, {"epochs": 8, "batch_rows": 64, **params}, folder / "work")
    return artefact, load_model(ModelRequest(path=str(artefact.path), device="cpu"))


def test_a_network_without_hidden_layers_becomes_scikit_learns_logistic_regression(tmp_path: Path) -> None:
    """Trained to the end without decay, it is the maximum-likelihood fit, which has one solution."""
    from sklearn.linear_model import LogisticRegression

    columns = two_gaussians(400, 1)
    subject = training_subject(tmp_path, columns, tuning=columns, favourable="yes", sensitive=("sex",))
    params = {"sizes": {"hidden": []}, "epochs": 300, "batch_rows": 400, "learning_rate": 0.1}
    _, model = made(tmp_path, subject, **params, weight_decay=0.0, patience=None, schedule="cosine")
    features = np.stack([columns["x1"], columns["x2"]], axis=1)
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1_000).fit(features, columns["label"])
    np.testing.assert_allclose(model.scores(features), fitted.predict_proba(features), atol=1e-3)


def test_two_gaussians_are_told_apart_as_well_as_can_be(tmp_path: Path) -> None:
    """Means 2 standard deviations apart: no classifier is right more often than Phi(1) = 0.8413."""
    subject = training_subject(
        tmp_path, two_gaussians(3_000, 1), tuning=two_gaussians(4_000, 2), favourable="yes"
    )
    artefact, _ = made(tmp_path, subject)
    assert artefact.lineage.figures["tuning_accuracy_after"] == pytest.approx(0.8413, abs=0.02)


def test_labels_of_pure_chance_are_not_learnt(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    columns, tuning = two_gaussians(500, 4), two_gaussians(2_000, 5)
    columns["label"] = rng.choice(["yes", "no"], 500).tolist()
    tuning["label"] = rng.choice(["yes", "no"], 2_000).tolist()
    subject = training_subject(tmp_path, columns, tuning=tuning, favourable="yes")
    artefact, _ = made(tmp_path, subject)
    # 3.3 standard errors of a share of 2,000 rows
    assert artefact.lineage.figures["tuning_accuracy_after"] == pytest.approx(0.5, abs=0.037)


def test_what_the_network_reads_follows_from_the_training_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    rows = 60
    columns = {
        "id": list(range(rows)),
        "age": rng.integers(18, 80, rows).tolist(),
        "income": [None, *rng.normal(3_000, 500, rows - 1).round(2).tolist()],
        "job": rng.choice(["clerk", "smith"], rows).tolist(),
        "constant": [1] * rows,
        "code": [f"c{i % 30}" for i in range(rows)],
        "sex": rng.choice(["f", "m"], rows).tolist(),
        "label": rng.choice(["yes", "no"], rows).tolist(),
    }
    request: dict[str, Any] = {"identifier": "id", "sensitive": ("sex",), "favourable": "yes"}
    subject = training_subject(tmp_path, columns, tuning=columns, **request)
    artefact, model = made(tmp_path, subject, epochs=1, max_categories=20)
    by_name = {column.name: column for column in model.signature.columns}
    assert list(by_name) == ["age", "income", "job"]
    age = np.array(columns["age"])
    assert by_name["age"].integer
    assert (by_name["age"].minimum, by_name["age"].maximum) == (age.min(), age.max())
    assert by_name["age"].mean == pytest.approx(age.mean())
    assert by_name["age"].scale == pytest.approx(age.std())
    assert by_name["job"].categories == ("clerk", "smith")
    assert model.signature.classes == ("no", "yes")
    assert model.signature.favourable == "yes"
    notes = " ".join(artefact.lineage.notes)
    assert '"constant" is not read: it is constant' in notes
    assert '"code" is not read: it has 30 categories' in notes
    _, reads_less = made(tmp_path / "a", subject, epochs=1, ignore=("age", "code"))
    assert [column.name for column in reads_less.signature.columns] == ["income", "job"]
    with pytest.raises(BadInput, match=r'no column "agee", which is to be ignored.*close to it: "age"'):
        made(tmp_path, subject, ignore=("agee",))
    _, reads_all = made(tmp_path / "b", subject, epochs=1, use_sensitive=True, max_categories=20)
    assert [column.name for column in reads_all.signature.columns] == ["age", "income", "job", "sex"]


def test_a_binned_sensitive_number_is_read_as_the_number(tmp_path: Path) -> None:
    columns = two_gaussians(60, 7)
    subject = training_subject(
        tmp_path, columns, sensitive=("x1",), bins={"x1": (0.0, 1.0)}, favourable="yes"
    )
    _, model = made(tmp_path, subject, epochs=1, use_sensitive=True)
    assert {column.name: column.kind for column in model.signature.columns}["x1"] == "number"


def test_a_regression_predicts_in_the_labels_own_unit(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    x = rng.normal(size=800)
    columns = {"x": x.round(6).tolist(), "label": (5_000 + 300 * x + rng.normal(size=800) * 30).tolist()}
    subject = training_subject(tmp_path, columns, task="regression")
    artefact, model = made(tmp_path, subject, sizes={"hidden": [16]}, epochs=30, learning_rate=0.01)
    found = model.scores(np.array([[-1.0], [0.0], [1.0]]))[:, 0]
    np.testing.assert_allclose(found, [4_700, 5_000, 5_300], atol=25)
    # The loss is in units of the label's variance: noise 30 of a deviation of about 300.
    assert artefact.lineage.figures["tuning_loss_after"] == pytest.approx(0.01, abs=0.008)


@pytest.mark.parametrize("architecture", ["mlp", "cnn", "resnet", "lstm", "gru"])
def test_every_architecture_learns_images(tmp_path: Path, architecture: str) -> None:
    sizes = {
        "cnn": {"widths": [4], "hidden": 8},
        "resnet": {"widths": [4, 8], "blocks": 1},
        "mlp": {"hidden": [16]},
    }.get(architecture, {"hidden": 16})
    subject = image_training(tmp_path, 300, 1)
    artefact, model = made(tmp_path, subject, architecture=architecture, sizes=sizes, learning_rate=0.01)
    assert artefact.lineage.figures["tuning_accuracy_after"] >= 0.9
    assert model.signature.image is not None
    pixels = np.asarray(subject.inputs("training", np.arange(300)))
    assert model.signature.image.mean[0] == pytest.approx(pixels.mean(), abs=0.01)


def test_an_autoencoder_learns_the_normal_rows_and_flags_the_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    odd = rng.random(3_000) < 0.2
    base = rng.normal(size=3_000)
    signs = np.array([1, -1, 1, -1])
    noise = rng.normal(size=(3_000, 4)) * np.where(odd, 3.0, 0.1)[:, None]
    values = (base[:, None] * signs + noise).round(4)
    columns: dict[str, Any] = {f"x{k}": values[:, k].tolist() for k in range(4)}
    columns["label"] = np.where(odd, "broken", "fine").tolist()
    subject = training_subject(tmp_path, columns, favourable="broken")
    params = {"architecture": "autoencoder", "sizes": {"hidden": [8], "latent": 1}, "epochs": 10}
    artefact, model = made(tmp_path, subject, **params, normal="fine", learning_rate=0.01)
    assert model.signature.output == "score"
    assert model.signature.classes == ("fine", "broken")
    codes = model.decide(model.scores(values))
    # The threshold is the 95 % quantile of normal rows.
    assert codes[~odd].mean() == pytest.approx(0.05, abs=0.045)
    assert codes[odd].mean() > 0.8
    assert artefact.lineage.rows["training"] < (~odd).sum()


def test_reweighing_halves_the_gap_between_groups(tmp_path: Path) -> None:
    columns = biased(4_000, 10)
    subject = training_subject(tmp_path, columns, sensitive=("sex",), favourable="yes")
    female = np.array(columns["sex"]) == "f"
    inputs = np.stack([columns["merit"], columns["proxy"]], axis=1)

    def gap(folder: str, **params: Any) -> float:
        _, model = made(tmp_path / folder, subject, epochs=15, learning_rate=0.005, **params)
        chosen = model.decide(model.scores(inputs))
        return float(abs(chosen[female].mean() - chosen[~female].mean()))

    unfair = gap("plain")
    assert unfair > 0.3
    assert gap("reweighed", reweigh=("sex",)) < unfair / 2


def test_the_new_folder_says_where_it_came_from(tmp_path: Path) -> None:
    columns = two_gaussians(200, 11)
    subject = training_subject(tmp_path, columns, sensitive=("sex",), favourable="yes")
    artefact, _ = made(tmp_path, subject, epochs=2, reweigh=("sex",))
    lineage = read_lineage(artefact.path / "lineage.json")
    assert lineage == artefact.lineage
    training = subject.profile.dataset("training")
    assert training is not None
    assert lineage.datasets == {"training": training.sha256, "tuning": training.sha256}
    assert lineage.rows == {"training": 180, "tuning": 20}
    assert lineage.parent_sha256 is None
    assert lineage.params["epochs"] == 2
    assert lineage.made_with["torch"]
    (curve,) = lineage.loss_curves
    assert curve.columns[0].values == (1, 2)
    assert any("a tenth of the training rows (20" in note for note in lineage.notes)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"architecture": "cnn"}, "A cnn reads images"),
        ({"sizes": {"inputs": 3}}, r"sizes\.inputs follows from the data \(2\)"),
        ({"sizes": {"widths": [3]}}, 'architecture mlp has no parameter "widths"'),
        ({"normal": "yes"}, "normal names the class that an autoencoder learns"),
        ({"architecture": "autoencoder"}, 'needs normal, the class that it learns: "no" or "yes"'),
        ({"epochs": 0}, "epochs: Input should be greater than or equal to 1"),
    ],
)
def test_params_that_do_not_fit_are_one_sentence(
    tmp_path: Path, params: dict[str, Any], sentence: str
) -> None:
    subject = training_subject(tmp_path, two_gaussians(60, 12), favourable="yes")
    with pytest.raises((BadParams, BadInput), match=sentence):
        made(tmp_path, subject, **params)


def test_too_few_rows_are_refused(tmp_path: Path) -> None:
    subject = training_subject(tmp_path, two_gaussians(9, 13), favourable="yes")
    with pytest.raises(BadInput, match="There are 9 labelled training rows; a remedy needs 10 or more"):
        made(tmp_path, subject)


def test_tuning_rows_without_labels_are_named(tmp_path: Path) -> None:
    tuning = two_gaussians(20, 14)
    tuning["label"] = [None] * 20
    subject = training_subject(tmp_path, two_gaussians(60, 12), tuning=tuning, favourable="yes")
    with pytest.raises(BadInput, match=r'The tuning rows have no usable label \(column "label"\)'):
        made(tmp_path, subject)


def test_rows_without_anything_to_read_are_refused(tmp_path: Path) -> None:
    columns = {"x": [1] * 20, "label": ["yes", "no"] * 10}
    subject = training_subject(tmp_path, columns, favourable="yes")
    with pytest.raises(BadInput, match="No column is left for the network to read"):
        made(tmp_path, subject)
