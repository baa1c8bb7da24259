"""Scores of each group of an attribute or intersection: the sample of each, and its estimates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.methods.score_cells import ScoreCells
from assay.methods.score_resampling import calibration_error_estimate, resample
from assay.methods.score_sample import Estimated, ScoreSample, sample_of
from assay.stats.calibration import Bins
from assay.stats.ranking import area_influence

__all__ = ["Coding", "GroupScores", "split_groups"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Coding:
    """How a row's stratum packs (block, codes of the attributes + 1, label): last digit first the label."""

    attributes: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]
    blocks: int

    @property
    def combinations(self) -> int:
        return math.prod(len(names) + 1 for names in self.categories)

    @property
    def strata(self) -> int:
        return 2 * self.combinations * max(self.blocks, 1)

    def pack(self, block: Ints, codes: Sequence[npt.NDArray[np.int32]], label: npt.NDArray[np.int32]) -> Ints:
        packed = block.astype(np.int64)
        for names, column in zip(self.categories, codes, strict=True):
            packed = packed * (len(names) + 1) + column + 1
        return packed * 2 + label

    @staticmethod
    def positive(stratum: Ints) -> npt.NDArray[np.bool_]:
        return np.asarray(stratum % 2 == 1)

    def block(self, stratum: Ints) -> Ints | None:
        """Block of clusters of each stratum, None where rows are independent."""
        return np.asarray(stratum // (2 * self.combinations)) if self.blocks else None

    def codes(self, stratum: Ints, attribute: str) -> Ints:
        """Code of the attribute in each stratum, -1 = missing."""
        place = self.attributes.index(attribute)
        below = math.prod(len(names) + 1 for names in self.categories[place + 1 :])
        return np.asarray(stratum // (2 * below) % (len(self.categories[place]) + 1) - 1)


@dataclass(frozen=True)
class GroupScores:
    """The groups of one attribute or intersection that hold rows.

    keys: {"race": "Black", "sex": "Female"}; samples: their scores; left_out: rows with a missing value.
    """

    attributes: tuple[str, ...]
    keys: tuple[dict[str, str], ...]
    samples: tuple[ScoreSample, ...]
    members: tuple[Ints, ...]
    """Indices of the entries of each group."""
    left_out: int
    possible: tuple[Ints, ...]
    """Indices of the entries of unknown group that may belong to each group."""

    @property
    def over(self) -> str:
        return " × ".join(self.attributes)

    @property
    def rows(self) -> Ints:
        return np.array([sample.rows for sample in self.samples], np.int64)

    def name(self, index: int) -> str:
        return ", ".join(self.keys[index].values())


def split_groups(
    cells: ScoreCells, coding: Coding, attributes: tuple[str, ...], max_groups: int
) -> GroupScores | None:
    """One sample a group with rows; None when there are more than `max_groups` of them."""
    sizes = [len(coding.categories[coding.attributes.index(name)]) for name in attributes]
    codes = [coding.codes(cells.stratum, name) for name in attributes]
    known = np.logical_and.reduce([column >= 0 for column in codes])
    group = np.zeros(cells.cell.shape, np.int64)
    for size, column in zip(sizes, codes, strict=True):
        group = group * size + column
    entries = np.flatnonzero(known)
    entries = entries[np.argsort(group[entries], kind="stable")]
    listed, starts = np.unique(group[entries], return_index=True)
    if listed.size > max_groups:
        return None
    members = tuple(np.split(entries, starts[1:])) if listed.size else ()
    positive, block = coding.positive(cells.stratum), coding.block(cells.stratum)
    places = np.unravel_index(listed, sizes)
    unknown = np.flatnonzero(~known)
    said = [column[unknown] for column in codes]
    possible = tuple(
        unknown[np.logical_and.reduce([(s < 0) | (s == d) for s, d in zip(said, digits, strict=True)])]
        for digits in zip(*places, strict=True)
    )
    keys = []
    for digits in zip(*places, strict=True):
        names = (coding.categories[coding.attributes.index(name)] for name in attributes)
        keys.append({name: values[d] for name, values, d in zip(attributes, names, digits, strict=True)})
    return GroupScores(
        attributes=attributes,
        keys=tuple(keys),
        samples=tuple(sample_of(cells, some, positive, block) for some in members),
        members=members,
        left_out=int(cells.count[~known].sum()),
        possible=possible,
    )


def calibration_estimates(
    sample: ScoreSample, levels: tuple[float, float], bins: int, replicates: int, rng: np.random.Generator
) -> tuple[Estimated, Estimated, Bins]:
    """Calibration error with intervals at two levels (its own, and that of the pairs), and its bins."""
    table, placed = sample.bins(bins)
    resampled = resample(sample, placed, replicates, rng, resolution=4 * bins, ranks=False)
    single, paired = (calibration_error_estimate(sample, table, resampled, level) for level in levels)
    return single, paired, table


def area_correlation(groups: GroupScores, cells: ScoreCells, coding: Coding) -> npt.NDArray[np.float64]:
    """Correlation of the AUCs of groups that share clusters, from the clusters' influence; (groups, groups).

    Source: Obuchowski 1997; Liang & Zeger 1986.
    """
    block = coding.block(cells.stratum)
    moves = np.zeros((len(groups.samples), coding.blocks))
    for g, (sample, some) in enumerate(zip(groups.samples, groups.members, strict=True)):
        if block is None or min(sample.class_rows) == 0:
            continue
        of_negative, of_positive = area_influence(sample.negatives, sample.positives)
        each = np.where(sample.positive, of_positive[sample.cell], of_negative[sample.cell])
        moves[g] = np.bincount(block[some], each * sample.count, coding.blocks)
    covariance = moves @ moves.T
    spread = np.sqrt(np.diag(covariance))
    scale = np.outer(spread, spread)
    return np.asarray(np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 0))
