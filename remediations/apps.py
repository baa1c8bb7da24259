"""The app of remediations."""

from django.apps import AppConfig


class RemediationsConfig(AppConfig):
    name = "remediations"
    verbose_name = "Remediations"
