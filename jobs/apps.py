"""The app of jobs."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        from jobs.schedules import tick
        from jobs.ticker import register_tick

        register_tick(tick)
