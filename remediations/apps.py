"""The app of remediations."""

from django.apps import AppConfig


class RemediationsConfig(AppConfig):
    name = "remediations"
    verbose_name = "Remediations"

    def ready(self) -> None:
        from audits.signals import run_ended
        from jobs.kinds import register
        from remediations.candidates import on_run_ended
        from remediations.kind import RemedyKind

        register(RemedyKind())
        run_ended.connect(on_run_ended, dispatch_uid="remediations.close_the_loop")
