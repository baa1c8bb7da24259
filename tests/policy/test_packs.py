"""The packs that come with Assay."""

from __future__ import annotations

import tomllib
from importlib import resources

import pytest

from assay.contracts import PILLARS, Policy
from assay.policy import check_policy, list_packs
from assay.policy.checking import measure_specs, pillar_of
from assay.registry import METHODS

PACKS = {pack.id: pack for pack in list_packs()}


def _id(pack: Policy) -> str:
    return pack.id


def test_every_pack_file_is_listed() -> None:
    folder = resources.files("assay") / "policies"
    files = {tomllib.loads(f.read_text("utf-8"))["id"] for f in folder.iterdir() if f.name.endswith(".toml")}
    assert files == set(PACKS) == {"general", "hiring", "credit", "health-triage"}


@pytest.mark.parametrize("pack", PACKS.values(), ids=_id)
def test_every_rule_judges_a_measure_that_a_registered_method_makes(pack: Policy) -> None:
    specs = [method.spec for method in METHODS.all()]
    check_policy(pack, specs)
    assert {rule.measure for rule in pack.rules} <= measure_specs(specs).keys()
    assert {pillar_of(rule.measure) for rule in pack.rules} <= set(PILLARS)


@pytest.mark.parametrize("pack", PACKS.values(), ids=_id)
def test_every_rule_says_its_source_its_reason_and_what_to_do(pack: Policy) -> None:
    assert 6 <= len(pack.rules) <= 16
    for rule in pack.rules:
        assert rule.source
        assert rule.why
        assert rule.action
    assert pack.sources


@pytest.mark.parametrize("pack", PACKS.values(), ids=_id)
def test_no_pack_can_be_kept_without_anything_measured(pack: Policy) -> None:
    assert any(rule.required for rule in pack.rules)


@pytest.mark.parametrize("pack", PACKS.values(), ids=_id)
def test_the_four_fifths_figure_is_never_called_compliance(pack: Policy) -> None:
    for rule in pack.rules:
        if "1607.4(D)" in rule.source and rule.measure.endswith("_ratio"):
            assert "screen" in rule.source
            assert "convention of this pack" in rule.source or "never compliant" in rule.source
