"""From the losses of members and non-members to measures, curve and notes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.contracts import (
    At,
    Key,
    Measure,
    MergeContext,
    MethodResult,
    Partial,
    Profile,
    Series,
    SeriesColumn,
    Status,
)
from assay.methods.privacy.membership_rows import sensitive_in_both
from assay.methods.privacy.membership_specs import SPECS
from assay.methods.privacy.threshold_attack import (
    attack_area,
    held_out_advantage,
    log_scale_roc,
    non_members_needed,
    true_positives_at,
)
from assay.stats.intervals import clopper_pearson_interval, newcombe_difference, normal_quantile

__all__ = ["FALSE_POSITIVE_RATES", "Sides", "measured", "not_applicable"]

FALSE_POSITIVE_RATES = (0.001, 0.01)
_FEWEST = 20
"""Rows a side below which nothing is measured."""
_BY_ID = {spec.id: spec for spec in SPECS}

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sides:
    """Members and non-members: loss, correctness, and the group of each row by attribute."""

    losses: Mapping[str, Floats]
    hits: Mapping[str, npt.NDArray[np.bool_]]
    groups: Mapping[str, Sequence[Codes]]

    @classmethod
    def of(cls, asked: Sequence[Partial], drawn: Partial) -> Sides:
        """From the partials of both stages; those of stage 1 in the order of their rows."""
        sides = ("members", "others")

        def joined(side: str, name: str) -> npt.NDArray[np.float64]:
            parts = [partial.arrays[name] for partial in asked if partial.data["side"] == side]
            return np.concatenate(parts) if parts else np.zeros(0)

        attributes = sum(name.startswith("members ") for name in drawn.arrays)
        return cls(
            {side: joined(side, "loss") for side in sides},
            {side: joined(side, "hit").astype(np.bool_) for side in sides},
            {side: [drawn.arrays[f"{side} {place}"] for place in range(attributes)] for side in sides},
        )

    @property
    def n(self) -> int:
        """Rows of both sides."""
        return self.losses["members"].size + self.losses["others"].size


@dataclass(frozen=True)
class _Maker:
    """Makes measures of one grade at one level."""

    context: MergeContext
    level: float

    def __call__(
        self,
        name: str,
        n: int,
        value: float | None = None,
        interval: tuple[float, float] | None = None,
        method: str | None = None,
        *,
        at: At | None = None,
        slice_: Key | None = None,
        counts: tuple[int, int] | None = None,
        note: str | None = None,
        otherwise: Status = "insufficient",
    ) -> Measure:
        spec = _BY_ID[f"privacy.{name}"]
        return Measure(
            id=spec.id,
            slice=slice_ or {},
            at=at or {},
            value=value,
            low=None if interval is None else interval[0],
            high=None if interval is None else interval[1],
            level=None if interval is None else self.level,
            interval_method=method,
            n=n,
            numerator=None if counts is None else counts[0],
            denominator=None if counts is None else counts[1],
            unit=spec.unit,
            direction=spec.direction,
            status=otherwise if value is None else "measured",
            grade=self.context.grade,
            note=note,
        )


def measured(
    method: str,
    sides: Sides,
    *,
    shared: Mapping[str, int],
    repeated: int,
    profile: Profile,
    level: float,
    group_rows: int,
    context: MergeContext,
) -> MethodResult:
    """Everything that privacy.membership_loss says."""
    make = _Maker(context, level)
    members, others = -sides.losses["members"], -sides.losses["others"]
    measures = list(_shared(make, shared, profile))
    notes = list(_notes(members.size, shared, repeated, profile))
    if members.size < _FEWEST:
        note = f"only {members.size} rows a side are left; {_FEWEST} are needed"
        names = ["membership_auc", "membership_advantage", "loss_gap"]
        measures += [make(name, sides.n, note=note) for name in names]
        return MethodResult(measures=tuple(measures), notes=tuple(notes))
    area, found = attack_area(members, others, level)
    measures.append(make("membership_auc", sides.n, area, found[:2], found.method))
    best = held_out_advantage(members, others, context.rng("halves"), level)
    interval = (best.low, best.high)
    measures.append(make("membership_advantage", best.n, best.value, interval, "newcombe score, held out"))
    measures += [_at_rate(make, members, others, rate) for rate in FALSE_POSITIVE_RATES]
    measures += _gaps(make, sides, profile)
    for place, name in enumerate(sensitive_in_both(profile)):
        measures += _by_group(make, sides, place, name, profile, group_rows)
    return MethodResult(
        measures=tuple(measures), series=(_curve(method, members, others, level),), notes=tuple(notes)
    )


def not_applicable(why: str, context: MergeContext) -> MethodResult:
    """What is said where rows have no loss."""
    make = _Maker(context, 0.95)
    names = ("membership_auc", "membership_advantage")
    measures = [make(name, 0, note=why, otherwise="not_applicable") for name in names]
    return MethodResult(measures=tuple(measures), notes=(why,))


def _at_rate(make: _Maker, members: Floats, others: Floats, rate: float) -> Measure:
    at = {"false_positive_rate": rate}
    needed = non_members_needed(rate)
    if others.size < needed:
        note = f"unresolved: {others.size:,} non-members; {needed:,} are needed for one false positive"
        return make("membership_true_positive_rate", members.size, at=at, note=note)
    found = true_positives_at(members, others, rate, make.level)
    low, high = clopper_pearson_interval(float(found.flagged), float(others.size), make.level)
    note = (
        f"{found.flagged:,} of {others.size:,} non-members are named wrongly at that threshold "
        f"({low:.2%} to {high:.2%} of all)"
    )
    return make(
        "membership_true_positive_rate",
        members.size,
        found.caught / found.members,
        (found.low, found.high),
        "clopper-pearson",
        at=at,
        counts=(found.caught, found.members),
        note=note,
    )


def _gaps(make: _Maker, sides: Sides, profile: Profile) -> Iterator[Measure]:
    members, others = sides.losses["members"], sides.losses["others"]
    if profile.signature.task != "regression":
        right = [float(sides.hits[side].sum()) for side in ("members", "others")]
        value = right[0] / members.size - right[1] / others.size
        interval = newcombe_difference(
            right[0], float(members.size), right[1], float(others.size), make.level
        )
        yield make("generalisation_gap", sides.n, value, interval, "newcombe score")
    error = math.sqrt(others.var(ddof=1) / others.size + members.var(ddof=1) / members.size)
    gap = float(others.mean() - members.mean())
    reach = float(normal_quantile(make.level)) * error
    yield make("loss_gap", sides.n, gap, (gap - reach, gap + reach), "normal")


def _by_group(
    make: _Maker, sides: Sides, place: int, name: str, profile: Profile, fewest: int
) -> Iterator[Measure]:
    dataset = profile.dataset(profile.asked_role)
    assert dataset is not None
    for code, group in enumerate(dataset.column(name).categories):
        members = -sides.losses["members"][sides.groups["members"][place] == code]
        others = -sides.losses["others"][sides.groups["others"][place] == code]
        n, least = members.size + others.size, min(members.size, others.size)
        if least < fewest:
            note = f"{members.size:,} members and {others.size:,} others; {fewest:,} of each are needed"
            yield make("group_membership_auc", n, slice_={name: group}, note=note)
            continue
        area, found = attack_area(members, others, make.level)
        yield make("group_membership_auc", n, area, found[:2], found.method, slice_={name: group})


def _shared(make: _Maker, shared: Mapping[str, int], profile: Profile) -> Iterator[Measure]:
    for role, count in shared.items():
        dataset = next(d for d in profile.datasets if d.role == role)
        yield make("shared_rows", dataset.rows, float(count), None, "exact", at={"dataset": role})


def _curve(method: str, members: Floats, others: Floats, level: float) -> Series:
    points = log_scale_roc(members, others, level)
    return Series(
        id="privacy.membership_roc",
        title="Members caught over non-members named wrongly",
        method=method,
        columns=tuple(
            SeriesColumn(name=name, unit="share", values=tuple(float(v) for v in values))
            for name, values in points._asdict().items()
        ),
    )


def _notes(rows: int, shared: Mapping[str, int], repeated: int, profile: Profile) -> Iterator[str]:
    loss = "squared error" if profile.signature.task == "regression" else "cross-entropy"
    yield (
        f"Tried on {rows:,} training rows and {rows:,} rows that the model was not trained on, told apart by "
        f"the {loss} of the model's answer. The attacker is assumed to hold the row with its label."
    )
    if any(shared.values()):
        yield (
            "Rows that stand in both datasets were left out: "
            + ", ".join(f"{count:,} of the {role} rows" for role, count in shared.items() if count)
            + "."
        )
    if repeated:
        yield (
            f"The larger dataset was cut to the size of the smaller; {repeated:,} rows with an equal row in "
            "what was cut off were left out as well, so that both sides are equally rare."
        )
    yield (
        "This is the simplest attack, so it bounds the leak from below: attacks that train shadow models "
        "find more, above all at low false positive rates. Rows of another time or place than the "
        "training rows are told apart as well, without any leak."
    )
    lacking = [name for name in profile.roles.sensitive if name not in sensitive_in_both(profile)]
    if lacking:
        yield f"The training rows do not tell the groups of {', '.join(lacking)}."
