"""What was inferred of columns is shown, put right in a form or by the API, and versions are compared."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from accounts.api_auth import new_token
from models_registry import presenting
from models_registry.column_form import ColumnsForm
from models_registry.dataset_diff import diff_of
from models_registry.description import DataDescription
from models_registry.forms import read_cuts
from models_registry.models import DatasetVersion, IntakeState
from models_registry.selectors import comparable_with
from models_registry.services import add_dataset_version, create_dataset, create_system
from tests import factory
from tests.conftest import People, make_people
from tests.models_registry.stored import stored

pytestmark = pytest.mark.usefixtures("committed")
_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def _rows(many: int, flat: int = 0) -> bytes:
    lines = ["id,repaid,district,income"]
    lines += [f"P.{i},{('yes', 'no')[i % 2]},{i % 4},{100 + i + flat}" for i in range(many)]
    return "\n".join(lines).encode() + b"\n"


PEOPLE = b"person,sex\n" + b"".join(b"P.%d,%s\n" % (i, b"fm"[i % 2 : i % 2 + 1]) for i in range(36))


def _version(people: People, content: bytes, **more: Any) -> DatasetVersion:
    system = create_system(
        people.organisation, f"Screen {DatasetVersion.unscoped.count()}", by=people.engineer
    )
    dataset = more.pop("dataset", None) or create_dataset(system, "loans", by=people.engineer)
    files = {"test": ("loans.csv", stored(people.organisation, content))}
    if more.pop("apart", False):
        files["attributes"] = ("people.csv", stored(people.organisation, PEOPLE))
    said = DataDescription(label="repaid", favourable="yes", identifier="id", **more)
    return add_dataset_version(dataset, files, said, by=people.engineer, origin="a bank")


def _signed_in(people: People) -> Client:
    client = Client()
    client.force_login(people.engineer, backend=_BACKEND)
    return client


def _url(people: People, name: str, *rows: Any) -> str:
    return reverse(f"models_registry:{name}", args=[people.organisation.slug, *(row.pk for row in rows)])


def test_attributes_kept_apart_are_joined_shown_and_bounded() -> None:
    people = make_people()
    version = _version(people, _rows(40), apart=True, attributes_id="person")
    factory.run_jobs()
    version.refresh_from_db()
    assert version.state == IntakeState.READY, version.refusal
    assert version.profile["roles"]["sensitive"] == ["sex"]
    page = _signed_in(people).get(_url(people, "dataset_version", version)).content.decode()
    assert "people.csv: sex joined by id." in page
    assert "4 of 40 rows were not found" in page
    assert "P.17" not in page


def test_a_column_is_put_right_and_the_version_stays_what_it_was() -> None:
    people = make_people()
    version = _version(people, _rows(40))
    factory.run_jobs()
    version.refresh_from_db()
    client, url = _signed_in(people), _url(people, "correct_columns", version)
    form = client.get(url).context["form"]
    place = {line.name: number for number, line in enumerate(form.lines)}
    assert [(line.name, line.found) for line in form.lines][2] == ("district", "number")
    said = {field.html_name: field.value() or "" for line in form.lines for field in (line.kind, line.role)}
    said |= {"key": str(form["key"].value()), "favourable": "yes", "bins": "", "label": "put right"}
    same = client.post(url, said)
    assert same.status_code == 400
    assert "Nothing is different from this version" in same.content.decode()
    twice = client.post(url, {**said, f"role_{place['district']}": "label"})
    assert "One column can be the true outcome" in twice.content.decode()
    change = {f"kind_{place['district']}": "category", f"role_{place['income']}": "ignored"}
    answer = client.post(url, said | change)
    assert answer.status_code == 302
    assert client.post(url, said | change).url == answer.url  # the same form sent twice makes one version
    factory.run_jobs()
    made = DatasetVersion.unscoped.get(dataset=version.dataset, number=2)
    assert made.state == IntakeState.READY, made.refusal
    columns = {column["name"]: column for column in made.profile["datasets"][0]["columns"]}
    assert columns["district"]["kind"] == "category"
    assert "income" not in columns
    assert made.origin == "a bank"
    version.refresh_from_db()
    assert version.description.get("kinds") is None
    assert version.sha256 != made.sha256
    difference = client.get(_url(people, "dataset_diff", version, made)).content.decode()
    assert "The same files, 1 column removed, 1 column of another kind or role." in difference
    assert "number → category" in difference
    assert "before: 100 to 139, mean 119.5" in difference, "a column that went is shown with its values"
    back = client.get(_url(people, "dataset_diff", made, version)).content.decode()
    assert "after: 100 to 139, mean 119.5" in back, "and so is one that came"
    assert "P.17" not in back


def test_two_versions_are_compared_by_their_summaries() -> None:
    people = make_people()
    first = _version(people, _rows(40))
    second = _version(people, _rows(60, flat=50).replace(b"yes", b"no", 5), dataset=first.dataset)
    factory.run_jobs()
    _token, secret = new_token(people.engineer, people.organisation, "x", ["read", "write"])
    asked = {"headers": {"Authorization": f"Bearer {secret}"}}
    client = Client()
    found = client.get(f"/api/v1/dataset-versions/{first.pk}/diff/{second.pk}", **asked).json()
    (part,) = found["parts"]
    assert (part["rows_before"], part["rows_after"], part["same_file"]) == (40, 60, False)
    columns = {column["name"]: column for column in part["columns"]}
    assert columns["repaid"]["distance"] == pytest.approx(0.5 - 25 / 60, abs=1e-5)
    assert (columns["income"]["mean_before"], columns["income"]["mean_after"]) == (119.5, 179.5)
    income = columns["income"]
    assert (income["n_before"], income["n_after"], income["quantile_error"]) == (40, 60, 0)
    assert income["quantiles_before"] == [100, 101, 109, 119, 129, 137, 139]
    assert income["quantiles_after"][3] == 179
    page = _signed_in(people).get(_url(people, "dataset_diff", first, second)).content.decode()
    assert "+20 test rows" in page
    assert "100 to 139, mean 119.5; 5 % 101, 25 % 109, median 119, 75 % 129, 95 % 137" in page
    assert "40 → 60" in page
    assert "50.0 % → 41.7 % (−8.3 points)" in page
    listed = _signed_in(people).get(_url(people, "dataset", first.dataset)).content.decode()
    assert "What differs from 1" in listed
    said = {"description": {"label": "repaid", "kinds": {"district": "category"}, "identifier": "id"}}
    made = client.post(
        f"/api/v1/dataset-versions/{first.pk}/corrections", said, content_type="application/json", **asked
    )
    assert made.status_code == 201, made.content
    assert made.json()["number"] == 3
    unread = client.get(f"/api/v1/dataset-versions/{first.pk}/diff/{made.json()['id']}", **asked)
    assert unread.status_code in (400, 422)
    assert "has not been read yet" in unread.content.decode()


def test_a_version_read_before_quantiles_were_kept_is_not_taken_for_another_distribution() -> None:
    people = make_people()
    first = _version(people, _rows(60))
    second = _version(people, _rows(60) + b"P.60,yes,,\n", dataset=first.dataset)
    factory.run_jobs()
    for version in (first, second):
        version.refresh_from_db()
    assert set(second.profile["quantiles"]["test"]) == {"district", "income"}
    del first.profile["quantiles"]
    first.save()
    second.profile["datasets"][0]["columns"] = [
        {**column, "rows": 60, "missing": 0} for column in second.profile["datasets"][0]["columns"]
    ]
    second.save()
    page = _signed_in(people).get(_url(people, "dataset_diff", first, second)).content.decode()
    assert '<th scope="row">income' not in page
    assert '<th scope="row">repaid' in page


def test_cut_points_come_back_from_the_form_to_the_last_digit() -> None:
    people = make_people()
    cuts = (1_234_567.0, 1_234_567.25, 2e7)
    version = _version(people, _rows(40), bins={"income": cuts}, sensitive=("income",))
    factory.run_jobs()
    version.refresh_from_db()
    form = ColumnsForm(version=version)
    assert read_cuts(form.initial["bins"]) == {"income": cuts}
    said = dict(presenting.said_of(version))
    assert said["Groups of numbers"] == "income: 1234567, 1234567.25, 20000000"


@pytest.mark.parametrize("text", ["age: nan", "age: 25, inf", "age:", "age 25", ": 25"])
def test_cut_points_that_are_no_numbers_are_refused_in_words(text: str) -> None:
    with pytest.raises(ValidationError, match="is not of the form"):
        read_cuts(text)


def test_versions_to_compare_with_are_the_nearest_whatever_their_number() -> None:
    people = make_people()
    first = _version(people, _rows(4))
    DatasetVersion.unscoped.bulk_create(
        DatasetVersion(
            organisation=people.organisation,
            dataset=first.dataset,
            number=number,
            state=IntakeState.READY if number != 3 else IntakeState.REFUSED,
            created_by=people.engineer,
        )
        for number in range(2, 70)
    )
    numbers = [each.number for each in comparable_with(first, limit=4)]
    assert numbers == [2, 4, 5, 6]
    middle = DatasetVersion.unscoped.get(dataset=first.dataset, number=30)
    assert [each.number for each in comparable_with(middle, limit=4)] == [31, 29, 32, 28]


def test_large_numbers_are_written_out() -> None:
    people = make_people()
    first = _version(people, _rows(40, flat=1_234_400))
    second = _version(people, _rows(40, flat=52_000), dataset=first.dataset)
    factory.run_jobs()
    page = _signed_in(people).get(_url(people, "dataset_diff", first, second)).content.decode()
    assert "1,234,500 to 1,234,539, mean 1,234,520; 5 % 1,234,501" in page
    assert "52,100 to 52,139, mean 52,120; 5 % 52,101" in page
    shown = _signed_in(people).get(_url(people, "dataset_version", first)).content.decode()
    assert "1,234,500 to 1,234,539, mean 1,234,520" in shown


def _read(
    people: People, files: dict[str, bytes], said: DataDescription, dataset: Any = None
) -> DatasetVersion:
    if dataset is None:
        system = create_system(people.organisation, "Screen", by=people.engineer)
        dataset = create_dataset(system, "loans", by=people.engineer)
    kept = {role: (f"{role}.csv", stored(people.organisation, content)) for role, content in files.items()}
    version = add_dataset_version(dataset, kept, said, by=people.engineer, origin="a bank")
    factory.run_jobs()
    version.refresh_from_db()
    assert version.state == IntakeState.READY, version.refusal
    return version


def _corrected(people: People, version: DatasetVersion, changes: dict[str, str]) -> DatasetVersion:
    """The version that the form makes when these columns are used otherwise."""
    client, url = _signed_in(people), _url(people, "correct_columns", version)
    form = client.get(url).context["form"]
    place = {line.name: number for number, line in enumerate(form.lines)}
    said = {f.html_name: f.value() or "" for line in form.lines for f in (line.kind, line.role)}
    said |= {"key": str(form["key"].value()), "favourable": str(form["favourable"].value()), "bins": ""}
    said |= {f"role_{place[name]}": role for name, role in changes.items()} | {"label": "put right"}
    answer = client.post(url, said)
    assert answer.status_code == 302, answer.content.decode()
    factory.run_jobs()
    made = DatasetVersion.unscoped.get(dataset=version.dataset, number=version.number + 1)
    assert made.state == IntakeState.READY, made.refusal
    return made


def test_a_column_that_only_its_name_made_sensitive_can_be_put_right() -> None:
    people = make_people()
    lines = [f"{('yes', 'no')[i % 2]},{'fmn'[i % 3]},{i}" for i in range(60)]
    rows = "\n".join(["repaid,gender,income", *lines]).encode()
    version = _read(people, {"test": rows}, DataDescription(label="repaid", favourable="yes"))
    assert version.profile["roles"]["sensitive"] == ["gender"]
    made = _corrected(people, version, {"gender": "feature"})
    assert made.profile["roles"]["sensitive"] == []
    assert made.description["without"] == ["sensitive"]
    assert ("Sensitive", "none") in presenting.said_of(made)
    again = _corrected(people, made, {"gender": "sensitive"})
    assert again.profile["roles"]["sensitive"] == ["gender"]
    assert "without" not in again.description


def test_a_column_that_only_its_name_made_the_outcome_can_be_put_right() -> None:
    people = make_people()
    rows = "\n".join(["outcome,score", *(f"{i % 2},{i}" for i in range(40))]).encode()
    version = _read(people, {"test": rows}, DataDescription())
    assert version.profile["roles"]["label"] == "outcome"
    made = _corrected(people, version, {"outcome": "feature"})
    assert made.profile["roles"]["label"] is None


def test_columns_beyond_those_that_the_form_shows_stay_what_they_were() -> None:
    people = make_people()
    names = ["repaid", "sex", *(f"c{i}" for i in range(210)), "race", "name"]
    lines = [
        ",".join(
            [
                ("yes", "no")[i % 2],
                "fm"[i % 2],
                *(str((i * k) % 7) for k in range(210)),
                "ab"[i % 2],
                f"P {i}",
            ]
        )
        for i in range(40)
    ]
    rows = "\n".join([",".join(names), *lines]).encode()
    said = DataDescription(label="repaid", favourable="yes", ignored=("name",))
    version = _read(people, {"test": rows}, said)
    form = ColumnsForm(version=version)
    assert form.more == 14
    made = _corrected(people, version, {"c1": "ignored"})
    assert made.description["ignored"] == ["c1", "name"]
    assert made.description["sensitive"] == ["sex", "race"]
    assert "name" not in [column["name"] for column in made.profile["datasets"][0]["columns"]]


def test_another_file_of_attributes_or_log_is_a_difference() -> None:
    people = make_people()
    said = DataDescription(label="repaid", favourable="yes", identifier="id", attributes_id="person")
    turned = PEOPLE.replace(b",f", b",x").replace(b",m", b",f").replace(b",x", b",m")
    logs = [
        b"id,approved\n" + b"".join(b"P.%d,%s\n" % (i, one) for i in range(40)) for one in (b"yes", b"no")
    ]
    first, second = (
        {"test": _rows(40), "attributes": attributes, "predictions": log}
        for attributes, log in zip((PEOPLE, turned), logs, strict=True)
    )
    before = _read(people, first, said)
    after = _read(people, second, said, before.dataset)
    page = _signed_in(people).get(_url(people, "dataset_diff", before, after)).content.decode()
    assert "Another file of attributes, another log of predictions" in page
    assert "Sensitive attributes, joined by id" in page
    assert "Nothing differs" not in page
    same = _read(people, second, said.model_copy(update={"allow_missing": True}), before.dataset)
    found = diff_of(after, same, presenting.said_of(after), presenting.said_of(same))
    assert found.files == ()
