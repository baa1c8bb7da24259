"""The job kind that makes a report: typeset, seal, countersign, store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from assay.errors import BadInput, Internal
from assay.evidence import dump
from assay.report.authority import open_authority
from assay.report.countersign import DECIDED_SEAL_REASON, SUBMITTED_SEAL_REASON, countersign
from assay.report.document import build_document
from assay.report.html import build_html
from assay.report.pdf import build_pdf
from assay.report.seal import seal
from assay.report.verify import verify
from audits.planning import evidence_of
from jobs.kinds import Advance, DoneShard, FailedShard, Finished, GiveUp, NewShard, ShardContext, ShardResult
from jobs.models import Job
from models_registry import files
from reports.decision import decision_of
from reports.models import Document
from reports.recording import record_failure, record_made

__all__ = ["ReportKind"]


class _Session:
    """Makes one document; typesetting runs in a child of its own."""

    def run(self, spec: Mapping[str, Any], context: ShardContext) -> ShardResult:
        document = Document.unscoped.select_related(
            "organisation", "run__system", "run__subject", "review__requested_by", "review__reviewer"
        ).get(pk=context.job.target_id)
        context.progress(0.05, "reading the evidence")
        evidence = evidence_of(document.run)
        if evidence.snapshot_digest != document.snapshot_digest:
            raise BadInput("The audit's stored result is another one than the report was asked for.")
        now = timezone.now().replace(microsecond=0)
        decision = decision_of(document, now)
        context.progress(0.2, "typesetting")
        model = build_document(evidence, decision=decision)
        pdf = build_pdf(evidence, document=model, attached=dump(evidence), decision=decision)
        if decision.outcome != "draft":
            context.progress(0.7, "sealing")
            authority = open_authority(settings.ENV.home, now=now)
            reason = DECIDED_SEAL_REASON if decision.decided else SUBMITTED_SEAL_REASON
            pdf = seal(pdf, authority, reason=reason, when=now)
            if decision.decided:
                pdf = countersign(pdf, decision, authority, when=now)
            context.progress(0.8, "verifying")
            checked = verify(pdf, authority=authority, now=now)
            if checked.outcome != "intact" or checked.decision != decision:
                # Nothing leaves the service that its readers could not verify.
                raise Internal(f"The report does not verify: {checked.details[0]}")
        context.progress(0.9, "storing")
        html = build_html(evidence, document=model, decision=decision)
        return ShardResult(
            {
                "pdf": files.keep(document.organisation, [pdf]).sha256,
                "html": files.keep(document.organisation, [html.encode("utf-8")]).sha256,
                "trail_head": decision.trail_head,
                "made_at": decision.made_at,
                "facts": {
                    "outcome": decision.outcome,
                    "decided_at": decision.decided_at,
                    "valid_until": decision.valid_until,
                    "conditions": bool(decision.conditions.strip()),
                    "sealed_at": None if decision.outcome == "draft" else decision.made_at,
                },
            }
        )

    def stop(self, why: str) -> None:
        """Typesetting ends by itself within its own limit."""

    def close(self) -> None:
        pass


class ReportKind:
    """Fills in a Document."""

    name = "report"
    title, page = "Report", "reports:document"

    def target_names(self, targets: Sequence[UUID]) -> Mapping[UUID, str]:
        rows = Document.unscoped.filter(pk__in=targets).select_related("run__system")
        light = rows.only("kind", "run__number", "run__system__name")
        return {
            made.pk: f"{made.run} of {made.run.system}: {made.get_kind_display().lower()}" for made in light
        }

    def begin(self, job: Job) -> Sequence[NewShard]:
        return [NewShard({"do": "make"}, weight=2.0)]

    def open(self, job: Job) -> _Session:
        return _Session()

    def advance(
        self, job: Job, stage: int, done: Sequence[DoneShard], failed: Sequence[FailedShard]
    ) -> Advance:
        return GiveUp(failed[0].why) if failed else Finished(dict(done[0].data))

    def on_done(self, job: Job, outcome: Any, incomplete: Sequence[str]) -> None:
        record_made(job, outcome)

    def on_failed(self, job: Job, why: str) -> None:
        record_failure(job, why)

    def on_cancelled(self, job: Job) -> None:
        record_failure(job, "The job was cancelled.")
