"""Pages that correct a model version's signature."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from accounts.access import member
from assay.contracts import ModelSignature
from assay.errors import AssayError
from models_registry import services
from models_registry.models import ModelVersion, Subject
from models_registry.signature_changes import signature_changes
from models_registry.signature_checks import checked_signature, read_document
from models_registry.signature_forms import MOST_COLUMNS, SignatureForm
from models_registry.signatures import may_be_corrected

__all__ = ["check", "correct"]

_TEMPLATE = {
    "schema": "assay.signature/1",
    "task": "binary",
    "output": "logit",
    "classes": ["no", "yes"],
    "favourable": "yes",
    "columns": [{"name": "income", "kind": "number", "encoding": "standard", "mean": 0, "scale": 1}],
}
"""Where nothing could be read of a version yet."""


@member("register")
def correct(request: Any, pk: uuid.UUID) -> HttpResponse:
    """The signature as a form, or as JSON; a correction has the version read with it."""
    version = _version(request, pk)
    now = _now(version)
    form = _form(request, now)
    document, problem = request.POST.get("document", ""), ""
    if request.method == "POST":
        try:
            said, ready = _said(request, form)
            if ready:
                key = form.cleaned_data.get("key") if form is not None and form.is_valid() else None
                made = services.correct_signature(version, said, by=request.user, key=key)
                messages.success(request, _told(version, made))
                return redirect("models_registry:model_version", request.organisation.slug, made.pk)
        except AssayError as error:
            problem = error.message
    context = {
        "version": version,
        "model": version.model,
        "system": version.model.system,
        "form": form,
        "problem": problem,
        "document": document or json.dumps(_document(version, now), indent=1, ensure_ascii=False),
        "as_json": bool(document) or form is None,
        "possible": may_be_corrected(version),
        "used": Subject.objects.of(request.organisation).filter(model_version=version).exists(),
        "columns": len(now.columns) if now else 0,
        "most_columns": MOST_COLUMNS,
    }
    status = 400 if problem or (form is not None and form.is_bound and not form.is_valid()) else 200
    return render(request, "models_registry/signature_form.html", context, status=status)


@member("register")
@require_POST
def check(request: Any, pk: uuid.UUID) -> HttpResponse:
    """What is wrong with what the form says now, or what it would change; asked for while it is filled in."""
    now = _now(_version(request, pk))
    form = _form(request, now)
    problems: list[tuple[str, str]] = []
    changes = []
    if form is not None and now is not None:
        if form.is_valid():
            said = form.cleaned_data["signature"]
            changes = signature_changes(now.model_dump(mode="json"), said.model_dump(mode="json"))
        for name, errors in form.errors.items():
            title = "" if name == "__all__" else _title(form, name)
            problems += [(title, str(error)) for error in errors]
    return render(
        request, "models_registry/signature_check.html", {"problems": problems, "changes": changes[:20]}
    )


def _said(request: Any, form: SignatureForm | None) -> tuple[ModelSignature | None, bool]:
    """What was posted, and whether it is whole."""
    if request.POST.get("own"):
        return None, True
    if "document" in request.POST:
        return checked_signature(read_document(request.POST["document"])), True
    if form is not None and form.is_valid():
        return form.cleaned_data["signature"], True
    return None, False


def _form(request: Any, now: ModelSignature | None) -> SignatureForm | None:
    if now is None or len(now.columns) > MOST_COLUMNS:
        return None
    filled = request.method == "POST" and "document" not in request.POST and not request.POST.get("own")
    return SignatureForm(request.POST if filled else None, signature=now)


def _now(version: ModelVersion) -> ModelSignature | None:
    said = version.said_signature if version.state == "refused" else version.signature
    said = said or version.signature or version.said_signature
    return ModelSignature.model_validate(said) if said else None


def _document(version: ModelVersion, now: ModelSignature | None) -> Any:
    return now.model_dump(mode="json", exclude_none=True) if now is not None else _TEMPLATE


def _title(form: SignatureForm, name: str) -> str:
    if name.startswith("c") and name[1:2].isdigit():
        place, _, field = name[1:].partition("_")
        return f'column "{form.signature.columns[int(place)].name}", {field}'
    return str(form.fields[name].label or name)


def _told(version: ModelVersion, made: ModelVersion) -> str:
    if made.pk != version.pk:
        return (
            f"{version} was read with data already and stays as it is; this new version has the correction."
        )
    return "The version is read again with this signature."


def _version(request: Any, pk: uuid.UUID) -> ModelVersion:
    found: ModelVersion = get_object_or_404(
        ModelVersion.objects.of(request.organisation).select_related("model__system"), pk=pk
    )
    return found
