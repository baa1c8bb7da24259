"""Lists of jobs say what each of them works for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from jobs import selectors
from jobs.kinds import Described, get_kind
from jobs.models import Job
from remediations.models import RemedyRun
from reports.services import request_document
from tests import factory
from tests.conftest import make_people
from tests.models_registry.test_api import Caller

pytestmark = pytest.mark.usefixtures("committed")


def test_every_kind_names_what_its_jobs_are_for(as_user: Callable[[User], Client]) -> None:
    people = make_people()
    system = factory.system(people, "Card limit")
    run = factory.measured_run(
        people,
        model=factory.predictions_version(system, people.engineer),
        data=factory.data_version(system, people.engineer),
    )
    model, data = run.subject.model_version, run.subject.dataset_version
    report = request_document(run, "draft", people.engineer)
    remedy = RemedyRun.objects.create(
        organisation=people.organisation,
        number=3,
        baseline=run,
        model_version=model,
        dataset_version=data,
        remedy="training.fine_tune",
        created_by=people.engineer,
    )
    names: dict[str, tuple[Any, str]] = {
        "audit": (run, "Audit 1 of Card limit"),
        "subject": (run.subject, "scorer 1 on loans 1"),
        "model_intake": (model, "scorer 1"),
        "hub_import": (model, "scorer 1"),
        "dataset_intake": (data, "loans 1"),
        "report": (report, "Audit 1 of Card limit: draft (not certified)"),
        "remedy": (remedy, "R-3 of scorer 1"),
    }
    for kind, (row, name) in names.items():
        found = get_kind(kind)
        assert isinstance(found, Described)
        assert found.target_names([row.pk, people.organisation.pk]) == {row.pk: name}

    listed = {row.job.kind: row.name for row in selectors.job_rows(Job.objects.of(people.organisation))}
    assert {kind: names[kind][1] for kind in ("audit", "subject", "report")} == listed
    page = as_user(people.operator).get(f"/o/{people.organisation.slug}/jobs/").content.decode()
    assert "Audit 1 of Card limit" in page
    told = Caller(people.operator, people.organisation)("GET", "/jobs").json()["items"]
    assert {each["target_name"] for each in told} == set(listed.values())
