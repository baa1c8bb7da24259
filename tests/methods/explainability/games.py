"""Shapley values straight from their definition, to hold the estimators against."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations, product

import numpy as np

__all__ = ["by_definition", "interventional"]


def by_definition(game: Callable[[np.ndarray], float], players: int) -> np.ndarray:
    """phi_i = sum over S without i of |S|! (M - |S| - 1)! / M! (v(S + i) - v(S)), Shapley 1953."""
    values = np.zeros(players)
    for player in range(players):
        others = [other for other in range(players) if other != player]
        for size in range(players):
            weight = math.factorial(size) * math.factorial(players - size - 1) / math.factorial(players)
            for members in combinations(others, size):
                without = np.zeros(players, dtype=bool)
                without[list(members)] = True
                joined = without.copy()
                joined[player] = True
                values[player] += weight * (game(joined) - game(without))
    return values


def interventional(
    score: Callable[[np.ndarray], np.ndarray], row: np.ndarray, background: np.ndarray
) -> Callable[[np.ndarray], float]:
    """v(S) = mean over the background of f(row on S, background row elsewhere); f is asked once for all S."""
    masks = np.array(list(product((False, True), repeat=len(row))))
    inputs = np.where(masks[:, None], row, background).reshape(-1, len(row))
    means = score(inputs).reshape(len(masks), len(background)).mean(axis=1)
    table = {mask.tobytes(): float(mean) for mask, mean in zip(masks, means, strict=True)}
    return lambda mask: table[mask.tobytes()]
