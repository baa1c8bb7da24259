"""The app of compliance."""

from importlib import import_module
from importlib.util import find_spec

from django.apps import AppConfig


class ComplianceConfig(AppConfig):
    name = "compliance"
    verbose_name = "Compliance"

    def ready(self) -> None:
        from audits.signals import policy_changed
        from compliance.staleness import on_policy_changed, on_version_changed, sweep
        from models_registry.signals import version_changed

        policy_changed.connect(on_policy_changed, dispatch_uid="compliance.policy_changed")
        version_changed.connect(on_version_changed, dispatch_uid="compliance.version_changed")
        if find_spec("jobs.ticker") is not None:
            import_module("jobs.ticker").register_tick(sweep)
