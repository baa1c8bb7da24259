"""`assay audit --model` as a user meets it: each format on its data, one sentence for every mistake."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import xgboost
from PIL import Image

from assay import evidence
from assay.contracts import Evidence, Measure
from tests.command import Ran, assay, loans, write_csv
from tests.models.made import linear_folder, number, tiny_bert
from tests.models.pictures import squares, tiny_cnn

SOME = ("--methods", "performance.classification,data_quality.basics", "--tier", "quick")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and models of each kind, and a home for the authority."""
    folder = tmp_path_factory.mktemp("place")
    columns = loans(400)
    label = [int(value == "yes") for value in columns["repaid"]]
    write_csv(folder / "loans.csv", columns)
    write_csv(folder / "coded.csv", {**columns, "repaid": label})
    matrix = xgboost.DMatrix(
        np.stack([columns["income"], columns["age"]], axis=1), label, feature_names=["income", "age"]
    )
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, matrix, 5)
    (folder / "trees.json").write_bytes(bytes(booster.save_raw("json")))
    linear_folder(folder / "linear", [number("income", mean=1_500, scale=2_000)], [1.0])
    tiny_bert(folder / "bert")
    words = np.random.default_rng(0).choice(["a", "good", "bad", "very", "film"], (200, 9))
    texts = [" ".join(row) for row in words]
    write_csv(
        folder / "texts.csv",
        {"text": texts, "place": ["n", "s"] * 100, "label": ["bad", "good"] * 100},
    )
    tiny_cnn(folder / "cnn")
    pictures, labels = squares(200)
    np.savez(folder / "squares.npz", images=pictures[..., 0], labels=labels, sex=np.array(["f", "m"] * 100))
    for number_, (picture, name) in enumerate(zip(pictures[:80, ..., 0], labels[:80], strict=True)):
        (folder / "squares" / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / "squares" / name / f"{number_:03}.png")
    return folder


def _audit(place: Path, data: str, model: str, *more: str | Path) -> Ran:
    out = place / f"out-{data}-{model}"
    return assay(place, "audit", "--data", place / data, "--model", place / model, *more, "--out", out)


def _found(ran: Ran, place: Path, data: str, model: str) -> Evidence:
    assert ran.code == 0, ran.err
    out = place / f"out-{data}-{model}"
    assert assay(place, "verify", out / "report.pdf").code == 0
    return evidence.load(out / "evidence.json")


def _accuracy(found: Evidence) -> Measure:
    return next(m for m in found.measures if m.id == "performance.accuracy")


def test_trees_on_a_table(place: Path) -> None:
    ran = _audit(place, "coded.csv", "trees.json", "--label", "repaid", "--sensitive", "sex", *SOME)
    found = _found(ran, place, "coded.csv", "trees.json")
    assert "the model itself ran" in ran.out
    assert found.subject.model is not None
    assert found.subject.model.format == "xgboost_json"
    assert _accuracy(found).grade == "executed"
    booster = xgboost.Booster(model_file=place / "trees.json")
    columns = loans(400)
    inputs = np.stack([columns["income"], columns["age"]], axis=1)
    said = booster.predict(xgboost.DMatrix(inputs, feature_names=["income", "age"])) >= 0.5
    assert _accuracy(found).numerator == int((said == (np.array(columns["repaid"]) == "yes")).sum())


def test_a_transformer_on_texts(place: Path) -> None:
    ran = _audit(place, "texts.csv", "bert", "--label", "label", "--sensitive", "place", *SOME)
    found = _found(ran, place, "texts.csv", "bert")
    assert 'reads column "text"' in ran.out
    assert (found.subject.modality, found.subject.roles.text) == ("text", "text")
    assert _accuracy(found).n == 200
    content = (place / "out-texts.csv-bert" / "evidence.json").read_text()
    assert "very film" not in content, "texts of single rows are no part of the evidence"


def test_a_network_on_an_npz_and_on_a_folder_of_images(place: Path) -> None:
    found = _found(
        _audit(place, "squares.npz", "cnn", "--sensitive", "sex", *SOME), place, "squares.npz", "cnn"
    )
    assert found.subject.modality == "image"
    assert _accuracy(found).n == 200
    page = (place / "out-squares.npz-cnn" / "report.html").read_text()
    assert "8 × 8 pixels" in page
    found = _found(_audit(place, "squares", "cnn", *SOME), place, "squares", "cnn")
    assert (found.subject.test.name, _accuracy(found).n) == ("squares", 80)


def _one_sentence(ran: Ran, *parts: str) -> None:
    assert ran.code == 2, ran.out + ran.err
    assert "Traceback" not in ran.err + ran.out
    message, code = ran.err.strip().splitlines()[-2:]
    assert code == "exit 2"
    assert message.endswith("Nothing was written.")
    for part in parts:
        assert part in message, message


def test_a_model_whose_input_does_not_fit_the_data(place: Path) -> None:
    _one_sentence(
        _audit(place, "texts.csv", "linear", "--label", "label"),
        'no column "income" (read by the model; a signature may name its inputs otherwise)',
    )
    _one_sentence(_audit(place, "loans.csv", "bert", "--label", "repaid"), "The model reads texts", "--text")
    _one_sentence(_audit(place, "squares.npz", "linear"), "reads the columns of a table", "holds images")
    _one_sentence(
        _audit(place, "loans.csv", "linear", "--text", "sex"), "this model reads columns of a table"
    )


def test_labels_that_are_not_the_models(place: Path) -> None:
    ran = _audit(place, "loans.csv", "trees.json", "--label", "repaid")
    _one_sentence(ran, ', which is none of the model\'s classes: "0", "1"', "--signature")


def test_truncated_and_foreign_files(place: Path) -> None:
    cut = (place / "trees.json").read_bytes()
    (place / "cut.json").write_bytes(cut[: len(cut) // 2])
    _one_sentence(_audit(place, "coded.csv", "cut.json"), "cut.json is not whole JSON")
    torch.save({"weight": torch.zeros(3)}, place / "model.pt")
    _one_sentence(
        _audit(place, "coded.csv", "model.pt"), "not the weights of an architecture", "assay convert"
    )


def test_probabilities_where_logits_are_expected(place: Path) -> None:
    signature = json.loads((place / "linear" / "signature.json").read_text())
    (place / "wrong.json").write_text(json.dumps({**signature, "output": "probability"}))
    ran = _audit(place, "loans.csv", "linear", "--label", "repaid", "--signature", place / "wrong.json")
    _one_sentence(ran, "says the output is a probability, but rows do not sum to 1", '"output": "logit"')


def test_gradients_asked_of_trees(place: Path) -> None:
    ran = _audit(place, "coded.csv", "trees.json", "--label", "repaid", "--methods", "robustness.pgd")
    _one_sentence(
        ran, "robustness.pgd was asked for but cannot run", "a model that gives gradients", "xgboost_json"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="here is a GPU")
def test_no_gpu_where_one_was_asked_for(place: Path) -> None:
    ran = _audit(place, "loans.csv", "linear", "--label", "repaid", "--device", "cuda")
    _one_sentence(
        ran, '"cuda" was asked for, but this machine has no GPU that torch can use; use --device cpu'
    )


def test_a_folder_that_holds_no_images_is_refused_as_data(place: Path) -> None:
    (place / "nothing" / "inside").mkdir(parents=True)
    _one_sentence(_audit(place, "nothing", "cnn"), "nothing is a folder", "a subfolder for each class")
