"""Pages that show what is registered."""

from __future__ import annotations

import hashlib
import itertools
import uuid
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Max
from django.http import HttpResponse, HttpResponseNotModified
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string

from accounts.access import member
from jobs.models import Shard
from models_registry import model_words, presenting, selectors
from models_registry.models import AISystem, Dataset, DatasetVersion, IntakeState, Model, ModelVersion
from models_registry.page_words import counted, page_words
from models_registry.panels import latest_audits
from models_registry.signatures import may_be_corrected

__all__ = [
    "dataset",
    "dataset_version",
    "dataset_version_state",
    "model",
    "model_version",
    "model_version_state",
    "system",
    "systems",
]

_PER_PAGE = 50
_READING = (IntakeState.WAITING, IntakeState.READING)


@member()
def systems(request: Any) -> HttpResponse:
    search, archived = request.GET.get("q", "")[:200], bool(request.GET.get("archived"))
    rows = selectors.list_systems(request.organisation, search, archived=archived)
    page = Paginator(rows, _PER_PAGE).get_page(request.GET.get("page"))
    standing = latest_audits(request.organisation, [row.pk for row in page])
    for row in page:
        row.audit = standing.get(row.pk)
    return render(
        request,
        "models_registry/systems.html",
        {"page": page, "q": search, "archived": archived, "audits_known": bool(standing)},
    )


@member()
def system(request: Any, pk: uuid.UUID) -> HttpResponse:
    found: AISystem = get_object_or_404(
        AISystem.objects.of(request.organisation).select_related("owner", "created_by"), pk=pk
    )
    models, datasets = selectors.models_of(found), selectors.datasets_of(found)
    audit = latest_audits(request.organisation, [found.pk]).get(found.pk)
    audited = audit is not None or selectors.was_read(found)
    return render(
        request,
        "models_registry/system.html",
        {
            "system": found,
            "models": models,
            "datasets": datasets,
            "audit": audit,
            "steps": selectors.first_steps(models, datasets, audited),
        },
    )


@member()
def model(request: Any, pk: uuid.UUID) -> HttpResponse:
    found: Model = get_object_or_404(
        Model.objects.of(request.organisation).select_related("system", "created_by"), pk=pk
    )
    page = Paginator(selectors.versions_of(found), _PER_PAGE).get_page(request.GET.get("page"))
    lineage = selectors.lineage_of(found)
    return render(
        request,
        "models_registry/model.html",
        {
            "model": found,
            "system": found.system,
            "page": page,
            "lineage": lineage if any(line.version.parent_id for line in lineage) else [],
            "most_lineage": selectors.MOST_LINEAGE,
        },
    )


@member()
def model_version(request: Any, pk: uuid.UUID) -> HttpResponse:
    version = _model_version(request, pk)
    members = list(version.members.select_related("file").order_by("-origin", "path"))
    return render(
        request,
        "models_registry/model_version.html",
        {
            "version": version,
            "model": version.model,
            "system": version.model.system,
            "members": members,
            "children": selectors.made_from(version),
            "subjects": selectors.subjects_of(version),
            "sentence": presenting.model_sentence(version),
            "remarks": [page_words(remark) for remark in version.remarks],
            "signature": model_words.signature_of(version),
            "gate": model_words.gate_said(version),
            "claims": model_words.claims_said(version),
            "corrections": model_words.corrections_of(version),
            "correctable": may_be_corrected(version) and not any(m.file.removed_at for m in members),
            "removable": version.state == IntakeState.REFUSED and any(not m.file.removed_at for m in members),
            "lineage": presenting.lineage_said(version),
            "endpoint": presenting.endpoint_said(version),
            "layers": presenting.layers_of(version),
            "progress": _progress(version),
        },
    )


@member()
def dataset(request: Any, pk: uuid.UUID) -> HttpResponse:
    found: Dataset = get_object_or_404(
        Dataset.objects.of(request.organisation).select_related("system", "created_by"), pk=pk
    )
    page = Paginator(selectors.versions_of(found), _PER_PAGE).get_page(request.GET.get("page"))
    rows = list(page)
    for row, before in itertools.pairwise(rows):
        row.before = before if row.state == before.state == IntakeState.READY else None
    return render(
        request,
        "models_registry/dataset.html",
        {"dataset": found, "system": found.system, "page": page, "rows": rows},
    )


@member()
def dataset_version(request: Any, pk: uuid.UUID) -> HttpResponse:
    version = _dataset_version(request, pk)
    return render(
        request,
        "models_registry/dataset_version.html",
        {
            "version": version,
            "dataset": version.dataset,
            "system": version.dataset.system,
            "files": version.files.select_related("file").order_by("role"),
            "subjects": selectors.subjects_of(version),
            "sentence": presenting.data_sentence(version),
            "said": presenting.said_of(version),
            "parts": presenting.parts_of(version),
            "notes": [counted(note) for note in (version.profile or {}).get("notes", [])],
            "others": selectors.comparable_with(version),
            "layers": presenting.layers_of(version),
            "progress": _progress(version),
        },
    )


@member()
def model_version_state(request: Any, pk: uuid.UUID) -> HttpResponse:
    """How far the reading is; polled every 2 s until it has ended."""
    return _state(request, _model_version(request, pk), "models_registry:model_version_state")


@member()
def dataset_version_state(request: Any, pk: uuid.UUID) -> HttpResponse:
    return _state(request, _dataset_version(request, pk), "models_registry:dataset_version_state")


def _state(request: Any, version: Any, poll: str) -> HttpResponse:
    context = {"version": version, "progress": _progress(version), "poll": poll}
    html = render_to_string("models_registry/state.html", context, request)
    tag = f'"{hashlib.sha256(html.encode()).hexdigest()[:32]}"'
    ended = version.state not in _READING
    if request.headers.get("If-None-Match") == tag and not ended:
        answer: HttpResponse = HttpResponseNotModified()
    else:
        answer = HttpResponse(html)
    answer["ETag"], answer["Cache-Control"] = tag, "private, no-cache"
    if ended and request.htmx:
        answer["HX-Refresh"] = "true"  # the whole page has changed
    return answer


def _progress(version: Any) -> dict[str, Any] | None:
    if version.state not in _READING or version.job_id is None:
        return None
    found: dict[str, Any] = Shard.objects.filter(job_id=version.job_id, purpose="work").aggregate(
        done=Max("progress"), attempts=Max("attempts")
    )
    return found


def _model_version(request: Any, pk: uuid.UUID) -> ModelVersion:
    found: ModelVersion = get_object_or_404(
        ModelVersion.objects.of(request.organisation).select_related(
            "model__system", "parent__model", "base__model", "created_by", "job"
        ),
        pk=pk,
    )
    return found


def _dataset_version(request: Any, pk: uuid.UUID) -> DatasetVersion:
    found: DatasetVersion = get_object_or_404(
        DatasetVersion.objects.of(request.organisation).select_related(
            "dataset__system", "created_by", "disjoint_by", "job"
        ),
        pk=pk,
    )
    return found
