"""The trigger `audit`: a model's latest version on the latest data, under a policy, again and again.

Of the model or the data that a schedule waits for, the version that arrived is taken: a newer one may have
been read before it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

from django import forms
from django.db.models import QuerySet
from django.urls import NoReverseMatch, reverse
from pydantic import Field, ValidationError

from accounts.models import Organisation, User
from assay.contracts import Frozen
from assay.errors import BadInput
from assay.registry import METHODS
from audits.models import Policy, PolicyVersion, Run, RunState
from audits.services import draft_run
from jobs.models import Schedule
from jobs.schedules import About, Checked, Made, fire_event
from models_registry.models import Dataset, DatasetVersion, IntakeState, Model, ModelVersion, Stage

__all__ = ["AuditTrigger", "ScheduledAudit", "on_version_changed"]

Row = TypeVar("Row", ModelVersion, DatasetVersion)


class ScheduledAudit(Frozen):
    """What a schedule's audit is of."""

    model: uuid.UUID
    dataset: uuid.UUID
    policy: uuid.UUID | None = None
    """A policy of the organisation; its latest version judges. Null: measured only."""
    tier: Literal["quick", "standard", "deep"] = "standard"
    methods: tuple[str, ...] | None = Field(None, max_length=200)
    """Ids; null for all that apply."""


class ScheduledAuditForm(forms.Form):
    """Model, data, policy and depth of a scheduled audit."""

    model = forms.ModelChoiceField(
        queryset=Model.unscoped.none(),
        empty_label="Choose a model",
        help_text="Its latest version is audited, or each one that arrives.",
    )
    dataset = forms.ModelChoiceField(
        queryset=Dataset.unscoped.none(),
        label="Data",
        empty_label="Choose data",
        help_text="Of the same system; its latest version is used, or each one that arrives.",
    )
    policy = forms.ModelChoiceField(
        queryset=Policy.unscoped.none(),
        required=False,
        empty_label="None: measure only",
        help_text="Its latest version judges.",
    )
    tier = forms.ChoiceField(
        label="Depth",
        choices=[("quick", "Quick"), ("standard", "Standard"), ("deep", "Deep")],
        initial="standard",
    )
    methods = forms.MultipleChoiceField(
        required=False, help_text="Choose none for all that apply.", widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, organisation: Organisation, data: Any = None, initial: Any = None) -> None:
        super().__init__(data, initial=initial, label_suffix="")
        found = Model.objects.of(organisation).select_related("system").order_by("system__name", "name")
        self._choose("model", found, lambda row: f"{row.system}: {row.name}")
        data = Dataset.objects.of(organisation).select_related("system").order_by("system__name", "name")
        self._choose("dataset", data, lambda row: f"{row.system}: {row.name}")
        policies = Policy.objects.of(organisation).filter(archived_at=None).order_by("name")
        self._choose("policy", policies, str)
        methods = self.fields["methods"]
        assert isinstance(methods, forms.MultipleChoiceField)
        methods.choices = [(m.spec.id, m.spec.title) for m in METHODS.all()]

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        model, data = found.get("model"), found.get("dataset")
        if model is not None and data is not None and model.system_id != data.system_id:
            self.add_error("dataset", f"{data} belongs to {data.system}; choose data of {model.system}.")
        return found

    def _choose(self, name: str, rows: Any, label: Any) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = rows
        field.label_from_instance = label  # type: ignore[method-assign]


class AuditTrigger:
    """Drafts a run that starts by itself, compared with the last one that can be compared."""

    title = "Audit a model"

    def form(self, organisation: Organisation, data: Any = None, initial: Any = None) -> ScheduledAuditForm:
        return ScheduledAuditForm(organisation, data, initial)

    def request_of(self, form: ScheduledAuditForm) -> dict[str, Any]:
        found = form.cleaned_data
        policy = found["policy"]
        return {
            "model": str(found["model"].pk),
            "dataset": str(found["dataset"].pk),
            "policy": str(policy.pk) if policy else None,
            "tier": found["tier"],
            "methods": found["methods"] or None,
        }

    def check(self, organisation: Organisation, request: Mapping[str, Any]) -> Checked:
        asked = _asked(request)
        model = Model.objects.of(organisation).filter(pk=asked.model).select_related("system").first()
        data = Dataset.objects.of(organisation).filter(pk=asked.dataset).select_related("system").first()
        if model is None or data is None:
            raise BadInput(
                f"There is no such {'model' if model is None else 'dataset'} in your organisation."
            )
        if model.system_id != data.system_id:
            raise BadInput(f"{data} belongs to {data.system}; choose data of {model.system}.")
        if asked.policy and not Policy.objects.of(organisation).filter(pk=asked.policy).exists():
            raise BadInput("There is no such policy in your organisation.")
        for method in asked.methods or ():
            METHODS.get(method)
        return Checked(model.system_id, asked.model_dump(mode="json", exclude_unset=True))

    def fire(self, schedule: Schedule, *, by: User, cause: uuid.UUID | None) -> uuid.UUID:
        asked = _asked(schedule.request)
        rows = ModelVersion.objects.of(schedule.organisation).filter(state=IntakeState.READY)
        version = _arrived_or_latest(rows.filter(model_id=asked.model), cause)
        if version is None:
            raise BadInput("The model has no version that is ready; register one.")
        known = DatasetVersion.objects.of(schedule.organisation).filter(state=IntakeState.READY)
        data = _arrived_or_latest(known.filter(dataset_id=asked.dataset), cause)
        if data is None:
            raise BadInput("The dataset has no version that is ready; add one.")
        policy = None
        if asked.policy is not None:
            versions = PolicyVersion.objects.of(schedule.organisation).filter(policy_id=asked.policy)
            policy = versions.order_by("-number").first()
            if policy is None:
                raise BadInput("The policy has no version any more; choose another one.")
        run = draft_run(
            version,
            data,
            by=by,
            policy=policy,
            tier=asked.tier,
            methods=asked.methods,
            title=f"{schedule.name}: {version} on {data}"[:200],
            baseline=_last_comparable(version, data, policy),
            start_when_ready=True,
            trigger="schedule",
        )
        return run.pk

    def about(self, organisation: Organisation, schedules: Sequence[Schedule]) -> Mapping[uuid.UUID, About]:
        asked = {schedule.pk: _asked(schedule.request) for schedule in schedules}
        models = (
            Model.objects.of(organisation).select_related("system").in_bulk([a.model for a in asked.values()])
        )
        data = Dataset.objects.of(organisation).in_bulk([a.dataset for a in asked.values()])
        policies = Policy.objects.of(organisation).in_bulk([a.policy for a in asked.values() if a.policy])
        found = {}
        for key, one in asked.items():
            model = models.get(one.model)
            policy = f"policy {policies[one.policy]}" if one.policy in policies else "without a policy"
            found[key] = About(
                f"{one.tier.title()} audit of {model or 'a model that is gone'} on the latest "
                f"{data.get(one.dataset) or 'data'}, {policy}",
                str(model.system) if model else "",
                _link("models_registry:system", organisation, model.system_id) if model else "",
            )
        return found

    def made(self, organisation: Organisation, ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, Made]:
        return {
            run.pk: Made(str(run), _link("audits:run", organisation, run.pk), *_state_of(run))
            for run in Run.objects.of(organisation).filter(pk__in=ids).only("number", "state", "outcome")
        }


def on_version_changed(sender: object, version: Any, **_more: object) -> None:
    """Fire the schedules that wait for this version, in the transaction that made it ready.

    A remedy's candidate is left out: the remedy audits it, with its baseline's plan. So is a version that was
    promoted, or whose endpoint answers otherwise than before: it is not new.
    """
    if getattr(version, "state", None) != IntakeState.READY:
        return
    waiting = Schedule.objects.of(version.organisation_id).filter(trigger="audit", active=True)
    if isinstance(version, ModelVersion):
        if version.lineage is not None or version.stage != Stage.CANDIDATE or version.swapped:
            return
        waiting = waiting.filter(when=Schedule.When.NEW_VERSION, request__model=str(version.model_id))
    elif isinstance(version, DatasetVersion):
        waiting = waiting.filter(when=Schedule.When.NEW_DATA, request__dataset=str(version.dataset_id))
    else:
        return
    for schedule in waiting:
        fire_event(schedule, version.pk)


def _arrived_or_latest(rows: QuerySet[Row], cause: uuid.UUID | None) -> Row | None:
    arrived = rows.filter(pk=cause).first() if cause is not None else None
    return arrived or rows.order_by("-number").first()


def _asked(request: Mapping[str, Any]) -> ScheduledAudit:
    try:
        return ScheduledAudit.model_validate(dict(request))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "request"
        raise BadInput(f"{where}: {first['msg']}.") from error


def _last_comparable(version: ModelVersion, data: DatasetVersion, policy: PolicyVersion | None) -> Run | None:
    """The latest measured run of the same model, data version and policy version."""
    found: Run | None = (
        Run.objects.of(version.organisation_id)
        .filter(
            subject__dataset_version=data,
            subject__model_version__model=version.model_id,
            policy=policy,
        )
        .exclude(snapshot_digest="")
        .order_by("-ended_at")
        .first()
    )
    return found


_WORDS = {
    "pass": ("pass", "passed"),
    "warn": ("warn", "close to a limit"),
    "fail": ("fail", "failed rules"),
    "insufficient": ("none", "undecided"),
}


def _state_of(run: Run) -> tuple[str, str]:
    """Look and word of where a run stands."""
    if run.state in (RunState.FAILED, RunState.CANCELLED):
        return ("fail" if run.state == RunState.FAILED else "none"), RunState(run.state).label
    if not run.ended:
        return "none", RunState(run.state).label
    return _WORDS.get(run.outcome, ("none", "measured only"))


def _link(name: str, organisation: Organisation, key: Any) -> str:
    """Where the page is; "" while it is not built."""
    try:
        return reverse(name, args=[organisation.slug, key])
    except NoReverseMatch:
        return ""
