"""The app of jobs."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        from accounts.signals import timezone_changed
        from jobs.schedule_services import on_timezone_changed
        from jobs.schedules import tick
        from jobs.ticker import register_tick

        register_tick(tick)
        timezone_changed.connect(on_timezone_changed, dispatch_uid="jobs.retime")
