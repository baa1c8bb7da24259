"""Random perturbations as a user meets them: what is drawn once a row, and applied at each severity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.methods.robustness.table_features import TableFeatures

__all__ = ["Kind", "image_kinds", "table_kinds", "text_kinds"]

Floats = npt.NDArray[np.float64]
Generators = Sequence[np.random.Generator]


class Kind(NamedTuple):
    """One kind of noise. The same draw serves every severity, so that curves do not cross by chance."""

    name: str
    severities: tuple[float, ...]
    unit: str
    """What a severity counts, in words."""
    random: bool
    """Whether another draw gives other noise; otherwise one repeat says all."""
    draw: Callable[[Any, Generators], Any]
    """Inputs of some rows, one generator a row -> random numbers."""
    apply: Callable[[Any, Any, float], Any]
    """Inputs, random numbers, severity -> perturbed inputs."""


def table_kinds(
    features: TableFeatures, gaussian: tuple[float, ...], flips: tuple[float, ...]
) -> tuple[Kind, ...]:
    """Noise on the numbers and on the categories that may change; a kind without such a column is left out.

    gaussian: x + severity * deviation * N(0, 1), held inside the range of training (or at the row's own value
    where that lies outside), whole numbers rounded. categories: with probability `severity` each becomes
    another category, drawn by their frequencies. Missing values stay missing.
    """
    numbers = features.movable
    several = np.array([np.count_nonzero(shares) > 1 for shares in features.frequencies])
    categories = np.flatnonzero(~features.numeric & features.mutable & several)

    def draw_normal(inputs: Floats, generators: Generators) -> Floats:
        return np.stack([rng.standard_normal(inputs.shape[1]) for rng in generators])

    def add(inputs: Floats, drawn: Floats, severity: float) -> Floats:
        moved = inputs + severity * features.deviation * drawn
        moved = np.where(features.integer, np.rint(moved), moved)
        low, high = np.fmin(features.low, inputs), np.fmax(features.high, inputs)
        return np.where(numbers, np.clip(moved, low, high), inputs)

    def draw_flips(inputs: Floats, generators: Generators) -> Floats:
        return np.stack([rng.random((2, inputs.shape[1])) for rng in generators])

    def flip(inputs: Floats, drawn: Floats, severity: float) -> Floats:
        found = inputs.copy()
        for column in categories:
            hit = np.flatnonzero((drawn[:, 0, column] < severity) & ~np.isnan(inputs[:, column]))
            old = inputs[hit, column].astype(np.int64)
            shares = np.tile(features.frequencies[column], (len(hit), 1))
            shares[np.arange(len(hit)), old] = 0.0
            edges = np.cumsum(shares, axis=1)
            place = drawn[hit, 1, column] * edges[:, -1]
            found[hit, column] = (edges <= place[:, None]).sum(axis=1)
        return found

    kinds = []
    if numbers.any() and gaussian:
        kinds.append(Kind("gaussian", gaussian, "standard deviations", True, draw_normal, add))
    if categories.size and flips:
        kinds.append(Kind("categories", flips, "chance of another category", True, draw_flips, flip))
    return tuple(kinds)


def image_kinds(
    gaussian: tuple[float, ...],
    brightness: tuple[float, ...],
    contrast: tuple[float, ...],
    blur: tuple[float, ...],
) -> tuple[Kind, ...]:
    """Corruptions of images in [0, 1], after Hendrycks & Dietterich 2019; severities are our own.

    gaussian: x + severity * N(0, 1) a pixel. brightness: x + severity or x - severity, a coin toss a row.
    contrast: the mean of each channel + (1 - severity) * (x - mean). blur: Gaussian filter of `severity`
    pixels.
    """

    def draw_normal(inputs: npt.NDArray[np.float32], generators: Generators) -> npt.NDArray[np.float32]:
        return np.stack([rng.standard_normal(inputs.shape[1:], dtype=np.float32) for rng in generators])

    def draw_sign(inputs: npt.NDArray[np.float32], generators: Generators) -> npt.NDArray[np.float32]:
        signs = [1.0 if rng.random() < 0.5 else -1.0 for rng in generators]
        return np.array(signs, dtype=np.float32).reshape(-1, 1, 1, 1)

    def add(inputs: Any, drawn: Any, severity: float) -> Any:
        return np.clip(inputs + np.float32(severity) * drawn, 0, 1)

    def flatten(inputs: Any, _drawn: Any, severity: float) -> Any:
        mean = inputs.mean(axis=(2, 3), keepdims=True)
        return np.clip(mean + np.float32(1 - severity) * (inputs - mean), 0, 1)

    def soften(inputs: Any, _drawn: Any, severity: float) -> Any:
        from scipy.ndimage import gaussian_filter

        return np.clip(gaussian_filter(inputs, (0, 0, severity, severity), mode="nearest"), 0, 1)

    def nothing(_inputs: Any, _generators: Generators) -> None:
        return None

    kinds = (
        Kind("gaussian", gaussian, "standard deviation, pixels in 0 to 1", True, draw_normal, add),
        Kind("brightness", brightness, "shift up or down, pixels in 0 to 1", True, draw_sign, add),
        Kind("contrast", contrast, "share of contrast lost", False, nothing, flatten),
        Kind("blur", blur, "radius in pixels", False, nothing, soften),
    )
    return tuple(kind for kind in kinds if kind.severities)


def text_kinds(typos: tuple[float, ...]) -> tuple[Kind, ...]:
    """Typing errors: a letter is swapped with the next, dropped, or hit one key beside, a third each.

    `severity` is the share of letters that are hit. Nearby keys are those of a QWERTY keyboard; only the
    letters a to z have neighbours, others are dropped instead.
    """

    def draw(inputs: Sequence[str], generators: Generators) -> list[Floats]:
        return [rng.random((3, len(text))) for text, rng in zip(inputs, generators, strict=True)]

    def mistype(inputs: Sequence[str], drawn: list[Floats], severity: float) -> list[str]:
        return [_mistyped(text, chance, severity) for text, chance in zip(inputs, drawn, strict=True)]

    return (Kind("typos", typos, "share of letters hit", True, draw, mistype),) if typos else ()


_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> dict[str, str]:
    found: dict[str, str] = {}
    for line, keys in enumerate(_KEYS):
        for place, key in enumerate(keys):
            near = [keys[i] for i in (place - 1, place + 1) if 0 <= i < len(keys)]
            for other in (line - 1, line + 1):
                # each line of keys sits half a key to the right of the one above it
                columns = (place, place + 1) if other < line else (place - 1, place)
                if 0 <= other < len(_KEYS):
                    near += [_KEYS[other][i] for i in columns if 0 <= i < len(_KEYS[other])]
            found[key] = "".join(near)
    return found


_NEAR = _neighbours()


def _mistyped(text: str, chance: Floats, rate: float) -> str:
    letters, place, found = list(text), 0, []
    while place < len(letters):
        letter = letters[place]
        if chance[0, place] >= rate or not letter.isalnum():
            found.append(letter)
        elif chance[1, place] < 1 / 3 and place + 1 < len(letters) and letters[place + 1].isalnum():
            found += [letters[place + 1], letter]
            place += 1
        elif chance[1, place] < 2 / 3 and letter.lower() in _NEAR:
            near = _NEAR[letter.lower()]
            key = near[int(chance[2, place] * len(near))]
            found.append(key.upper() if letter.isupper() else key)
        place += 1
    return "".join(found)
