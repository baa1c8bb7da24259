"""Pages that register something: systems, models, datasets, versions."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from accounts.access import member
from accounts.sent_before import show_refusal
from assay.errors import AssayError, BadInput
from models_registry import services
from models_registry.description import DataDescription
from models_registry.forms import (
    ROLE_FIELDS,
    ContainerForm,
    DatasetVersionForm,
    ModelVersionForm,
    PredictionsForm,
    SystemForm,
    said_before,
)
from models_registry.models import (
    AISystem,
    Dataset,
    DatasetFile,
    DatasetVersion,
    IntakeState,
    Model,
    ModelVersion,
    StoredFile,
)
from models_registry.names import in_one_folder, left_behind
from models_registry.uploads import finished_files, finished_uploads, keep_whole

__all__ = [
    "archive_system",
    "edit_system",
    "new_dataset",
    "new_dataset_version",
    "new_model",
    "new_model_version",
    "new_predictions",
    "new_system",
    "read_dataset_version",
    "read_model_version",
    "restore_system",
]


@member("register")
def new_system(request: Any) -> HttpResponse:
    form = SystemForm(
        request.POST or None, organisation=request.organisation, initial={"owner": request.user.pk}
    )
    made = _saved(form, lambda said: services.create_system(request.organisation, by=request.user, **said))
    if made is not None:
        messages.success(request, f"{made.name} is registered as S-{made.number}.")
        return redirect("models_registry:system", request.organisation.slug, made.pk)
    return _form(request, "system_form", form)


@member("register")
def edit_system(request: Any, pk: uuid.UUID) -> HttpResponse:
    system = _system(request, pk)
    fields = ("name", "purpose", "owner", "affected_people", "hazards", "act_role", "risk_class")
    now = {field: getattr(system, field) for field in fields}
    form = SystemForm(request.POST or None, organisation=request.organisation, initial=now)

    def save(said: dict[str, Any]) -> AISystem:
        said.pop("key", None)
        return services.edit_system(system, by=request.user, **said)

    if _saved(form, save) is not None:
        messages.success(request, "Your changes are saved.")
        return redirect("models_registry:system", request.organisation.slug, system.pk)
    return _form(request, "system_form", form, system=system)


@member("register")
@require_POST
def archive_system(request: Any, pk: uuid.UUID) -> HttpResponse:
    system = services.archive_system(_system(request, pk), by=request.user)
    messages.success(request, f"{system.name} is archived. Nothing is lost; restore it here at any time.")
    return redirect("models_registry:system", request.organisation.slug, system.pk)


@member("register")
@require_POST
def restore_system(request: Any, pk: uuid.UUID) -> HttpResponse:
    system = services.restore_system(_system(request, pk), by=request.user)
    messages.success(request, f"{system.name} is back.")
    return redirect("models_registry:system", request.organisation.slug, system.pk)


@member("register")
def new_model(request: Any, system: uuid.UUID) -> HttpResponse:
    found = _system(request, system)
    form = ContainerForm(request.POST or None)
    made = _saved(form, lambda said: services.create_model(found, by=request.user, **said))
    if made is not None:
        return redirect("models_registry:new_model_version", request.organisation.slug, made.pk)
    return _form(request, "container_form", form, system=found, kind="model")


@member("register")
def new_dataset(request: Any, system: uuid.UUID) -> HttpResponse:
    found = _system(request, system)
    form = ContainerForm(request.POST or None)
    made = _saved(form, lambda said: services.create_dataset(found, by=request.user, **said))
    if made is not None:
        return redirect("models_registry:new_dataset_version", request.organisation.slug, made.pk)
    return _form(request, "container_form", form, system=found, kind="dataset")


@member("register")
def new_model_version(request: Any, model: uuid.UUID) -> HttpResponse:
    found = _model(request, model)
    if "afresh" in request.POST:
        form = ModelVersionForm(model=found, initial={**request.POST.dict(), "uploaded": ""})
        return _form(request, "model_version_form", form, model=found, system=found.system)
    problem, said = _with_files(request, {"uploaded": ("files", "folder")})
    form = ModelVersionForm(said, model=found)

    def save(values: dict[str, Any]) -> ModelVersion:
        files = _model_files(request, values.pop("uploaded"))
        return services.add_model_version(found, files, by=request.user, **values)

    made = _saved(form, save, problem)
    if made is not None:
        return redirect("models_registry:model_version", request.organisation.slug, made.pk)
    try:
        there = sorted(_model_files(request, form.data.get("uploaded", "")))
    except BadInput:
        there = []
    return _form(request, "model_version_form", form, model=found, system=found.system, there=there)


@member("register")
def new_predictions(request: Any, model: uuid.UUID) -> HttpResponse:
    found = _model(request, model)
    form = PredictionsForm(request.POST or None)
    made = _saved(form, lambda said: services.add_predictions_version(found, by=request.user, **said))
    if made is not None:
        messages.success(request, f"{made} is registered. It is audited on data that has these columns.")
        return redirect("models_registry:model_version", request.organisation.slug, made.pk)
    return _form(request, "predictions_form", form, model=found, system=found.system)


@member("register")
def new_dataset_version(request: Any, dataset: uuid.UUID) -> HttpResponse:
    found: Dataset = get_object_or_404(
        Dataset.objects.of(request.organisation).select_related("system", "organisation"), pk=dataset
    )
    refused = _refused(request, found)
    held = (
        {each.role: (each.name, each.file) for each in refused.files.select_related("file")}
        if refused
        else {}
    )
    problem, said = _with_files(request, {f"uploaded_{role}": (role,) for role in ROLE_FIELDS})
    form = DatasetVersionForm(said, initial=said_before(refused, request.user) if refused else None)

    def save(values: dict[str, Any]) -> DatasetVersion:
        files = dict(held)
        for role in ROLE_FIELDS:
            ids = _ids(values[f"uploaded_{role}"])[-1:]  # a file that was chosen again replaces the first
            for named in finished_uploads(request.organisation, request.user, ids).values():
                files[role] = named
        words = {
            name: values[name]
            for name in ("label", "origin", "licence", "consent_basis", "period", "disjoint", "key")
        }
        description = values["description"]
        if refused is not None:  # what only the form of columns asks
            before = DataDescription.model_validate(refused.description)
            more = {name: getattr(before, name) for name in ("ignored", "kinds", "max_groups")}
            description = description.model_copy(update=more)
        return services.add_dataset_version(found, files, description, by=request.user, **words)

    made = _saved(form, save, problem)
    if made is not None:
        return redirect("models_registry:dataset_version", request.organisation.slug, made.pk)
    there = _there(request, form, [f"uploaded_{role}" for role in ROLE_FIELDS])
    roles = [
        {
            "name": role,
            "title": title,
            "there": there.get(f"uploaded_{role}") or ([held[role][0]] if role in held else []),
            "help": _ROLE_HELP[role],
        }
        for role, title in DatasetFile.Role.choices
    ]
    context = {"dataset": found, "system": found.system, "roles": roles, "refused": refused}
    return _form(request, "dataset_version_form", form, **context)


def _refused(request: Any, dataset: Dataset) -> DatasetVersion | None:
    """The refused version that is put right, where the address names one: its files are taken over."""
    if "of" not in request.GET:
        return None
    try:
        key = uuid.UUID(request.GET["of"])
    except ValueError:
        raise Http404 from None
    rows = DatasetVersion.objects.of(request.organisation).filter(dataset=dataset, state=IntakeState.REFUSED)
    found: DatasetVersion = get_object_or_404(rows, pk=key)
    return found


_THEN = ";"
"""Between the ids of files that were chosen together and of those that were chosen later."""
_ROLE_HELP = {
    "test": "What an audit measures on. Nothing may have been trained on it.",
    "training": "What remedies learn from, and what privacy is tested against.",
    "tuning": "What remedies choose by, such as thresholds and when to stop.",
    "asked": "Only where test rows bring predictions of their own: other rows to ask the model about.",
    "attributes": "Where sex, race and the like are kept apart: a table with one row for each id.",
    "predictions": "Where predictions were logged apart: a table of ids and predictions, perhaps over time.",
}


@member("register")
@require_POST
def read_model_version(request: Any, pk: uuid.UUID) -> HttpResponse:
    version = get_object_or_404(ModelVersion.objects.of(request.organisation), pk=pk)
    return _read_again(request, version, "models_registry:model_version")


@member("register")
@require_POST
def read_dataset_version(request: Any, pk: uuid.UUID) -> HttpResponse:
    version = get_object_or_404(DatasetVersion.objects.of(request.organisation), pk=pk)
    return _read_again(request, version, "models_registry:dataset_version")


def _read_again(request: Any, version: Any, page: str) -> HttpResponse:
    try:
        services.read_again(version, by=request.user)
    except AssayError as error:
        messages.warning(request, error.message)
    return redirect(page, request.organisation.slug, version.pk)


def _saved(form: forms.Form, save: Callable[[dict[str, Any]], Any], problem: str = "") -> Any:
    """What `save` made of a valid form; None where there is nothing to save or an error to show."""
    if not form.is_bound:
        return None
    if problem:
        form.add_error(None, problem)
    if not form.is_valid():
        return None
    try:
        return save(dict(form.cleaned_data))
    except AssayError as error:
        show_refusal(form, error)
        return None


def _with_files(request: Any, fields: dict[str, Sequence[str]]) -> tuple[str, Any]:
    """What was posted, with the files that came in the form itself stored and named by their ids, so that
    they are not lost where something else in the form is wrong; and what was wrong with a file."""
    if request.method != "POST":
        return "", None
    said, problem = request.POST.copy(), ""
    for hidden, inputs in fields.items():
        ids = []
        for name in inputs:
            for posted in request.FILES.getlist(name):
                try:
                    kept = keep_whole(
                        request.organisation, posted.name, posted.size, posted.chunks(), request.user
                    )
                    ids.append(str(kept.pk))
                except BadInput as error:
                    problem = problem or error.message
        said[hidden] = _THEN.join(part for part in (said.get(hidden, ""), ",".join(ids)) if part)
    return problem, said


def _model_files(request: Any, uploaded: str) -> dict[str, StoredFile]:
    """Path -> file of what was chosen for a model; a later choice replaces files of the same path."""
    files: dict[str, StoredFile] = {}
    for batch in uploaded.split(_THEN):
        chosen = finished_files(request.organisation, request.user, _ids(batch))
        kept = {path: stored for path, stored in chosen.items() if not left_behind(path)}
        inside = in_one_folder(kept)
        files |= {inside[path]: stored for path, stored in kept.items()}
    return files


def _there(request: Any, form: forms.Form, fields: Sequence[str]) -> dict[str, list[str]]:
    """Names of the files that are stored already, by hidden field."""
    found: dict[str, list[str]] = {}
    if not form.is_bound:
        return found
    for field in fields:
        try:
            rows = finished_uploads(request.organisation, request.user, _ids(form.data.get(field, "")))
            found[field] = [name for name, _stored in rows.values()]
        except BadInput:
            found[field] = []
    return found


def _ids(text: str) -> list[str]:
    return [part for part in text.replace(_THEN, ",").split(",") if part]


def _form(request: Any, template: str, form: forms.Form, **context: Any) -> HttpResponse:
    status = 400 if form.is_bound else 200
    more = {"form": form, "most_bytes": settings.ENV.upload_bytes, "hub": settings.ENV.hub, **context}
    return render(request, f"models_registry/{template}.html", more, status=status)


def _system(request: Any, pk: uuid.UUID) -> AISystem:
    found: AISystem = get_object_or_404(
        AISystem.objects.of(request.organisation).select_related("organisation", "owner"), pk=pk
    )
    return found


def _model(request: Any, pk: uuid.UUID) -> Model:
    found: Model = get_object_or_404(
        Model.objects.of(request.organisation).select_related("system", "organisation"), pk=pk
    )
    return found
