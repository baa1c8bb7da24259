"""A sample organisation multiplied: 200 systems, 10,000 runs, 2 million measures, and what hangs on them.

Rows that really came about (tests/sample.py) are copied, the many ones inside PostgreSQL. Copies have names,
numbers and digests of their own, so that look-ups by these find one row, as in life.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

__all__ = ["multiply"]

SYSTEMS, RUNS, MEASURES = 200, 10_000, 2_000_000
FINDINGS, REVIEWS, DOCUMENTS, REMEDIES = 500, 500, 1_000, 300
TRAIL, SCHEDULES, FIRINGS, OPENINGS = 20_000, 200, 20, 3_000
BUSY = 500
"""Runs of the sample's own system, whose pages are asked for; the others have about 47 each."""


def multiply(sample: Any) -> dict[str, int]:
    """Make the sample's organisation large; returns how many rows of each kind there are."""
    runs = _runs(sample)
    _measures(sample.run, sample.people.organisation.pk)
    _shards(sample.run.job)
    findings = _findings(sample, runs)
    reviews = _reviews(sample, runs, findings)
    _documents(sample, runs, reviews)
    _remedies(sample, runs)
    _schedules(sample)
    _openings(sample, runs)
    _people(sample)
    _trail(sample, runs)
    with connection.cursor() as cursor:
        for table in ("audits_run", "compliance_review", "reports_document", "remediations_remedyrun"):
            # a year of work, not one second of it
            cursor.execute(
                f"UPDATE {table} SET {_when(table)} = {_when(table)} - number_of * interval '50 minutes'"
                f" FROM (SELECT id AS same, row_number() OVER () AS number_of FROM {table}) AS n"
                " WHERE same = id"
            )
        cursor.execute("VACUUM ANALYZE")
    return _counts()


def _when(table: str) -> str:
    return "requested_at" if table == "compliance_review" else "created_at"


def _copy(row: Any, **changes: Any) -> Any:
    values = {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields if f.attname != "id"}
    return type(row)(**{**values, **changes})


def _add(rows: Sequence[Any]) -> None:
    kind: Any = type(rows[0])
    (kind.unscoped if hasattr(kind, "unscoped") else kind.objects).bulk_create(rows, batch_size=500)


def _hex(digits: int = 64) -> str:
    return (uuid.uuid4().hex * 2)[:digits]


def _runs(sample: Any) -> list[Any]:
    from audits.models import Run
    from models_registry.models import AISystem

    below = ("job", "system", "subject__model_version__model", "subject__dataset_version__dataset")
    run = Run.unscoped.select_related(*below).get(pk=sample.run.pk)
    subject, organisation = run.subject, run.organisation
    made: list[list[Any]] = [[], [], [], [], [], []]
    for number in range(SYSTEMS - AISystem.unscoped.filter(organisation=organisation).count()):
        system = _copy(run.system, number=1_000 + number, name=f"System {number:03}")
        model = _copy(subject.model_version.model, system_id=system.pk)
        version = _copy(subject.model_version, model_id=model.pk, sha256=_hex())
        dataset = _copy(subject.dataset_version.dataset, system_id=system.pk)
        data = _copy(subject.dataset_version, dataset_id=dataset.pk, sha256=_hex())
        both = {"model_version_id": version.pk, "dataset_version_id": data.pk}
        own = _copy(subject, **both, job_id=None, rows_sha256=_hex())
        for rows, row in zip(made, (system, model, version, dataset, data, own), strict=True):
            rows.append(row)
    for rows in made:
        _add(rows)
    there = Run.unscoped.filter(organisation=organisation)
    first = there.order_by("-number").values_list("number", flat=True)[0]
    jobs, runs = [], []
    states = ("done",) * 17 + ("failed", "cancelled", "incomplete")
    for number in range(RUNS - there.count()):
        at = number % len(made[0])
        places = (
            {}
            if number < BUSY
            else {"system_id": made[0][at].pk, "subject_id": made[5][at].pk, "baseline_id": None}
        )
        state = states[number % 20]
        job = _copy(run.job, state=state)
        fresh = _copy(
            run,
            number=first + 1 + number,
            job_id=job.pk,
            state=state,
            snapshot_digest=_hex() if state == "done" else "",
            outcome=run.outcome if state == "done" else "",
            **places,
        )
        job.target_id = fresh.pk
        jobs.append(job)
        runs.append(fresh)
    _add(jobs)
    _add(runs)
    return runs


def _measures(run: Any, organisation: uuid.UUID) -> None:
    """What the template measured, at several settings, under keys of their own."""
    fields = "measure, pillar, slice, over, at, value, low, high, n, unit, status"
    copied = ", ".join(f"m.{field}" for field in fields.split(", "))
    bare = """FROM audits_run r WHERE r.organisation_id = %s AND r.state = 'done' AND NOT EXISTS
        (SELECT 1 FROM audits_runmeasure o WHERE o.run_id = r.id)"""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) {bare}", [organisation])
        each = -(-MEASURES // cursor.fetchone()[0])
        cursor.execute(
            f"""INSERT INTO audits_runmeasure (run_id, key, {fields})
            SELECT r.id, substr(m.key, 1, 60) || lpad(m.copy::text, 4, '0'), {copied}
            FROM (SELECT r.id {bare}) AS r CROSS JOIN (
              SELECT t.*, c.copy FROM generate_series(1, %s) AS c(copy)
              CROSS JOIN (SELECT * FROM audits_runmeasure WHERE run_id = %s) AS t
              ORDER BY c.copy, t.id LIMIT %s) AS m""",
            [organisation, each, run.pk, each],
        )
        cursor.execute(
            """INSERT INTO audits_runverdict (run_id, place, rule, pillar, outcome, content)
            SELECT r.id, v.place, v.rule, v.pillar, v.outcome, v.content FROM audits_run r
            CROSS JOIN (SELECT * FROM audits_runverdict WHERE run_id = %s) AS v
            WHERE r.organisation_id = %s AND r.state = 'done' AND NOT EXISTS
              (SELECT 1 FROM audits_runverdict o WHERE o.run_id = r.id)""",
            [run.pk, organisation],
        )


def _shards(job: Any) -> None:
    """Shards and history of every copied job."""
    from jobs.models import Event, Shard

    def columns(kind: Any, *own: str) -> str:
        return ", ".join(
            f'"{f.column}"' for f in kind._meta.concrete_fields if f.column not in ("id", "job_id", *own)
        )

    shard, event = columns(Shard), columns(Event, "shard_id")
    bare = "SELECT 1 FROM jobs_shard o WHERE o.job_id = j.id"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO jobs_shard (job_id, {shard}) SELECT j.id, {_of("s", shard)} FROM jobs_job j
            CROSS JOIN (SELECT * FROM jobs_shard WHERE job_id = %s) AS s
            WHERE j.kind = 'audit' AND j.id <> %s AND NOT EXISTS ({bare})""",
            [job.pk, job.pk],
        )
        place = "fresh.stage = s.stage AND fresh.purpose = s.purpose AND fresh.index = s.index"
        cursor.execute(
            f"""INSERT INTO jobs_event (job_id, shard_id, {event}) SELECT j.id, fresh.id, {_of("e", event)}
            FROM jobs_job j CROSS JOIN (SELECT * FROM jobs_event WHERE job_id = %s) AS e
            LEFT JOIN jobs_shard s ON s.id = e.shard_id
            LEFT JOIN jobs_shard fresh ON fresh.job_id = j.id AND fresh.round = s.round AND {place}
            WHERE j.kind = 'audit' AND NOT EXISTS (SELECT 1 FROM jobs_event o WHERE o.job_id = j.id)""",
            [job.pk],
        )


def _of(alias: str, columns: str) -> str:
    return ", ".join(f"{alias}.{column}" for column in columns.split(", "))


def _findings(sample: Any, runs: Sequence[Any]) -> list[Any]:
    """Each seen by ten runs of its system."""
    from audits.models import FindingRun

    template = sample.rows["finding"]
    seen = FindingRun.objects.filter(finding=template).first()
    states = ("open", "open", "accepted", "mended")
    by_system: dict[Any, list[Any]] = {}
    for run in runs:
        by_system.setdefault(run.system_id, []).append(run)
    systems = list(by_system)
    made, sightings = [], []
    for number in range(FINDINGS):
        system = systems[number % len(systems)]
        changes = {"number": 10_000 + number, "system_id": system, "key": _hex(), "state": states[number % 4]}
        finding = _copy(template, **changes)
        made.append(finding)
        sightings += [_copy(seen, finding_id=finding.pk, run_id=run.pk) for run in by_system[system][:10]]
    _add(made)
    FindingRun.objects.bulk_create(sightings, batch_size=500)
    return made


def _reviews(sample: Any, runs: Sequence[Any], findings: Sequence[Any]) -> list[Any]:
    from compliance.models import Attestation, Reply, StageChange

    approved, by = sample.rows["approved"], sample.people.engineer
    undecided = {"reviewer_id": None, "taken_at": None, "decided_at": None, "valid_until": None}
    states = ("approved",) * 5 + ("rejected", "changes", "withdrawn", "submitted", "in_review")
    done = [run for run in runs if run.state == "done"]
    made = []
    for number in range(REVIEWS):
        state, run = states[number % 10], done[number * len(done) // REVIEWS]
        changes = {"number": 10_000 + number, "run_id": run.pk, "snapshot_digest": run.snapshot_digest}
        made.append(_copy(approved, **changes, state=state, **(undecided if state == "submitted" else {})))
    _add(made)
    organisation = sample.people.organisation
    _add(
        [
            Reply(
                organisation=organisation,
                finding_id=finding.pk,
                run_id=runs[0].pk,
                text="The limit is being raised.",
                by=by,
            )
            for finding in findings
        ]
    )
    change, attested = StageChange.unscoped.first(), Attestation.unscoped.first()
    _add([_copy(change) for _ in range(200)])
    systems = sorted({run.system_id for run in runs}, key=str)
    _add([_copy(attested, system_id=system) for system in systems for _ in range(2)])
    return made


def _documents(sample: Any, runs: Sequence[Any], reviews: Sequence[Any]) -> None:
    report = sample.rows["report"]

    def edition(run: Any, digest: str, review: Any, kind: str) -> Any:
        changes = {"run_id": run, "review_id": review, "kind": kind, "snapshot_digest": digest}
        return _copy(report, **changes, job_id=None, verification_code=_hex(24), superseded_by_id=None)

    made = [edition(r.run_id, r.snapshot_digest, r.pk, "certified") for r in reviews]
    drafts = (run for run in runs if run.state == "done")
    made += [
        edition(run.pk, run.snapshot_digest, None, "draft")
        for run, _ in zip(drafts, range(DOCUMENTS - len(made)), strict=False)
    ]
    _add(made)


def _remedies(sample: Any, runs: Sequence[Any]) -> None:
    done = [run for run in runs if run.state == "done"][:REMEDIES]
    template = sample.rows["remedy"]
    _add(
        [
            _copy(template, number=10_000 + number, baseline_id=run.pk, run_id=run.pk, job_id=None)
            for number, run in enumerate(done)
        ]
    )


def _schedules(sample: Any) -> None:
    from jobs.models import Firing

    template = sample.rows["schedule"]
    later = timezone.now() + timedelta(days=1)
    made = [_copy(template, name=f"Schedule {number}", next_at=later) for number in range(SCHEDULES)]
    _add(made)
    Firing.objects.bulk_create(
        [
            Firing(schedule=schedule, fire_at=later - timedelta(days=day + 1), made_id=sample.run.pk)
            for schedule in [template, *made]
            for day in range(FIRINGS)
            if schedule is not template or day > 5
        ],
        batch_size=500,
        ignore_conflicts=True,
    )


def _openings(sample: Any, runs: Sequence[Any]) -> None:
    from audits.models import Opening

    template = Opening.unscoped.filter(run__isnull=False).first()
    done = [run for run in runs if run.state == "done"][:OPENINGS]
    _add([_copy(template, run_id=run.pk, rows_sha256=_hex(), model_sha256=_hex()) for run in done])


def _people(sample: Any) -> None:
    """50 members, 30 policies, 2,000 files."""
    from accounts.models import Membership, User
    from models_registry.models import StoredFile

    organisation = sample.people.organisation
    users = [User(email=f"member{n}@example.org", name=f"Member {n}", password="!") for n in range(50)]
    User.objects.bulk_create(users)
    _add([Membership(organisation=organisation, user=user, role="engineer") for user in users])
    policy = sample.rows["policy"]
    version = policy.versions.first()
    policies = [_copy(policy, name=f"Policy {n}") for n in range(30)]
    _add(policies)
    _add([_copy(version, policy_id=each.pk, number=n + 1) for each in policies for n in range(4)])
    _add([StoredFile(organisation=organisation, sha256=_hex(), size=1_000_000) for _ in range(2_000)])


def _trail(sample: Any, runs: Sequence[Any]) -> None:
    """Entries that really follow from each other."""
    from trail.models import TrailEntry, TrailHead

    organisation = sample.people.organisation.pk
    head = TrailHead.objects.get(organisation_id=organisation)
    made = []
    for entry in _entries(sample, runs, TRAIL - head.sequence):
        head.sequence += 1
        entry.sequence, entry.previous = head.sequence, head.hash
        head.hash = entry.hash = _entry_hash(entry)
        made.append(entry)
    TrailEntry.objects.bulk_create(made, batch_size=1_000)
    head.save()


def _entry_hash(entry: Any) -> str:
    from trail.services import entry_hash

    return entry_hash(entry)


def _entries(sample: Any, runs: Sequence[Any], count: int) -> Iterator[Any]:
    from trail.models import TrailEntry

    now = timezone.now().replace(microsecond=0)
    people = [sample.people.owner.pk, sample.people.engineer.pk, sample.people.reviewer.pk, None]
    actions = ("run.drafted", "run.started", "run.ended", "review.submitted")
    for number in range(count):
        run = runs[number % len(runs)]
        yield TrailEntry(
            organisation_id=sample.people.organisation.pk,
            at=now,
            actor_id=people[number % 4],
            action=actions[number % 4],
            target_kind="run",
            target_id=run.pk,
            facts={"number": run.number, "snapshot_digest": run.snapshot_digest},
        )


def _counts() -> dict[str, int]:
    from django.apps import apps

    ours = "trail accounts jobs models_registry audits remediations compliance reports".split()  # noqa: SIM905
    return {
        kind._meta.db_table: getattr(kind, "unscoped", kind.objects).count()
        for app in ours
        for kind in apps.get_app_config(app).get_models()
    }
