"""Two versions of a model side by side; chosen from the list of versions."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render

from accounts.access import member
from models_registry.model_diff import diff_models
from models_registry.models import Model, ModelVersion
from models_registry.panels import comparable_runs

__all__ = ["differences"]

_CHOICES = 100
_SHOWN = 200
_LIGHT = ("pk", "number", "label", "state", "stage", "model_id", "organisation_id", "created_at")


@member()
def differences(request: Any, pk: uuid.UUID) -> HttpResponse:
    """?before= and ?after= name the versions, of any model of the same system; the newest two by default."""
    model: Model = get_object_or_404(Model.objects.of(request.organisation).select_related("system"), pk=pk)
    choices = list(
        ModelVersion.objects.of(request.organisation)
        .filter(model=model)
        .only(*_LIGHT)
        .order_by("-number")[:_CHOICES]
    )
    for each in choices:
        each.model = model
    asked = {side: _asked(request, side) for side in ("before", "after")}
    wrong = any(key is not None and _version(request, model, key) is None for key in asked.values())
    after = asked["after"] or (choices[0].pk if choices else None)
    rest = [each.pk for each in choices if each.pk != after]
    before = asked["before"] or (rest[0] if rest else None)
    sides = [_version(request, model, key) if key is not None else None for key in (before, after)]
    context: dict[str, Any] = {"model": model, "system": model.system, "choices": choices, "wrong": wrong}
    context |= {"before": sides[0], "after": sides[1], "many": len(choices) == _CHOICES}
    if sides[0] is not None and sides[1] is not None and not wrong:
        found = diff_models(sides[0], sides[1])
        context |= {"diff": found, "files": found.files[:_SHOWN], "changes": found.signature[:_SHOWN]}
        context |= {"more_files": max(0, len(found.files) - _SHOWN)}
        context |= {"more_changes": max(0, len(found.signature) - _SHOWN)}
        context["runs"] = comparable_runs(request.organisation, sides[0].pk, sides[1].pk)
    status = 404 if wrong else 200
    return render(request, "models_registry/differences.html", context, status=status)


def _asked(request: Any, side: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(request.GET.get(side, ""))
    except ValueError:
        return None


def _version(request: Any, model: Model, key: uuid.UUID) -> ModelVersion | None:
    found: ModelVersion | None = (
        ModelVersion.objects.of(request.organisation)
        .filter(pk=key, model__system=model.system_id)
        .select_related("model", "parent__model", "base__model", "created_by")
        .first()
    )
    return found
