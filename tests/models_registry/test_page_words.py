"""Pages tell each fact once, in words that their reader can act on."""

from __future__ import annotations

import pytest

from models_registry.models import DatasetVersion, IntakeState, ModelVersion
from models_registry.page_words import counted, page_words
from tests import factory
from tests.conftest import People, make_people
from tests.models_registry.registered import Registered, SignIn
from tests.models_registry.stored import folder, stored


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("model/signature.json is missing.", "signature.json is missing."),
        ("net/model/a.json is odd.", "net/model/a.json is odd."),
        ("Audit its predictions instead, with --scores.", "Audit its predictions instead."),
        ("Name the label column too (--label).", "Name the label column too."),
        (
            "; a signature.json beside it or --signature says otherwise.",
            "; a signature.json beside it or a correction says otherwise.",
        ),
        ("It has none. --signature says otherwise.", "It has none. A correction says otherwise."),
    ],
)
def test_flags_and_the_folder_of_the_sandbox_are_left_out(said: str, told: str) -> None:
    assert page_words(said) == told


def test_rows_are_counted_in_singular_and_plural() -> None:
    assert counted("a.csv: 1 row(s) without y were set aside.") == "a.csv: 1 row without y was set aside."
    assert counted("a.csv: 21 row(s) without y were set aside.") == "a.csv: 21 rows without y were set aside."


def test_a_refusal_names_the_file_as_it_was_uploaded(committed: None) -> None:
    from models_registry.services import add_model_version, create_model, create_system

    people = make_people()
    model = create_model(create_system(people.organisation, "S", by=people.engineer), "m", by=people.engineer)
    files = {n: stored(people.organisation, c) for n, c in folder().items() if n != "signature.json"}
    version = add_model_version(model, files, by=people.engineer)
    factory.run_jobs()
    version.refresh_from_db()
    assert version.state == IntakeState.REFUSED
    assert "signature.json" in version.refusal
    assert "model/" not in version.refusal


def test_a_refused_pickle_names_one_way_out(people: People, as_user: SignIn) -> None:
    made = Registered(people)
    ModelVersion.unscoped.filter(pk=made.version.pk).update(
        state=IntakeState.REFUSED,
        refusal="m.pkl is a Python pickle. Save the model in another format.",
        gate={"trust": "C", "came_as": "pickle", "sha256": "a" * 64},
    )
    html = as_user(people.engineer).get(made.url("model_version", made.version)).content.decode()
    assert "Save the model in another format." in html
    assert "The way out" not in html


def test_a_version_that_is_read_says_so_in_one_place(people: People, as_user: SignIn) -> None:
    made, client = Registered(people), as_user(people.engineer)
    for page, version in (("model_version", made.version), ("dataset_version", made.data)):
        html = client.get(made.url(page, version)).content.decode()
        assert "Waiting for a worker." in html
        assert "<dt>Read</dt>" not in html
    DatasetVersion.unscoped.filter(pk=made.data.pk).update(state=IntakeState.FAILED)
    assert "<dt>Read</dt>" in client.get(made.url("dataset_version", made.data)).content.decode()


def test_the_rail_marks_systems_on_pages_of_models_and_data(people: People, as_user: SignIn) -> None:
    made, client = Registered(people), as_user(people.engineer)
    marked = f'<a href="{made.url("systems")}" aria-current="page">'
    for page, row in (
        ("model", made.model),
        ("model_version", made.version),
        ("dataset", made.dataset),
        ("dataset_version", made.data),
    ):
        assert marked in client.get(made.url(page, row)).content.decode()


def test_a_refused_form_leads_to_the_field(people: People, as_user: SignIn) -> None:
    made, client = Registered(people), as_user(people.engineer)
    html = client.post(made.url("new_predictions", made.model), {"threshold": "x"}).content.decode()
    assert 'id="problems" tabindex="-1"' in html
    assert '<a href="#id_threshold">Threshold</a>: Enter a number.' in html
