"""preprocessor_config.json of an image classifier: the size it reads and how pixels are scaled, nothing else.

transformers' own image processors are not used: they resize, and some need further libraries. Assay never
resizes, since that would decide what the model sees: images come in the size that the model reads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from assay.contracts import ImageInput
from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.model_files import read_json

__all__ = ["PREPROCESSOR", "Preprocessed", "read_preprocessor"]

PREPROCESSOR = "preprocessor_config.json"
_ELSEWHERE = ("image_processor_config.json", "processor_config.json")
_MAX_CONFIG = 1 * 1024 * 1024
_BYTE = 255
_NOT_DONE = {
    "do_flip_channel_order": "reads blue, green, red instead of red, green, blue",
    "do_pad": "pads its images",
    "do_thumbnail": "makes thumbnails",
    "do_align_long_axis": "turns its images",
    "do_color_quantize": "quantises colours",
    "rescale_offset": "moves pixels below zero (rescale_offset)",
    "include_top": "normalises twice (include_top)",
}
"""Steps that change what the model sees and that Assay does not take."""


class Preprocessed(NamedTuple):
    """What the model reads, and sentences on what the file says and Assay does not do."""

    image: ImageInput
    notes: tuple[str, ...]


def read_preprocessor(folder: Path, channels: int, size: Any) -> Preprocessed:
    """Size, mean and scale of the pixels in [0, 1].

    The processor makes (value x rescale_factor - mean) / std of values 0 to 255; in terms of pixels in
    [0, 1] that is (x - mean / r) / (std / r), r = 255 x rescale_factor.

    Args:
        channels, size: of config.json; the size counts where the file names none.

    Raises:
        BadInput: no such file, steps that Assay does not take, numbers that are none.
    """
    name = visible(folder.name)
    there = next((file for file in (PREPROCESSOR, *_ELSEWHERE) if (folder / file).is_file()), None)
    if there is None:
        raise BadInput(
            f"{name} has no {PREPROCESSOR}, which tells the size and scale of the images that it reads; "
            "save it with the image processor's save_pretrained, or say it with --signature."
        )
    said = read_json(folder / there, _MAX_CONFIG)
    found = said.get("image_processor", said) if isinstance(said, dict) else None
    if not isinstance(found, dict):
        raise BadInput(f"{name}/{there} is no JSON object.")
    for key, what in _NOT_DONE.items():
        if found.get(key):
            raise BadInput(
                f"{name}/{there} {what}; Assay does not. Take the step into the data, and say so with "
                "--signature."
            )
    height, width, exact = _size(name, there, found, size)
    mean, scale = _scaling(name, there, found, channels)
    try:
        image = ImageInput(channels=channels, height=height, width=width, mean=mean, scale=scale)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{name}/{there}: {where}: {first['msg']}.") from None
    notes: tuple[str, ...] = (
        f"{name} reads images of {height} × {width} pixels; Assay does not resize any.",
    )
    if not exact:
        notes = (*notes, f"{name}/{there} names only a shortest edge of {height}; square images are read.")
    return Preprocessed(image, notes)


def _size(name: str, file: str, found: dict[str, Any], size: Any) -> tuple[int, int, bool]:
    """Height and width after resizing and cropping, and whether the file says both."""
    cropped = found.get("crop_size") if found.get("do_center_crop") else None
    for said in (cropped, found.get("size"), size):
        if isinstance(said, int) and not isinstance(said, bool):
            return said, said, True
        if isinstance(said, list) and len(said) == 2 and all(type(edge) is int for edge in said):
            return said[0], said[1], True
        if isinstance(said, dict):
            height, width, short = (said.get(key) for key in ("height", "width", "shortest_edge"))
            if type(height) is int and type(width) is int:
                return height, width, True
            if type(short) is int:
                return short, short, False
    raise BadInput(
        f'{name}/{file} does not tell the size of the images that the model reads: it needs "size" with '
        '"height" and "width".'
    )


def _scaling(
    name: str, file: str, found: dict[str, Any], channels: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of pixels in [0, 1]."""
    factor = _numbers(name, file, "rescale_factor", found.get("rescale_factor", 1 / _BYTE), 1)[0]
    reach = _BYTE * factor if found.get("do_rescale", True) else float(_BYTE)
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    if found.get("do_normalize", True) and ("image_mean" in found or "image_std" in found):
        mean = _numbers(name, file, "image_mean", found.get("image_mean"), channels)
        std = _numbers(name, file, "image_std", found.get("image_std"), channels)
    if reach <= 0 or min(std) <= 0:
        raise BadInput(f"{name}/{file}: rescale_factor and image_std must be above 0.")
    return tuple(_near(m / reach) for m in mean), tuple(_near(s / reach) for s in std)


def _near(value: float) -> float:
    """Without the last bit that dividing by 255 x (1 / 255) leaves."""
    return float(f"{value:.12g}")


def _numbers(name: str, file: str, key: str, said: Any, most: int) -> tuple[float, ...]:
    values = said if isinstance(said, list) else [said]
    if len(values) not in (1, most) or not all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in values
    ):
        wanted = "a number" if most == 1 else f"one number, or one for each of {most} channels"
        raise BadInput(f"{name}/{file}: {key} must be {wanted}.")
    return tuple(float(value) for value in values)
