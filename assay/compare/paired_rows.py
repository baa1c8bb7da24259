"""The rows that two runs have in common, found by their content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.annex import RunRows
from assay.contracts import Evidence
from assay.datasets.row_hash import combine_hashes

__all__ = ["FEWEST_SHARE", "PairedRows", "pair_rows"]

FEWEST_SHARE = 0.95
"""Of the larger run's rows that must be found in the other one: a few lost rows cannot turn a comparison."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PairedRows:
    """Row-level results of both runs over the rows that both have, in one order.

    Attributes:
        label: shape (rows,), the same in both runs.
        prediction, score: one array a run, or None where either run has none.
        attributes: sensitive attribute -> group codes; only those that are the same in both runs.
        categories: attribute -> names of its codes.
        cluster: cluster codes, or None where rows are independent.
        asked: places of the common asked rows in each run's results.
        same_asked: whether the model was asked about these very rows.
        whole: whether no row of either run is left out.
    """

    label: npt.NDArray[Any] | None
    prediction: tuple[npt.NDArray[Any], npt.NDArray[Any]] | None
    score: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None
    attributes: dict[str, npt.NDArray[np.int32]]
    categories: dict[str, tuple[str, ...]]
    cluster: Ints | None
    results: tuple[dict[str, npt.NDArray[np.int8]], dict[str, npt.NDArray[np.int8]]]
    rows: int
    of: int
    whole: bool
    asked_whole: bool
    same_asked: bool

    @property
    def sentence(self) -> str:
        """ "48,842 of 48,842 rows are paired ...": what the comparisons rest on."""
        left = "" if self.whole else f" ({self.of - self.rows:,} are in one run only and left out)"
        return (
            f"{self.rows:,} of {self.of:,} rows are paired{left}: changes of rates, gaps, ratios, AUC, "
            "proper scores and outcomes of single rows are measured on the same rows. Other measures "
            "combine the intervals of both runs (MOVER) as if their rows were independent, which is "
            "conservative."
        )


def pair_rows(
    before: Evidence, after: Evidence, first: RunRows | None, second: RunRows | None
) -> PairedRows | str:
    """Match the rows of two runs, or say in a sentence why they cannot be paired.

    Rows of the same file are matched by their place, others by content and, among equal rows, by order.
    """
    if first is None or second is None:
        word = "first" if first is None else "second"
        return f"The row-level results of the {word} run are not kept in this installation."
    same_file = before.subject.test.sha256 == after.subject.test.sha256
    a, b = _places(
        (first.identity, first.occurrence), (second.identity, second.occurrence), same_place=same_file
    )
    of = max(len(first.identity), len(second.identity))
    if len(a) < FEWEST_SHARE * of:
        return f"Only {len(a):,} of {of:,} rows are in both runs, too few to pair them."
    label = _same(first.label, second.label, a, b)
    if first.label is not None and second.label is not None and label is None:
        return "The labels of the common rows differ between the runs, so rows are not paired."
    asked = _places(
        (first.asked_identity, first.asked_occurrence),
        (second.asked_identity, second.asked_occurrence),
        same_place=before.subject.asked.sha256 == after.subject.asked.sha256,
    )
    asked_of = max(len(first.asked_identity), len(second.asked_identity))
    enough = len(asked[0]) >= FEWEST_SHARE * asked_of
    cluster = _same(first.cluster, second.cluster, a, b)
    if cluster is None and (first.cluster is not None or second.cluster is not None):
        return "The rows are clustered in different ways, so they are not paired."
    return PairedRows(
        label=label,
        prediction=_both(first.prediction, second.prediction, a, b),
        score=_both(first.score, second.score, a, b),
        attributes={
            name: codes[a]
            for name, codes in first.attributes.items()
            if name in second.attributes
            and first.categories[name] == second.categories[name]
            and np.array_equal(codes[a], second.attributes[name][b])
        },
        categories=dict(first.categories),
        cluster=None if cluster is None else cluster.astype(np.int64),
        results=(
            {key: counted[asked[0]] for key, counted in first.results.items()} if enough else {},
            {key: counted[asked[1]] for key, counted in second.results.items()} if enough else {},
        ),
        rows=len(a),
        of=of,
        whole=len(a) == len(first.identity) == len(second.identity),
        asked_whole=len(asked[0]) == asked_of == len(first.asked_identity) == len(second.asked_identity),
        same_asked=before.subject.asked_role == after.subject.asked_role == "test",
    )


def _places(
    first: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    second: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    *,
    same_place: bool,
) -> tuple[Ints, Ints]:
    """Places of the common rows in both runs, in the order of the first."""
    if same_place and len(first[0]) == len(second[0]):
        places = np.arange(len(first[0]))
        return places, places
    keys = [combine_hashes([identity, count.astype(np.uint64)]) for identity, count in (first, second)]
    _, a, b = np.intersect1d(keys[0], keys[1], return_indices=True)
    order = np.argsort(a)
    return a[order].astype(np.int64), b[order].astype(np.int64)


def _same(
    first: npt.NDArray[Any] | None, second: npt.NDArray[Any] | None, a: Ints, b: Ints
) -> npt.NDArray[Any] | None:
    if first is None or second is None or not np.array_equal(first[a], second[b]):
        return None
    return first[a]


def _both(
    first: npt.NDArray[Any] | None, second: npt.NDArray[Any] | None, a: Ints, b: Ints
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]] | None:
    return None if first is None or second is None else (first[a], second[b])
