"""Home, by role: what needs this person now, and what to do next. A fixed number of queries each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from accounts.models import Organisation, Role, User
from audits.models import Run, RunState
from models_registry.models import AISystem, DatasetVersion, IntakeState, ModelVersion
from portal.homes import auditor, engineer, operator, owner, reviewer
from portal.homes.parts import Home, Step, url

__all__ = ["home_of"]

_HOMES: dict[str, Callable[[Organisation, User], Home]] = {
    Role.OWNER: owner.home,
    Role.ENGINEER: engineer.home,
    Role.REVIEWER: reviewer.home,
    Role.AUDITOR: auditor.home,
    Role.OPERATOR: operator.home,
}


def home_of(organisation: Organisation, user: User, role: str) -> dict[str, Any]:
    """The context of the page: a guided start until the first audit has run, then the home of the role."""
    here = organisation.slug
    has_system = AISystem.objects.of(organisation).exists()
    has_run = has_system and Run.objects.of(organisation).exclude(state=RunState.DRAFT).exists()
    steps = [] if has_run else _steps(here, has_system, has_system and _has_both(organisation))
    made = _HOMES[role](organisation, user)
    return {"home": made, "steps": steps}


def _has_both(organisation: Organisation) -> bool:
    """Whether a model and data are there that an audit can use."""
    return all(
        kind.objects.of(organisation).filter(state=IntakeState.READY).exists()
        for kind in (ModelVersion, DatasetVersion)
    )


def _steps(slug: str, has_system: bool, has_both: bool) -> list[Step]:
    systems, new_system = url("models_registry:systems", slug), url("models_registry:new_system", slug)
    return [
        Step(
            "Describe an AI system",
            "What it decides, who owns it, whom it affects.",
            new_system or systems,
            "Register a system",
            has_system,
        ),
        Step(
            "Bring its model and test data",
            "Model files, or just a table with predictions. Everything is read in a sandbox.",
            systems,
            "Upload",
            has_both,
        ),
        Step(
            "Run the first audit",
            "Plan and policy are fixed before anything is measured.",
            url("audits:new_run", slug) or url("audits:runs", slug),
            "Start an audit",
            False,
        ),
    ]
