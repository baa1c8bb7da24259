"""Checkpoints are taken apart without unpickling, told by names and shapes, and land as a torch_folder."""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from assay.contracts import ImageInput, InputColumn, ModelRequest, ModelSignature
from assay.errors import BadInput
from assay.intake.gate import Surroundings, format_of
from assay.intake.torch_saved import read_saved
from assay.loading import load_model
from assay.models.architectures import build
from assay.models.torch_checkpoint import tensor_of
from assay.models.torch_model import ArrayNetwork
from assay.registry import FORMATS

IMAGE = ImageInput(channels=1, height=8, width=8)
SIZES: dict[str, dict[str, Any]] = {
    "mlp": {"inputs": 5, "hidden": (7, 3), "outputs": 3},
    "cnn": {"channels": 1, "height": 8, "width": 8, "widths": (4, 6), "hidden": 9, "outputs": 3},
    "resnet": {"channels": 3, "widths": (4, 8), "blocks": 2, "outputs": 10},
    "lstm": {"features": 8, "hidden": 6, "layers": 2, "outputs": 3},
    "gru": {"features": 8, "hidden": 6, "layers": 1, "outputs": 3},
    "autoencoder": {"inputs": 64, "hidden": (10, 8), "latent": 4},
}


def taken_in(path: Path, scratch: Path, signature: ModelSignature | None = None) -> ArrayNetwork:
    told = None
    if signature is not None:
        told = scratch / "told.json"
        told.write_text(signature.model_dump_json(by_alias=True))
    request = ModelRequest(path=str(path), device="cpu", signature=str(told) if told else None)
    found = load_model(request, Surroundings(contained=True, scratch=scratch))
    assert isinstance(found, ArrayNetwork)
    return found


def resnet20(weights: Mapping[str, torch.Tensor], images: torch.Tensor) -> torch.Tensor:
    """He et al. 2016, section 4.2 with option A, written down from the paper: 6n + 2 layers, n = 3."""

    def convolved(x: torch.Tensor, name: str, norm: str, stride: int) -> torch.Tensor:
        x = functional.conv2d(x, weights[f"{name}.weight"], stride=stride, padding=1)
        mean, variance = (weights[f"{norm}.running_{part}"].view(1, -1, 1, 1) for part in ("mean", "var"))
        gain, bias = (weights[f"{norm}.{part}"].view(1, -1, 1, 1) for part in ("weight", "bias"))
        return (x - mean) / torch.sqrt(variance + 1e-5) * gain + bias

    x = convolved(images, "conv1", "bn1", 1).clamp(min=0)
    for stage in (1, 2, 3):
        for block in range(3):
            at, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            inner = convolved(x, f"{at}.conv1", f"{at}.bn1", stride).clamp(min=0)
            inner = convolved(inner, f"{at}.conv2", f"{at}.bn2", 1)
            if stride == 2:  # subsample, then a quarter of the new channels as zeros on either side
                small = x[:, :, ::2, ::2]
                zeros = torch.zeros(len(x), inner.shape[1] // 4, *small.shape[2:], dtype=x.dtype)
                x = torch.cat([zeros, small, zeros], dim=1)
            x = (inner + x).clamp(min=0)
    return x.mean(dim=(2, 3)) @ weights["linear.weight"].T + weights["linear.bias"]


def test_resnet20_lands_as_a_torch_folder_with_the_papers_logits(tmp_path: Path) -> None:
    base = os.environ.get("ASSAY_REAL_DATA")
    if not base:
        pytest.skip("ASSAY_REAL_DATA is not set")
    path = Path(base) / "resnet20_cifar10" / "resnet20-12fca82f.th"
    model = taken_in(path, tmp_path)
    assert (model.architecture, model.facts.format, model.facts.parameters) == (
        "resnet",
        "torch_folder",
        269_722,
    )
    gate = model.facts.gate
    assert gate is not None
    assert (gate.trust, gate.came_as) == ("B", "torch_checkpoint")
    assert gate.sha256.startswith("12fca82f"), "the digest that its file name carries"
    (written,) = (tmp_path / "cleaned").glob(f"*/{path.stem}")
    assert sorted(member.name for member in written.iterdir()) == [
        *("architecture.json", "model.safetensors", "signature.json")
    ]
    assert any("neither centred nor scaled" in sentence for sentence in gate.cleaning)

    kept = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    weights = {name.removeprefix("module."): value.double() for name, value in kept.items()}
    images = np.random.default_rng(20).uniform(size=(4, 3, 32, 32)).astype(np.float32)
    expected = resnet20(weights, torch.from_numpy(images).double()).numpy()
    assert np.abs(expected).max() > 3, "a trained network has opinions"
    np.testing.assert_allclose(model.raw_outputs(images), expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("layout", ["zip", "old", "protocol 4"])
def test_every_architecture_is_told_by_its_weights(tmp_path: Path, name: str, layout: str) -> None:
    torch.manual_seed(3)
    module = build(name, SIZES[name]).eval()
    path = tmp_path / "net.bin"
    options: dict[str, Any] = {
        "zip": {},
        "old": {"_use_new_zipfile_serialization": False},
        "protocol 4": {"pickle_protocol": 4},
    }[layout]
    content = {"epoch": 3, "model_state_dict": module.state_dict(), "loss": 0.25, "tags": ["a", None]}
    torch.save(content, path, **options)
    table = tuple(InputColumn(name=f"x{place}", kind="number", encoding="identity") for place in range(5))
    signature = None
    if name == "autoencoder":
        signature = ModelSignature(
            task="binary", output="score", classes=("normal", "anomaly"), image=IMAGE, threshold=1.0
        )
    elif name in ("lstm", "gru"):
        signature = ModelSignature(task="multiclass", output="logit", classes=("a", "b", "c"), image=IMAGE)
    found = taken_in(path, tmp_path, signature)
    assert found.architecture == name
    assert {key: found.config[key] for key in SIZES[name]} == {
        key: list(value) if isinstance(value, tuple) else value for key, value in SIZES[name].items()
    }
    shape = (2, len(table)) if name == "mlp" else (2, 3, 32, 32) if name == "resnet" else (2, 1, 8, 8)
    rows = np.random.default_rng(1).uniform(size=shape).astype(np.float32)
    with torch.inference_mode():
        np.testing.assert_array_equal(
            found.raw_outputs(rows), module(torch.from_numpy(rows)).double().numpy()
        )


def test_a_file_of_dots_gets_a_name(tmp_path: Path) -> None:
    torch.save(build("mlp", SIZES["mlp"]).state_dict(), tmp_path / "net.pt")
    path = (tmp_path / "net.pt").rename(tmp_path / "...pt")
    assert taken_in(path, tmp_path).architecture == "mlp"
    assert list((tmp_path / "cleaned").glob("*/model/model.safetensors"))


def test_a_signature_beside_the_file_says_what_the_weights_cannot(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    torch.save(build("mlp", {"inputs": 2, "hidden": (4,), "outputs": 2}).state_dict(), folder / "best.pt")
    columns = tuple(InputColumn(name=name, kind="number", encoding="standard") for name in ("age", "income"))
    signature = ModelSignature(task="binary", output="logit", classes=("no", "yes"), columns=columns)
    (folder / "signature.json").write_text(signature.model_dump_json(by_alias=True))
    found = taken_in(folder, tmp_path)
    assert found.signature == signature
    assert found.facts.gate is not None
    assert not any("assumed" in sentence for sentence in found.facts.gate.cleaning)


def test_cleaning_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    torch.save(build("mlp", SIZES["mlp"]).state_dict(), path)
    digests = []
    for number in range(2):
        scratch = tmp_path / str(number)
        scratch.mkdir()
        digests.append(taken_in(path, scratch).facts.sha256)
    assert digests[0] == digests[1]


def test_our_reader_finds_what_torch_saved(tmp_path: Path) -> None:
    """Types, views, shared storages, empty tensors and parameters, in both layouts."""
    base = torch.arange(24, dtype=torch.float32)
    kept: dict[str, torch.Tensor] = OrderedDict(
        whole=base,
        view=base.view(4, 6)[1:3, ::2],
        turned=base.view(4, 6).T,
        scalar=torch.tensor(2.5),
        empty=torch.zeros(0, 3),
        parameter=nn.Parameter(torch.ones(2, 2)),
        **{str(kind): torch.tensor([1, 0, 1]).to(kind) for kind in (torch.int64, torch.int32, torch.int16)},
        **{str(kind): torch.tensor([1, 0, 1]).to(kind) for kind in (torch.int8, torch.uint8, torch.bool)},
        **{
            str(kind): torch.tensor([1.5, -2]).to(kind) for kind in (torch.half, torch.bfloat16, torch.double)
        },
    )
    for options in ({}, {"_use_new_zipfile_serialization": False}, {"pickle_protocol": 3}):
        path = tmp_path / "kept.pt"
        torch.save(kept, path, **options)
        saved = read_saved(path, "kept.pt")
        assert list(saved.tensors) == list(kept)
        for name, stored in saved.tensors.items():
            found = tensor_of(stored, saved.read(stored.storage))
            assert found.dtype == kept[name].dtype
            assert torch.equal(found, kept[name]), name


def test_weights_in_half_precision_are_widened_and_it_is_said(tmp_path: Path) -> None:
    module = build("mlp", SIZES["mlp"]).half()
    torch.save(module.state_dict(), tmp_path / "half.pt")
    found = taken_in(tmp_path / "half.pt", tmp_path)
    assert found.facts.gate is not None
    assert "Weights in float16 were turned into float32." in found.facts.gate.cleaning
    torch.testing.assert_close(
        found.module.state_dict()["head.weight"], module.state_dict()["head.weight"].float(), rtol=0, atol=0
    )


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ({"0.weight": torch.ones(2, 2)}, r"1 tensors \(\"0\.weight\".*not the weights of an architecture"),
        ({"a": 1}, "holds no dict of weights"),
        ({"w": torch.ones(1), "epoch": 3}, '"epoch" stands among its weights'),
        (build("mlp", {"inputs": 2, "hidden": (), "outputs": 1}).state_dict(), "one output"),
        (build("lstm", SIZES["lstm"]).state_dict(), r"an lstm, which do not tell.*--signature"),
    ],
)
def test_what_cannot_be_told_is_refused_with_the_way_out(tmp_path: Path, content: Any, part: str) -> None:
    torch.save(content, tmp_path / "net.pt")
    with pytest.raises(BadInput, match=part) as refused:
        taken_in(tmp_path / "net.pt", tmp_path)
    assert refused.value.message.startswith("net.pt ")


def test_a_pickle_beside_safetensors_stays_unopened(tmp_path: Path) -> None:
    sink = io.BytesIO()
    torch.save({"a": torch.ones(1)}, sink)
    for other in ("config.json", "model.safetensors", "architecture.json"):
        folder = tmp_path / other
        folder.mkdir()
        (folder / "pytorch_model.bin").write_bytes(sink.getvalue())
        found = format_of(folder, FORMATS.all())
        assert found is not None
        assert found.spec.id == "torch_checkpoint"
        (folder / other).write_text("{}")
        found = format_of(folder, FORMATS.all())
        assert found is None or found.spec.id != "torch_checkpoint"


def test_without_containment_it_is_not_opened(tmp_path: Path) -> None:
    torch.save(build("mlp", SIZES["mlp"]).state_dict(), tmp_path / "net.pt")
    with pytest.raises(BadInput, match=r"namespaces, Landlock and seccomp.*assay convert"):
        load_model(ModelRequest(path=str(tmp_path / "net.pt"), device="cpu"), Surroundings(scratch=tmp_path))
