"""The whole loop through the service's own services and jobs, on bundled real data.

A team registers a system, its data and a small network; the first audit finds what it finds; the engineer
answers the findings and repairs the network; the repaired one is audited by the same plan by itself and
submitted for review. The decision is left to whoever signs in as the reviewer.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from accounts.models import Membership, Organisation, Role, User
from accounts.services import add_member, create_organisation, first_administrator
from assay.contracts import Evidence
from assay.demo.folds import Fold, repaired
from assay.demo.tables import Columns, adult_columns, diabetes_columns, write_table
from assay.errors import AssayError
from assay.evidence import dump
from assay.output import write_all
from audits.models import Run
from audits.planning import evidence_of
from audits.policies import adopt_pack
from audits.services import draft_run
from compliance.models import Review
from compliance.services import reply, submit_review
from jobs.worker import Slot
from models_registry import files
from models_registry.description import DataDescription
from models_registry.models import AISystem, DatasetVersion, Model, ModelVersion
from models_registry.services import (
    add_dataset_version,
    add_model_version,
    create_dataset,
    create_model,
    create_system,
)
from remediations.models import RemedyRun
from remediations.services import start_remedy
from reports.models import Document

__all__ = ["Shown", "Study", "run_demo", "studies"]

_ORGANISATION = "Demo clinic"
_SEED = 0


@dataclass(frozen=True)
class Study:
    """What the demo audits."""

    system: str
    purpose: str
    affected: str
    hazards: str
    columns: Callable[[Path | None], Columns]
    description: DataDescription
    origin: str
    policy: str
    train: dict[str, Any]
    repair: dict[str, Any]


def studies() -> dict[str, Study]:
    """The data that can be audited: bundled, or UCI Adult from a file."""
    return {
        "diabetes": Study(
            system="Diabetes progression",
            purpose="Picks patients whose disease is likely to progress for a closer look by a physician.",
            affected="Patients in ambulatory care.",
            hazards="A patient in need is not called; more often in one group than in another.",
            columns=lambda _file: diabetes_columns(),
            description=DataDescription(
                label="progression",
                favourable="high",
                sensitive=("sex", "age"),
                bins={"age": (50.0,)},
            ),
            origin="Efron, Hastie, Johnstone and Tibshirani 2004, Least Angle Regression: 442 patients.",
            policy="health-triage",
            train={
                "sizes": {"hidden": [16]},
                "use_sensitive": True,
                "epochs": 80,
                "batch_rows": 32,
                "learning_rate": 0.005,
                "patience": 10,
            },
            # The training's own settings: nothing here was chosen by looking at sealed rows.
            repair={
                "epochs": 80,
                "batch_rows": 32,
                "learning_rate": 0.005,
                "patience": 10,
                "reweigh": ["sex", "age"],
            },
        ),
        "adult": Study(
            system="Income over 50K",
            purpose="Shortlists applicants by expected income.",
            affected="Applicants.",
            hazards="Qualified applicants are passed over; more often in one group than in another.",
            columns=adult_columns,
            description=DataDescription(label="income", favourable=">50K", sensitive=("sex", "race")),
            origin="UCI Adult (Becker and Kohavi 1996), from the United States census of 1994.",
            policy="hiring",
            train={"sizes": {"hidden": [64, 32]}, "use_sensitive": True, "epochs": 12},
            repair={"epochs": 8, "reweigh": ["sex"]},
        ),
    }


@dataclass(frozen=True)
class Shown:
    """What the demo leaves behind."""

    organisation: Organisation
    before: Evidence
    after: Evidence
    review: Review
    passwords: dict[str, str]
    """Address -> password of the people that were made now; empty when the demo ran here before."""


def run_demo(study: Study, file: Path | None, out: Path, say: Callable[[str], None]) -> Shown:
    """Take the loop, write report.pdf and evidence.json of the repaired version to `out`.

    Raises:
        AssayError: a job failed; says why.
    """
    people, passwords = _people()
    organisation, engineer = people["organisation"], people["engineer"]
    system = _system(organisation, study, engineer)
    with tempfile.TemporaryDirectory(prefix="assay-demo-") as name:
        fold = _split(study.columns(file), study.description.label or "", Path(name))
        say(f"1. Training a small network on {fold.folder.name} rows (the team does this before it comes)")
        made = repaired([fold], "training.from_scratch", study.train, _asked(study), "model", lambda _: None)
        say("2. Registering system, model and data; both are read in the sandboxed child")
        model, data = _register(system, study, fold, made[0], engineer)
    worker = _Worker(say)
    worker.until_idle()
    say("3. Auditing: the plan is fixed and hashed before anything is measured")
    policy = adopt_pack(organisation, study.policy, engineer)
    before = draft_run(model, data, by=engineer, policy=policy, tier="quick", start_when_ready=True)
    worker.until_idle()
    before = _measured(before)
    groups = " and ".join(study.repair["reweigh"])
    say(f"4. Repairing: fine-tuning, groups of {groups} reweighed; then the same plan again, by itself")
    remedy = start_remedy(before, "training.fine_tune", study.repair, _SEED, by=engineer)
    worker.until_idle()
    remedy = RemedyRun.unscoped.get(pk=remedy.pk)
    if remedy.run is None:
        raise AssayError(f"The repair ended as {remedy.state}. {remedy.reason}")
    after = _measured(remedy.run)
    say("5. Answering the findings and submitting for review; the report is certified")
    for run in (before, after):
        for finding in run.findings.all():
            reply(finding, run, "Known; the reweighed version is the first answer to it.", by=people["owner"])
    review = submit_review(after, engineer, "Please decide whether this version may be used.")
    worker.until_idle()
    worker.close()
    evidence = evidence_of(after)
    _write(out, after, evidence)
    return Shown(organisation, evidence_of(before), evidence, review, passwords)


class _Worker:
    """Works the queue off in this process, as any worker would, and says what it does."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._slot = Slot(["cpu"])
        self._say = say

    def until_idle(self) -> None:
        while self._slot.work(limit=1):
            pass

    def close(self) -> None:
        self._slot.close()


def _people() -> tuple[dict[str, Any], dict[str, str]]:
    """The demo's organisation with an owner, an engineer and a reviewer; passwords where made now."""
    known = Organisation.objects.filter(name=_ORGANISATION).first()
    if known is not None:
        roles = {m.role: m.user for m in Membership.objects.of(known).select_related("user")}
        return {"organisation": known, **{str(role): user for role, user in roles.items()}}, {}
    passwords: dict[str, str] = {}
    administrator = first_administrator()
    if administrator is not None:
        passwords[administrator[0].email] = administrator[1]

    def person(role: str) -> User:
        password = secrets.token_urlsafe(9)
        user = User.objects.create_user(f"{role}@demo.local", password, name=f"Demo {role}")
        passwords[user.email] = password
        return user

    owner = person("owner")
    organisation = create_organisation(_ORGANISATION, owner)
    found: dict[str, Any] = {"organisation": organisation, "owner": owner}
    for role in (Role.ENGINEER, Role.REVIEWER):
        found[str(role)] = person(str(role))
        add_member(organisation, found[str(role)], role, by=owner)
    return found, passwords


def _system(organisation: Organisation, study: Study, engineer: User) -> AISystem:
    """A system of the study's name; numbered where the demo ran before."""
    taken = AISystem.objects.of(organisation).filter(name__startswith=study.system).count()
    return create_system(
        organisation,
        f"{study.system} {taken + 1}" if taken else study.system,
        by=engineer,
        purpose=study.purpose,
        affected_people=study.affected,
        hazards=study.hazards,
        risk_class="high",
    )


def _split(columns: Columns, label: str, folder: Path) -> Fold:
    """Half of the rows sealed, a tenth for tuning, the rest for training; balanced by label."""
    from sklearn.model_selection import train_test_split

    target = np.asarray(columns[label])
    rest, sealed = train_test_split(
        np.arange(len(target)), test_size=0.5, random_state=_SEED, stratify=target
    )
    training, tuning = train_test_split(rest, test_size=0.2, random_state=_SEED, stratify=target[rest])
    fold = Fold(folder / f"{len(training):,}", sealed)
    fold.folder.mkdir(parents=True)
    for path, rows in (
        (fold.training_file, training),
        (fold.tuning_file, tuning),
        (fold.sealed_file, sealed),
    ):
        write_table({name: np.asarray(values)[rows] for name, values in columns.items()}, path)
    return fold


def _asked(study: Study) -> dict[str, Any]:
    said = study.description
    return {
        "label": said.label,
        "favourable": said.favourable,
        "sensitive": said.sensitive,
        "bins": said.bins,
    }


def _register(
    system: AISystem, study: Study, fold: Fold, folder: Path, engineer: User
) -> tuple[ModelVersion, DatasetVersion]:
    organisation = system.organisation

    def kept(path: Path) -> Any:
        return files.keep(organisation, [path.read_bytes()])

    model: Model = create_model(system, "network", by=engineer, description="A small network.")
    version = add_model_version(
        model, {path.name: kept(path) for path in sorted(folder.iterdir())}, by=engineer, label="1.0"
    )
    dataset = create_dataset(system, "study", by=engineer)
    data = add_dataset_version(
        dataset,
        {
            "test": ("sealed.csv", kept(fold.sealed_file)),
            "training": ("training.csv", kept(fold.training_file)),
            "tuning": ("tuning.csv", kept(fold.tuning_file)),
        },
        study.description,
        by=engineer,
        origin=study.origin,
        licence="public",
        disjoint=True,
    )
    return version, data


def _measured(run: Run) -> Run:
    found = Run.unscoped.get(pk=run.pk)
    if not found.snapshot_digest:
        raise AssayError(f"{found} ended as {found.state}. {found.reason}")
    return found


def _write(out: Path, run: Run, evidence: Evidence) -> None:
    """report.pdf (the certified edition), report.html and evidence.json."""
    document = (
        Document.objects.of(run.organisation_id).filter(run=run, kind="certified", state="ready").first()
    )
    if document is None:
        raise AssayError("The report was not made; the page Reports says why.")
    if out.exists() and not out.is_dir():
        shutil.rmtree(out, ignore_errors=True)
    write_all(
        out,
        {
            "report.pdf": files.read(run.organisation_id, document.pdf),
            "report.html": files.read(run.organisation_id, document.html),
            "evidence.json": dump(evidence),
        },
    )
