"""How often do random changes of the inputs change decisions, and how much accuracy do they cost?

Each sampled row is asked again under every kind of noise, severity and repeat; only decisions are kept.
User's page: docs/methods/robustness.noise.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from assay.contracts import (
    Context,
    Estimate,
    Measure,
    MergeContext,
    MethodResult,
    MethodSpec,
    Modality,
    Params,
    Partial,
    Profile,
    ShardSpec,
    SubjectProtocol,
    Tier,
)
from assay.errors import ChildFailed
from assay.evidence import measure_key
from assay.methods.checked_arrays import check_arrays, whole
from assay.methods.robustness.noise_kinds import Kind, image_kinds, table_kinds, text_kinds
from assay.methods.robustness.noise_series import noise_series
from assay.methods.robustness.noise_specs import CITATIONS, SPECS
from assay.methods.robustness.rate_measures import absent, paired_measure, rate_measure
from assay.methods.robustness.sampled_rows import labelled_sample, sample_size, sampling_note
from assay.methods.robustness.table_features import immutable_names, table_features
from assay.methods.sharding import row_shards

__all__ = ["METHOD", "Noise"]

_BATCH: Mapping[Modality, int] = {"table": 1_024, "image": 64, "text": 32}
"""Rows asked about at once: about a second of a slow model, so that a stop is heard soon."""
_BY_ID = {spec.id.partition(".")[2]: spec for spec in SPECS}
_SETTLED = ("contrast", "blur")
"""Kinds of which another draw gives the same noise."""
Share = Annotated[float, Field(gt=0, le=1)]
Severities = Annotated[tuple[Annotated[float, Field(gt=0, le=100)], ...], Field(max_length=20)]
Shares = Annotated[tuple[Share, ...], Field(max_length=20)]


class NoiseParams(Params):
    rows: Annotated[int, Field(ge=10, le=1_000_000)] = Field(
        1_000, description="Most rows that are perturbed."
    )
    repeats: Annotated[int, Field(ge=1, le=100)] = Field(3, description="Draws of each random noise a row.")
    level: Annotated[float, Field(ge=0.5, le=0.9999)] = Field(0.95, description="Confidence level.")
    immutable: tuple[str, ...] | None = Field(
        None, description="Columns that are never changed; default: the sensitive ones that the model reads."
    )
    gaussian: Severities = Field(
        (0.05, 0.1, 0.25, 0.5), description="Tables: noise on numbers, in standard deviations; () for none."
    )
    categories: Shares = Field(
        (0.02, 0.05, 0.1, 0.2), description="Tables: chance that a category becomes another; () for none."
    )
    image_gaussian: Shares = Field((0.05, 0.1, 0.2, 0.3), description="Images: noise a pixel, in 0 to 1.")
    brightness: Shares = Field((0.1, 0.2, 0.3, 0.4), description="Images: shift of all pixels, in 0 to 1.")
    contrast: Shares = Field((0.2, 0.4, 0.6, 0.8), description="Images: share of contrast lost.")
    blur: Severities = Field((0.5, 1.0, 1.5, 2.0), description="Images: radius of the blur in pixels.")
    typos: Shares = Field((0.02, 0.05, 0.1, 0.2), description="Texts: share of letters hit.")

    def model_post_init(self, _context: Any) -> None:
        for name in ("gaussian", "categories", "image_gaussian", "brightness", "contrast", "blur", "typos"):
            values = getattr(self, name)
            if list(values) != sorted(set(values)):
                raise ValueError(f"{name}: severities must rise, each once; got {list(values)}")

    @classmethod
    def tier_defaults(cls, tier: Tier) -> dict[str, Any]:
        few, many = {"rows": 300, "repeats": 1}, {"rows": 10_000, "repeats": 5}
        return {"quick": few, "deep": many}.get(tier, {})


class Noise:
    """Accuracy and changed decisions under random noise of several kinds and severities."""

    spec = MethodSpec(
        id="robustness.noise",
        version="1.0",
        title="Robustness to random noise",
        pillar="robustness",
        summary="How much accuracy random changes of the inputs cost, and how many decisions they change: "
        "measuring errors, slips of the pen, poor pictures.",
        needs=("query",),
        tasks=("binary", "multiclass"),
        measures=SPECS,
        deterministic=True,
        citations=CITATIONS,
    )
    Params = NoiseParams

    def estimate(self, profile: Profile, params: NoiseParams) -> Estimate:
        immutable_names(profile, params.immutable, self.spec.id)
        severities = _severities(profile.modality, params).values()
        drawn = sum(len(each) for each in severities) * params.repeats
        rows = sample_size(profile, params.rows)
        return Estimate(
            evaluations=rows * (1 + drawn),
            seconds=round(0.2 + rows * (1 + drawn) * 1e-5, 3),
            memory_bytes=200_000_000,
        )

    def plan(
        self, profile: Profile, params: NoiseParams, stage: int, earlier: Sequence[Partial]
    ) -> Sequence[ShardSpec]:
        return row_shards(self.spec.id, sample_size(profile, params.rows)) if stage == 0 else ()

    def run(
        self, shard: ShardSpec, subject: SubjectProtocol, params: NoiseParams, context: Context
    ) -> Partial:
        """Decisions of the shard's sampled rows without noise and under each kind, severity and repeat."""
        model, role = subject.model, subject.profile.asked_role
        kinds, notes = _kinds(subject, params)
        rows, labels = labelled_sample(subject, params.rows, shard.first_row, shard.stop_row, context)
        repeats = {kind.name: params.repeats if kind.random else 1 for kind in kinds}
        clean = np.zeros(len(rows), np.int32)
        noisy = {
            kind.name: np.zeros((len(kind.severities), repeats[kind.name], len(rows)), np.int32)
            for kind in kinds
        }
        work = len(rows) * sum(repeats.values()) or 1
        done, batch = 0, _BATCH[subject.profile.modality]
        for first in range(0, len(rows), batch):
            piece = slice(first, first + batch)
            inputs = subject.inputs(role, rows[piece])
            clean[piece] = model.decide(model.scores(inputs))
            for kind in kinds:
                for repeat in range(repeats[kind.name]):
                    drawn = kind.draw(
                        inputs, [context.rng(kind.name, repeat, int(row)) for row in rows[piece]]
                    )
                    for level, severity in enumerate(kind.severities):
                        perturbed = kind.apply(inputs, drawn, severity)
                        noisy[kind.name][level, repeat, piece] = model.decide(model.scores(perturbed))
                        context.progress(done / work)
                    done += len(inputs)
        arrays: dict[str, npt.NDArray[Any]] = {"rows": rows, "clean": clean, **noisy}
        if labels is not None:
            arrays["labels"] = labels
        described = [{"name": k.name, "severities": list(k.severities), "unit": k.unit} for k in kinds]
        return Partial(
            method=self.spec.id,
            stage=shard.stage,
            index=shard.index,
            data={"kinds": described, "notes": notes},
            arrays=arrays,
        )

    def merge(
        self, partials: Sequence[Partial], profile: Profile, params: NoiseParams, context: MergeContext
    ) -> MethodResult:
        kinds = partials[0].data["kinds"]
        self._check(partials, profile, params, kinds)
        found = _joined(partials)
        clean, labels = found["clean"], found.get("labels")
        level, grade = params.level, context.grade
        measures: list[Measure] = []
        if not kinds:
            note = "the model reads nothing that noise of these kinds may change"
            return MethodResult(
                measures=tuple(absent(spec, "not_applicable", note, grade) for spec in SPECS),
                notes=tuple(partials[0].data["notes"]),
            )
        means = []
        for kind in kinds:
            for place, severity in enumerate(kind["severities"]):
                at = {"noise": kind["name"], "severity": severity}
                noisy = found[kind["name"]][place]
                changed = (noisy != clean).mean(axis=0)
                measures.append(rate_measure(_BY_ID["changed_decisions"], changed, level, grade, at))
                if labels is not None:
                    right = (noisy == labels).mean(axis=0)
                    measures.append(rate_measure(_BY_ID["noisy_accuracy"], right, level, grade, at))
                    if len(noisy) > 1:
                        steady = (noisy == labels).all(axis=0)
                        measures.append(rate_measure(_BY_ID["steady_accuracy"], steady, level, grade, at))
                    drop = paired_measure(
                        _BY_ID["noise_accuracy_drop"], clean == labels, right, level, grade, at
                    )
                    measures.append(drop)
            if labels is not None:
                means.append((found[kind["name"]] != labels).mean(axis=(0, 1)))
        if labels is not None:
            error = np.mean(means, axis=0)
            measures += [
                rate_measure(_BY_ID["unperturbed_accuracy"], clean == labels, level, grade),
                rate_measure(_BY_ID["mean_corruption_error"], error, level, grade),
                paired_measure(_BY_ID["relative_corruption_error"], error, clean != labels, level, grade),
            ]
        notes = [sampling_note(profile, len(clean)), *partials[0].data["notes"]]
        return MethodResult(
            measures=tuple(measures), series=noise_series(self.spec.id, kinds, measures), notes=tuple(notes)
        )

    def _check(self, partials: Sequence[Partial], profile: Profile, params: NoiseParams, kinds: Any) -> None:
        """Hold the arrays against the kinds of noise that there can be."""
        assert profile.model_signature is not None
        classes = max(len(profile.model_signature.classes), 1)
        wanted = {"rows": whole("rows", top=profile.asked.rows), "clean": whole("rows", top=classes)}
        if profile.roles.label is not None:
            wanted["labels"] = whole("rows", top=max(len(profile.signature.classes), 1))
        possible = _severities(profile.modality, params)
        for kind in kinds:
            name = kind["name"]
            if name in wanted or tuple(kind["severities"]) != possible.get(name):
                raise ChildFailed("The child tells of a kind of noise that there is not.")
            repeats = params.repeats if name not in _SETTLED else 1
            wanted[name] = whole(len(kind["severities"]), repeats, "rows", top=classes)
        check_arrays(self.spec.id, partials, wanted, rows=sample_size(profile, params.rows))

    def row_results(
        self, partials: Sequence[Partial], profile: Profile, params: NoiseParams
    ) -> Mapping[str, npt.NDArray[np.int8]]:
        """Measure key -> (asked rows,) int8: 1 right, 0 wrong, -1 not sampled.

        Of the accuracy without noise, of what is right in every repeat (the worst over the repeats), and of
        the accuracy under noise where there is one repeat of it. Noise is drawn from the same numbers for
        every model.
        """
        found = _joined(partials)
        labels = found.get("labels")
        if labels is None:
            return {}
        results = {}

        def keep(name: str, right: npt.NDArray[np.bool_], at: dict[str, str | float]) -> None:
            outcome = np.full(profile.asked.rows, -1, dtype=np.int8)
            outcome[found["rows"]] = right
            results[measure_key(rate_measure(_BY_ID[name], [0], params.level, "executed", at))] = outcome

        keep("unperturbed_accuracy", found["clean"] == labels, {})
        for kind in partials[0].data["kinds"]:
            for place, severity in enumerate(kind["severities"]):
                at = {"noise": kind["name"], "severity": severity}
                right = found[kind["name"]][place] == labels
                keep("noisy_accuracy" if len(right) == 1 else "steady_accuracy", right.all(axis=0), at)
        return results


def _severities(modality: Modality, params: NoiseParams) -> Mapping[str, tuple[float, ...]]:
    """Kind of noise -> its severities."""
    if modality == "image":
        names = ("brightness", "contrast", "blur")
        return {"gaussian": params.image_gaussian, **{name: getattr(params, name) for name in names}}
    if modality == "text":
        return {"typos": params.typos}
    return {"gaussian": params.gaussian, "categories": params.categories}


def _kinds(subject: SubjectProtocol, params: NoiseParams) -> tuple[tuple[Kind, ...], list[str]]:
    """The kinds of noise for this modality, and what a reader must know of them."""
    modality = subject.profile.modality
    if modality == "image":
        return image_kinds(params.image_gaussian, params.brightness, params.contrast, params.blur), [
            "Pixels stay within 0 to 1. Severities are of this method, not those of ImageNet-C."
        ]
    if modality == "text":
        return text_kinds(params.typos), [
            "Typing errors hit letters and digits: swapped with the next, dropped, or a neighbour on a "
            "QWERTY keyboard."
        ]
    fixed = immutable_names(subject.profile, params.immutable, Noise.spec.id)
    features = table_features(subject, fixed)
    notes = [
        f"Standard deviations, ranges and frequencies are those of {features.source}; numbers stay inside "
        "their range, whole numbers stay whole, missing values stay missing."
    ]
    if fixed:
        notes.append(f"Never changed: {', '.join(fixed)}.")
    return table_kinds(features, params.gaussian, params.categories), notes


def _joined(partials: Sequence[Partial]) -> dict[str, npt.NDArray[Any]]:
    """The shards' arrays, put together along their rows (the last axis)."""
    return {
        name: np.concatenate([partial.arrays[name] for partial in partials], axis=-1)
        for name in partials[0].arrays
    }


METHOD = Noise()
