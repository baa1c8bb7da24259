"""The app of audits."""

from django.apps import AppConfig


class AuditsConfig(AppConfig):
    name = "audits"
    verbose_name = "Audits"

    def ready(self) -> None:
        from audits.kind import AuditKind
        from audits.services import on_subject_read
        from jobs.kinds import register
        from models_registry.signals import subject_read

        register(AuditKind())
        subject_read.connect(on_subject_read, dispatch_uid="audits.start_waiting_runs")
