"""Each broken model is found by the method that should find it, while its sound sibling raises no alarm.

What data_quality.basics finds stands in test_broken.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay import evidence
from assay.contracts import PILLARS, Measure, MethodResult
from assay.execution import run_method
from assay.registry import METHODS
from tests.command import assay
from tests.zoo import zoo_model
from tests.zoo.conftest import SubjectOf


def _measured(subject_of: SubjectOf, method: str, name: str, **params: Any) -> MethodResult:
    chosen = METHODS.get(method)
    return run_method(chosen, subject_of(name), {**chosen.Params.tier_defaults("quick"), **params})


def _one(result: MethodResult, measure: str, at: Mapping[str, Any] | None = None, **key: Any) -> Measure:
    found = [
        m
        for m in result.measures
        if m.id == measure
        and all(m.at.get(name) == value for name, value in (at or {}).items())
        and all(getattr(m, name) == value for name, value in key.items())
    ]
    assert len(found) == 1, [(m.id, m.slice, m.at) for m in found]
    return found[0]


def _ends(measure: Measure) -> tuple[float, float]:
    assert measure.low is not None
    assert measure.high is not None
    return measure.low, measure.high


def test_the_overfitted_models_training_rows_are_told_from_others(subject_of: SubjectOf) -> None:
    area = {}
    gap = {}
    for name in ("adult_mlp_overfitted", "adult_mlp"):
        result = _measured(subject_of, "privacy.membership_loss", name)
        area[name] = _ends(_one(result, "privacy.membership_auc", slice={}))
        gap[name] = _ends(_one(result, "privacy.generalisation_gap"))
    assert area["adult_mlp_overfitted"][0] > 0.6 > 0.55 > area["adult_mlp"][1]
    assert gap["adult_mlp_overfitted"][0] > 0.2 > 0.05 > gap["adult_mlp"][1]


def test_the_biased_models_gap_lies_beyond_a_limit_that_its_sibling_keeps(subject_of: SubjectOf) -> None:
    gaps = {}
    for name in ("adult_mlp_biased", "adult_mlp"):
        result = _measured(subject_of, "fairness.group_rates", name)
        gaps[name] = _ends(_one(result, "fairness.true_positive_rate_difference", over="sex"))
    assert gaps["adult_mlp_biased"][0] > 0.4
    assert gaps["adult_mlp"][1] < 0.2


def test_masked_gradients_raise_an_alarm_and_real_ones_do_not(subject_of: SubjectOf) -> None:
    found = {
        name: _measured(subject_of, "robustness.pgd", name)
        for name in ("digits_cnn_masking", "digits_cnn", "digits_cnn_pgd")
    }
    alarms = {
        name: _one(result, "robustness.gradient_masking_alarms").value for name, result in found.items()
    }
    assert (alarms["digits_cnn_masking"] or 0) >= 2
    assert (alarms["digits_cnn"], alarms["digits_cnn_pgd"]) == (0, 0)
    assert any("look masked" in note for note in found["digits_cnn_masking"].notes)


def test_training_against_attacks_shows_under_attack(subject_of: SubjectOf) -> None:
    defended, undefended = (
        _one(_measured(subject_of, "robustness.pgd", name), "robustness.robust_accuracy", {"eps": 0.1})
        for name in ("digits_cnn_pgd", "digits_cnn")
    )
    assert _ends(defended)[0] > _ends(undefended)[1] + 0.1


def test_the_slow_model_costs_more_in_arithmetic_and_time(subject_of: SubjectOf) -> None:
    settings = {"batch_sizes": (8,), "seconds": 1, "energy_seconds": 1, "energy_trials": 2}
    slow, sound = (
        _measured(subject_of, "cost.inference", name, **settings) for name in ("adult_mlp_slow", "adult_mlp")
    )
    arithmetic = [_one(result, "cost.flops_per_row").value for result in (slow, sound)]
    # A multiply-add is 2; 81 inputs, two hidden layers, two outputs.
    assert arithmetic == [
        2 * (81 * 1024 + 1024 * 1024 + 1024 * 2),
        2 * (81 * 64 + 64 * 32 + 32 * 2),
    ]
    latency = [_one(result, "cost.latency", {"percentile": 50, "batch": 8}) for result in (slow, sound)]
    assert latency[0].value is not None
    assert latency[0].value > 3 * _ends(latency[1])[1]


def test_a_quick_audit_measures_every_pillar_of_the_adult_mlp(tmp_path: Path) -> None:
    made = zoo_model("adult_mlp")
    out = tmp_path / "out"
    ran = assay(tmp_path / "home", "audit", *made.arguments(), "--tier", "quick", "--out", out, timeout=300)
    assert ran.code == 0, ran.err
    found = evidence.load(out)
    assert found.subject.grade == "executed"
    assert found.subject.model is not None
    assert found.subject.model.name == "adult_mlp"
    pillars = {spec.pillar for spec in found.methods}
    assert pillars == set(PILLARS)
    for spec in found.methods:
        ids = {measure.id for measure in spec.measures}
        assert any(m.id in ids and m.status == "measured" for m in found.measures), spec.id
    assert not [m for m in found.measures if m.status == "failed"]
    other_tasks = {"performance.regression", "performance.language_modelling", "explainability.grad_cam"}
    assert {one.method for one in found.not_tested} <= other_tasks
    assert (out / "report.pdf").stat().st_size > 50_000
