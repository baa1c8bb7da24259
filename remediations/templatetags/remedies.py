"""What remedies show on pages of the apps below them."""

from __future__ import annotations

from typing import Any

from django import template

from remediations.models import RemedyRun
from remediations.selectors import GATE, remedy_title

register = template.Library()

_SHOWN = 10


@register.inclusion_tag("remediations/tried.html", takes_context=True)
def remedies_tried(context: dict[str, Any], run: Any = None, finding: Any = None) -> dict[str, Any]:
    """Repairs of an audited version, or of a finding: each with what became of it, the newest first."""
    organisation = context["organisation"]
    rows = RemedyRun.objects.of(organisation)
    rows = rows.filter(baseline=run) if run is not None else rows.filter(finding=finding)
    found = list(rows.only("number", "remedy", "state", "gate", "organisation").order_by("-number")[:_SHOWN])
    return {
        "organisation": organisation,
        "lines": [
            (one, remedy_title(one.remedy), GATE.get((one.gate or {}).get("exit_code", -1))) for one in found
        ],
    }
