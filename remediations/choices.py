"""What could repair the model of an audit: each registered remedy, whether it can, how long it would take.

Made from the subject's profile alone; nothing is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from assay.contracts import Profile, Remedy, RemedySpec
from assay.errors import BadInput
from assay.planning import make_params, needs_in_words, why_no_remedy
from assay.registry import REMEDIES
from audits.models import Run
from models_registry.models import ModelVersion
from remediations.models import SensitiveRefusal

__all__ = [
    "SENSITIVE_AT",
    "Choice",
    "at_decision",
    "choices_of",
    "estimate_seconds",
    "starting_params",
    "why_refused",
]

SENSITIVE_AT = {
    "none": "Reads no sensitive column.",
    "training": "Reads sensitive columns in training only.",
    "inference": "The new model reads sensitive columns when it decides.",
}


_FITS: Mapping[str, tuple[str, ...]] = {
    "fairness": ("training.",),
    "performance": ("training.",),
    "robustness": ("adversarial.",),
    "cost": ("distillation.",),
}
"""Pillar of a finding -> beginnings of the ids of remedies that are made for it."""


@dataclass(frozen=True)
class Choice:
    """A remedy as an audit's page offers it."""

    remedy: Remedy
    reason: str | None
    """Why it cannot be applied here, with the way out; None where it can."""
    seconds: float | None
    """With the parameters that it starts with; None where it cannot be applied."""

    fits: bool = False
    """Whether it is made for the finding's pillar."""

    @property
    def spec(self) -> RemedySpec:
        return self.remedy.spec

    @property
    def needs(self) -> list[str]:
        return [_no_options(text) for text in needs_in_words(self.spec.needs)]

    @property
    def sensitive(self) -> str:
        return SENSITIVE_AT[self.spec.uses_sensitive_at]


def choices_of(baseline: Run, pillar: str = "") -> list[Choice]:
    """Every registered remedy, those that can be applied first, and of them those made for the pillar."""
    found = []
    for remedy in REMEDIES.all():
        params = make_params(remedy, starting_params(remedy, baseline))
        reason = why_refused(baseline, remedy, params)
        seconds = None if reason else estimate_seconds(baseline, remedy, params)
        fits = reason is None and remedy.spec.id.startswith(_FITS.get(pillar, ()))
        found.append(Choice(remedy, reason, seconds, fits))
    return sorted(found, key=lambda one: (one.reason is not None, not one.fits, one.spec.title))


def starting_params(remedy: Remedy, baseline: Run) -> dict[str, Any]:
    """What differs from the remedy's own defaults: a new network reads no supplied predictions."""
    version = baseline.subject.model_version
    if "ignore" not in remedy.Params.model_fields or version.source != ModelVersion.Source.PREDICTIONS:
        return {}
    return {"ignore": [name for name in (version.predictions, version.scores) if name in _learnt(baseline)]}


def why_refused(baseline: Run, remedy: Remedy, params: Any) -> str | None:
    """Why this remedy cannot be applied to the audit's model, as a sentence; None where it can."""
    if not baseline.snapshot_digest:
        return f"{baseline} has no result, so a candidate could not be compared with it."
    profile = _profile(baseline)
    data = baseline.subject.dataset_version
    title = remedy.spec.title
    if "training_rows" in remedy.spec.needs and "training_rows" not in profile.capabilities:
        return (
            f"{title} learns from training rows, and {data} has none. Add a version of {data.dataset} with a "
            "training file, audit the model on it, and begin from that audit."
        )
    reason = why_no_remedy(remedy, profile)
    if reason is not None:
        return _no_options(reason.replace(remedy.spec.id, title))
    return _refused(baseline) if at_decision(remedy, params) else None


def at_decision(remedy: Remedy, params: Any) -> bool:
    """Whether the new model would read sensitive columns when it decides."""
    return remedy.spec.uses_sensitive_at == "inference" or bool(getattr(params, "use_sensitive", False))


def estimate_seconds(baseline: Run, remedy: Remedy, params: Any) -> float:
    """How long it may take, from the subject's profile and the speed at which its model answered."""
    estimate = remedy.estimate(_profile(baseline), params)
    speed = baseline.subject.rows_per_second
    return float(estimate.seconds + (estimate.evaluations / speed if speed else 0.0))


def _profile(baseline: Run) -> Profile:
    """The subject's profile, parsed once for each loaded row: it may have thousands of columns."""
    found: Profile | None = baseline.subject.__dict__.get("_parsed")
    if found is None:
        if baseline.subject.profile is None:
            raise BadInput("Model and data of this audit were not read together; audit them again first.")
        found = Profile.model_validate(baseline.subject.profile)
        baseline.subject.__dict__["_parsed"] = found
    return found


def _refused(baseline: Run) -> str | None:
    """Who refuses models that read sensitive columns when they decide, as a sentence; None: nobody."""
    policy = baseline.policy.policy if baseline.policy is not None else None
    found = list(
        SensitiveRefusal.objects.of(baseline.organisation_id)
        .filter(Q(policy=None) | Q(policy=policy))
        .select_related("policy")
    )
    if not found:
        return None
    who = "Your organisation" if any(r.policy is None for r in found) else f"The policy {policy}"
    return f"{who} refuses models that read sensitive columns when they decide."


def _learnt(baseline: Run) -> set[str]:
    """Columns of the training rows."""
    profile: Mapping[str, Any] = baseline.subject.profile or {}
    for dataset in profile.get("datasets", ()):
        if dataset["role"] == "training":
            return {column["name"] for column in dataset.get("columns", ())}
    return set()


def _no_options(text: str) -> str:
    """Without the command line's options."""
    return re.sub(r" \(--[a-z]+\)", "", text)
