"""What language models answer about texts, wherever they run."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Likelihoods"]

Counts = npt.NDArray[np.int64]


class Likelihoods(NamedTuple):
    """Of each text, shape (texts,): its log-likelihood in nats, and the tokens and bytes that it is of."""

    nats: npt.NDArray[np.float64]
    tokens: Counts
    """That were scored: all, or all but the first where the model has no start token."""
    bytes: Counts
    """Of the text in UTF-8."""
    unknown: Counts
    """Tokens that stand for what the vocabulary does not have; none where an endpoint does not tell."""
