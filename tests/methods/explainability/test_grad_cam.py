"""Grad-CAM of networks whose maps are known, of one that reads a watermark, and of one that does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from assay.contracts import ImageInput, ModelSignature
from assay.datasets.subject import Subject
from assay.errors import BadParams
from assay.evidence import digest
from assay.execution import run_method
from assay.methods.explainability.class_activation import activation_map, last_convolution
from assay.methods.explainability.grad_cam import METHOD
from assay.models.architectures import build
from assay.models.torch_folder import write_torch_folder
from tests.models.trained_images import barred_images, npz_subject, trained_cnn, watermarked_images

FEW = {"rows": 40, "randomised": 3}
FRAME = 1 - (18 / 24) ** 2
"""Area of the border frame of an image of 24 x 24."""


def measured(result: Any) -> dict[str, Any]:
    return {m.id.rpartition(".")[2]: m for m in result.measures if not m.at}


def subject_of(folder: Path, images: Any, labels: Any, *, training: Any = None) -> Subject:
    model = trained_cnn(folder / "m", *(training or (images, labels)))
    return npz_subject(folder, model, images, labels)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    folder = tmp_path_factory.mktemp("clean")
    return subject_of(folder, *barred_images(60, 2), training=barred_images(640, 1))


@pytest.fixture(scope="module")
def leaking(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    folder = tmp_path_factory.mktemp("leaking")
    return subject_of(folder, *watermarked_images(60, 2), training=watermarked_images(640, 1))


class TwoFilters(torch.nn.Module):
    """y = 2 sum(A_1) - sum(A_2) with A = (x, -x): the second convolution is listed first and runs last."""

    def __init__(self) -> None:
        super().__init__()
        self.last = torch.nn.Conv2d(1, 2, 1, bias=False)
        self.first = torch.nn.Conv2d(1, 1, 1, bias=False)
        with torch.no_grad():
            self.first.weight.fill_(1.0)
            self.last.weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        planes = self.last(self.first(images)).sum(dim=(2, 3))
        return torch.stack([torch.zeros(len(images)), 2 * planes[:, 0] - planes[:, 1]], dim=1)


def test_the_map_of_a_hand_made_network_has_a_closed_form(clean: Subject) -> None:
    """The gradient of y is 2 and -1 at each place: the map is ReLU(2 A_1 - A_2) = ReLU(3 x)."""
    model: Any = clean.model
    kept = model.module
    image = torch.linspace(-1, 1, 16).view(1, 1, 4, 4)
    try:
        model.module = TwoFilters()
        layer = last_convolution(model, image)
        assert layer == "last"
        found = activation_map(model, layer, image, 1)
        np.testing.assert_allclose(found.cells, np.maximum(3 * image[0, 0].numpy(), 0), rtol=1e-6)
        np.testing.assert_allclose(found.pixels, found.cells)
        assert not activation_map(model, layer, image, 0).cells.any()
    finally:
        model.module = kept


def test_a_watermark_in_a_corner_is_found(leaking: Subject) -> None:
    result = run_method(METHOD, leaking, FEW)
    found = measured(result)
    assert found["border_share"].low > FRAME
    assert "may read a watermark" in result.notes[0]
    assert found["deletion_gain"].low > 0
    cells = {c.name: np.array(c.values) for s in result.series if s.id.endswith(".map") for c in s.columns}
    brightest = int(np.argmax(np.where(cells["class"] == "upright", cells["share"], 0)))
    assert (cells["row"][brightest], cells["column"][brightest]) == (0, 0)


def test_a_network_that_reads_the_object_raises_no_alarm(clean: Subject) -> None:
    result = run_method(METHOD, clean, FEW)
    found = measured(result)
    assert found["border_share"].high < FRAME / 2
    assert "watermark" not in result.notes[0]
    assert found["deletion_gain"].low > 0
    assert found["randomisation_correlation"].high < 0.6
    assert found["empty_maps"].value == 0
    assert found["border_share"].note == "the frame is 43.8% of the image"


def test_a_map_that_points_at_the_wrong_place_is_found_by_deletion(tmp_path: Path) -> None:
    """Averaged gradients lose the place where the head reads every place: the map misses the mark."""
    model = trained_cnn(tmp_path / "m", *watermarked_images(640, 1), pooled=False)
    found = measured(run_method(METHOD, npz_subject(tmp_path, model, *watermarked_images(60, 2)), FEW))
    assert found["deletion_gain"].high < 0


def test_every_residual_network_has_a_last_convolution(clean: Subject) -> None:
    model: Any = clean.model
    kept = model.module
    try:
        model.module = build("resnet", {"channels": 1, "widths": (4, 8), "blocks": 1, "outputs": 2}).eval()
        assert last_convolution(model, torch.zeros(1, 1, 24, 24)) == "layer2.0.conv2"
    finally:
        model.module = kept


def test_a_network_without_convolutions_is_told_so(tmp_path: Path) -> None:
    config = {"inputs": 576, "hidden": (4,), "outputs": 2}
    signature = ModelSignature(
        task="binary",
        output="logit",
        classes=("lying", "upright"),
        image=ImageInput(channels=1, height=24, width=24),
    )
    model = write_torch_folder(tmp_path / "m", build("mlp", config), "mlp", config, signature)
    images, labels = barred_images(20, 3)
    subject = npz_subject(tmp_path, model, images, labels)
    result = run_method(METHOD, subject, FEW)
    assert {m.status for m in result.measures} == {"not_applicable"}
    assert "no 2-D convolution" in result.notes[0]


def test_another_sharding_and_the_same_seed_give_the_same_result(clean: Subject) -> None:
    whole = run_method(METHOD, clean, FEW, seed=3)
    assert digest(whole) == digest(run_method(METHOD, clean, FEW, seed=3, shard_rows=15))
    assert digest(whole) != digest(run_method(METHOD, clean, FEW, seed=4))


def test_classes_of_few_images_have_no_map_of_their_own(clean: Subject) -> None:
    result = run_method(METHOD, clean, {**FEW, "rows": 12})
    shown = {v for s in result.series if s.id.endswith(".map") for v in s.columns[0].values}
    counts = {v for s in result.series if s.id.endswith(".map") for v in s.columns[4].values}
    assert "all" in shown
    assert min(counts) >= 10


@pytest.mark.parametrize("params", [{"rows": 5}, {"side": 1}, {"randomised": 1}])
def test_bad_params_are_refused(clean: Subject, params: dict[str, Any]) -> None:
    with pytest.raises(BadParams):
        run_method(METHOD, clean, params)
