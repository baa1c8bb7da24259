"""The app of audits."""

from django.apps import AppConfig


class AuditsConfig(AppConfig):
    name = "audits"
    verbose_name = "Audits"

    def ready(self) -> None:
        from audits.kind import AuditKind
        from audits.latest import comparable_runs, latest_audits
        from audits.schedule_trigger import AuditTrigger, on_version_changed
        from audits.services import on_subject_read
        from jobs.kinds import register
        from jobs.schedules import register_trigger
        from models_registry.panels import provide_comparable_runs, provide_latest_audits
        from models_registry.signals import subject_read, version_changed

        register(AuditKind())
        provide_latest_audits(latest_audits)
        provide_comparable_runs(comparable_runs)
        subject_read.connect(on_subject_read, dispatch_uid="audits.start_waiting_runs")
        register_trigger("audit", AuditTrigger())
        version_changed.connect(on_version_changed, dispatch_uid="audits.fire_waiting_schedules")
