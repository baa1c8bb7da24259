"""From cells to one table of outcomes per group, for an attribute or an intersection of attributes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from assay.contracts import Params
from assay.methods.fairness.cells import Cells
from assay.methods.fairness.rates import (
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    OUTCOMES,
    REST_HIT,
    REST_MISS,
    TRUE_POSITIVE,
)

__all__ = ["Clusters", "Grouping", "GroupingParams", "group_cells", "outcome_of", "subsets"]


class GroupingParams(Params):
    """What methods that compare groups share."""

    level: Annotated[float, Field(ge=0.5, le=0.9999)] = Field(
        0.95, description="Confidence level; for pairs the level of all pairs of an attribute together."
    )
    intersections: Annotated[int, Field(ge=1, le=8)] | None = Field(
        None,
        description="Most attributes in an intersection; 1 = none. Default: all of up to 3 attributes, "
        "pairs of more.",
    )


@dataclass(frozen=True)
class Clusters:
    """Counts by cluster, sparse: row i says cluster[i], group[i] had outcomes[i]."""

    total: int
    cluster: npt.NDArray[np.int64]
    group: npt.NDArray[np.int64]
    outcomes: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Grouping:
    """The groups of one attribute, or of the intersection of several.

    groups: G keys such as {"race": "Black", "sex": "Female"}; a combination without rows is listed too.
    outcomes: int64, shape (G, 5): rows of each group by outcome (see rates.py).
    unknown: int64, shape (5,): rows for which one of the attributes is missing.
    clusters: the same counts by cluster; None when rows are independent.
    """

    attributes: tuple[str, ...]
    groups: tuple[dict[str, str], ...]
    outcomes: npt.NDArray[np.int64]
    unknown: npt.NDArray[np.int64]
    unlisted: int = 0
    """Possible combinations without rows that are left off the list, because it would be too long."""
    clusters: Clusters | None = None

    @property
    def over(self) -> str:
        return " × ".join(self.attributes)

    @property
    def known_rows(self) -> int:
        return int(self.outcomes.sum())

    def name(self, index: int) -> str:
        """ "Black, Female": how a pair names its other side."""
        return ", ".join(self.groups[index].values())


def subsets(attributes: Sequence[str], largest: int) -> list[tuple[str, ...]]:
    """Every single attribute, then every intersection of 2 to `largest` attributes, in order."""
    return [
        chosen
        for size in range(1, max(1, min(largest, len(attributes))) + 1)
        for chosen in combinations(attributes, size)
    ]


def outcome_of(
    label: npt.NDArray[np.int32] | None, prediction: npt.NDArray[np.int32], favourable: int | None
) -> npt.NDArray[np.int64]:
    """The outcome (0..4, see rates.py) of each cell.

    Without a favourable class hits and misses alone can be told apart; without a label, selected and
    unselected alone (selected counts as false positive, unselected as a miss of the rest).
    """
    if label is None:
        return np.where(prediction == favourable, FALSE_POSITIVE, REST_MISS).astype(np.int64)
    rest = np.where(label == prediction, REST_HIT, REST_MISS)
    if favourable is None:
        return rest.astype(np.int64)
    selected, positive = prediction == favourable, label == favourable
    return np.select(
        [selected & positive, selected, positive], [TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE], rest
    ).astype(np.int64)


def group_cells(
    cells: Cells,
    outcome: npt.NDArray[np.int64],
    attributes: tuple[str, ...],
    categories: Sequence[tuple[str, ...]],
    max_groups: int,
    cluster: str | None = None,
) -> Grouping | None:
    """Sum the cells to groups × outcomes.

    Args:
        cells: counted rows; its columns hold `attributes` (and `cluster`).
        outcome: outcome of each cell, shape (cells,).
        categories: the group names of each attribute, in code order.
        max_groups: if all combinations are more, only those with rows are listed.
        cluster: column of clusters, or None.

    Returns:
        The grouping, or None when the combinations with rows alone exceed max_groups.
    """
    sizes = [len(names) for names in categories]
    codes = cells.codes[:, [cells.columns.index(name) for name in attributes]]
    known = np.asarray((codes >= 0).all(axis=1))
    group = np.zeros(int(known.sum()), dtype=np.int64)
    for position, size in enumerate(sizes):
        group = group * size + codes[known, position]
    possible = math.prod(sizes)
    listed = np.arange(possible) if possible <= max_groups else np.unique(group)
    if len(listed) > max_groups:
        return None
    index = np.searchsorted(listed, group)
    counts, kind = cells.counts[known], outcome[known]
    table = np.zeros((len(listed), OUTCOMES), dtype=np.int64)
    np.add.at(table, (index, kind), counts)
    unknown = np.zeros(OUTCOMES, dtype=np.int64)
    np.add.at(unknown, outcome[~known], cells.counts[~known])
    return Grouping(
        attributes=attributes,
        groups=tuple(_keys(listed, attributes, categories)),
        outcomes=table,
        unknown=unknown,
        unlisted=possible - len(listed),
        clusters=None if cluster is None else _by_cluster(cells, cluster, known, index, kind, counts),
    )


def _keys(
    listed: npt.NDArray[np.int64], attributes: tuple[str, ...], categories: Sequence[tuple[str, ...]]
) -> list[dict[str, str]]:
    places = np.unravel_index(listed, [len(names) for names in categories])
    columns = [[names[place] for place in column] for names, column in zip(categories, places, strict=True)]
    return [dict(zip(attributes, values, strict=True)) for values in zip(*columns, strict=True)]


def _by_cluster(
    cells: Cells,
    cluster: str,
    known: npt.NDArray[np.bool_],
    index: npt.NDArray[np.int64],
    kind: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
) -> Clusters:
    """Rows whose cluster is missing count as one cluster, which can only widen the intervals."""
    codes = cells.codes[known, cells.columns.index(cluster)].astype(np.int64)
    names, dense = np.unique(codes, return_inverse=True)
    groups = int(index.max()) + 1 if len(index) else 1
    places, place = np.unique(dense * groups + index, return_inverse=True)
    outcomes = np.zeros((len(places), OUTCOMES), dtype=np.int64)
    np.add.at(outcomes, (place, kind), counts)
    return Clusters(len(names), places // groups, places % groups, outcomes)
