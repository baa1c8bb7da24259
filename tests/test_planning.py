"""Planning: what applies, what does not and why, and that the plan is fixed by its digest."""

from __future__ import annotations

from typing import Any

import pytest

from assay.contracts import PILLARS, AuditPlan, Profile
from assay.errors import BadInput, BadParams
from assay.planning import make_plan
from assay.registry import METHODS
from tests.support import table_subject


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    columns = {"y": [0, 1] * 30, "p": [0, 1, 1] * 20, "sex": ["a", "b"] * 30}
    subject = table_subject(
        tmp_path_factory.mktemp("plan"), columns, label="y", predictions="p", sensitive=("sex",)
    )
    return subject.profile


def plan(profile: Profile, **changes: Any) -> AuditPlan:
    settings: dict[str, Any] = {
        "chosen": None,
        "params": {},
        "policy": None,
        "policy_sha256": None,
        "tier": "standard",
        "seed": 0,
    }
    return make_plan(profile, METHODS.all(), **{**settings, **changes})


def test_every_pillar_is_either_planned_or_named_as_not_tested(profile: Profile) -> None:
    made = plan(profile)
    planned = {METHODS.get(m.id).spec.pillar for m in made.methods}
    assert planned | {entry.pillar for entry in made.not_tested} == set(PILLARS)


def test_a_method_without_what_it_needs_says_what_is_lacking(profile: Profile) -> None:
    reasons = {entry.method: entry.reason for entry in plan(profile).not_tested}
    assert "--scores" in reasons["fairness.scores"]
    assert "regression" in reasons["performance.regression"]
    assert "predictions only" in reasons["robustness.noise"]


def test_a_method_asked_for_by_name_that_cannot_run_is_bad_input(profile: Profile) -> None:
    with pytest.raises(BadInput, match=r"fairness.scores was asked for but cannot run. Needs"):
        plan(profile, chosen=("fairness.scores",))


def test_what_is_left_out_by_the_user_is_said(profile: Profile) -> None:
    made = plan(profile, chosen=("data_quality.basics",))
    assert [m.id for m in made.methods] == ["data_quality.basics"]
    assert any(n.reason == "Was left out by --methods." for n in made.not_tested)


def test_the_digest_fixes_the_plan_but_not_the_clock(profile: Profile) -> None:
    assert plan(profile).plan_sha256 == plan(profile).plan_sha256
    assert plan(profile, seed=1).plan_sha256 != plan(profile).plan_sha256
    assert plan(profile, tier="quick").plan_sha256 != plan(profile).plan_sha256


def test_the_tier_sets_how_many_resamples_there_are(profile: Profile) -> None:
    def replicates(tier: str) -> int:
        return next(
            m.params["replicates"] for m in plan(profile, tier=tier).methods if "replicates" in m.params
        )

    assert replicates("quick") < replicates("standard") < replicates("deep")


def test_bad_parameters_name_method_and_range(profile: Profile) -> None:
    with pytest.raises(BadParams, match=r"fairness.group_rates: replicates"):
        plan(profile, params={"fairness.group_rates": {"replicates": -1}})
