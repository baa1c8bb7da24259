"""The fixed list of architectures: shapes, sizes in closed form, and refusals."""

from __future__ import annotations

import pytest
import torch

from assay.errors import BadInput
from assay.models.architectures import ARCHITECTURES, build
from assay.models.torch_model import count_parameters

_IMAGES = torch.zeros(3, 1, 8, 8)


@pytest.mark.parametrize(
    ("name", "config", "inputs", "parameters"),
    [
        ("mlp", {"inputs": 5, "hidden": (4,), "outputs": 2}, torch.zeros(3, 5), 5 * 4 + 4 + 4 * 2 + 2),
        ("mlp", {"inputs": 64, "hidden": (), "outputs": 10}, _IMAGES, 64 * 10 + 10),
        (
            "cnn",
            {"channels": 1, "height": 8, "width": 8, "widths": (2, 3), "hidden": 5, "outputs": 10},
            _IMAGES,
            # convolutions without bias, batch norm with two a channel, 3 channels of 2 x 2 pixels left
            2 * 9 + 4 + 3 * 2 * 9 + 6 + (3 * 2 * 2) * 5 + 5 + 5 * 10 + 10,
        ),
        (
            "lstm",
            {"features": 8, "hidden": 6, "outputs": 10},
            _IMAGES,
            4 * (6 * 8 + 6 * 6 + 6 + 6) + 6 * 10 + 10,
        ),
        (
            "gru",
            {"features": 1, "hidden": 6, "outputs": 2},
            torch.zeros(3, 7),
            3 * (6 * 1 + 6 * 6 + 6 + 6) + 6 * 2 + 2,
        ),
        (
            "autoencoder",
            {"inputs": 64, "hidden": (8,), "latent": 3},
            _IMAGES,
            64 * 8 + 8 + 8 * 3 + 3 + 3 * 8 + 8 + 8 * 64 + 64,
        ),
    ],
)
def test_sizes_and_shapes(
    name: str, config: dict[str, object], inputs: torch.Tensor, parameters: int
) -> None:
    module = build(name, config).eval()
    assert count_parameters(module)[0] == parameters
    outputs = 1 if name == "autoencoder" else config["outputs"]
    assert module(inputs).shape == (3, outputs)


def test_the_published_resnet20_has_its_published_size() -> None:
    # He et al. 2016, table 6: ResNet-20 has 0.27 M parameters; 269,722 with parameter-free shortcuts
    module = build("resnet", {"channels": 3, "widths": (16, 32, 64), "blocks": 3, "outputs": 10})
    assert count_parameters(module)[0] == 269_722
    assert module.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_an_autoencoder_answers_with_its_mean_squared_reconstruction_error() -> None:
    module = build("autoencoder", {"inputs": 4, "hidden": (), "latent": 2})
    rows = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    expected = ((module.reconstruct(rows) - rows) ** 2).mean(dim=1)
    torch.testing.assert_close(module(rows)[:, 0], expected)


def test_an_unknown_architecture_and_impossible_sizes_are_named() -> None:
    with pytest.raises(BadInput, match=r'no architecture "mpl".*Close to it: "mlp"'):
        build("mpl", {})
    with pytest.raises(BadInput, match="poolings leave nothing"):
        build("cnn", {"channels": 1, "height": 4, "width": 4, "widths": (1, 1, 1)})
    with pytest.raises(BadInput, match="architecture mlp: inputs"):
        build("mlp", {"inputs": 0})


def test_every_architecture_on_the_list_can_be_built() -> None:
    smallest = {
        "mlp": {"inputs": 1},
        "cnn": {"channels": 1, "height": 4, "width": 4},
        "resnet": {},
        "lstm": {"features": 1},
        "gru": {"features": 1},
        "autoencoder": {"inputs": 1},
    }
    assert set(smallest) == set(ARCHITECTURES)
    for name, config in smallest.items():
        assert count_parameters(build(name, config))[0] > 0
