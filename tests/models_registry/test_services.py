"""Systems, models and datasets: numbers, names, archives, and the trail of it all."""

from __future__ import annotations

import uuid

import pytest

from assay.errors import BadInput
from models_registry.models import AISystem
from models_registry.services import (
    archive_system,
    create_dataset,
    create_model,
    create_system,
    edit_system,
    restore_system,
)
from tests.conftest import People
from trail.models import TrailEntry
from trail.services import verify


def actions(people: People) -> list[str]:
    rows = TrailEntry.objects.filter(organisation_id=people.organisation.pk).order_by("sequence")
    return [row.action for row in rows if row.target_kind not in ("organisation", "user")]


def test_systems_count_within_their_organisation(people: People) -> None:
    first = create_system(people.organisation, "One", by=people.engineer)
    second = create_system(people.organisation, "Two", by=people.engineer, owner=people.owner)
    other = create_system(people.elsewhere, "One", by=people.outsider)
    assert (first.number, second.number, other.number) == (1, 2, 1)
    assert (first.owner, second.owner) == (people.engineer, people.owner)
    assert actions(people) == ["system.created", "system.created"]
    assert verify(people.organisation.pk) is None


def test_the_same_form_sent_twice_makes_one_system(people: People) -> None:
    key = uuid.uuid4()
    first = create_system(people.organisation, "One", by=people.engineer, key=key)
    assert create_system(people.organisation, "One", by=people.engineer, key=key) == first
    model = create_model(first, "scorer", by=people.engineer, key=(again := uuid.uuid4()))
    assert create_model(first, "scorer", by=people.engineer, key=again) == model
    assert AISystem.objects.of(people.organisation).count() == 1


def test_a_name_is_taken_once(people: People) -> None:
    system = create_system(people.organisation, "One", by=people.engineer)
    two = create_system(people.organisation, "Two", by=people.engineer)
    with pytest.raises(BadInput, match='There is a system "One" already'):
        create_system(people.organisation, "One", by=people.engineer)
    with pytest.raises(BadInput, match='There is a system "One" already'):
        edit_system(two, by=people.engineer, name="One")
    create_model(system, "scorer", by=people.engineer)
    create_model(two, "scorer", by=people.engineer)
    with pytest.raises(BadInput, match='has a model "scorer" already'):
        create_model(system, "scorer", by=people.engineer)


def test_an_owner_is_a_member(people: People) -> None:
    with pytest.raises(BadInput, match="member of the organisation"):
        create_system(people.organisation, "One", by=people.engineer, owner=people.outsider)


def test_choices_and_characters_are_checked(people: People) -> None:
    with pytest.raises(BadInput, match="is no risk_class"):
        create_system(people.organisation, "One", by=people.engineer, risk_class="harmless")
    with pytest.raises(BadInput, match="NUL"):
        create_system(people.organisation, "One", by=people.engineer, purpose="a\x00b")
    with pytest.raises(BadInput, match="characters"):
        create_system(people.organisation, "One", by=people.engineer, hazards="x" * 20_001)


def test_an_edit_records_what_changed_and_nothing_when_nothing_did(people: People) -> None:
    system = create_system(people.organisation, "One", by=people.engineer, purpose="old")
    edit_system(system, by=people.owner, purpose="old")
    edited = edit_system(system, by=people.owner, name="One", purpose="new", risk_class="high")
    assert (edited.purpose, edited.risk_class) == ("new", "high")
    assert actions(people) == ["system.created", "system.edited"]
    last = TrailEntry.objects.filter(organisation_id=people.organisation.pk).order_by("-sequence")[0]
    assert last.facts == {"fields": ["purpose", "risk_class"]}
    assert last.payload.content == {"purpose": "new", "risk_class": "high"}


def test_an_archived_system_takes_nothing_new_until_it_is_restored(people: People) -> None:
    system = create_system(people.organisation, "One", by=people.engineer)
    system = archive_system(archive_system(system, by=people.owner), by=people.owner)
    with pytest.raises(BadInput, match="is archived"):
        create_dataset(system, "loans", by=people.engineer)
    system = restore_system(system, by=people.owner)
    create_dataset(system, "loans", by=people.engineer)
    assert actions(people) == ["system.created", "system.archived", "system.restored", "dataset.created"]
