"""Controls: what is measured is said, what is not is not, and nobody is called compliant."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from assay.errors import BadInput
from assay.registry import METHODS
from audits.models import Run
from compliance.attesting import attest, withdraw_attestation
from compliance.coverage import STATES, ControlCoverage, Coverage, coverage_of
from compliance.frameworks import MADE_FROM, find_control, find_framework, frameworks
from compliance.models import Attestation
from compliance.stages import change_stage
from models_registry.models import ModelVersion
from tests import factory
from tests.compliance.made import approved
from tests.conftest import People
from trail.models import TrailEntry


def test_every_control_is_there_with_its_state_and_its_doubts() -> None:
    controls = [c for f in frameworks() for c in f.controls]
    assert (len(frameworks()), len(controls), sum(c.uncertain for c in controls)) == (13, 124, 22)
    assert all(c.status and c.version and c.asks for c in controls)
    assert len({(c.framework, c.id) for c in controls}) == 124
    assert sum("performance" in c.evidence for c in controls) == 16
    assert len({f.slug for f in frameworks()}) == 13


def test_what_shows_a_control_is_really_measured_by_some_method() -> None:
    measured = {spec.id for method in METHODS.all() for spec in method.spec.measures}
    tokens = {token for made_from in MADE_FROM.values() for token in made_from}
    assert tokens - measured == {"run", "policy", "change"}
    artefacts = {a for f in frameworks() for c in f.controls for a in c.artefacts}
    assert set(MADE_FROM) <= artefacts


def cover(run: Run, framework: str = "eu-ai-act") -> Coverage:
    found = find_framework(framework)
    assert found is not None
    return coverage_of(run.organisation, [run.system], [found])[run.system.pk][1][0]


def row(run: Run, control: str, framework: str = "eu-ai-act") -> ControlCoverage:
    return next(r for r in cover(run, framework).rows if r.control.id == control)


def test_measured_controls_name_what_shows_them(people: People, run: Run) -> None:
    found = row(run, "Art.10(3)")
    assert (found.state, found.found) == ("measured", ("data_quality_table", "representation_table"))
    part = row(run, "Art.15(1)")
    assert (part.state, part.lacking) == ("part", ("drift_table", "robust_accuracy"))
    assert row(run, "Art.13(3)(e)").state == "open"
    assert row(run, "Art.9(8)").state == "measured"


def test_without_a_policy_no_threshold_was_fixed(people: People, other: Run) -> None:
    assert row(other, "Art.9(8)").lacking == ("threshold_file_hash", "threshold_timestamp")


def test_a_measured_accuracy_is_no_test_of_jailbreaks(people: People, run: Run) -> None:
    assert row(run, "MS-2.6-007", "nist-ai-600-1").state == "open"


def test_a_repealed_rule_does_not_apply_and_cannot_be_attested(people: People, run: Run) -> None:
    assert row(run, "6-1-1703(3)", "colorado-ai-act").state == "not_applicable"
    with pytest.raises(BadInput, match="repealed"):
        attest(run.system, "Colorado AI Act", "6-1-1703(3)", "Done.", by=people.owner)


def test_a_persons_word_covers_until_its_end(people: People, run: Run) -> None:
    made = attest(
        run.system, "EU AI Act", "Art.9(2)(a)", "Kept by risk.", dt.date(2100, 1, 1), by=people.owner
    )
    assert row(run, "Art.9(2)(a)").state == "attested"
    Attestation.objects.of(people.organisation).update(valid_until=dt.date(2020, 1, 1))
    ended = row(run, "Art.9(2)(a)")
    assert (ended.state, ended.ended, ended.attestation) == ("open", True, made)


def test_a_person_may_say_that_a_control_does_not_apply(people: People, run: Run) -> None:
    attest(run.system, "GDPR", "Art.22(1)", "A person decides.", by=people.owner, applies=False)
    assert row(run, "Art.22(1)", "gdpr").state == "not_applicable"
    attest(run.system, "GDPR", "Art.22(1)", "Not any more.", by=people.owner)
    assert row(run, "Art.22(1)", "gdpr").state == "attested"


def test_a_word_is_withdrawn_once_and_the_trail_keeps_both(people: People, run: Run) -> None:
    made = attest(run.system, "GDPR", "Art.22(1)", "A person decides.", by=people.owner)
    withdraw_attestation(made, people.owner)
    withdraw_attestation(made, people.owner)
    assert row(run, "Art.22(1)", "gdpr").state == "open"
    told = TrailEntry.objects.filter(target_id=run.system_id).values_list("action", flat=True)
    assert list(told) == ["control.attested", "control.attestation_withdrawn"]


@pytest.mark.parametrize(
    ("framework", "control", "text", "why"),
    [
        ("No such law", "1", "Done.", "no framework"),
        ("GDPR", "Art.99", "Done.", "no control"),
        ("GDPR", "Art.22(1)", " ", "is missing"),
    ],
)
def test_a_word_is_about_a_known_control(
    people: People, run: Run, framework: str, control: str, text: str, why: str
) -> None:
    with pytest.raises(BadInput, match=why):
        attest(run.system, framework, control, text, by=people.owner)
    with pytest.raises(BadInput, match="in the past"):
        attest(run.system, "GDPR", "Art.22(1)", "Done.", dt.date(2020, 1, 1), by=people.owner)


def test_the_runs_of_the_deployed_version_count(people: People, run: Run, repaired: Run) -> None:
    gdpr = find_framework("gdpr")
    assert gdpr is not None

    def counted() -> list[Run]:
        return list(coverage_of(run.organisation, [run.system], [gdpr])[run.system.pk][0].runs)

    assert counted() == [repaired]
    approved(people, run)
    version = ModelVersion.unscoped.get(pk=run.subject.model_version_id)
    for stage in ("approved", "deployed"):
        change_stage(version, stage, people.reviewer)
    assert counted() == [run]


def test_coverage_counts_everything_and_never_says_compliant(people: People, run: Run, as_user: Any) -> None:
    for framework in frameworks():
        found = cover(run, framework.slug)
        assert sum(found.counts.values()) == len(framework.controls)
        assert "compliant" not in found.sentence
    client = as_user(people.auditor)
    for path in ("controls/", f"controls/{run.system_id}/"):
        for framework in frameworks():
            answer = client.get(f"/o/{people.organisation.slug}/{path}?framework={framework.slug}")
            assert answer.status_code == 200
            assert "compliant" not in answer.content.decode().lower()
    assert client.get(f"/o/{people.organisation.slug}/controls/?framework=x").status_code == 404


def test_the_bar_fills_its_whole_width(people: People, run: Run) -> None:
    from compliance.views.controls import bar

    parts = bar(cover(run))
    assert abs(sum(p["width"] for p in parts) - 100) < 0.01
    assert [p["state"] for p in parts] == [s for s in STATES if cover(run).counts[s]]


def test_many_systems_cost_no_more_queries(
    people: People, run: Run, as_user: Any, django_assert_max_num_queries: Any
) -> None:
    client = as_user(people.owner)
    path = f"/o/{people.organisation.slug}/controls/"
    with django_assert_max_num_queries(14):
        client.get(path)
    for number in range(5):
        factory.system(people, f"Another {number}")
    with django_assert_max_num_queries(14):
        client.get(path)


def test_the_uncertain_are_shown_as_such(people: People, run: Run, as_user: Any) -> None:
    control = find_control("EU AI Act", "Art.4a")
    assert control is not None
    assert control.uncertain
    shown = as_user(people.owner).get(
        f"/o/{people.organisation.slug}/controls/{run.system_id}/?framework=eu-ai-act"
    )
    assert shown.content.decode().count("Uncertain") == 1
