"""The app of the registry."""

from django.apps import AppConfig


class ModelsRegistryConfig(AppConfig):
    name = "models_registry"
    verbose_name = "Registry"

    def ready(self) -> None:
        from jobs.kinds import register
        from models_registry.hub_kind import HubImport
        from models_registry.intake import DatasetIntake, ModelIntake
        from models_registry.subject_kind import SubjectKind

        register(SubjectKind())
        register(ModelIntake())
        register(DatasetIntake())
        register(HubImport())
