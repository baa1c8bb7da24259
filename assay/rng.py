"""Random numbers keyed by what they are for.

A generator is derived from (seed, method, key...), so another order of work or another sharding
draws the same numbers for the same purpose.
"""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["keyed_rng"]


def keyed_rng(seed: int, method: str, *key: str | int) -> np.random.Generator:
    """Philox generator keyed by SHA-256 over the seed, the method's id and the key's parts."""
    text = "\x1f".join([str(seed), method, *(f"{type(part).__name__}:{part}" for part in key)])
    words = np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=words[:2]))
