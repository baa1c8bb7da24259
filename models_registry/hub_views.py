"""The page that names a model of the Hugging Face Hub."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import member
from accounts.sent_before import show_refusal
from assay.errors import AssayError
from models_registry import services
from models_registry.forms import Labelled
from models_registry.models import Model

__all__ = ["new_hub_version"]


class HubForm(Labelled):
    name = forms.CharField(
        label="Name on the Hub",
        max_length=300,
        help_text="organisation/name, or organisation/name@revision; pinned to its commit of the moment.",
    )
    notes = forms.CharField(required=False, max_length=20_000, widget=forms.Textarea(attrs={"rows": 2}))


@member("register")
def new_hub_version(request: Any, model: uuid.UUID) -> HttpResponse:
    found: Model = get_object_or_404(
        Model.objects.of(request.organisation).select_related("system", "organisation"), pk=model
    )
    form = HubForm(request.POST or None)
    if form.is_bound and form.is_valid():
        try:
            made = services.add_hub_version(found, by=request.user, **form.cleaned_data)
            return redirect("models_registry:model_version", request.organisation.slug, made.pk)
        except AssayError as error:
            show_refusal(form, error)
    context = {"form": form, "model": found, "system": found.system, "hub": settings.ENV.hub}
    return render(request, "models_registry/hub_form.html", context, status=400 if form.is_bound else 200)
