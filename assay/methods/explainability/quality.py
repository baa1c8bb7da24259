"""Measures of an explanation's quality that any attribution method can report: completeness and deletion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.errors import BadInput

__all__ = [
    "completeness_gap",
    "deletion_area",
    "deletion_changes",
    "deletion_curve",
    "importance_order",
    "random_order",
    "removed_features",
]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_SMALLEST = 1e-9
"""Below this |f(x) - E f| there is nothing to be complete about: the gap is measured against it instead."""
_CHUNK_NUMBERS = 16_000_000
"""Numbers in the perturbed inputs of one call of the score: 128 MB of float64."""


def completeness_gap(attributions: Floats, explained: Floats, expected: float | Floats) -> Floats:
    """|sum phi - (f(x) - E f)| / max(|f(x) - E f|, 1e-9), shape (rows,); 0 = the attributions add up.

    Args:
        attributions: phi, (rows, features).
        explained: f(x), (rows,).
        expected: E f over the background (or f of the baseline), one number or (rows,).

    Source: Sundararajan, Taly & Yan 2017 (completeness); Lundberg & Lee 2017 (local accuracy).
    """
    change = explained - np.asarray(expected, dtype=np.float64)
    missed = np.abs(attributions.sum(axis=1) - change)
    return np.asarray(missed / np.maximum(np.abs(change), _SMALLEST))


def importance_order(attributions: Floats) -> Integers:
    """Features by falling |phi|, (rows, features); ties keep the features' own order."""
    return np.argsort(-np.abs(attributions), axis=1, kind="stable")


def random_order(rows: int, features: int, rng: np.random.Generator) -> Integers:
    """An independent random order of the features for each row, (rows, features)."""
    return np.asarray(rng.permuted(np.tile(np.arange(features), (rows, 1)), axis=1))


def removed_features(order: Integers, fraction: float) -> npt.NDArray[np.bool_]:
    """Which features are gone once the first `fraction` of each row's order is, (rows, features).

    The count is rounded to the nearest whole feature, but any fraction above 0 removes at least one.
    """
    rows, features = order.shape
    if not 0 <= fraction <= 1:
        raise BadInput(f"A fraction of features lies between 0 and 1; got {fraction}.")
    gone = int(np.clip(round(fraction * features), fraction > 0, features))
    removed = np.zeros((rows, features), dtype=bool)
    np.put_along_axis(removed, order[:, :gone], True, axis=1)
    return removed


def deletion_curve(
    score: Callable[[npt.NDArray[Any]], Floats],
    inputs: npt.NDArray[Any],
    order: Integers,
    background: npt.NDArray[Any],
    fractions: Sequence[float],
    rng: np.random.Generator,
    *,
    draws: int = 8,
    groups: Sequence[Integers] | None = None,
) -> Floats:
    """Mean |f(x) - f(x')| a row, where x' has the first features of `order` replaced from the background.

    The replaced features of one x' come from one background row; each row is compared with `draws` of
    them, the same at every fraction. Two orders called with generators of the same key share the draws,
    so that their curves are paired.

    Args:
        score: f, (rows, ...) -> (rows,).
        inputs: x, (rows, ...): table rows, or images of any shape.
        order: indices of features (or groups), most important first, (rows, features).
        background: (B, ...), shaped like inputs.
        fractions: shares of the features that are removed, each in [0, 1].
        groups: what a "feature" is: indices into one flattened row (superpixels); None = each number.

    Returns:
        (rows, fractions).

    Source: Samek et al. 2017; Petsiuk, Das & Saenko 2018; Agarwal et al. 2022 (OpenXAI, PGI).
    """
    drawn = rng.integers(0, len(background), size=(len(inputs), draws))
    return deletion_changes(score, inputs, order, background, fractions, drawn, groups=groups)


def deletion_changes(
    score: Callable[[npt.NDArray[Any]], Floats],
    inputs: npt.NDArray[Any],
    order: Integers,
    background: npt.NDArray[Any],
    fractions: Sequence[float],
    drawn: Integers,
    *,
    groups: Sequence[Integers] | None = None,
) -> Floats:
    """`deletion_curve` with the background rows of each explained row given, (rows, draws).

    A method whose rows may be dealt out over several shards draws them for all rows at once and hands
    each shard its own.
    """
    rows, numbers, draws = len(inputs), int(np.prod(inputs.shape[1:])), drawn.shape[1]
    members = [np.array([i]) for i in range(numbers)] if groups is None else groups
    owner = np.full(numbers, -1)
    for index, places in enumerate(members):
        owner[places] = index
    whole = score(inputs)
    found = np.zeros((rows, len(fractions)))
    step = max(1, _CHUNK_NUMBERS // (numbers * draws))
    for column, fraction in enumerate(fractions):
        gone = removed_features(order, fraction)
        if not gone.any():
            continue
        for first in range(0, rows, step):
            piece = slice(first, min(first + step, rows))
            flat = gone[piece][:, owner] & (owner >= 0)
            removed = flat.reshape(-1, 1, *inputs.shape[1:])
            changed = np.where(removed, background[drawn[piece]], inputs[piece][:, None])
            scores = score(changed.reshape(-1, *inputs.shape[1:])).reshape(-1, draws)
            found[piece, column] = np.abs(scores - whole[piece, None]).mean(axis=1)
    return found


def deletion_area(curves: Floats, fractions: Sequence[float]) -> Floats:
    """Mean height of each row's curve, (rows,): trapezium rule, starting from no change at fraction 0."""
    x = np.concatenate([[0.0], fractions])
    y = np.concatenate([np.zeros((len(curves), 1)), curves], axis=1)
    return np.asarray(((y[:, 1:] + y[:, :-1]) / 2 * np.diff(x)).sum(axis=1) / x[-1])
