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
    """Counts by cluster, sparse: row i says cluster[i], group[i] had outcomes[i].

    Groups G and more are kinds of unknown row: place - G in `Grouping.kinds`.
    """

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
    kinds: bool, shape (K, G): the groups that each kind of unknown row may belong to. Of one attribute
        there is one kind, which may belong to any group; of an intersection a row whose sex is known may
        belong to the groups of that sex only.
    possible: int64, shape (G, 5): unknown rows that may belong to each group, by outcome. A row stands
        under each of its groups, though it belongs to one of them at most.
    clusters: the same counts by cluster; None when rows are independent.
    """

    attributes: tuple[str, ...]
    groups: tuple[dict[str, str], ...]
    outcomes: npt.NDArray[np.int64]
    unknown: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.bool_]
    possible: npt.NDArray[np.int64]
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
    said, which = np.unique(codes[~known], axis=0, return_inverse=True)
    which = which.reshape(-1)
    kinds = _may_belong(said, listed, sizes)
    by_kind = np.zeros((len(said), OUTCOMES), dtype=np.int64)
    np.add.at(by_kind, (which, outcome[~known]), cells.counts[~known])
    place = np.empty(len(known), dtype=np.int64)
    place[known], place[~known] = index, len(listed) + which
    return Grouping(
        attributes=attributes,
        groups=tuple(_keys(listed, attributes, categories)),
        outcomes=table,
        unknown=unknown,
        kinds=kinds,
        possible=kinds.T.astype(np.int64) @ by_kind,
        unlisted=possible - len(listed),
        clusters=None if cluster is None else _by_cluster(cells, cluster, place, outcome),
    )


def _may_belong(
    said: npt.NDArray[np.int32], listed: npt.NDArray[np.int64], sizes: Sequence[int]
) -> npt.NDArray[np.bool_]:
    """Which listed groups agree with what is known of each kind of unknown row, shape (K, G)."""
    fits = np.ones((len(said), len(listed)), dtype=bool)
    for column, place in zip(said.T, np.unravel_index(listed, sizes), strict=True):
        fits &= (column[:, None] < 0) | (column[:, None] == place[None, :])
    return fits


def _keys(
    listed: npt.NDArray[np.int64], attributes: tuple[str, ...], categories: Sequence[tuple[str, ...]]
) -> list[dict[str, str]]:
    places = np.unravel_index(listed, [len(names) for names in categories])
    columns = [[names[place] for place in column] for names, column in zip(categories, places, strict=True)]
    return [dict(zip(attributes, values, strict=True)) for values in zip(*columns, strict=True)]


def _by_cluster(
    cells: Cells, cluster: str, place: npt.NDArray[np.int64], outcome: npt.NDArray[np.int64]
) -> Clusters:
    """Rows whose cluster is missing count as one cluster, which can only widen the intervals."""
    codes = cells.codes[:, cells.columns.index(cluster)].astype(np.int64)
    names, dense = np.unique(codes, return_inverse=True)
    groups = int(place.max()) + 1 if len(place) else 1
    pairs, pair = np.unique(dense * groups + place, return_inverse=True)
    outcomes = np.zeros((len(pairs), OUTCOMES), dtype=np.int64)
    np.add.at(outcomes, (pair, outcome), cells.counts)
    return Clusters(len(names), pairs // groups, pairs % groups, outcomes)
