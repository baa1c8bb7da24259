"""Is the table fit to be audited? Missing values, repeats, leakage, imbalance, representation.

User's page: docs/methods/data_quality.basics.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

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
    Params,
    Partial,
    Profile,
    Series,
    ShardSpec,
    SubjectProtocol,
)
from assay.errors import ChildFailed
from assay.methods.checked_arrays import Wanted, check_arrays, hashed
from assay.methods.data_quality.measures import (
    MEASURES,
    counted_measures,
    group_measures,
    leak_measure,
    missing_series,
    repeat_measures,
    suspicious_series,
    unrepeatable_measures,
)
from assay.methods.data_quality.reading import (
    OTHERS,
    Telling,
    compared,
    content,
    limits,
    read_asked,
    read_other,
    read_test,
    screen_columns,
)
from assay.methods.data_quality.repeats import leaked, repeats
from assay.methods.fairness.cells import Cells, cell_arrays, merge_cells
from assay.methods.fairness.groupings import group_cells, subsets
from assay.methods.sharding import row_shards

__all__ = ["METHOD", "Basics"]

Hashes = npt.NDArray[np.uint64]


class BasicsParams(Params):
    level: Annotated[float, Field(ge=0.5, le=0.9999)] = Field(
        0.95, description="Confidence level of what is estimated."
    )
    exact_rows: Annotated[int, Field(ge=1_000, le=100_000_000)] = Field(
        4_000_000,
        description="Rows compared one by one; of longer tables an even share of the hash space is.",
    )
    screen_rows: Annotated[int, Field(ge=1_000, le=10_000_000)] = Field(
        100_000,
        description="Evenly spaced rows on which single columns are tried as predictors of the label.",
    )
    intersections: Annotated[int, Field(ge=1, le=8)] | None = Field(
        None,
        description="Most attributes in an intersection; 1 = none. Default: all of up to 3 attributes, "
        "pairs of more.",
    )
    max_groups: Annotated[int, Field(ge=2, le=10_000)] = Field(
        1_000, description="An intersection with more groups than this is left out, with a note."
    )


class Basics:
    """Facts about the file that decide how far any other result can be trusted."""

    spec = MethodSpec(
        id="data_quality.basics",
        version="1.0",
        title="Data quality",
        pillar="data_quality",
        summary="Missing values, repeated rows, contradicting labels, rows shared with training or tuning "
        "data, class imbalance, size of every group, and columns that give the label away.",
        needs=(),
        tasks=("binary", "multiclass", "regression", "generation"),
        measures=MEASURES,
        deterministic=True,
        citations=(
            Citation(text="ISO/IEC 5259-2:2024, Data quality for analytics and machine learning: measures"),
            Citation(text="Kapoor & Narayanan 2023, Leakage and the reproducibility crisis"),
            Citation(text="Cochran 1977, Sampling techniques, section 6.4 (ratio estimates)"),
            Citation(text="Wilson 1927 (score interval)"),
        ),
    )
    Params = BasicsParams

    def estimate(self, profile: Profile, params: BasicsParams) -> Estimate:
        rows = sum(dataset.rows for dataset in profile.datasets)
        columns = len(content(profile))
        kept = min(rows, params.exact_rows)
        return Estimate(
            evaluations=0,
            seconds=round(0.1 + rows * columns * 3e-8 + kept * 5e-7, 3),
            memory_bytes=100_000_000 + 64 * kept,
        )

    def plan(
        self, profile: Profile, params: BasicsParams, stage: int, earlier: Sequence[Partial]
    ) -> Sequence[ShardSpec]:
        if stage > 0:
            return ()
        planned = [("test", shard) for shard in row_shards(self.spec.id, profile.test.rows)]
        asked = profile.dataset("asked")
        if asked is not None:
            planned += [("asked", shard) for shard in row_shards(self.spec.id, asked.rows)]
        for role in OTHERS:
            dataset = profile.dataset(role)
            if dataset is not None and compared(profile, role):
                planned += [(role, shard) for shard in row_shards(self.spec.id, dataset.rows)]
        planned.append(("columns", ShardSpec(method=self.spec.id, stage=0, index=0)))
        return tuple(
            shard.model_copy(update={"index": index, "arguments": {"part": part}})
            for index, (part, shard) in enumerate(planned)
        )

    def run(
        self, shard: ShardSpec, subject: SubjectProtocol, params: BasicsParams, context: Context
    ) -> Partial:
        part = str(shard.arguments["part"])
        data: dict[str, object] = {"part": part}
        arrays: dict[str, npt.NDArray[np.generic]] = {}
        if part == "test":
            arrays = read_test(shard, subject, params.exact_rows, context)
        elif part == "asked":
            arrays = read_asked(shard, subject, params.exact_rows, context)
        elif part == "columns":
            data["suspicious"] = screen_columns(subject, params.screen_rows, context)
        else:
            role = next(role for role in OTHERS if role == part)
            arrays = {"features": read_other(shard, subject, params.exact_rows, context, role)}
        return Partial(method=self.spec.id, stage=shard.stage, index=shard.index, data=data, arrays=arrays)

    def merge(
        self, partials: Sequence[Partial], profile: Profile, params: BasicsParams, context: MergeContext
    ) -> MethodResult:
        parts = {
            name: [p for p in partials if p.data["part"] == name]
            for name in ("test", "asked", *OTHERS, "columns")
        }
        _check(profile, parts)
        notes: list[str] = []
        measures = list(counted_measures(profile, context.grade))
        measures += _repeated(profile, params, context, parts, notes)
        measures += _represented(profile, params, context, parts["test"], notes)
        series: list[Series] = [missing_series(profile)]
        suspicious = [Telling(*row) for partial in parts["columns"] for row in partial.data["suspicious"]]
        if suspicious:
            series.append(suspicious_series(suspicious))
            notes.append(
                "Columns that nearly give the label away on their own: "
                + ", ".join(f'"{name}" ({kind} {value:.4f})' for name, kind, value, _ in suspicious)
                + ". Check that they are known before the decision is made."
            )
        constant = _constant(profile)
        if constant:
            notes.append("Columns with a single value: " + ", ".join(f'"{name}"' for name in constant) + ".")
        if profile.test.set_aside:
            notes.append(
                f"{profile.test.set_aside:,} rows were set aside at intake and are not counted here."
            )
        return MethodResult(measures=tuple(measures), series=tuple(series), notes=tuple(notes))


def _check(profile: Profile, parts: dict[str, list[Partial]]) -> None:
    """Hold what the child counted against the data that there are."""
    name, rows, own = METHOD.spec.id, profile.test.rows, content(profile)
    sensitive = [profile.test.column(each) for each in profile.roles.sensitive]
    wanted = cell_arrays([len(column.categories) for column in sensitive], rows) if sensitive else {}
    if profile.roles.described_by:
        wanted["features"] = hashed("rows")
        if profile.roles.label is not None:
            wanted["labels"] = hashed("rows")
        wanted |= {role: hashed(role) for role in OTHERS if compared(profile, role) not in ((), own)}
    check_arrays(name, parts["test"], wanted, cells=rows, rows=rows, **dict.fromkeys(OTHERS, rows))
    asked: dict[str, Wanted] = {role: hashed(role) for role in OTHERS if compared(profile, role)}
    check_arrays(name, parts["asked"], asked, **dict.fromkeys(OTHERS, profile.asked.rows))
    for role in OTHERS:
        other = profile.dataset(role)
        most = 0 if other is None else other.rows
        check_arrays(name, parts[role], {"features": hashed("rows")}, rows=most)
    for partial in parts["columns"]:
        found = [Telling(*each) for each in partial.data["suspicious"]]
        names = [each.column for each in found]
        odd = any(each.statistic not in ("AUC", "purity") or not 0 <= each.value <= 1 for each in found)
        if odd or len(names) != len(set(names)) or not set(names) <= set(profile.roles.features):
            raise ChildFailed(f"The child names columns for {name} that are not there.")


def _repeated(
    profile: Profile,
    params: BasicsParams,
    context: MergeContext,
    parts: dict[str, list[Partial]],
    notes: list[str],
) -> Iterator[Measure]:
    if not profile.roles.described_by:
        yield from unrepeatable_measures(profile, context.grade)
        return
    (_, share), (limit, shared) = limits(profile, params.exact_rows)
    features = _joined(parts["test"], "features")
    labelled = bool(profile.signature.classes) and profile.roles.label is not None
    labels = _joined(parts["test"], "labels") if profile.roles.label is not None else None
    if share < 1:
        notes.append(
            f"Repeats are estimated from {len(features):,} rows, {share:.3g} of the hash space of all rows."
        )
    if len(features):
        result = repeats(features, labels, share, params.level)
        yield from repeat_measures(profile, context.grade, result, share, params.level, labelled)
    for role in OTHERS:
        other = profile.dataset(role)
        columns = compared(profile, role)
        if other is None:
            continue
        if not columns:
            notes.append(f"The {role} data have none of the feature columns: leakage cannot be looked for.")
            continue
        if parts["asked"]:
            # The test rows were predicted by several models; only these were kept from the one trained here.
            own = _joined(parts["asked"], role)
        else:
            own = features if columns == content(profile) else _joined(parts["test"], role)
        own = own[own <= np.uint64(limit)]
        of = len(content(profile))
        if len(columns) < of:
            notes.append(
                f"Leakage from {role} data is judged by columns in both files only: {len(columns)} of {of}."
            )
        if shared < 1:
            notes.append(f"Leakage from {role} data is estimated from {len(own):,} test rows.")
        if len(own):
            theirs = np.unique(_joined(parts[role], "features"))
            yield leak_measure(context.grade, role, leaked(own, theirs, params.level), params.level)


def _joined(partials: Sequence[Partial], name: str) -> Hashes:
    found = [partial.arrays[name] for partial in partials if name in partial.arrays]
    return np.concatenate(found) if found else np.empty(0, dtype=np.uint64)


def _represented(
    profile: Profile,
    params: BasicsParams,
    context: MergeContext,
    partials: Sequence[Partial],
    notes: list[str],
) -> Iterator[Measure]:
    sensitive = profile.roles.sensitive
    if not sensitive:
        return
    sizes = [len(profile.test.column(name).categories) for name in sensitive]
    parts = [Cells(tuple(sensitive), p.arrays["codes"], p.arrays["counts"]) for p in partials]
    cells = merge_cells(sizes, parts)
    outcome = np.zeros(len(cells.counts), dtype=np.int64)
    largest = params.intersections or (3 if len(sensitive) <= 3 else 2)
    for attributes in subsets(sensitive, largest):
        categories = [profile.test.column(name).categories for name in attributes]
        grouping = group_cells(cells, outcome, attributes, categories, params.max_groups)
        if grouping is None:
            notes.append(f"{' × '.join(attributes)} has more than {params.max_groups:,} groups: left out.")
            continue
        yield from group_measures(grouping, context.grade)


def _constant(profile: Profile) -> list[str]:
    """Features with at most one value."""
    return [
        column.name
        for column in profile.test.columns
        if column.name in profile.roles.features and column.distinct is not None and column.distinct <= 1
    ]


METHOD = Basics()
