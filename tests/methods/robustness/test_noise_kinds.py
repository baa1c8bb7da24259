"""What each kind of noise does to one input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from assay.methods.robustness.noise_kinds import Kind, image_kinds, text_kinds


def image_kind(name: str) -> Kind:
    return {kind.name: kind for kind in image_kinds((0.1,), (0.2,), (0.5,), (1.0,))}[name]


def generators(number: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in range(number)]


def perturbed(kind: Kind, inputs: Any, severity: float) -> Any:
    return kind.apply(inputs, kind.draw(inputs, generators(len(inputs))), severity)


def test_gaussian_noise_has_the_asked_spread_and_stays_in_the_pixel_range() -> None:
    images = np.full((20, 1, 32, 32), 0.5, dtype=np.float32)
    found = perturbed(image_kind("gaussian"), images, 0.1)
    assert found.std() == pytest.approx(0.1, rel=0.02)
    strong = perturbed(image_kind("gaussian"), images, 5.0)
    assert (strong.min(), strong.max()) == (0.0, 1.0)


def test_brightness_shifts_whole_images_up_or_down() -> None:
    images = np.full((40, 3, 4, 4), 0.5, dtype=np.float32)
    found = perturbed(image_kind("brightness"), images, 0.2)
    shifts = (found - images).reshape(40, -1)
    assert np.allclose(shifts, shifts[:, :1])
    assert set(np.round(shifts[:, 0], 4)) == {np.float32(-0.2), np.float32(0.2)}


def test_contrast_shrinks_deviations_from_the_mean_of_each_channel() -> None:
    images = np.random.default_rng(1).random((5, 3, 8, 8), dtype=np.float32)
    found = perturbed(image_kind("contrast"), images, 0.75)
    np.testing.assert_allclose(found.mean(axis=(2, 3)), images.mean(axis=(2, 3)), rtol=1e-5)
    np.testing.assert_allclose(found.std(axis=(2, 3)), 0.25 * images.std(axis=(2, 3)), rtol=1e-4)


def test_blur_spreads_a_point_as_a_normal_density() -> None:
    images = np.zeros((1, 1, 21, 21), dtype=np.float32)
    images[0, 0, 10, 10] = 1.0
    found = perturbed(image_kind("blur"), images, 1.5)[0, 0]
    distance = np.arange(-10, 11)
    density = np.exp(-(distance**2) / (2 * 1.5**2))
    np.testing.assert_allclose(found[10] / found[10, 10], density, atol=1e-3)
    assert found.sum() == pytest.approx(1.0, abs=1e-4)


def typed(text: str, hits: dict[int, tuple[float, float]]) -> str:
    """`text` with the letters at `hits` hit: (which edit, which neighbour), both in [0, 1)."""
    (kind,) = text_kinds((0.5,))
    drawn = np.ones((3, len(text)))
    for place, (edit, near) in hits.items():
        drawn[:, place] = (0.0, edit, near)
    (found,) = kind.apply([text], [drawn], 0.5)
    return str(found)


def test_letters_are_swapped_replaced_or_dropped() -> None:
    assert typed("credit", {1: (0.1, 0.0)}) == "cerdit"
    assert typed("credit", {0: (0.9, 0.0)}) == "redit"
    assert typed("Gas", {0: (0.5, 0.0)}) == "Fas"
    assert {typed("g", {0: (0.5, share)}) for share in np.linspace(0, 0.99, 40)} == set("fhtyvb")
    assert {typed("a", {0: (0.5, share)}) for share in np.linspace(0, 0.99, 40)} == set("sqwz")


def test_spaces_stay_and_letters_never_cross_words() -> None:
    assert typed("a b", {1: (0.9, 0.0)}) == "a b"
    assert typed("a b", {0: (0.1, 0.0)}) == "s b"  # nothing to swap with: a neighbour instead
    assert typed("no, so", {1: (0.1, 0.99)})[2:] == ", so"
    assert typed("", {}) == ""


def test_the_share_of_letters_hit_is_the_severity() -> None:
    (kind,) = text_kinds((0.1,))
    texts = ["q" * 400] * 50
    found = perturbed(kind, texts, 0.1)
    # a swap of equal letters shows nothing, so only drops and neighbours are counted: two thirds
    dropped = sum(400 - len(text) for text in found)
    replaced = sum(len(text) - text.count("q") for text in found)
    assert dropped / 20_000 == pytest.approx(0.1 / 3, abs=0.006)
    assert replaced / 20_000 == pytest.approx(0.1 / 3, abs=0.006)


def test_a_harder_severity_hits_the_same_letters_and_more() -> None:
    (kind,) = text_kinds((0.05, 0.2))
    texts = ["the applicant repaid every instalment of the loan"] * 30
    drawn = kind.draw(texts, generators(30))
    light, heavy = kind.apply(texts, drawn, 0.0), kind.apply(texts, drawn, 0.2)
    assert light == texts
    assert sum(a != b for a, b in zip(texts, heavy, strict=True)) > 25
