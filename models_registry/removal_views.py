"""Deleting the bytes of what was refused, from its page."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from accounts.access import member
from assay.errors import AssayError
from models_registry import services
from models_registry.models import ModelVersion

__all__ = ["delete_bytes"]


@member("register")
@require_POST
def delete_bytes(request: Any, pk: uuid.UUID) -> HttpResponse:
    version = get_object_or_404(ModelVersion.objects.of(request.organisation), pk=pk)
    try:
        gone, kept = services.remove_bytes(version, by=request.user)
    except AssayError as error:
        messages.warning(request, error.message)
    else:
        rest = f" {kept} stay, because something else rests on the same content." if kept else ""
        messages.success(request, f"The bytes of {gone} file{'' if gone == 1 else 's'} are deleted.{rest}")
    return redirect("models_registry:model_version", request.organisation.slug, version.pk)
