"""The registry for operators: to look things up, not to change what is frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from models_registry.models import (
    AISystem,
    Dataset,
    DatasetFile,
    DatasetVersion,
    Model,
    ModelVersion,
    StoredFile,
    Subject,
    Upload,
    VersionFile,
)
from trail.read_only import ReadOnly

if TYPE_CHECKING:
    _Inline = admin.TabularInline[Any, Any]
else:
    _Inline = admin.TabularInline


class ByOrganisation(ReadOnly):
    """Rows that can be narrowed to one organisation."""

    list_filter: ClassVar[Any] = ("organisation",)


class _Lines(_Inline):
    extra = 0
    can_delete = False
    raw_id_fields = ("file",)

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class VersionFiles(_Lines):
    model = VersionFile


class DatasetFiles(_Lines):
    model = DatasetFile


@admin.register(AISystem)
class AISystemAdmin(ByOrganisation):
    list_display = ("name", "number", "organisation", "owner", "risk_class", "archived_at")
    list_select_related = ("organisation", "owner")
    search_fields = ("name", "purpose")


@admin.register(Model)
class ModelAdmin(ByOrganisation):
    list_display = ("name", "system", "organisation", "created_at")
    list_select_related = ("organisation", "system")
    search_fields = ("name",)


@admin.register(Dataset)
class DatasetAdmin(ByOrganisation):
    list_display = ("name", "system", "organisation", "created_at")
    list_select_related = ("organisation", "system")
    search_fields = ("name",)


@admin.register(ModelVersion)
class ModelVersionAdmin(ByOrganisation):
    list_display = ("model", "number", "label", "state", "stage", "format", "created_at")
    list_select_related = ("model",)
    list_filter: ClassVar[Any] = ("state", "stage", "format", "organisation")
    search_fields = ("model__name", "label", "sha256")
    inlines = (VersionFiles,)


@admin.register(DatasetVersion)
class DatasetVersionAdmin(ByOrganisation):
    list_display = ("dataset", "number", "label", "state", "disjoint", "created_at")
    list_select_related = ("dataset",)
    list_filter: ClassVar[Any] = ("state", "organisation")
    search_fields = ("dataset__name", "label", "sha256")
    inlines = (DatasetFiles,)


@admin.register(StoredFile)
class StoredFileAdmin(ByOrganisation):
    list_display = ("sha256", "size", "organisation", "created_at")
    list_select_related = ("organisation",)
    search_fields = ("sha256",)


@admin.register(Upload)
class UploadAdmin(ByOrganisation):
    """`manage.py sweep_uploads` removes those that nobody finished."""

    list_display = ("name", "size", "received", "by", "touched_at", "organisation")
    list_select_related = ("organisation", "by")


@admin.register(Subject)
class SubjectAdmin(ByOrganisation):
    list_display = ("id", "model_version", "dataset_version", "state", "created_at")
    list_select_related = ("model_version__model", "dataset_version__dataset")
    list_filter: ClassVar[Any] = ("state", "organisation")
