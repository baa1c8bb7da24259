"""Image classifiers of transformers: the same answers, pixels scaled as the folder says, no processor run."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForImageClassification,
    ConvNextConfig,
    ConvNextForImageClassification,
    ResNetConfig,
    ResNetForImageClassification,
)

from assay.contracts import Lineage, ModelRequest
from assay.errors import BadInput
from assay.loading import load_model
from assay.models.image_classifier import ImageClassifier
from tests.models.transformers_made import processor, tiny_vit


def _load(path: Path, signature: Path | None = None) -> ImageClassifier:
    request = ModelRequest(path=str(path), device="cpu", signature=str(signature) if signature else None)
    model = load_model(request)
    assert isinstance(model, ImageClassifier)
    return model


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_vit(tmp_path_factory.mktemp("models") / "vit")


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "vit"))


def _pixels(rows: int = 4, size: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (rows, 3, size, size)).astype(np.uint8)


def test_answers_are_transformers_own_on_pixels_scaled_by_hand(made: Path) -> None:
    model, pixels = _load(made), _pixels()
    scaled = (pixels / 255 - np.array([0.5, 0.4, 0.3])[:, None, None]) / np.array([0.5, 0.25, 0.2])[
        :, None, None
    ]
    peer = AutoModelForImageClassification.from_pretrained(str(made)).eval()
    with torch.inference_mode():
        expected = peer(pixel_values=torch.tensor(scaled, dtype=torch.float32)).logits.softmax(-1).double()
    assert float(expected.std(dim=0).min()) > 0.001, "the images must be told apart"
    np.testing.assert_allclose(model.scores(pixels.astype(np.float32) / 255), expected, atol=1e-6)
    assert model.signature.classes == ("one", "two", "three")
    assert {"gradients", "layers", "query"} <= set(model.capabilities)
    assert "torchvision" not in sys.modules


@pytest.mark.parametrize("kind", ["resnet", "convnext"])
def test_convolutional_networks_of_transformers_load_too(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    if kind == "resnet":
        config: Any = ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], num_labels=3)
        module: Any = ResNetForImageClassification(config).eval()
    else:
        module = ConvNextForImageClassification(
            ConvNextConfig(hidden_sizes=[8, 8], depths=[1, 1], num_stages=2, num_labels=3, patch_size=2)
        ).eval()
    module.save_pretrained(tmp_path / kind)
    processor(tmp_path / kind, 16)
    model, pixels = _load(tmp_path / kind), _pixels(3, 16).astype(np.float32) / 255
    with torch.inference_mode():
        expected = module(pixel_values=model.encode(pixels)).logits
    np.testing.assert_allclose(model.raw_outputs(pixels), expected.double().numpy(), atol=1e-5)
    images = torch.tensor(pixels, requires_grad=True)
    (slope,) = torch.autograd.grad(model.logits(images)[:, 0].sum(), images)
    assert bool((slope.abs().sum(dim=(1, 2, 3)) > 0).all())


def _processor(folder: Path, **changes: Any) -> None:
    said = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps({**said, **changes}))


@pytest.mark.parametrize(
    ("changes", "mean", "scale"),
    [
        ({"do_normalize": False}, (0.0,), (1.0,)),
        ({"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [51.0] * 3}, (0.5,) * 3, (0.2,) * 3),
        ({"rescale_factor": 2 / 255, "image_mean": [1.0], "image_std": [0.5]}, (0.5,), (0.25,)),
    ],
)
def test_scaling_is_read_as_arithmetic_on_pixels_from_0_to_1(
    folder: Path, changes: dict[str, Any], mean: tuple[float, ...], scale: tuple[float, ...]
) -> None:
    _processor(folder, **changes)
    image = _load(folder).signature.image
    assert image is not None
    assert (image.mean, image.scale) == (mean, scale)


def test_the_size_after_cropping_counts_and_that_nothing_is_resized_is_said(folder: Path) -> None:
    _processor(folder, size={"shortest_edge": 12}, do_center_crop=True, crop_size={"height": 8, "width": 8})
    model = _load(folder)
    assert model.signature.image is not None
    assert (model.signature.image.height, model.signature.image.width) == (8, 8)
    assert any("8 × 8 pixels; Assay does not resize any" in note for note in model.notes)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"do_flip_channel_order": True}, "blue, green, red"),
        ({"rescale_offset": True}, "below zero"),
        ({"do_pad": True}, "pads its images"),
        (
            {"size": {"longest_edge": 8}, "image_mean": [1, 2]},
            "image_mean must be one number, or one for each of 3",
        ),
        ({"image_std": [0, 1, 1]}, "must be above 0"),
        ({"size": {"height": 9, "width": 8}}, r"cannot take an image of 3 × 9 × 8"),
        ({"size": {"height": 10**6, "width": 8}}, "height: Input should be less than"),
        ({"auto_map": {"AutoImageProcessor": "evil.Processor"}}, "names Python code"),
    ],
)
def test_a_processor_that_assay_cannot_follow_is_refused(
    folder: Path, changes: dict[str, Any], part: str
) -> None:
    _processor(folder, **changes)
    with pytest.raises(BadInput, match=part) as refused:
        _load(folder)
    assert "\n" not in refused.value.message


def test_without_a_processor_the_signature_must_say_what_is_read(folder: Path, tmp_path: Path) -> None:
    signature = _load(folder).signature
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(BadInput, match=r"has no preprocessor_config\.json.*--signature"):
        _load(folder)
    (tmp_path / "signature.json").write_text(signature.model_dump_json(by_alias=True))
    assert _load(folder, tmp_path / "signature.json").signature == signature
    wrong = signature.model_copy(update={"classes": ("a", "b"), "task": "binary"})
    (tmp_path / "signature.json").write_text(wrong.model_dump_json(by_alias=True))
    with pytest.raises(BadInput, match="gives 3 outputs an image, its signature describes 2"):
        _load(folder, tmp_path / "signature.json")


@pytest.mark.parametrize(
    ("config", "part"),
    [
        ({"use_timm_backbone": True}, "another library"),
        ({"model_type": "timm_wrapper"}, r"no sound configuration|not a ViTForImageClassification"),
        ({"problem_type": "multi_label_classification"}, "several labels"),
    ],
)
def test_networks_of_other_libraries_are_refused(folder: Path, config: dict[str, Any], part: str) -> None:
    said = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**said, **config}))
    with pytest.raises(BadInput, match=part):
        _load(folder)


def test_what_is_written_is_read_again(made: Path, tmp_path: Path) -> None:
    model, pixels = _load(made), _pixels().astype(np.float32) / 255
    lineage = Lineage(remedy="training.fine_tune", version="1.0", params={}, seed=0)
    again = _load(model.write(tmp_path / "written", lineage))
    np.testing.assert_array_equal(again.raw_outputs(pixels), model.raw_outputs(pixels))
    assert again.facts.lineage == lineage
