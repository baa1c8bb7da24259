"""What a plan says about the sealed rows is what starting it registers, by the engine's own rules."""

from __future__ import annotations

from functools import partial

from assay.contracts import ModelFacts
from audits import ledger
from audits.models import Opening, Run
from audits.plan_page import sealed_rows_sentence
from audits.services import draft_run, repeat_run, start_run
from models_registry.models import DatasetVersion, IntakeState, ModelVersion, Subject
from tests import factory
from tests.at_once import at_once
from tests.conftest import People, make_people

ROWS = "a" * 64
FACTS = ModelFacts(
    name="net",
    format="torch_folder",
    sha256="1" * 64,
    architecture="mlp",
    parameters=10,
    weight_bytes=40,
    dtype="float32",
    device="cpu",
)


def read(model: ModelVersion, data: DatasetVersion, sha256: str) -> None:
    """Pretend that the child read the pair: only digests matter here."""
    facts = FACTS.model_copy(update={"sha256": sha256}).model_dump(mode="json") if sha256 else None
    Subject.unscoped.update_or_create(
        organisation=model.organisation,
        model_version=model,
        dataset_version=data,
        defaults={
            "state": IntakeState.READY,
            "rows_sha256": ROWS,
            "profile": {"model": facts},
        },
    )


def drafts(people: People, *models: str) -> list[Run]:
    system = factory.system(people)
    data = factory.data_version(system, people.engineer, rows=20)
    found = []
    for sha256 in models:
        version = factory.predictions_version(system, people.engineer)
        read(version, data, sha256)
        found.append(draft_run(version, data, by=people.engineer))
    return found


def test_first_second_and_again_are_foreseen_as_they_are_registered(people: People) -> None:
    first, second, again = drafts(people, "1" * 64, "2" * 64, "1" * 64)
    for run, before, standing, known in (
        (first, 0, "baseline", False),
        (second, 1, "exploratory", False),
        (again, 2, "baseline", True),
    ):
        foreseen = ledger.foresee(run)
        assert foreseen == (before, standing, known)
        opening = ledger.open_rows(run)
        assert opening is not None
        assert opening.standing == standing
        assert opening.number == (1 if known else before + 1)
    opened = Opening.objects.of(people.organisation).filter(what="opened").order_by("number")
    assert [(o.number, o.standing) for o in opened] == [(1, "baseline"), (2, "exploratory")]


def test_the_one_candidate_named_for_the_baseline_is_confirmatory_and_the_next_is_not(people: People) -> None:
    first, named, late = drafts(people, "1" * 64, "2" * 64, "3" * 64)
    ledger.open_rows(first)
    for run in (named, late):
        run.baseline = first
        run.save()
    # starting against the baseline would name it, so the page may say so beforehand
    assert ledger.foresee(named) == (1, "confirmatory", False)
    assert ledger.name_candidate(first, "2" * 64)
    opening = ledger.open_rows(named)
    assert opening is not None
    assert (opening.number, opening.standing) == (2, "confirmatory")
    assert not ledger.name_candidate(first, "3" * 64)
    assert ledger.foresee(late) == (2, "exploratory", False)


def test_supplied_predictions_open_nothing_and_say_so(people: People) -> None:
    (run,) = drafts(people, "")
    assert ledger.open_rows(run) is None
    assert "no opening of the sealed rows is counted" in sealed_rows_sentence(ledger.foresee(run))


def test_openings_are_counted_within_the_organisation(people: People) -> None:
    (run,) = drafts(people, "1" * 64)
    Opening.objects.create(
        organisation=people.elsewhere,
        rows_sha256=ROWS,
        what="opened",
        at=run.created_at,
        model_sha256="9" * 64,
        number=1,
        standing="baseline",
    )
    assert ledger.foresee(run) == (0, "baseline", False)


def test_an_audit_against_a_baseline_names_its_model_and_freezes_the_opening(committed: None) -> None:
    from tests.conftest import make_people

    people = make_people()
    system = factory.system(people)
    data = factory.data_version(system, people.engineer)
    before = factory.measured_run(people, model=factory.model_version(system, people.engineer), data=data)
    candidate = factory.model_version(system, people.engineer, weight=0.5)
    run = repeat_run(before, candidate, by=people.engineer, start=False)
    factory.run_jobs()
    run.refresh_from_db()
    assert ledger.foresee(run).standing == "confirmatory"
    start_run(run, by=people.engineer)
    run.refresh_from_db()
    assert (run.plan or {})["opening"]["standing"] == "confirmatory"
    assert (before.plan or {})["opening"]["standing"] == "baseline"


def test_candidates_that_open_the_rows_at_once_are_counted_one_after_the_other(committed: None) -> None:
    first, *others = drafts(make_people(), "1" * 64, "2" * 64, "3" * 64, "2" * 64)
    ledger.open_rows(first)
    opened = at_once(*[partial(ledger.open_rows, run) for run in others])
    assert opened[0] == opened[2], "one model opens the rows once"
    assert sorted(opening.number for opening in opened[:2]) == [2, 3]
    assert {opening.standing for opening in opened} == {"exploratory"}
    rows = Opening.objects.of(first.organisation).filter(what="opened").order_by("number")
    assert [row.number for row in rows] == [1, 2, 3]
