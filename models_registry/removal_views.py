"""Deleting the bytes of what was refused, from its page."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.access import member
from assay.errors import AssayError
from models_registry import services
from models_registry.models import IntakeState, ModelVersion

__all__ = ["delete_bytes"]


@member("register")
@require_http_methods(["GET", "POST"])
def delete_bytes(request: Any, pk: uuid.UUID) -> HttpResponse:
    """Asks first; what is deleted does not come back."""
    rows = ModelVersion.objects.of(request.organisation).select_related("model__system")
    version = get_object_or_404(rows, pk=pk)
    if request.method == "GET":
        members = version.members.filter(file__removed_at=None).select_related("file").order_by("path")
        if version.state == IntakeState.REFUSED and members:
            context = {"version": version, "model": version.model, "system": version.model.system}
            return render(request, "models_registry/delete_bytes.html", {**context, "members": members})
        return redirect("models_registry:model_version", request.organisation.slug, version.pk)
    try:
        gone, kept = services.remove_bytes(version, by=request.user)
    except AssayError as error:
        messages.warning(request, error.message)
    else:
        stays = (
            f"{kept} {'stays' if kept == 1 else 'stay'}, because something else rests on the same content."
        )
        if gone:
            files = "1 file are" if gone == 1 else f"{gone} files are"
            messages.success(request, f"The bytes of {files} deleted.{f' {stays}' if kept else ''}")
        else:
            messages.info(request, f"Nothing was deleted. {stays if kept else 'There were no bytes left.'}")
    return redirect("models_registry:model_version", request.organisation.slug, version.pk)
