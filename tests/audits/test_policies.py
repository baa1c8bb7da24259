"""Policies: packs copied in, texts as versions that never change, errors with their line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from assay.errors import BadInput, BadPolicy
from audits.models import Policy, PolicyVersion
from audits.policies import (
    adopt_pack,
    archive_policy,
    create_policy,
    new_policy_version,
    place_of_error,
    read_policy,
)
from audits.signals import policy_changed
from tests.conftest import People
from trail.models import TrailEntry

HOUSE = """id = "house"
version = "1"
title = "House <b>rules</b>"
purpose = "Ours."

[[rule]]
id = "accuracy"
title = "Accuracy"
measure = "performance.balanced_accuracy"
minimum = 0.7
source = "Decision of the board"
"""


@pytest.fixture
def changed() -> Any:
    seen: list[PolicyVersion] = []

    def listen(policy_version: PolicyVersion, **_more: object) -> None:
        seen.append(policy_version)

    policy_changed.connect(listen)
    yield seen
    policy_changed.disconnect(listen)


@pytest.mark.parametrize("pack", ["general", "hiring", "credit", "health_triage", "health-triage"])
def test_every_built_in_pack_can_be_copied_in_and_stays_one(people: People, pack: str) -> None:
    first = adopt_pack(people.organisation, pack, people.engineer)
    again = adopt_pack(people.organisation, pack, people.owner)
    assert again == first
    assert first.content["rules"]
    assert Policy.objects.of(people.organisation).count() == 1


def test_an_edited_pack_stays_the_organisations_own(people: People, changed: list[PolicyVersion]) -> None:
    first = adopt_pack(people.organisation, "general", people.engineer)
    second = new_policy_version(first.policy, first.toml.replace('"1.0"', '"1.1"'), people.engineer)
    assert (second.number, second.content["version"]) == (2, "1.1")
    assert adopt_pack(people.organisation, "general", people.engineer) == first
    assert changed == [first, second]
    written = TrailEntry.objects.filter(organisation_id=people.organisation.pk, action="policy.written")
    assert [e.facts["number"] for e in written.order_by("sequence")] == [1, 2]


def test_the_same_text_again_adds_nothing(people: People, changed: list[PolicyVersion]) -> None:
    first = create_policy(people.organisation, HOUSE, people.engineer)
    assert new_policy_version(first.policy, HOUSE, people.engineer) == first
    assert changed == [first]


def test_one_version_name_means_one_text(people: People) -> None:
    first = create_policy(people.organisation, HOUSE, people.engineer)
    with pytest.raises(BadInput, match="give this text a version of its own"):
        new_policy_version(first.policy, HOUSE.replace("0.7", "0.6"), people.engineer)
    with pytest.raises(BadInput, match="There is a policy"):
        create_policy(people.organisation, HOUSE, people.engineer)


def test_an_archived_policy_takes_no_versions(people: People) -> None:
    first = create_policy(people.organisation, HOUSE, people.engineer)
    archive_policy(first.policy, people.engineer)
    with pytest.raises(BadInput, match="archived"):
        new_policy_version(first.policy, HOUSE.replace('"1"', '"2"'), people.engineer)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (HOUSE.replace('title = "Accuracy"', 'title = "Accuracy'), 8, "not TOML"),
        (HOUSE.replace("minimum = 0.7", "minimun = 0.7"), 10, "minimum"),
        (HOUSE.replace("minimum = 0.7", 'minimum = "much"'), 10, "must be a number"),
        (HOUSE.replace("balanced_accuracy", "balanced_acuracy"), 9, "no method measures"),
        (HOUSE.replace("minimum = 0.7", "minimum = 7"), 10, "accuracy"),
        (HOUSE.replace('id = "accuracy"\n', ""), 6, 'lacks "id"'),
    ],
)
def test_an_error_names_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(BadPolicy, match=words) as refused:
        read_policy(text)
    place = place_of_error(text, refused.value.message)
    assert place is not None
    assert place.line == line


# --- pages


def url(people: People, name: str, *more: Any) -> str:
    return reverse(f"audits:{name}", args=[people.organisation.slug, *more])


def test_a_policy_is_written_read_edited_archived_and_restored_on_its_pages(
    people: People, as_user: Callable[..., Client]
) -> None:
    client = as_user(people.engineer)
    answer = client.post(url(people, "new_policy"), {"toml": HOUSE.replace("\n", "\r\n")}, follow=True)
    version = PolicyVersion.objects.of(people.organisation).get()
    assert version.toml == HOUSE
    assert "House &lt;b&gt;rules&lt;/b&gt;" in answer.text
    assert "<b>rules" not in answer.text
    text = client.get(url(people, "policy_text", version.policy_id, 1))
    assert text.content == HOUSE.encode()
    edited = HOUSE.replace('"1"', '"2"').replace("0.7", "0.8")
    client.post(url(people, "new_policy_version", version.policy_id), {"toml": edited})
    page = client.get(url(people, "policy", version.policy_id)).text
    assert "≥ 0.80" in page
    assert "≥ 0.70" in client.get(url(people, "policy", version.policy_id) + "?version=1").text
    client.post(url(people, "archive_policy", version.policy_id))
    assert "Archived" in client.get(url(people, "policies")).text
    client.post(url(people, "archive_policy", version.policy_id), {"restore": "1"})
    assert Policy.objects.of(people.organisation).get().archived_at is None


def test_a_refused_text_stays_in_the_form_with_its_line(
    people: People, as_user: Callable[..., Client]
) -> None:
    wrong = HOUSE.replace("minimum = 0.7", "minimum = <script>")
    answer = as_user(people.engineer).post(url(people, "new_policy"), {"toml": wrong})
    assert answer.status_code == 400
    assert "Line 10" in answer.text
    assert "minimum = &lt;script&gt;" in answer.text
    assert not Policy.objects.of(people.organisation).exists()


def test_a_pack_is_shown_and_copied_in(people: People, as_user: Callable[..., Client]) -> None:
    client = as_user(people.engineer)
    assert "Hiring and promotion" in client.get(url(people, "pack", "hiring")).text
    for _twice in range(2):
        client.post(url(people, "adopt_pack"), {"pack": "hiring"})
    assert Policy.objects.of(people.organisation).count() == 1
    assert client.post(url(people, "adopt_pack"), {"pack": "../etc"}).status_code == 400


def test_roles_and_outsiders(people: People, as_user: Callable[..., Client]) -> None:
    version = create_policy(people.organisation, HOUSE, people.engineer)
    read = [url(people, "policies"), url(people, "policy", version.policy_id), url(people, "pack", "credit")]
    read.append(url(people, "policy_text", version.policy_id, 1))
    write = [url(people, "new_policy"), url(people, "new_policy_version", version.policy_id)]
    post = [url(people, "adopt_pack"), url(people, "archive_policy", version.policy_id)]
    for address in read:
        assert as_user(people.auditor).get(address).status_code == 200
        assert Client().get(address).status_code == 302
    for address in write:
        assert as_user(people.engineer).get(address).status_code == 200
        assert as_user(people.reviewer).get(address).status_code == 403
    for address in post:
        assert as_user(people.auditor).post(address).status_code == 403
    for address in read + write:
        assert as_user(people.outsider).get(address).status_code == 404
    for address in write + post:
        assert as_user(people.outsider).post(address).status_code == 404
    elsewhere = reverse("audits:policy", args=[people.elsewhere.slug, version.policy_id])
    assert as_user(people.outsider).get(elsewhere).status_code == 404


def test_the_list_takes_the_same_queries_for_many_policies(
    people: People, as_user: Callable[..., Client], django_assert_max_num_queries: Any
) -> None:
    client = as_user(people.auditor)
    for number in range(12):
        text = HOUSE.replace("House <b>rules</b>", f"House {number}")
        create_policy(people.organisation, text, people.engineer)
    with django_assert_max_num_queries(8):
        assert client.get(url(people, "policies")).status_code == 200
