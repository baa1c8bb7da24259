"""Frameworks and their controls, in our own words (controls.json), with the state of each rule and its date.

A control names what shows it (artefacts). Which of those an audit makes, and from which measures, stands in
MADE_FROM: what is not listed there no run of Assay shows, and a person has to attest it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from django.utils.text import slugify

from assay.contracts import PILLAR_TITLES, Frozen, Pillar

__all__ = ["MADE_FROM", "Control", "Framework", "find_control", "find_framework", "frameworks"]

Kind = Pillar | Literal["governance"]

_GROUP_RATES = ("fairness.selection_rate", "fairness.accuracy", "fairness.auc")
_IMPORTANCE = (
    "explainability.shapley.mean_absolute",
    "explainability.lime.mean_absolute_weight",
    "explainability.integrated_gradients.mean_absolute",
)
MADE_FROM: Mapping[str, tuple[str, ...]] = {
    # Of the run itself: `run` any measured one, `policy` one that was judged, `change` one with a baseline.
    "ci": ("run",),
    "data_hashes": ("run",),
    "hardware_manifest": ("run",),
    "manifest": ("run",),
    "not_measured_list": ("run",),
    "run_history": ("run",),
    "test_log": ("run",),
    "threshold_file_hash": ("policy",),
    "threshold_timestamp": ("policy",),
    "mitigation_before_after": ("change",),
    "run_diff": ("change",),
    # Of its measures: any one of these.
    "attribution_results": _IMPORTANCE,
    "calibration_plot": ("performance.calibration_error",),
    "co2_report": ("cost.carbon_per_1000",),
    "corruption_curve": ("robustness.noisy_accuracy",),
    "data_quality_table": ("data_quality.missing_share",),
    "degradation_curve": ("robustness.noisy_accuracy", "robustness.robust_accuracy"),
    "energy_report": ("cost.energy_per_1000",),
    "feature_importance": _IMPORTANCE,
    "fidelity_metric": (
        "explainability.lime.fidelity",
        "explainability.shapley.deletion_gain",
        "explainability.integrated_gradients.infidelity",
    ),
    "impact_ratio_table": ("fairness.impact_ratio",),
    "label_rate_by_group": ("fairness.base_rate",),
    "latency_memory_energy_table": ("cost.latency",),
    "membership_inference_auc": ("privacy.membership_auc",),
    "metric_table": (
        "performance.accuracy",
        "performance.balanced_accuracy",
        "performance.mean_absolute_error",
    ),
    "missing_data_bounds": ("fairness.selection_rate_ratio_bound",),
    "representation_table": ("data_quality.group_share",),
    "robust_accuracy": ("robustness.robust_accuracy",),
    "sanity_check_results": (
        "explainability.integrated_gradients.randomisation_correlation",
        "explainability.grad_cam.randomisation_correlation",
    ),
    "significance_tests": ("fairness.selection_rate_range_p_value", "fairness.impact_ratio_p_value"),
    "stability_metric": (
        "explainability.lime.stability_rank",
        "explainability.integrated_gradients.max_sensitivity",
    ),
    "subgroup_metrics": _GROUP_RATES,
    "unknown_count": ("fairness.unknown_share",),
}


class Control(Frozen):
    """One thing that a framework asks for."""

    framework: str
    version: str
    id: str
    title: str
    asks: str
    evidence: tuple[Kind, ...]
    automation: Literal["automatable", "partly", "human"]
    artefacts: tuple[str, ...]
    status: str
    """Of the rule: in force, voluntary, applies from a date."""
    uncertain: bool
    """We could not settle its text, number or state: shown as such."""
    note: str = ""
    formula: str = ""
    threshold: float | str | None = None
    threshold_note: str = ""

    @property
    def kinds(self) -> str:
        """Kinds of evidence in words."""
        return ", ".join(
            "governance" if k == "governance" else PILLAR_TITLES[k].lower() for k in self.evidence
        )

    @property
    def repealed(self) -> bool:
        return self.status.startswith("repealed")

    @property
    def anchor(self) -> str:
        return slugify(self.id)


class Framework(Frozen):
    """A law, standard or guide, in one version."""

    name: str
    slug: str
    version: str
    controls: tuple[Control, ...]

    @property
    def uncertain(self) -> int:
        return sum(control.uncertain for control in self.controls)


@cache
def frameworks() -> tuple[Framework, ...]:
    """All frameworks, in the order of the file."""
    rows = json.loads(Path(__file__).with_name("controls.json").read_text("utf-8"))
    found: dict[str, list[Control]] = {}
    for row in rows:
        control = Control.model_validate(row)
        found.setdefault(control.framework, []).append(control)
    return tuple(
        Framework(name=name, slug=slugify(name), version=controls[0].version, controls=tuple(controls))
        for name, controls in found.items()
    )


def find_framework(word: str) -> Framework | None:
    """By name or by slug."""
    return next((f for f in frameworks() if word in (f.name, f.slug)), None)


def find_control(framework: str, control: str) -> Control | None:
    found = find_framework(framework)
    return next((c for c in found.controls if c.id == control), None) if found else None
