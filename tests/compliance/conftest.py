"""One bank whose audits are measured once, for tests that are rolled back and leave it as it was."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from django.test.utils import override_settings

from accounts.models import Organisation, User
from audits.models import Run
from audits.services import repeat_run
from tests import factory
from tests.compliance.made import judged_run
from tests.conftest import People, make_people


class Measured(NamedTuple):
    people: People
    run: Run
    other: Run
    repaired: Run


@pytest.fixture(scope="session")
def measured(django_db_setup: None, django_db_blocker: object) -> Measured:
    """A judged run, one without policy on another system, and a second version compared with the first."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        people = make_people()
        run = judged_run(people)
        other = factory.measured_run(people)
        second = factory.predictions_version(run.system, people.engineer)
        repaired = repeat_run(run, second, by=people.engineer)
        factory.run_jobs()
        repaired.refresh_from_db()
        from django.db import connection

        connection.close()
    return Measured(people, run, other, repaired)


@pytest.fixture
def people(db: None, measured: Measured) -> People:
    """Standing users as they are now; what a test changes is rolled back."""

    def fresh(thing: object) -> object:
        kind = type(thing)
        return kind.objects.get(pk=thing.pk) if kind in (User, Organisation) else thing  # type: ignore[attr-defined]

    return People(*(fresh(thing) for thing in measured.people))  # type: ignore[arg-type]


@pytest.fixture
def run(people: People, measured: Measured) -> Run:
    return Run.unscoped.get(pk=measured.run.pk)


@pytest.fixture
def other(people: People, measured: Measured) -> Run:
    return Run.unscoped.get(pk=measured.other.pk)


@pytest.fixture
def repaired(people: People, measured: Measured) -> Run:
    return Run.unscoped.get(pk=measured.repaired.pk)


@pytest.fixture(autouse=True)
def fast_passwords() -> Any:
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield
