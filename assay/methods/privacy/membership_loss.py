"""Can one tell from the model's loss on a row whether it was trained on that row?

Stage 0 draws as many training rows as rows that the model has not seen; stage 1 asks the model about them.
User's page: docs/methods/privacy.membership_loss.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from assay.contracts import (
    Context,
    DatasetRole,
    Estimate,
    MergeContext,
    MethodResult,
    MethodSpec,
    Params,
    Partial,
    Profile,
    ShardSpec,
    SubjectProtocol,
    Tier,
)
from assay.methods.checked_arrays import Wanted, check_arrays, flagged, floats, whole
from assay.methods.privacy.losses import losses_and_hits
from assay.methods.privacy.membership_measures import Sides, measured, not_applicable
from assay.methods.privacy.membership_rows import draw_rows, group_codes, sensitive_in_both
from assay.methods.privacy.membership_specs import CITATIONS, SPECS

__all__ = ["METHOD", "MembershipLoss", "MembershipLossParams"]

_SHARD_ROWS = 8_192
_ASK_ROWS = 1_024
"""Rows between two reports of progress."""


class MembershipLossParams(Params):
    level: Annotated[float, Field(ge=0.5, le=0.9999)] = Field(0.95, description="Confidence level.")
    rows: Annotated[int, Field(ge=20, le=1_000_000)] = Field(
        5_000, description="Training rows, and as many others, that are tried at most."
    )
    group_rows: Annotated[int, Field(ge=20, le=100_000)] = Field(
        50, description="Rows of a group needed on either side for an AUC of its own."
    )

    @classmethod
    def tier_defaults(cls, tier: Tier) -> dict[str, Any]:
        """How many rows are tried in the tiers that are not standard."""
        return {"quick": {"rows": 2_000}, "deep": {"rows": 50_000}}.get(tier, {})


class MembershipLoss:
    """The threshold attack of Yeom et al. 2018: a row with a small loss is called a member."""

    spec = MethodSpec(
        id="privacy.membership_loss",
        version="1.0",
        title="Membership inference by loss",
        pillar="privacy",
        summary="Whether somebody who holds a row and may ask the model can tell that the model was trained "
        "on it: training rows against rows it has not seen, told apart by the model's loss alone.",
        needs=("query", "labels", "training_rows"),
        tasks=("binary", "multiclass", "regression"),
        measures=SPECS,
        deterministic=True,
        citations=CITATIONS,
    )
    Params = MembershipLossParams

    def estimate(self, profile: Profile, params: MembershipLossParams) -> Estimate:
        sizes = [_rows(profile, "training"), _rows(profile, profile.asked_role)]
        asked = 0 if _cannot(profile) else 2 * min(params.rows, *sizes)
        seconds = 0.1 + sum(sizes) * 2e-6 + asked * 2e-6
        return Estimate(evaluations=asked, seconds=round(seconds, 3), memory_bytes=200_000_000)

    def plan(
        self, profile: Profile, params: MembershipLossParams, stage: int, earlier: Sequence[Partial]
    ) -> Sequence[ShardSpec]:
        if stage == 0:
            return () if _cannot(profile) else (ShardSpec(method=self.spec.id, stage=0, index=0),)
        if stage > 1 or not earlier:
            return ()
        drawn = next(partial for partial in earlier if partial.stage == 0)
        self._check_drawn(drawn, profile, params)
        sides: tuple[tuple[DatasetRole, str], ...] = (("training", "members"), (profile.asked_role, "others"))
        shards: list[ShardSpec] = []
        for role, side in sides:
            rows = drawn.arrays[side].tolist()
            for first in range(0, len(rows), _SHARD_ROWS):
                piece = rows[first : first + _SHARD_ROWS]
                shards.append(
                    ShardSpec(
                        method=self.spec.id,
                        stage=1,
                        index=len(shards),
                        first_row=first,
                        stop_row=first + len(piece),
                        arguments={"role": role, "side": side, "from": first, "rows": piece},
                    )
                )
        return tuple(shards)

    def run(
        self, shard: ShardSpec, subject: SubjectProtocol, params: MembershipLossParams, context: Context
    ) -> Partial:
        """Stage 0: the rows, and their groups. Stage 1: loss of some of them, and whether each is right."""
        if shard.stage == 0:
            return self._draw(shard, subject, params, context)
        role, start = shard.arguments["role"], int(shard.arguments["from"])
        rows = np.asarray(shard.arguments["rows"], dtype=np.int64)
        rows = rows[shard.first_row - start : shard.stop_row - start]
        losses, hits = [np.zeros(0)], [np.zeros(0, dtype=np.bool_)]
        for first in range(0, rows.size, _ASK_ROWS):
            some = rows[first : first + _ASK_ROWS]
            found = losses_and_hits(subject.model, subject.inputs(role, some), subject.labels(role, some))
            losses.append(found[0])
            hits.append(found[1])
            context.progress(min(1.0, (first + some.size) / rows.size))
        return Partial(
            method=self.spec.id,
            stage=1,
            index=shard.index,
            data={"side": shard.arguments["side"]},
            arrays={"loss": np.concatenate(losses), "hit": np.concatenate(hits)},
        )

    def _draw(
        self, shard: ShardSpec, subject: SubjectProtocol, params: MembershipLossParams, context: Context
    ) -> Partial:
        drawn = draw_rows(subject, params.rows, context.rng("rows"), context.progress)
        arrays: dict[str, npt.NDArray[Any]] = {"members": drawn.members, "others": drawn.others}
        for place, name in enumerate(sensitive_in_both(subject.profile)):
            arrays[f"members {place}"] = group_codes(subject, "training", name, drawn.members)
            arrays[f"others {place}"] = group_codes(subject, subject.profile.asked_role, name, drawn.others)
        shared = {"training": drawn.shared_members, subject.profile.asked_role: drawn.shared_others}
        return Partial(
            method=self.spec.id,
            stage=0,
            index=shard.index,
            data={"shared": shared, "repeated": drawn.repeated},
            arrays=arrays,
        )

    def _check_drawn(self, drawn: Partial, profile: Profile, params: MembershipLossParams) -> None:
        """Hold the rows and groups that were drawn against the data that there are."""
        wanted: dict[str, Wanted] = {}
        sides: tuple[tuple[DatasetRole, str], ...] = (("training", "members"), (profile.asked_role, "others"))
        for role, side in sides:
            wanted[side] = whole("rows", top=_rows(profile, role))
            for place, name in enumerate(sensitive_in_both(profile)):
                groups = len(profile.asked.column(name).categories)
                wanted[f"{side} {place}"] = whole("rows", low=-1, top=groups)
        check_arrays(self.spec.id, [drawn], wanted, rows=params.rows)

    def merge(
        self,
        partials: Sequence[Partial],
        profile: Profile,
        params: MembershipLossParams,
        context: MergeContext,
    ) -> MethodResult:
        why = _cannot(profile)
        if why is not None:
            return not_applicable(why, context)
        drawn, *asked = partials
        self._check_drawn(drawn, profile, params)
        for side in ("members", "others"):
            own = [partial for partial in asked if partial.data["side"] == side]
            wanted = {"loss": floats("rows"), "hit": flagged("rows")}
            check_arrays(self.spec.id, own, wanted, rows=drawn.arrays[side].size)
        return measured(
            self.spec.id,
            Sides.of(asked, drawn),
            shared=drawn.data["shared"],
            repeated=int(drawn.data["repeated"]),
            profile=profile,
            level=params.level,
            group_rows=params.group_rows,
            context=context,
        )


def _rows(profile: Profile, role: DatasetRole) -> int:
    dataset = profile.dataset(role)
    return 0 if dataset is None else dataset.rows


def _cannot(profile: Profile) -> str | None:
    """Why there is nothing to try although the method applies, as a sentence."""
    training, label = profile.dataset("training"), profile.roles.label
    if training is None or all(column.name != label for column in training.columns):
        return f'The training rows have no usable label column "{label}", so they have no loss.'
    classifier = profile.signature.task != "regression"
    if classifier and profile.model_signature is not None and profile.model_signature.output == "score":
        return "The model gives plain scores, not probabilities, so its rows have no loss."
    return None


METHOD = MembershipLoss()
