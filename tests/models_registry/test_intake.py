"""Versions read by themselves through the job engine and the real child."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Organisation
from assay.contracts import DataReport, ModelSignature
from assay.errors import ChildFailed
from jobs.services import cancel
from models_registry import intake
from models_registry.description import DataDescription
from models_registry.models import Dataset, Model, ModelVersion
from models_registry.services import (
    add_dataset_version,
    add_model_version,
    create_dataset,
    create_model,
    create_system,
    read_again,
)
from models_registry.signals import version_changed
from tests import factory
from tests.conftest import People, make_people
from tests.models_registry.stored import PICKLE, folder, loans_csv, stored

pytestmark = pytest.mark.usefixtures("committed")


def model_of(people: People) -> Model:
    return create_model(
        create_system(people.organisation, "Screen", by=people.engineer), "scorer", by=people.engineer
    )


def dataset_of(people: People) -> Dataset:
    return create_dataset(
        create_system(people.organisation, "Screen", by=people.engineer), "loans", by=people.engineer
    )


def added(people: People, content: dict[str, bytes]) -> ModelVersion:
    files = {path: stored(people.organisation, each) for path, each in content.items()}
    return add_model_version(model_of(people), files, by=people.engineer)


def kept(organisation: Organisation, rows: int = 200) -> dict[str, Any]:
    return {"test": ("loans.csv", stored(organisation, loans_csv(rows)))}


def test_a_model_becomes_ready_with_facts_signature_and_layers() -> None:
    people = make_people()
    heard: list[Any] = []

    def hear(sender: object, version: Any, **_: object) -> None:
        heard.append(version.pk)

    version_changed.connect(hear)
    try:
        version = added(people, folder())
        factory.run_jobs()
    finally:
        version_changed.disconnect(hear)
    version.refresh_from_db()
    assert (version.state, version.refusal, version.format) == ("ready", "", "torch_folder")
    assert version.facts is not None
    assert version.sha256 == version.facts["sha256"]
    assert ModelSignature.model_validate(version.signature).columns[0].name == "income"
    assert version.sandbox is not None
    assert version.sandbox["layers"]["minimal_environment"] is True
    assert heard == [version.pk]


def test_a_pickle_is_refused_with_the_engines_sentence_and_stays_refused() -> None:
    people = make_people()
    version = added(people, {"model.pkl": PICKLE})
    factory.run_jobs()
    version.refresh_from_db()
    assert version.state == "refused"
    assert "a pickle of a scikit-learn model. Assay never opens pickles" in version.refusal
    assert version.job is not None
    assert version.job.state == "done"


def test_a_zipped_folder_is_refused_with_the_way_out() -> None:
    import io
    import zipfile

    people = make_people()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, content in folder().items():
            archive.writestr(path, content)
    version = added(people, {"model.zip": packed.getvalue()})
    factory.run_jobs()
    version.refresh_from_db()
    assert version.state == "refused"
    assert "is a zip archive. Unpack it" in version.refusal


def test_data_becomes_ready_with_summaries_of_each_role() -> None:
    people = make_people()
    files = {**kept(people.organisation), "training": ("t.csv", stored(people.organisation, loans_csv(300)))}
    version = add_dataset_version(
        dataset_of(people), files, DataDescription(label="repaid", sensitive=("sex",)), by=people.engineer
    )
    factory.run_jobs()
    version.refresh_from_db()
    assert (version.state, version.refusal) == ("ready", "")
    report = DataReport.model_validate(version.profile)
    assert [(d.role, d.rows) for d in report.datasets] == [("test", 200), ("training", 300)]
    assert report.datasets[0].column("sex").categories == ("Female", "Male")


def test_data_without_the_named_column_is_refused_with_what_is_close() -> None:
    people = make_people()
    version = add_dataset_version(
        dataset_of(people), kept(people.organisation), DataDescription(label="repayed"), by=people.engineer
    )
    factory.run_jobs()
    version.refresh_from_db()
    assert version.state == "refused"
    assert '"repaid"' in version.refusal


def test_names_that_no_database_keeps_are_refused_and_break_nothing() -> None:
    people = make_people()
    content = folder()
    content["signature.json"] = content["signature.json"].replace(b'"yes"', b'"y\\u0000s"')
    version = added(people, content)
    factory.run_jobs()
    version.refresh_from_db()
    assert version.state == "refused"
    assert "holds a NUL" in version.refusal


def test_a_child_that_dies_leaves_a_version_that_can_be_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    people = make_people()
    version = added(people, folder())

    def dies(self: Any, folder: Any, context: Any) -> Any:
        raise ChildFailed("The child ended with signal 9 (SIGKILL) while reading the model.")

    with monkeypatch.context() as patched:
        patched.setattr(intake._ModelSession, "_read", dies)
        from django.conf import settings

        patched.setattr(settings, "ENV", settings.ENV.model_copy(update={"attempts": 1}))
        factory.run_jobs()
    version.refresh_from_db()
    assert version.state == "failed"
    assert "SIGKILL" in version.refusal
    read_again(version, by=people.engineer)
    factory.run_jobs()
    version.refresh_from_db()
    assert version.state == "ready"


def test_a_cancelled_reading_says_so() -> None:
    people = make_people()
    version = added(people, folder())
    assert version.job is not None
    cancel(version.job)
    version.refresh_from_db()
    assert (version.state, version.refusal) == ("failed", "The reading was cancelled.")


def test_a_registered_pair_is_audited() -> None:
    from audits.services import draft_run
    from models_registry.services import add_predictions_version

    people = make_people()
    dataset = dataset_of(people)
    data = add_dataset_version(
        dataset,
        kept(people.organisation),
        DataDescription(label="repaid", sensitive=("sex",)),
        by=people.engineer,
    )
    model = create_model(dataset.system, "scorer", by=people.engineer)
    version = add_predictions_version(model, predictions="approved", scores="score", by=people.engineer)
    run = draft_run(version, data, by=people.engineer, tier="quick", start_when_ready=True)
    factory.run_jobs()
    run.refresh_from_db()
    assert (run.state, run.reason) == ("done", "")
