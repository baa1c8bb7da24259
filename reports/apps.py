"""The app of reports."""

from django.apps import AppConfig


class ReportsConfig(AppConfig):
    name = "reports"
    verbose_name = "Reports"

    def ready(self) -> None:
        from compliance.signals import review_decided, review_revoked, review_submitted
        from jobs.kinds import register
        from reports.kind import ReportKind
        from reports.services import on_decided, on_revoked, on_submitted

        register(ReportKind())
        review_submitted.connect(on_submitted, dispatch_uid="reports.certify")
        review_decided.connect(on_decided, dispatch_uid="reports.countersign")
        review_revoked.connect(on_revoked, dispatch_uid="reports.revoke")
