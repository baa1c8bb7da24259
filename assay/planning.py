"""What will be measured, fixed and hashed before any result is visible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from assay.contracts import (
    PILLAR_TITLES,
    PILLARS,
    AuditMethod,
    AuditPlan,
    Capability,
    Estimate,
    NotTested,
    Pillar,
    PlannedMethod,
    Policy,
    Profile,
    Remedy,
    Tier,
)
from assay.evidence import digest

__all__ = ["make_params", "make_plan", "needs_in_words", "timestamp", "why_no_remedy", "why_not"]

from pydantic import ValidationError

from assay.errors import BadInput, BadParams, unknown_setting

_NEEDS: dict[Capability, str] = {
    "query": "a model that can be asked about new inputs",
    "predictions": "predictions",
    "scores": "scores of the favourable class (--scores)",
    "probabilities": "scores of the favourable class that are probabilities",
    "gradients": "a model that gives gradients",
    "layers": "a model whose layers can be read",
    "weights": "a model whose weights can be read",
    "trainable": "a model that can be trained",
    "tokens": "a model that reads tokens",
    "generation": "a model that generates text",
    "local": "a model that runs on this machine",
    "labels": "a column of true labels",
    "sensitive": "a sensitive attribute",
    "training_rows": "the training rows",
}

_OF_A_NETWORK: tuple[Capability, ...] = (
    "gradients",
    "layers",
    "weights",
    "trainable",
    "tokens",
    "generation",
    "local",
)
"""What some formats of models give and others never will."""


NO_MODEL = "Needs a model that can be asked about new inputs; this audit was given predictions only."


def timestamp(moment: datetime | None = None) -> str:
    """UTC in ISO 8601 to the second: the one date format of evidence."""
    return (moment or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_params(
    method: AuditMethod | Remedy, values: Mapping[str, Any] | None, tier: Tier = "standard"
) -> Any:
    """Check parameters against the own model of a method or remedy; the tier gives what is left out.

    Raises:
        BadParams: names the method, the parameter, and its allowed range.
    """
    try:
        return method.Params.model_validate({**method.Params.tier_defaults(tier), **(values or {})})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "parameters"
        if first["type"] == "extra_forbidden":
            raise BadParams(unknown_setting(method.spec.id, where, method.Params.model_fields)) from error
        raise BadParams(f"{method.spec.id}: {where}: {first['msg']}.") from error


def needs_in_words(needs: Iterable[Capability]) -> list[str]:
    """What a user would have to bring, for each capability."""
    return [_NEEDS[need] for need in needs]


def why_not(method: AuditMethod, profile: Profile) -> str | None:
    """Why the method cannot run on this subject, as a sentence; None when it can."""
    spec = method.spec
    lacking = [need for need in spec.needs if need not in profile.capabilities]
    if "query" in lacking:
        return NO_MODEL
    if profile.modality not in spec.modalities:
        return f"Is for {' and '.join(spec.modalities)}; the data here is {profile.modality}."
    if profile.signature.task not in spec.tasks:
        return f"Is for {' and '.join(spec.tasks)}; the task here is {profile.signature.task}."
    missing = needs_in_words(lacking)
    if lacking and profile.model is not None and set(lacking) <= set(_OF_A_NETWORK):
        return f"Needs {' and '.join(missing)}; this one, of format {profile.model.format}, does not."
    if missing:
        return f"Needs {' and '.join(missing)}; this audit was given none."
    return None


def why_no_remedy(remedy: Remedy, profile: Profile) -> str | None:
    """Why the remedy cannot be applied to this subject, as a sentence; None when it can."""
    spec = remedy.spec
    lacking = [need for need in spec.needs if need not in profile.capabilities]
    missing = needs_in_words(lacking)
    if profile.model is not None and profile.model.endpoint is not None:
        return f"{spec.id} works on models that Assay holds; this one is behind an address."
    if lacking and profile.model is not None and set(lacking) <= set(_OF_A_NETWORK):
        return f"{spec.id} needs {' and '.join(missing)}; one of format {profile.model.format} is none."
    if missing:
        return f"{spec.id} needs {' and '.join(missing)}; it was given none."
    if profile.modality not in spec.modalities:
        return f"{spec.id} is for {' and '.join(spec.modalities)}; the data here is {profile.modality}."
    return None


def make_plan(
    profile: Profile,
    methods: Sequence[AuditMethod],
    *,
    chosen: Sequence[str] | None,
    params: Mapping[str, Mapping[str, Any]],
    policy: Policy | None,
    policy_sha256: str | None,
    tier: Tier,
    seed: int,
    rows_per_second: float = 0.0,
    required: bool = True,
    left_out: str = "Was left out by --methods.",
) -> AuditPlan:
    """Choose what applies, say what does not, and freeze both under one digest.

    Args:
        methods: every registered method.
        chosen: ids to run; None for all that apply.
        rows_per_second: how fast the model answers; turns evaluations into seconds.
        required: whether a chosen method that cannot run here is refused (else it is not tested).
        left_out: what is said of methods that were not chosen.

    Raises:
        BadInput: a method that was asked for by name cannot run here.
    """
    planned: list[PlannedMethod] = []
    skipped: list[NotTested] = []
    for method in methods:
        spec = method.spec
        reason = why_not(method, profile)
        if required and chosen is not None and spec.id in chosen and reason is not None:
            raise BadInput(f"{spec.id} was asked for but cannot run. {reason}")
        if chosen is not None and spec.id not in chosen:
            reason = left_out if required else "Is no part of the baseline's plan."
        if reason is not None:
            skipped.append(NotTested(pillar=spec.pillar, method=spec.id, title=spec.title, reason=reason))
            continue
        checked = make_params(method, params.get(spec.id), tier)
        planned.append(
            PlannedMethod(
                id=spec.id,
                version=spec.version,
                params=checked.model_dump(mode="json"),
                estimate=_with_speed(method.estimate(profile, checked), rows_per_second),
            )
        )
    _refuse_too_many(profile, planned)
    skipped.extend(_untested_pillars(profile, {method.spec.pillar for method in methods}))
    body = {
        "methods": [m.model_dump(mode="json") for m in planned],
        "not_tested": [n.model_dump(mode="json") for n in skipped],
        "policy": policy.model_dump(mode="json") if policy else None,
        "policy_sha256": policy_sha256,
        "tier": tier,
        "seed": seed,
        "profile_sha256": digest(profile),
        "datasets": {d.role: d.sha256 for d in profile.datasets},
    }
    # Seconds depend on the machine's mood, so they are no part of what is fixed.
    fixed = {**body, "methods": [m.model_dump(mode="json", exclude={"estimate"}) for m in planned]}
    return AuditPlan.model_validate({**body, "fixed_at": timestamp(), "plan_sha256": digest(fixed)})


def _refuse_too_many(profile: Profile, planned: Sequence[PlannedMethod]) -> None:
    """Raises BadInput: the plan would ask an endpoint more often than the user allowed."""
    facts = profile.model.endpoint if profile.model is not None else None
    if facts is None:
        return
    each = {m.id: -(-m.estimate.evaluations // facts.rows_per_request) for m in planned}
    # Nothing is asked about where predictions were supplied; a language model, about what methods draw.
    left_out = profile.grade == "supplied" or profile.signature.task == "generation"
    rows = 0 if left_out else -(-profile.test.rows // facts.rows_per_request)
    if rows + sum(each.values()) <= facts.most_requests:
        return
    listed = "".join(f", {name} {count:,}" for name, count in each.items() if count)
    raise BadInput(
        f"The plan takes about {rows + sum(each.values()):,} requests to {facts.host} (test rows {rows:,}"
        f"{listed}); {facts.most_requests:,} are allowed. Raise the limit most_requests, choose fewer "
        "methods or a quicker tier, or audit fewer rows."
    )


def _with_speed(estimate: Estimate, rows_per_second: float) -> Estimate:
    asked = estimate.evaluations / rows_per_second if rows_per_second else 0.0
    return estimate.model_copy(update={"seconds": round(estimate.seconds + asked, 3)})


def _untested_pillars(profile: Profile, covered: Iterable[Pillar]) -> list[NotTested]:
    """The pillars for which no method is installed at all, so that silence is never read as a pass."""
    reason = "No method of this pillar is installed." if "query" in profile.capabilities else NO_MODEL
    return [
        NotTested(pillar=pillar, title=PILLAR_TITLES[pillar], reason=reason)
        for pillar in PILLARS
        if pillar not in set(covered)
    ]
