"""Forms of audits and policies."""

from __future__ import annotations

from typing import Any, cast

from django import forms

from accounts.models import Organisation
from assay.contracts import Tier
from assay.policy import list_packs
from assay.policy.loading import MAXIMUM_BYTES
from assay.registry import METHODS
from audits.models import PolicyVersion, Run
from audits.param_fields import MethodParamsForm
from audits.selectors import policies_of
from audits.services import LARGEST_SEED
from audits.wording import TIERS
from models_registry.models import AISystem, DatasetVersion, IntakeState, ModelVersion

__all__ = ["NewAuditForm", "PlanForm", "PolicyTextForm", "policy_choices"]

_NO_POLICY = ("", "None: measure only, no verdicts")


def policy_choices(organisation: Organisation) -> list[tuple[str, Any]]:
    """The organisation's policies in their newest version, then the built-in packs that it has not taken."""
    own = list(policies_of(organisation))
    versions = {
        v.pk: v
        for v in PolicyVersion.objects.of(organisation).filter(pk__in=[p.newest for p in own]).defer("toml")
    }
    mine = [
        (str(p.newest), f"{p.name} {versions[p.newest].content.get('version', '')}".strip())
        for p in own
        if p.newest in versions
    ]
    names = {p.name for p in policies_of(organisation, archived=None)}
    packs = [(f"pack:{c.id}", f"{c.title} {c.version}") for c in list_packs() if c.title not in names]
    groups: list[tuple[str, Any]] = [_NO_POLICY]
    if mine:
        groups.append(("Of this organisation", mine))
    if packs:
        groups.append(("Built in", packs))
    return groups


class NewAuditForm(forms.Form):
    """What is audited, on which data, against which policy, how thoroughly."""

    model_version = forms.ModelChoiceField(
        ModelVersion.unscoped.none(), label="Model version", empty_label="Choose a model version"
    )
    dataset_version = forms.ModelChoiceField(
        DatasetVersion.unscoped.none(),
        label="Data version",
        empty_label="Choose a data version",
        help_text="Its test rows are sealed: how often they are opened is counted and printed.",
    )
    baseline = forms.ModelChoiceField(
        Run.unscoped.none(),
        required=False,
        label="Compare with",
        empty_label="Nothing",
        help_text="The earlier audit's policy, methods, parameters, thoroughness and seed are taken over, so "
        "that both measured the same.",
    )
    policy = forms.ChoiceField(
        required=False, label="Policy", help_text="Its limits are fixed before anything is measured."
    )
    tier = forms.ChoiceField(
        choices=[(name, title) for name, (title, _about) in TIERS.items()],
        widget=forms.RadioSelect,
        initial="standard",
        label="How thorough",
    )
    seed = forms.IntegerField(
        min_value=0,
        max_value=LARGEST_SEED,
        initial=0,
        required=False,
        label="Seed",
        help_text="Of every random step; the same seed gives the same result.",
    )
    title = forms.CharField(
        max_length=200,
        required=False,
        label="Title",
        help_text="As printed on the report; made from model and data where it is left empty.",
    )

    def __init__(self, organisation: Organisation, system: AISystem, **more: Any) -> None:
        super().__init__(**more)
        models = ModelVersion.objects.of(organisation).filter(model__system=system, state=IntakeState.READY)
        data = DatasetVersion.objects.of(organisation).filter(dataset__system=system, state=IntakeState.READY)
        cast(Any, self.fields["model_version"]).queryset = models.select_related("model").order_by(
            "model__name", "-number"
        )
        cast(Any, self.fields["dataset_version"]).queryset = data.select_related("dataset").order_by(
            "dataset__name", "-number"
        )
        baseline = cast(Any, self.fields["baseline"])
        baseline.queryset = (
            Run.objects.of(organisation)
            .filter(system=system)
            .exclude(snapshot_digest="")
            .order_by("-number")
            .only("id", "number", "title")
        )
        baseline.label_from_instance = lambda run: f"{run}: {run.title}"
        cast(Any, self.fields["policy"]).choices = policy_choices(organisation)


class PlanForm(forms.Form):
    """A draft's policy, thoroughness, methods and their parameters."""

    policy = forms.ChoiceField(required=False, label="Policy")
    tier = forms.ChoiceField(
        choices=[(name, title) for name, (title, _about) in TIERS.items()], label="How thorough"
    )
    shown_tier = forms.ChoiceField(
        choices=[(name, title) for name, (title, _about) in TIERS.items()], widget=forms.HiddenInput
    )
    seed = forms.IntegerField(min_value=0, max_value=LARGEST_SEED, label="Seed")
    title = forms.CharField(max_length=200, label="Title")

    def __init__(self, run: Run, data: Any = None) -> None:
        super().__init__(
            data=data,
            initial={
                "policy": str(run.policy_id or ""),
                "tier": run.tier,
                "shown_tier": run.tier,
                "seed": run.seed,
                "title": run.title,
            },
        )
        self._run = run
        choices = policy_choices(run.organisation)
        known = {value for _label, group in choices[1:] for value, _title in group}
        if run.policy is not None and str(run.policy_id) not in known:
            choices.insert(1, ("As it is", [(str(run.policy_id), str(run.policy))]))
        cast(Any, self.fields["policy"]).choices = choices
        if run.baseline_id is not None:
            for name in ("policy", "tier", "shown_tier", "seed"):
                del self.fields[name]

    def methods(self) -> dict[str, MethodParamsForm]:
        """Bound forms of the methods that are ticked, each checked; by method id."""
        tier = cast(Tier, self.cleaned_data.get("shown_tier") or "standard")
        return {
            name: MethodParamsForm(METHODS.get(name), tier, self._run.params.get(name), self.data)
            for name in cast(Any, self.data).getlist("methods")
            if name in set(METHODS)
        }

    def moved(self) -> bool:
        """Whether what was sent differs from the draft's plan as its page shows it."""
        sent = cast(Any, self.data)
        ticked, planned = set(sent.getlist("methods")), self._run.methods
        if not self.is_valid() or self.has_changed():
            return True
        if ticked != {name for name in sent.getlist("offered") if planned is None or name in planned}:
            return True
        return any(not each.is_valid() or each.moved for each in self.methods().values())


class PolicyTextForm(forms.Form):
    """A policy's text, pasted or as a file; the file wins."""

    toml = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 24, "spellcheck": "false", "class": "code"}),
        required=False,
        label="Text (TOML)",
        strip=False,
        max_length=MAXIMUM_BYTES,
    )
    file = forms.FileField(required=False, label="Or a file", help_text="A TOML file of at most 1 MB.")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        file = cleaned.get("file")
        if file is not None:
            if file.size > MAXIMUM_BYTES:
                self.add_error("file", "The file is larger than 1 MB; a policy is a short list of rules.")
                return cleaned
            try:
                cleaned["toml"] = file.read().decode("utf-8-sig")
            except UnicodeDecodeError:
                self.add_error("file", "The file is not UTF-8 text; save the policy as UTF-8.")
                return cleaned
        # browsers send line ends as CRLF; the digest is of the text, not of its way here
        cleaned["toml"] = (cleaned.get("toml") or "").replace("\r\n", "\n")
        if not cleaned["toml"].strip() and not self.errors:
            self.add_error("toml", "Paste the policy's text here, or choose a file.")
        return cleaned
