"""Cutting a dataset into shards of rows."""

from __future__ import annotations

from assay.contracts import ShardSpec

__all__ = ["SHARD_ROWS", "row_shards"]

SHARD_ROWS = 1_000_000


def row_shards(method: str, rows: int, *, stage: int = 0, size: int = SHARD_ROWS) -> tuple[ShardSpec, ...]:
    """Consecutive shards of at most `size` rows that cover [0, rows); none for an empty dataset."""
    return tuple(
        ShardSpec(method=method, stage=stage, index=index, first_row=first, stop_row=min(first + size, rows))
        for index, first in enumerate(range(0, rows, size))
    )
