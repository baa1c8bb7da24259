"""The gate's verdict is kept with a version; what cleaning wrote is stored once and opened from then on."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from django.db import connection

from assay.contracts import GateVerdict, ModelReport, ModelRequest
from assay.errors import AssayError, BadInput
from assay.report.document.book import Book
from assay.report.document.subject import subject_section
from assay.runner.sandbox import contains
from assay.runner.supervisor import Supervisor
from audits.planning import evidence_of
from models_registry import files
from models_registry.description import DataDescription, lay_out_model, model_request
from models_registry.files import path_of
from models_registry.models import ModelVersion, StoredFile, Upload, VersionFile
from models_registry.removal import remove_bytes
from models_registry.services import (
    add_dataset_version,
    add_model_version,
    begin_upload,
    create_dataset,
    create_model,
    create_system,
    finish_upload,
)
from tests import factory
from tests.conftest import People, make_people
from tests.models.made import linear_folder, number
from tests.models_registry.sending import add_chunk
from tests.models_registry.stored import PICKLE, folder, stored

pytestmark = pytest.mark.usefixtures("committed")

VERDICT = GateVerdict(
    trust="B",
    came_as="torch_checkpoint",
    sha256="c" * 64,
    cleaning=("Kept 2 tensors of 2.", "Left out optimizer state."),
    findings=("data.pkl imports collections.OrderedDict",),
)


def added(people: People, content: dict[str, bytes], *, by_hand: bool = False) -> ModelVersion:
    """`by_hand`: no job is to read it."""
    system = create_system(people.organisation, "Screen", by=people.engineer)
    model = create_model(system, "scorer", by=people.engineer)
    kept = {path: files.keep(people.organisation, [each], uploaded=True) for path, each in content.items()}
    return add_model_version(model, kept, by=people.engineer, read=not by_hand)


def refused(people: People, content: dict[str, bytes]) -> ModelVersion:
    version = added(people, content, by_hand=True)
    version.state, version.refusal = "refused", "model.pkl is a pickle."
    version.gate = GateVerdict(trust="C", came_as="pickle", sha256="d" * 64).model_dump(mode="json")
    version.save()
    return version


def read(version: ModelVersion) -> ModelVersion:
    factory.run_jobs()
    version.refresh_from_db()
    return version


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[ModelRequest]:
    """A child that cleans a file of class B into a linear model; what was asked of the supervisor."""
    asked: list[ModelRequest] = []
    real = Supervisor.describe_model

    def describe(self: Supervisor, request: ModelRequest, cleaned: Path | None = None) -> ModelReport:
        asked.append(request)
        if cleaned is None or request.gate is not None:
            return real(self, request, cleaned)
        linear_folder(cleaned, [number("income", mean=1_500, scale=2_000)], [1.0])
        return real(self, request.model_copy(update={"path": str(cleaned), "gate": VERDICT}))

    monkeypatch.setattr(Supervisor, "describe_model", describe)
    return asked


def test_a_refused_pickle_keeps_class_c_and_what_was_noticed() -> None:
    version = read(added(make_people(), {"model.pkl": PICKLE}))
    verdict = GateVerdict.model_validate(version.gate)
    assert (verdict.trust, verdict.came_as) == ("C", "pickle")
    assert verdict.findings == ("a pickle of a scikit-learn model",)


def test_a_damaged_file_of_a_known_format_keeps_its_class() -> None:
    content = folder()
    content["model.safetensors"] = content["model.safetensors"][:40]
    version = read(added(make_people(), content))
    assert version.state == "refused"
    assert GateVerdict.model_validate(version.gate).trust == "A"


def test_what_cleaning_wrote_is_stored_printed_and_nothing_of_class_b_is_opened_twice(
    opened: list[ModelRequest], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    people = make_people()
    version = read(added(people, {"net.pt": b"a checkpoint"}))
    assert (version.state, version.refusal) == ("ready", "")
    assert version.gate == VERDICT.model_dump(mode="json")
    by_origin = {m.path: m.origin for m in version.members.all()}
    assert by_origin == {
        "net.pt": "uploaded",
        "architecture.json": "cleaned",
        "model.safetensors": "cleaned",
        "signature.json": "cleaned",
    }
    lay_out_model(tmp_path, version)
    request = model_request(tmp_path, version)
    assert request.gate == VERDICT
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == sorted(set(by_origin) - {"net.pt"})
    run = factory.measured_run(people, model=version)
    assert run.state == "done", run.reason
    evidence = evidence_of(run)
    assert evidence.subject.model is not None
    assert evidence.subject.model.gate == VERDICT
    assert (evidence.subject.model.name, evidence.subject.model.sha256) == ("net", version.sha256)
    assert len(opened) == 1
    said = str(subject_section(Book(evidence)))
    assert "torch_checkpoint, class B: cleaned in the sandbox" in said
    assert "Kept 2 tensors of 2. Left out optimizer state." in said
    assert "imports collections.OrderedDict" in said


def test_bytes_of_refused_files_go_and_the_refusal_stays() -> None:
    people = make_people()
    version = refused(people, {"model.pkl": PICKLE})
    file = version.members.get().file
    assert path_of(people.organisation, file.sha256).exists()
    assert remove_bytes(version, by=people.engineer) == (1, 0)
    assert not path_of(people.organisation, file.sha256).exists()
    version.refresh_from_db()
    assert "is a pickle" in version.refusal
    assert GateVerdict.model_validate(version.gate).trust == "C"
    file.refresh_from_db()
    assert file.removed_at is not None
    with pytest.raises(BadInput, match="upload it again"):
        add_model_version(version.model, {"model.pkl": file}, by=people.engineer)
    again = files.keep(people.organisation, [PICKLE], uploaded=True)
    assert (again.pk, again.removed_at) == (file.pk, None)
    assert path_of(people.organisation, file.sha256).read_bytes() == PICKLE


def test_bytes_that_something_rests_on_stay() -> None:
    people = make_people()
    shared, own = b"x,y\n1,2\n", PICKLE
    version = refused(people, {"shared.csv": shared, "model.pkl": own})
    add_model_version(
        version.model, {"other.csv": stored(people.organisation, shared)}, by=people.engineer
    )  # waits to be read
    assert remove_bytes(version, by=people.engineer) == (1, 1)
    assert path_of(people.organisation, files.keep(people.organisation, [shared]).sha256).exists()


def test_an_upload_of_what_the_service_wrote_itself_does_not_make_it_deletable() -> None:
    people = make_people()
    evidence = b'{"schema": "assay.evidence/1"}'
    files.keep(people.organisation, [evidence])
    version = refused(people, {"evidence.bin": evidence})
    assert remove_bytes(version, by=people.engineer) == (0, 1)
    row = StoredFile.objects.of(people.organisation).get(sha256=version.members.get().file.sha256)
    assert not row.only_uploaded
    assert path_of(people.organisation, row.sha256).read_bytes() == evidence


def test_only_refused_versions_lose_bytes() -> None:
    people = make_people()
    version = added(people, folder(), by_hand=True)
    with pytest.raises(AssayError, match="was not refused"):
        remove_bytes(version, by=people.engineer)
    assert VersionFile.objects.filter(version=version, file__removed_at=None).count() == 3


def test_a_real_checkpoint_lands_as_cleaned_files_that_are_audited(tmp_path: Path) -> None:
    import torch

    from assay.models.architectures import build

    with Supervisor(None) as supervisor:
        linear_folder(tmp_path / "linear", [number("income")], [1.0])
        supervisor.describe_model(ModelRequest(path=str(tmp_path / "linear"), device="cpu"))
        if not contains(supervisor.sandbox.layers):
            pytest.skip("class B is opened only where namespaces, Landlock and seccomp are all on")
    module = build("mlp", {"inputs": 1, "hidden": (4,), "outputs": 2})
    torch.save(module.state_dict(), tmp_path / "best.pt")
    content = {
        "best.pt": (tmp_path / "best.pt").read_bytes(),
        "signature.json": (tmp_path / "linear" / "signature.json").read_bytes(),
    }
    people = make_people()
    version = read(added(people, content))
    assert (version.state, version.refusal) == ("ready", "")
    verdict = GateVerdict.model_validate(version.gate)
    assert verdict.trust == "B"
    assert verdict.cleaning
    origins = set(version.members.values_list("origin", "path"))
    assert {("uploaded", "best.pt"), ("cleaned", "model.safetensors")} <= origins
    run = factory.measured_run(people, model=version)
    assert run.state == "done", run.reason
    model = evidence_of(run).subject.model
    assert model is not None
    assert (model.gate, model.sha256) == (verdict, version.sha256)


def test_a_version_is_not_made_of_bytes_that_were_deleted_after_its_files_were_read() -> None:
    people = make_people()
    version = refused(people, {"model.pkl": PICKLE})
    mine = files.keep(people.organisation, [PICKLE], uploaded=True)
    dataset = create_dataset(version.model.system, "rows", by=people.engineer)
    assert remove_bytes(version, by=people.engineer) == (1, 0)
    assert mine.removed_at is None  # as whoever registers has read it
    with pytest.raises(BadInput, match="upload it again"):
        add_model_version(version.model, {"other.pkl": mine}, by=people.engineer)
    rows = {"test": ("rows.csv", mine)}
    with pytest.raises(BadInput, match="upload it again"):
        add_dataset_version(dataset, rows, DataDescription(label="y", favourable="1"), by=people.engineer)
    assert version.model.versions.count() == 1
    assert dataset.versions.count() == 0


def test_bytes_are_not_deleted_while_an_upload_of_them_is_being_finished(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time: who deletes is done before, or begins afterwards")
    people = make_people()
    version = refused(people, {"model.pkl": PICKLE})
    upload = begin_upload(people.organisation, "again.pkl", len(PICKLE), people.engineer)
    add_chunk(upload, 0, PICKLE)
    real, ended = files._place, threading.Event()

    def delete() -> None:
        remove_bytes(version, by=people.engineer)
        ended.set()
        connection.close()

    deleting = threading.Thread(target=delete)

    def place(target: Path, draft: Path, *, sealed: bool) -> None:
        real(target, draft, sealed=sealed)
        deleting.start()
        assert not ended.wait(1), "the bytes went before the upload was finished"

    monkeypatch.setattr(files, "_place", place)
    file = finish_upload(upload)
    deleting.join(30)
    # Whoever deletes came second: the bytes are gone and so is the upload that rested on them.
    assert not Upload.unscoped.filter(pk=upload.pk).exists()
    assert not path_of(people.organisation, file.sha256).exists()
