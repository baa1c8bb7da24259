"""What stands in a torch_folder is checked before it is believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from assay.contracts import ModelRequest
from assay.errors import BadInput
from assay.intake.model_files import folder_digest
from assay.loading import load_model
from tests.models.made import linear_folder, model_subject, number, two_gaussians


def _folder(tmp_path: Path) -> Path:
    return linear_folder(tmp_path / "model", [number("x1"), number("x2")], [1.0, -2.0], bias=0.5)


def _load(path: Path) -> object:
    return load_model(ModelRequest(path=str(path), device="cpu"))


def test_a_folder_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    model = load_model(ModelRequest(path=str(_folder(tmp_path)), device="cpu"))
    rows = np.array([[1.0, 1.0], [0.0, 3.0]])
    expected = 1 / (1 + np.exp(-(rows @ [1.0, -2.0] + 0.5)))
    np.testing.assert_allclose(model.favourable_score(rows), expected, rtol=1e-6)
    assert model.facts.parameters == 6
    assert model.facts.weight_bytes == 24


def test_the_digest_depends_on_every_file_and_on_nothing_else(tmp_path: Path) -> None:
    one = _folder(tmp_path / "a")
    other = _folder(tmp_path / "b")
    assert folder_digest(one) == folder_digest(other)
    (other / "lineage.json").write_text("{}")
    assert folder_digest(one) != folder_digest(other)


def _cut(path: Path) -> None:
    content = (path / "model.safetensors").read_bytes()
    (path / "model.safetensors").write_bytes(content[:-4])


def _nan(path: Path) -> None:
    tensors = load_file(path / "model.safetensors")
    tensors["head.bias"][0] = torch.nan
    save_file(tensors, path / "model.safetensors")


def _renamed(path: Path) -> None:
    tensors = load_file(path / "model.safetensors")
    tensors["top.bias"] = tensors.pop("head.bias")
    save_file(tensors, path / "model.safetensors")


def _wider(path: Path) -> None:
    architecture = json.loads((path / "architecture.json").read_text())
    architecture["config"]["inputs"] = 3
    (path / "architecture.json").write_text(json.dumps(architecture))


def _one_column_more(path: Path) -> None:
    signature = json.loads((path / "signature.json").read_text())
    signature["columns"].append({**signature["columns"][0], "name": "x3"})
    (path / "signature.json").write_text(json.dumps(signature))


def _three_classes(path: Path) -> None:
    signature = json.loads((path / "signature.json").read_text())
    signature.update(task="multiclass", classes=["a", "b", "c"], favourable=None)
    (path / "signature.json").write_text(json.dumps(signature))


def _pickle(path: Path) -> None:
    (path / "model.safetensors").write_bytes(b"\x80\x04\x95cos\nsystem\n")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_cut, "is cut short or has bytes to spare"),
        (_nan, '"head.bias" holds NaN or infinite weights'),
        (_renamed, 'lacks "head.bias"'),
        (_wider, r"\(2, 2\); the mlp that architecture.json describes needs \(2, 3\)"),
        (_one_column_more, r"cannot take an input of shape \(3,\)"),
        (_three_classes, "gives 2 outputs a row, its signature describes 3"),
        (_pickle, "is not a safetensors file"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    tmp_path: Path, damage: Callable[[Path], None], sentence: str
) -> None:
    folder = _folder(tmp_path)
    damage(folder)
    with pytest.raises(BadInput, match=sentence):
        _load(folder)


def _as(folder: Path, **changes: object) -> Path:
    signature = json.loads((folder / "signature.json").read_text())
    (folder / "signature.json").write_text(json.dumps({**signature, **changes}))
    return folder


def test_logits_that_are_called_probabilities_are_refused(tmp_path: Path) -> None:
    folder = _as(_folder(tmp_path), output="probability")
    with pytest.raises(BadInput, match=r'rows do not sum to 1.*Write "output": "logit"'):
        model_subject(tmp_path, folder, two_gaussians(30, 1), label="label")


def test_probabilities_that_are_called_logits_are_refused(tmp_path: Path) -> None:
    folder = linear_folder(tmp_path / "m", [number("x1")], [0.0])
    tensors = load_file(folder / "model.safetensors")
    tensors["head.bias"] = torch.tensor([0.25, 0.75])
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(BadInput, match=r'are probabilities already.*Write "output": "probability"'):
        model_subject(tmp_path, folder, two_gaussians(30, 1), label="label")
    columns = two_gaussians(30, 1)
    subject = model_subject(tmp_path, _as(folder, output="probability"), columns, label="label")
    np.testing.assert_allclose(subject.model.scores(np.zeros((2, 1))), [[0.25, 0.75]] * 2)


def test_a_link_inside_the_folder_is_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / "extra").symlink_to("/etc/passwd")
    with pytest.raises(BadInput, match="extra is a link"):
        _load(folder)


def test_a_gpu_that_is_not_there_is_refused(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(BadInput, match="no GPU that torch can use; use --device cpu or auto"):
        load_model(ModelRequest(path=str(_folder(tmp_path)), device="cuda"))


def test_batches_are_halved_when_memory_runs_out_and_the_answers_stay(tmp_path: Path) -> None:
    model = load_model(ModelRequest(path=str(_folder(tmp_path)), device="cpu", batch_rows=64))
    rows = np.random.default_rng(1).normal(size=(100, 2))
    expected = model.scores(rows)
    asked = model._outputs

    def small(inputs: np.ndarray) -> np.ndarray:
        if len(inputs) > 10:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return asked(inputs)

    model._outputs = small  # type: ignore[method-assign]  # the device's limit, not the model, is what is made up
    np.testing.assert_array_equal(model.scores(rows), expected)
    assert model.batch_rows == 8
    assert model.notes == ["Memory ran out on cpu: batches were cut to 8 rows."]
