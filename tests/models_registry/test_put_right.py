"""What was refused is put right without choosing every file again or typing everything anew."""

from __future__ import annotations

import uuid

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from models_registry.models import DatasetVersion, IntakeState, ModelVersion
from tests.conftest import People
from tests.models_registry.registered import Registered, SignIn
from tests.models_registry.stored import loans_csv


def upload(client: Client, made: Registered, name: str, content: bytes) -> str:
    begun = client.post(made.url("begin_upload"), {"name": name, "size": len(content)}).json()
    place = f"{made.url('begin_upload')}{begun['id']}/"
    client.patch(f"{place}?offset=0", content, content_type="application/octet-stream")
    client.post(f"{place}finish/")
    return str(begun["id"])


def test_a_file_that_is_chosen_again_replaces_the_one_of_its_path(people: People, as_user: SignIn) -> None:
    made, client = Registered(people), as_user(people.engineer)
    names = {"net/signature.json": b"wrong", "net/model.safetensors": b"abc"}
    first = ",".join(upload(client, made, name, content) for name, content in names.items())
    url = made.url("new_model_version", made.model)
    refused = client.post(url, {"uploaded": first, "base": str(uuid.uuid4())})
    assert refused.status_code == 400
    assert refused.context["there"] == ["model.safetensors", "signature.json"]
    again = upload(client, made, "signature.json", b"right")
    answer = client.post(url, {"uploaded": f"{first};{again}"})
    version = ModelVersion.objects.of(people.organisation).get(pk=answer.url.rstrip("/").rpartition("/")[2])
    found = {member.path: member.file.size for member in version.members.select_related("file")}
    assert found == {"model.safetensors": 3, "signature.json": 5}


def test_without_script_too_and_all_files_can_be_chosen_afresh(people: People, as_user: SignIn) -> None:
    made, client = Registered(people), as_user(people.engineer)
    url = made.url("new_model_version", made.model)
    said = {"label": "kept", "base": str(uuid.uuid4())}
    refused = client.post(url, {**said, "files": SimpleUploadedFile("model.json", b"{}")})
    uploaded = refused.context["form"]["uploaded"].value()
    assert b"Choose the files afresh" in refused.content
    again = client.post(
        url, {**said, "uploaded": uploaded, "files": SimpleUploadedFile("model.json", b"[1]")}
    )
    assert again.context["there"] == ["model.json"]
    afresh = client.post(url, {**said, "uploaded": uploaded, "afresh": "1"})
    assert (afresh.status_code, afresh.context["form"]["uploaded"].value()) == (200, "")
    assert b'value="kept"' in afresh.content
    assert b"uploaded already" not in afresh.content


def test_a_mistyped_column_is_put_right_with_the_files_and_the_datasheet_kept(
    people: People, as_user: SignIn
) -> None:
    made, client = Registered(people), as_user(people.engineer)
    new = made.url("new_dataset_version", made.dataset)
    said = {
        "label_column": "repayed",
        "sensitive": "sex",
        "bins": "age: 25, 60.5",
        "origin": "The branch in Riga.",
        "disjoint": "on",
    }
    client.post(new, {**said, "test": SimpleUploadedFile("loans.csv", loans_csv(50))})
    version = made.dataset.versions.order_by("-number")[0]
    DatasetVersion.unscoped.filter(pk=version.pk).update(
        state=IntakeState.REFUSED, refusal="No column repayed."
    )
    link = f"{new}?of={version.pk}"
    assert link in client.get(made.url("dataset_version", version)).content.decode()

    form = client.get(link)
    shown = {name: form.context["form"][name].value() for name in form.context["form"].fields}
    assert {name: shown[name] for name in said if name != "disjoint"} == {
        name: value for name, value in said.items() if name != "disjoint"
    }
    assert shown["disjoint"] is True
    assert "Uploaded already: loans.csv" in form.content.decode()
    assert "No column repayed." in form.content.decode()
    shown = {name: value for name, value in shown.items() if value}
    answer = client.post(link, {**shown, "label_column": "repaid"})
    assert answer.status_code == 302
    right = made.dataset.versions.order_by("-number")[0]
    assert (right.number, right.description["label"], right.origin) == (
        version.number + 1,
        "repaid",
        "The branch in Riga.",
    )
    assert right.files.get().file_id == version.files.get().file_id

    assert as_user(people.owner).get(link).context["form"]["disjoint"].value() is False
    assert client.get(f"{new}?of={made.data.pk}").status_code == 404, "it was not refused"
    assert client.get(f"{new}?of=x").status_code == 404


def test_the_outcome_is_no_sensitive_column(people: People, as_user: SignIn) -> None:
    made, client = Registered(people), as_user(people.engineer)
    said = {"label_column": "repaid", "sensitive": "sex, repaid"}
    answer = client.post(made.url("new_dataset_version", made.dataset), said)
    assert answer.status_code == 400
    assert list(answer.context["form"].errors) == ["sensitive"]


def test_bytes_are_deleted_after_a_question_and_the_answer_counts_right(
    people: People, as_user: SignIn
) -> None:
    made, client = Registered(people), as_user(people.engineer)
    url, page = made.url("delete_bytes", made.version), made.url("model_version", made.version)
    assert client.get(url).url == page, "nothing was refused"
    files = [SimpleUploadedFile("a.json", b"[1]"), SimpleUploadedFile("b.json", b"[2]")]
    client.post(made.url("new_model_version", made.model), {"files": files})
    refused = made.model.versions.order_by("-number")[0]
    client.post(made.url("new_model_version", made.model), {"files": SimpleUploadedFile("a.json", b"[1]")})
    ModelVersion.unscoped.filter(pk=refused.pk).update(state=IntakeState.REFUSED, refusal="No.")
    url, page = made.url("delete_bytes", refused), made.url("model_version", refused)
    before = client.get(page).content.decode()
    assert f'<a class="button" href="{url}">' in before
    assert "Say what it is…" in before
    asked = client.get(url)
    assert (asked.status_code, b"a.json" in asked.content) == (200, True)
    told = client.post(url, follow=True).content.decode()
    assert "The bytes of 1 file are deleted. 1 stays, because something else rests on" in told
    assert "Say what it is…" not in told, "a signature mends no version without bytes"
    told = client.post(url, follow=True).content.decode()
    assert "Nothing was deleted. 1 stays" in told
    assert 'class="banner success"' not in told
