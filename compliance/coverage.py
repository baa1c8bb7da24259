"""How far a framework's controls are covered for a system: coverage, never compliance.

The runs that count are the latest measured ones of the deployed version; where none is deployed, of the
version that was audited last.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from django.db.models import Window
from django.db.models.functions import RowNumber

from accounts.models import Organisation
from audits.models import Run, RunMeasure
from compliance.frameworks import MADE_FROM, Control, Framework
from compliance.models import Attestation
from compliance.words import today
from models_registry.models import AISystem, ModelVersion, Stage

__all__ = ["STATES", "ControlCoverage", "Coverage", "cover", "coverage_of", "shown_by"]

State = Literal["measured", "attested", "part", "open", "not_applicable"]
STATES: Mapping[State, tuple[str, str, str]] = {
    "measured": ("pass", "pass", "Measured"),
    "attested": ("pass", "pass", "Attested"),
    "part": ("warn", "warn", "Measured in part"),
    "open": ("none", "open", "Not covered"),
    "not_applicable": ("none", "none", "Not applicable"),
}
"""State -> colour, icon, word."""
_RUNS = 3
"""How many of the latest runs of a version count."""


class Shown(NamedTuple):
    """What a system's latest runs show."""

    runs: tuple[Run, ...]
    tokens: frozenset[str]
    """Ids of what was measured, and `run`, `policy`, `change`."""


class ControlCoverage(NamedTuple):
    control: Control
    state: State
    found: tuple[str, ...]
    lacking: tuple[str, ...]
    attestation: Attestation | None
    """The latest that was not withdrawn; it may have ended."""
    ended: bool

    @property
    def look(self) -> tuple[str, str, str]:
        return STATES[self.state]

    @property
    def found_words(self) -> str:
        return ", ".join(self.found).replace("_", " ")

    @property
    def lacking_words(self) -> str:
        return ", ".join(self.lacking).replace("_", " ")


class Coverage(NamedTuple):
    framework: Framework
    rows: tuple[ControlCoverage, ...]

    @property
    def counts(self) -> dict[State, int]:
        tally = Counter(row.state for row in self.rows)
        return {state: tally[state] for state in STATES}

    @property
    def sentence(self) -> str:
        """Counts in words; a control in doubt is said to be."""
        counts, total = self.counts, len(self.rows)
        words = [f"{counts[state]} {word.lower()}" for state, (_, _, word) in STATES.items() if counts[state]]
        doubt = self.framework.uncertain
        unsure = (
            f" {doubt} of them {'is' if doubt == 1 else 'are'} uncertain in text or state." if doubt else ""
        )
        noun = "control" if total == 1 else "controls"
        return f"Of {total} {noun}: {', '.join(words)}.{unsure}"


_NEVER = ("plan", "params", "methods", "counts")


def shown_by(organisation: Organisation, systems: Iterable[AISystem]) -> dict[object, Shown]:
    """What the latest runs of each system show, in three queries however many systems."""
    keys = [system.pk for system in systems]
    runs = (
        Run.objects.of(organisation)
        .filter(system__in=keys)
        .exclude(snapshot_digest="")
        # thousands of runs stay in the database
        .annotate(
            place=Window(
                RowNumber(),
                partition_by=("system_id", "subject__model_version_id"),
                order_by="-created_at",
            )
        )
        .filter(place__lte=_RUNS)
        .order_by("-created_at")
        .values_list("pk", "system_id", "subject__model_version_id")
    )
    deployed: dict[object, set[object]] = {}
    for version, system in (
        ModelVersion.objects.of(organisation)
        .filter(model__system__in=keys, stage=Stage.DEPLOYED)
        .values_list("pk", "model__system_id")
    ):
        deployed.setdefault(system, set()).add(version)
    chosen: dict[object, list[uuid.UUID]] = {}
    counted: dict[object, object] = {}
    for pk, system, version in runs:
        wanted = deployed.get(system) or {counted.setdefault(system, version)}
        if version in wanted and len(chosen.setdefault(system, [])) < _RUNS:
            chosen[system].append(pk)
    picked = [pk for pks in chosen.values() for pk in pks]
    whole = {run.pk: run for run in Run.objects.of(organisation).filter(pk__in=picked).defer(*_NEVER)}
    measured: dict[object, set[str]] = {}
    for run_pk, measure in (
        RunMeasure.objects.filter(run__in=picked, status="measured")
        .values_list("run_id", "measure")
        .distinct()
    ):
        measured.setdefault(run_pk, set()).add(measure)
    found: dict[object, Shown] = {}
    for key in keys:
        mine = tuple(whole[pk] for pk in chosen.get(key, ()))
        tokens = {token for run in mine for token in measured.get(run.pk, ())}
        tokens |= {"run"} if mine else set()
        tokens |= {"policy"} if any(run.policy_id for run in mine) else set()
        tokens |= {"change"} if any(run.baseline_id for run in mine) else set()
        found[key] = Shown(mine, frozenset(tokens))
    return found


def cover(framework: Framework, shown: Shown, attestations: Sequence[Attestation], now: dt.date) -> Coverage:
    """The state of every control, from what was measured and what people said. No queries."""
    said = {a.control: a for a in sorted(attestations, key=lambda a: a.at) if a.framework == framework.name}
    return Coverage(framework, tuple(_row(c, shown.tokens, said.get(c.id), now) for c in framework.controls))


def _row(control: Control, tokens: frozenset[str], said: Attestation | None, now: dt.date) -> ControlCoverage:
    found = tuple(a for a in control.artefacts if any(t in tokens for t in MADE_FROM.get(a, ())))
    lacking = tuple(a for a in control.artefacts if a not in found)
    ended = said is not None and said.valid_until is not None and said.valid_until < now
    holds = said is not None and not ended
    state: State = "open"
    if control.repealed or (holds and said is not None and not said.applies):
        state = "not_applicable"
    elif control.automation == "automatable" and not lacking:
        state = "measured"
    elif holds:
        state = "attested"
    elif found and control.automation != "human":
        state = "part"
    return ControlCoverage(control, state, found, lacking, said, ended)


def coverage_of(
    organisation: Organisation, systems: Sequence[AISystem], frameworks: Sequence[Framework]
) -> dict[object, tuple[Shown, list[Coverage]]]:
    """Coverage of each system in each framework, with a fixed number of queries."""
    shown = shown_by(organisation, systems)
    said: dict[object, list[Attestation]] = {}
    for attestation in (
        Attestation.objects.of(organisation)
        .filter(system__in=systems, withdrawn_at=None, framework__in=[f.name for f in frameworks])
        .select_related("by")
    ):
        said.setdefault(attestation.system_id, []).append(attestation)
    now = today(organisation)
    return {
        system.pk: (
            shown[system.pk],
            [cover(f, shown[system.pk], said.get(system.pk, []), now) for f in frameworks],
        )
        for system in systems
    }
