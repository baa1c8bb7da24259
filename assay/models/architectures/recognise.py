"""Which architecture of the fixed list weights belong to, told by their names and shapes alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from assay.contracts import ImageInput
from assay.models.architectures import ARCHITECTURES, build

__all__ = ["Recognised", "recognise"]

Shape = tuple[int, ...]


class Recognised(NamedTuple):
    """An architecture whose weights have exactly these names and shapes."""

    id: str
    config: dict[str, Any]
    notes: tuple[str, ...]
    """What the weights do not tell and was assumed."""


def recognise(shapes: Mapping[str, Shape], image: ImageInput | None) -> Recognised | None:
    """The architecture with exactly these weights; counters of batch norm may lack. None for none.

    Args:
        image: size of the images that the network reads, where a signature says it: a cnn's weights tell
            only the product of height and width.
    """
    for name, guess in _GUESSES.items():
        try:
            found = guess(shapes, image)
        except (KeyError, IndexError, ValueError, ZeroDivisionError):
            continue
        if found is not None and _fits(name, found.config, shapes):
            return found
    return None


def _fits(name: str, config: dict[str, Any], shapes: Mapping[str, Shape]) -> bool:
    """Whether the network of that config, made without memory, has these weights and no others."""
    import torch

    from assay.errors import BadInput

    try:
        with torch.device("meta"):
            wanted = {key: tuple(value.shape) for key, value in build(name, config).state_dict().items()}
    except BadInput:
        return False
    counters = {key for key in wanted if key.endswith(".num_batches_tracked")}
    return all(shapes.get(key) == shape for key, shape in wanted.items() if key not in counters) and (
        set(shapes) | counters == set(wanted)
    )


def _numbered(shapes: Mapping[str, Shape], pattern: str) -> list[tuple[int, Shape]]:
    """(number, shape) of the names that match a pattern with one group, in order."""
    matches = ((re.fullmatch(pattern, name), shape) for name, shape in shapes.items())
    return sorted((int(match[1]), shape) for match, shape in matches if match is not None)


def _mlp(shapes: Mapping[str, Shape], _image: ImageInput | None) -> Recognised:
    layers = _numbered(shapes, r"body\.(\d{1,3})\.weight")
    outputs, last = shapes["head.weight"]
    config: dict[str, Any] = {
        "inputs": layers[0][1][1] if layers else last,
        "hidden": [shape[0] for _, shape in layers],
        "outputs": outputs,
    }
    if len(layers) > 1 and layers[1][0] == 3:
        note = "The weights tell that there is dropout but not how much; at audit there is none of it."
        return Recognised("mlp", {**config, "dropout": 0.5}, (note,))
    return Recognised("mlp", config, ())


def _cnn(shapes: Mapping[str, Shape], image: ImageInput | None) -> Recognised:
    blocks = _numbered(shapes, r"features\.(\d{1,2})\.0\.weight")
    hidden, flat = shapes["hidden.0.weight"]
    channels, last = blocks[0][1][1], blocks[-1][1][0]
    notes: tuple[str, ...] = ()
    if image is not None:
        height, width = image.height, image.width
    else:
        side = round((flat / last) ** 0.5) << len(blocks)
        height = width = side
        notes = (f"The images were taken to be square, {side} x {side}; a signature can say otherwise.",)
    config = {
        "channels": channels,
        "height": height,
        "width": width,
        "widths": [shape[0] for _, shape in blocks],
        "hidden": hidden,
        "outputs": shapes["head.weight"][0],
    }
    return Recognised("cnn", config, notes)


def _resnet(shapes: Mapping[str, Shape], _image: ImageInput | None) -> Recognised:
    stages = _numbered(shapes, r"layer(\d{1,2})\.0\.conv1\.weight")
    config = {
        "channels": shapes["conv1.weight"][1],
        "widths": [shape[0] for _, shape in stages],
        "blocks": len(_numbered(shapes, r"layer1\.(\d{1,2})\.conv1\.weight")),
        "outputs": shapes["linear.weight"][0],
    }
    note = (
        "Shortcuts without weights: where a stage halves the image, every second pixel is taken and channels "
        "of zeros are added on both sides (He et al. 2016, option A)."
    )
    return Recognised("resnet", config, (note,))


def _recurrent(
    name: str, gates: int
) -> Callable[[Mapping[str, Shape], ImageInput | None], Recognised | None]:
    def guess(shapes: Mapping[str, Shape], _image: ImageInput | None) -> Recognised | None:
        rows, features = shapes["recurrent.weight_ih_l0"]
        hidden = shapes["recurrent.weight_hh_l0"][1]
        if rows != gates * hidden:
            return None
        layers = len(_numbered(shapes, r"recurrent\.weight_hh_l(\d{1,2})"))
        config = {
            "features": features,
            "hidden": hidden,
            "layers": layers,
            "outputs": shapes["head.weight"][0],
        }
        return Recognised(name, config, ())

    return guess


def _autoencoder(shapes: Mapping[str, Shape], _image: ImageInput | None) -> Recognised:
    layers = [shape for _, shape in _numbered(shapes, r"encoder\.(\d{1,3})\.weight")]
    config = {
        "inputs": layers[0][1],
        "hidden": [shape[0] for shape in layers[:-1]],
        "latent": layers[-1][0],
    }
    return Recognised("autoencoder", config, ())


_GUESSES: dict[str, Callable[[Mapping[str, Shape], ImageInput | None], Recognised | None]] = {
    "mlp": _mlp,
    "cnn": _cnn,
    "resnet": _resnet,
    "lstm": _recurrent("lstm", 4),
    "gru": _recurrent("gru", 3),
    "autoencoder": _autoencoder,
}
assert set(_GUESSES) == set(ARCHITECTURES)
