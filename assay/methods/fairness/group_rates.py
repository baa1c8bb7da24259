"""Do people of different groups get different decisions and different errors?

One pass counts the rows by (attributes, label, prediction); everything else follows from the counts.
User's page: docs/methods/fairness.group_rates.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from assay.contracts import (
    Citation,
    Context,
    Estimate,
    Measure,
    MergeContext,
    MethodResult,
    MethodSpec,
    Partial,
    Profile,
    ShardSpec,
    SubjectProtocol,
    Tier,
)
from assay.datasets.table import predicted, prediction_columns
from assay.methods.checked_arrays import check_arrays
from assay.methods.fairness.cells import Cells, cell_arrays, count_rows, merge_cells
from assay.methods.fairness.groupings import Grouping, GroupingParams, group_cells, outcome_of, subsets
from assay.methods.fairness.measures import Setting, pair_measures, range_measures, rate_measures
from assay.methods.fairness.rates import RATES, SELECTION, Rate, group_measure_specs
from assay.methods.fairness.sampling import Clustered, Independent, Sampling
from assay.methods.fairness.screen_measures import (
    SCREEN_NOTE,
    screen_measure_specs,
    screen_measures,
    unknown_measures,
)
from assay.methods.fairness.unknown_rows import unknown_note
from assay.methods.sharding import row_shards

__all__ = ["METHOD", "GroupRates"]

_PREDICTION = "\0predicted"
"""Names the predicted class among the counted columns; no column of a file can be called so."""


class GroupRatesParams(GroupingParams):
    replicates: Annotated[int, Field(ge=1_000, le=1_000_000)] = Field(
        10_000, description="Bootstrap replicates and permutations."
    )
    max_groups: Annotated[int, Field(ge=2, le=10_000)] = Field(
        1_000, description="An intersection with more groups than this is left out, with a note."
    )
    max_pairs: Annotated[int, Field(ge=10, le=100_000)] = Field(
        500,
        description="Of more pairs than this only those that decide a verdict are listed.",
    )
    screen_minimum_share: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.0,
        description="Groups with a smaller share of the rows stay out of the four-fifths screen "
        "(Local Law 144 allows 0.02).",
    )

    @classmethod
    def tier_defaults(cls, tier: Tier) -> dict[str, Any]:
        """Resamples of the tiers that are not standard."""
        return {"quick": {"replicates": 2_000}, "deep": {"replicates": 100_000}}.get(tier, {})


class GroupRates:
    """Rates by group and intersection, their pairwise gaps and ratios, and the four-fifths screen."""

    spec = MethodSpec(
        id="fairness.group_rates",
        version="1.1",
        title="Rates by group",
        pillar="fairness",
        summary="Selection, error and predictive rates of every group and intersection, with all pairwise "
        "gaps and ratios, the four-fifths screen, and bounds for unknown groups.",
        needs=("predictions", "sensitive"),
        tasks=("binary", "multiclass"),
        modalities=("table", "text", "image"),
        measures=(*group_measure_specs(), *screen_measure_specs()),
        deterministic=True,
        citations=(
            Citation(text="Hardt, Price & Srebro 2016, Equality of opportunity in supervised learning"),
            Citation(text="Chouldechova 2017, Fair prediction with disparate impact"),
            Citation(text="Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4(D)"),
            Citation(text="New York City, 6 RCNY 5-300 to 5-304 (Local Law 144 of 2021)"),
            Citation(text="Wilson 1927; Fay, Proschan & Brittain 2015; Koopman 1984 (intervals)"),
            Citation(
                text="Manski 1989, 2003; Horowitz & Manski 2000; Kallus, Mao & Zhou 2022 (unknown groups)"
            ),
            Citation(text="Holm 1979; Davison & Hinkley 1997 (multiplicity, bootstrap)"),
        ),
    )
    Params = GroupRatesParams

    def estimate(self, profile: Profile, params: GroupRatesParams) -> Estimate:
        groups = sum(
            min(_possible(profile, attributes), params.max_groups)
            for attributes in subsets(profile.roles.sensitive, _largest(profile, params))
        )
        # Measured on one core of a shared machine: 50 ns a row, 1 µs a replicate and group.
        seconds = 0.1 + profile.test.rows * 5e-8 + params.replicates * groups * 1e-6
        return Estimate(evaluations=0, seconds=round(seconds, 3), memory_bytes=200_000_000)

    def plan(
        self, profile: Profile, params: GroupRatesParams, stage: int, earlier: Sequence[Partial]
    ) -> Sequence[ShardSpec]:
        return row_shards(self.spec.id, profile.test.rows) if stage == 0 else ()

    def run(
        self, shard: ShardSpec, subject: SubjectProtocol, params: GroupRatesParams, context: Context
    ) -> Partial:
        """Count the shard's rows by attributes, label, prediction and cluster."""
        profile = subject.profile
        columns, sizes = _columns(profile)
        read = [name for name in columns if name != _PREDICTION] + list(prediction_columns(profile))

        def batches() -> Iterator[list[npt.NDArray[np.int32]]]:
            rows = max(1, shard.stop_row - shard.first_row)
            for batch in subject.dataset("test").batches(read, shard.first_row, shard.stop_row):
                yield [
                    predicted(batch, profile) if name == _PREDICTION else batch.codes(name)
                    for name in columns
                ]
                context.progress((batch.start + batch.rows - shard.first_row) / rows)

        cells = count_rows(columns, sizes, batches())
        return Partial(
            method=self.spec.id,
            stage=shard.stage,
            index=shard.index,
            arrays={"codes": cells.codes, "counts": cells.counts},
        )

    def merge(
        self,
        partials: Sequence[Partial],
        profile: Profile,
        params: GroupRatesParams,
        context: MergeContext,
    ) -> MethodResult:
        columns, sizes = _columns(profile)
        check_arrays(self.spec.id, partials, cell_arrays(sizes, profile.test.rows), cells=profile.test.rows)
        cells = merge_cells(sizes, [Cells(columns, p.arrays["codes"], p.arrays["counts"]) for p in partials])
        favourable = _favourable(profile)
        rates = _rates(profile, favourable)
        setting = Setting(
            grade=context.grade,
            level=params.level,
            replicates=params.replicates,
            rates=rates,
            favourable=None if favourable is None else profile.signature.classes[favourable],
            max_pairs=params.max_pairs,
            rng=context.rng,
        )
        label = (
            None if profile.roles.label is None else cells.codes[:, cells.columns.index(profile.roles.label)]
        )
        outcome = outcome_of(label, cells.codes[:, cells.columns.index(_PREDICTION)], favourable)
        notes = _notes(profile, setting)
        measures: list[Measure] = []
        for attributes in subsets(profile.roles.sensitive, _largest(profile, params)):
            categories = [profile.test.column(name).categories for name in attributes]
            grouping = group_cells(
                cells, outcome, attributes, categories, params.max_groups, profile.roles.cluster
            )
            if grouping is None:
                over = " × ".join(attributes)
                notes.append(f"{over} was left out: more than {params.max_groups:,} groups have rows.")
                continue
            measures += _measure(grouping, setting, params, notes)
        return MethodResult(measures=tuple(measures), notes=tuple(notes))


def _measure(
    grouping: Grouping, setting: Setting, params: GroupRatesParams, notes: list[str]
) -> list[Measure]:
    """All measures of one attribute or intersection; sentences on what was left out go to `notes`."""
    rng = setting.rng("bootstrap", grouping.over)
    sampling: Sampling
    if grouping.clusters is None:
        sampling = Independent(grouping, setting.rates, setting.level, setting.replicates, rng)
    else:
        sampling = Clustered(
            grouping, grouping.clusters, setting.rates, setting.level, setting.replicates, rng
        )
        notes.append(
            f"{grouping.over}: rows come in {grouping.clusters.total:,} clusters; intervals are by a "
            f"bootstrap of whole clusters."
        )
    if (unknown := unknown_note(grouping)) is not None:
        notes.append(unknown)
    if grouping.unlisted:
        notes.append(
            f"{grouping.over}: {grouping.unlisted:,} further combinations have no rows and are not listed."
        )
    measures = list(rate_measures(grouping, sampling, setting))
    pairs, left_off = pair_measures(grouping, sampling, setting)
    measures += pairs
    if left_off:
        notes.append(
            f"{grouping.over}: up to {left_off:,} pairs a measure are not listed; those that could decide a "
            f"limit are, and all pairs share the confidence level."
        )
    measures += range_measures(grouping, sampling, setting)
    if SELECTION in setting.rates:
        measures += screen_measures(grouping, sampling, setting, params.screen_minimum_share)
    measures += unknown_measures(grouping, setting)
    return measures


def _columns(profile: Profile) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Columns counted and the size of each one's code space."""
    roles, test = profile.roles, profile.test
    columns = [*roles.sensitive]
    sizes = [len(test.column(name).categories) for name in roles.sensitive]
    if roles.label is not None:
        columns.append(roles.label)
        sizes.append(len(profile.signature.classes))
    columns.append(_PREDICTION)
    sizes.append(len(profile.signature.classes))
    if roles.cluster is not None:
        distinct = test.column(roles.cluster).distinct
        columns.append(roles.cluster)
        sizes.append(test.rows if distinct is None else distinct)
    return tuple(columns), tuple(sizes)


def _favourable(profile: Profile) -> int | None:
    signature = profile.signature
    if signature.favourable is not None:
        return signature.classes.index(signature.favourable)
    return 1 if signature.task == "binary" else None


def _rates(profile: Profile, favourable: int | None) -> tuple[Rate, ...]:
    """The rates that label and favourable class allow."""
    return tuple(
        rate
        for rate in RATES
        if (profile.roles.label is not None or not rate.labelled)
        and (favourable is not None or not rate.one_vs_rest)
    )


def _largest(profile: Profile, params: GroupRatesParams) -> int:
    if params.intersections is not None:
        return params.intersections
    return 3 if len(profile.roles.sensitive) <= 3 else 2


def _possible(profile: Profile, attributes: tuple[str, ...]) -> int:
    groups = 1
    for name in attributes:
        groups *= max(1, len(profile.test.column(name).categories))
    return groups


def _notes(profile: Profile, setting: Setting) -> list[str]:
    notes = [SCREEN_NOTE] if SELECTION in setting.rates else []
    if profile.roles.label is None:
        notes.append("Without a label only selection rates can be measured.")
    if setting.favourable is None:
        notes.append("No favourable class is named, so of all rates only accuracy is measured.")
    elif profile.signature.task == "multiclass":
        notes.append(
            f'Rates count "{setting.favourable}" against all other classes; accuracy counts exact class hits.'
        )
    return notes


METHOD = GroupRates()
