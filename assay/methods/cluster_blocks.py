"""Clusters of rows (several rows of one person) as a bounded number of independent blocks.

Resampling needs independent units, not every cluster by itself: whole clusters pooled into blocks are
as independent as the clusters were, so very many clusters are dealt out, by code, over a fixed number
of blocks. That bounds memory and time, and loses nothing but degrees of freedom that are not missed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from assay.contracts import Profile
from assay.methods.score_cells import EXACT_ROWS

__all__ = ["FEWEST_CLUSTERS", "MOST_BLOCKS", "block_count", "block_of"]

MOST_BLOCKS = 5_000
MOST_BLOCKS_BINNED = 200
"""Beyond EXACT_ROWS rows, so that score bins x blocks stay bounded."""
FEWEST_CLUSTERS = 5
"""With fewer, resampling clusters shows too little of their spread to trust."""
_FEWEST = 100


def block_count(profile: Profile, most: int = MOST_BLOCKS) -> int:
    """Blocks used for the test dataset: 0 without a cluster column, else at most `most` (but 100)."""
    if profile.roles.cluster is None:
        return 0
    limit = MOST_BLOCKS if profile.test.rows <= EXACT_ROWS else MOST_BLOCKS_BINNED
    distinct = profile.test.column(profile.roles.cluster).distinct
    return min(limit if distinct is None else distinct, limit, max(most, _FEWEST))


def block_of(cluster: npt.NDArray[np.int32], blocks: int) -> npt.NDArray[np.int64]:
    """Block of each row from its cluster's code; the same code always falls in the same block."""
    return cluster.astype(np.int64) % blocks
