"""The form and page that register a model behind an address."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import member
from accounts.sent_before import show_refusal
from assay.contracts import EndpointLimits, EndpointRequest
from assay.errors import AssayError, BadInput
from models_registry.endpoints import add_endpoint_version, checked_endpoint
from models_registry.forms import Labelled
from models_registry.models import Model

__all__ = ["EndpointForm", "new_endpoint"]

_DEFAULTS = EndpointLimits()
_GROUPS = {
    "place": ("url", "protocol", "name", "secret"),
    "answers": ("signature", "template"),
    "costs": ("most_requests", "price_per_1k_tokens", "most_spend"),
    "pace": ("requests_per_second", "batch_rows", "timeout", "retries"),
    "words": ("label", "notes"),
}


class EndpointForm(Labelled):
    url = forms.CharField(
        label="Address",
        max_length=1_000,
        help_text="Such as https://models.example.org (Open Inference) or https://llm.example.org/v1 "
        "(OpenAI). Only hosts that this installation allows are asked.",
        widget=forms.URLInput(attrs={"autocomplete": "off"}),
    )
    protocol = forms.ChoiceField(
        choices=(
            ("open_inference_v2", "Open Inference Protocol v2"),
            ("openai_chat", "OpenAI-compatible chat"),
            ("openai_completions", "OpenAI-compatible completions"),
        ),
        help_text="Tables, pictures and texts over the first; texts from a closed list of classes over the "
        "others; likelihoods of texts (task generation) over completions that echo a prompt with logprobs.",
    )
    name = forms.CharField(
        label="Model", max_length=200, help_text="What the server at that address calls it."
    )
    signature = forms.CharField(
        max_length=1_000_000,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "class": "code"}),
        help_text="The content of a signature.json: what the model reads and what its output means, such as "
        '{"task": "binary", "output": "label", "classes": ["bad", "good"], "text": {}}, or of a language '
        'model {"task": "generation", "output": "score", "text": {}}.',
    )
    secret = forms.CharField(
        label="Name of the key",
        required=False,
        max_length=64,
        help_text="Of the file in this organisation's folder of secrets that holds the key. Never the key "
        "itself.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    template = forms.CharField(
        label="Prompt",
        required=False,
        max_length=20_000,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="For classifying over the OpenAI protocols: {text} is the row, {classes} the names of the "
        "classes. A plain question where nothing is said; a language model gets each text as it is.",
    )
    most_requests = forms.IntegerField(
        min_value=1, max_value=100_000_000, initial=_DEFAULTS.most_requests, help_text="Of one audit."
    )
    requests_per_second = forms.FloatField(
        min_value=0.001, max_value=10_000, initial=_DEFAULTS.requests_per_second
    )
    timeout = forms.FloatField(
        label="Seconds for an answer", min_value=0.1, max_value=600, initial=_DEFAULTS.timeout
    )
    retries = forms.IntegerField(min_value=0, max_value=10, initial=_DEFAULTS.retries)
    batch_rows = forms.IntegerField(
        label="Rows of a request", min_value=1, max_value=4_096, initial=_DEFAULTS.batch_rows
    )
    price_per_1k_tokens = forms.FloatField(
        label="Price of 1,000 tokens",
        min_value=0,
        max_value=1e6,
        initial=0,
        help_text="0 where nothing is paid.",
    )
    most_spend = forms.FloatField(
        label="Most spending of one audit",
        required=False,
        min_value=0,
        max_value=1e9,
        help_text="In the currency of the price; no limit where nothing is said.",
    )
    notes = forms.CharField(required=False, max_length=20_000, widget=forms.Textarea(attrs={"rows": 2}))

    @property
    def groups(self) -> dict[str, list[Any]]:
        """The fields in the order in which the page asks for them."""
        return {group: [self[name] for name in names] for group, names in _GROUPS.items()}

    @property
    def pace_wrong(self) -> bool:
        return any(self[name].errors for name in _GROUPS["pace"])

    @property
    def pace_in_words(self) -> str:
        said = {name: self[name].value() for name in _GROUPS["pace"]}
        return (
            f"{said['requests_per_second']} requests a second, {said['batch_rows']} rows in each, "
            f"{said['timeout']} s for an answer, {said['retries']} retries"
        )

    def endpoint(self) -> EndpointRequest:
        """What the valid form says. Raises BadInput."""
        said = self.cleaned_data
        try:
            signature = json.loads(said["signature"])
        except (ValueError, RecursionError) as error:
            raise BadInput(f"The signature is no JSON: {error}.") from None
        values: dict[str, Any] = {
            "url": said["url"],
            "protocol": said["protocol"],
            "model": said["name"],
            "signature": signature,
            "key": said["secret"] or None,
            "limits": {name: said[name] for name in EndpointLimits.model_fields},
        }
        if said["template"].strip():
            values["template"] = said["template"]
        return checked_endpoint(values)


@member("register")
def new_endpoint(request: Any, model: uuid.UUID) -> HttpResponse:
    found: Model = get_object_or_404(
        Model.objects.of(request.organisation).select_related("system", "organisation"), pk=model
    )
    form = EndpointForm(request.POST or None)
    if form.is_bound and form.is_valid():
        said = form.cleaned_data
        try:
            made = add_endpoint_version(
                found,
                form.endpoint(),
                by=request.user,
                label=said["label"],
                notes=said["notes"],
                key=said["key"],
            )
        except AssayError as error:
            show_refusal(form, error)
        else:
            messages.success(request, f"{made} is registered; it is asked what it is.")
            return redirect("models_registry:model_version", request.organisation.slug, made.pk)
    status = 400 if form.is_bound else 200
    context = {"form": form, "model": found, "system": found.system}
    return render(request, "models_registry/endpoint_form.html", context, status=status)
